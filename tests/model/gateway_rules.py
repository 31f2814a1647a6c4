"""The model's gateway: its window, what it pushes, and what an event does to it and its client.

Called by `transitions.py`. The same rules as gateways/courier.py and gateways/venue_link.py for
one session and without the bound of a window; a test walks both side by side.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tests.model.state import (
    Broken,
    Client,
    Copy,
    CopyKind,
    Engine,
    Fault,
    Gateway,
    Note,
    NoteKind,
    Phase,
    Rules,
    Window,
)


class Turn(NamedTuple):
    """What a gateway did with one event."""

    gateway: Gateway
    client: Client
    pushed: Sequence[Copy] = ()


def order(window: Window, index: int, item: int) -> Copy:
    """The copy of the window's command at `index`."""
    return Copy(CopyKind.ORDER, window.epoch, window.acknowledged + 1 + index, item)


def login(nonce: int, number: int) -> Copy:
    """A login through gateway `number`."""
    return Copy(CopyKind.LOGIN, nonce=nonce, gateway=number)


def is_orphan(window: Window) -> bool:
    """Nobody listens and everything is decided: it is to be logged out."""
    return not window.is_listened_to and not window.in_flight


def all_again(
    rules: Rules, gateway: Gateway, number: int, *, is_new_leader: bool
) -> tuple[Gateway, list[Copy]]:
    """A new leader, or a timer: whatever is undecided is pushed once more, in order."""
    pushed: list[Copy] = []
    window = gateway.window
    if window is not None:
        if is_new_leader or window.in_flight:
            window = window._replace(episode=0)
        if is_new_leader and rules.fault is Fault.FORGET_WINDOW:
            window = window._replace(in_flight=())
        if rules.fault is Fault.RENUMBER_ON_RESEND and window.in_flight:
            window = window._replace(acknowledged=window.acknowledged + len(window.in_flight))
        if is_orphan(window):
            pushed.append(Copy(CopyKind.LOGOUT, window.epoch))
        pushed += [order(window, index, item) for index, item in enumerate(window.in_flight)]
        gateway = gateway._replace(window=window)
    if gateway.pending:
        pushed.append(login(gateway.pending, number))
    return gateway, pushed


def leave(gateway: Gateway) -> tuple[Gateway, list[Copy]]:
    """The connection is gone: what it sent is seen through, then the session is logged out."""
    window = gateway.window
    assert window is not None
    window = window._replace(is_listened_to=False)
    pushed = [Copy(CopyKind.LOGOUT, window.epoch)] if is_orphan(window) else []
    return gateway._replace(window=window), pushed


def dispatch(
    rules: Rules, number: int, gateway: Gateway, client: Client, engine: Engine, note: Note
) -> Turn:
    """One event, in the order of the log. `engine` is looked at by the checks alone."""
    if note.kind == NoteKind.LOGGED_IN:
        return _logged_in(rules, number, gateway, client, note)
    window = gateway.window
    if window is None:
        return Turn(gateway, client)
    pushed: list[Copy] = []
    if note.epoch == window.epoch:
        if note.kind == NoteKind.LOGGED_OUT:
            return _void(gateway, client)
        if note.kind == NoteKind.RESEND:
            gateway, pushed = _resend_from(gateway, window, note.seq)
        elif note.seq > window.acknowledged:
            gateway, pushed = _acknowledge(gateway, window, note.seq, engine)
    if note.kind == NoteKind.STREAM and window.is_listened_to and client.nonce == window.nonce:
        client = deliver(client, note)
    return Turn(gateway, client, pushed)


def _logged_in(rules: Rules, number: int, gateway: Gateway, client: Client, note: Note) -> Turn:
    window = gateway.window
    if window is not None:
        if window.nonce == note.nonce and window.epoch == note.epoch:
            return Turn(gateway, client)
        is_own = gateway.pending == note.nonce or note.gateway == number
        if rules.fault is Fault.KEEP_OLD_WINDOW and not is_own:
            return Turn(gateway, client)
        gateway, client, _ = _void(gateway, client)
    is_pending = gateway.pending == note.nonce
    if is_pending:
        gateway = gateway._replace(pending=0)
    elif note.gateway != number:
        return Turn(gateway, client)
    gateway = gateway._replace(window=Window(note.epoch, note.nonce, is_listened_to=is_pending))
    if not is_pending:
        gateway, pushed = leave(gateway)
        return Turn(gateway, client, pushed)
    if client.phase == Phase.LOGIN and client.nonce == note.nonce:
        if len(client.seen) > note.out_seq:
            raise Broken("stream", "the client has read more than the log says")
        seen = client.seen
        if rules.fault is Fault.STREAM_FROM_LOGIN:
            seen = (*seen, *(0,) * (note.out_seq - len(seen)))
        is_live = len(seen) == note.out_seq
        client = client._replace(
            phase=Phase.LIVE if is_live else Phase.REPLAYING,
            held=0 if is_live else note.out_seq,
            seen=seen,
        )
    return Turn(gateway, client)


def _void(gateway: Gateway, client: Client) -> Turn:
    """The log has ended this login: whoever is connected by it is told by the closing."""
    window = gateway.window
    assert window is not None
    if window.is_listened_to and client.nonce == window.nonce and client.phase > Phase.LOGIN:
        client = disconnected(client)
    return Turn(gateway._replace(window=None), client)


def disconnected(client: Client) -> Client:
    """The connection is gone; what was read and what was written stay known."""
    return Client(seen=client.seen)


def deliver(client: Client, note: Note) -> Client:
    """One message of the stream reaches the client."""
    if client.phase == Phase.REPLAYING:
        return client._replace(held=max(client.held, note.out_seq))
    if client.phase != Phase.LIVE or note.out_seq <= len(client.seen):
        return client
    if note.out_seq > len(client.seen) + 1:
        raise Broken("stream", f"number {len(client.seen) + 1} is missing before {note.out_seq}")
    return client._replace(seen=(*client.seen, note.item))


def _acknowledge(
    gateway: Gateway, window: Window, seq: int, engine: Engine
) -> tuple[Gateway, list[Copy]]:
    """Everything up to `seq` is decided: let go of it."""
    count = seq - window.acknowledged
    if count > len(window.in_flight):
        raise Broken("order", f"client_seq {seq} was decided and never sent")
    if window.epoch == engine.epoch:
        for item in window.in_flight[:count]:
            if not engine.decided >> item & 1:
                raise Broken("acknowledged", f"item {item} was let go of and is not in the log")
    window = window._replace(acknowledged=seq, in_flight=window.in_flight[count:])
    pushed = [Copy(CopyKind.LOGOUT, window.epoch)] if is_orphan(window) else []
    return gateway._replace(window=window), pushed


def _resend_from(gateway: Gateway, window: Window, expected: int) -> tuple[Gateway, list[Copy]]:
    """The engine waits for `expected`; once for each."""
    if expected == window.episode:
        return gateway, []
    skip = expected - window.acknowledged - 1
    pushed = [
        order(window, index, item) for index, item in enumerate(window.in_flight) if index >= skip
    ]
    return gateway._replace(window=window._replace(episode=expected)), pushed
