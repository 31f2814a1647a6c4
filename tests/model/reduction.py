"""The model made smaller without making it say less: what only waits is taken at once.

Called by every step. Sound because each thing removed changes nothing for anybody, now or later; a
test compares what is reachable with and without it. Not used when a fault is built in: the
arguments beside the functions are about the right rules.
"""

from tests.model.state import (
    CopyKind,
    Engine,
    Gateway,
    Led,
    Note,
    NoteKind,
    Pipe,
    Rules,
    State,
    all_copies,
    haunted,
    is_decided,
)


def is_reduced(rules: Rules) -> bool:
    """Whether these rules allow it."""
    return rules.is_reduced and rules.fault is None


def is_over(rules: Rules, state: State) -> bool:
    """The client has everything, and nothing that could still have an effect exists."""
    client = state.client
    return (
        is_reduced(rules)
        and is_decided(rules, client)
        and client.seen == state.engine.stream
        and all(copy.kind != CopyKind.ORDER for copy in all_copies(state))
        and all(
            gateway.window is None or not gateway.window.in_flight for gateway in state.gateways
        )
    )


def settled(rules: Rules, state: State) -> State:
    """The state without what only waits."""
    if not is_reduced(rules):
        return state
    client, engine, (first, second), (from_first, from_second), ghosts, budget = state
    if ghosts:
        ghosts = haunted(*[_live(engine, ghost) for ghost in ghosts])
    return State(
        client,
        engine,
        (_awake(state, first, 1), _awake(state, second, 2)),
        (_live(engine, from_first), _live(engine, from_second)),
        ghosts,
        budget,
    )


def _live(engine: Engine, pipe: Pipe) -> Pipe:
    """Without commands that are over: of another epoch, or decided. The answer to a repeat stands
    in every inbox behind the first outcome, which has freed the window already.
    """
    if not pipe:
        return pipe
    epoch = engine.epoch if engine.is_logged_in else -1
    seq = engine.client_seq
    return tuple(
        [
            copy
            for copy in pipe
            if copy.kind == CopyKind.LOGIN
            or (copy.epoch == epoch and (copy.kind == CopyKind.LOGOUT or copy.seq > seq))
        ]
    )


def _awake(state: State, gateway: Gateway, number: int) -> Gateway:
    """Without events that it would pass over, and without a window that is over for everybody."""
    window = gateway.window
    if window is not None and _is_over_for_all(state, window.epoch, window.nonce):
        gateway = gateway._replace(window=None)
    inbox = gateway.inbox
    count = 0
    while count < len(inbox) and _is_passed_over(state, gateway, number, inbox[count]):
        count += 1
    if count:
        gateway = gateway._replace(inbox=inbox[count:])
    if gateway.led == Led.BLIND and gateway.window is None and not gateway.pending:
        gateway = gateway._replace(led=Led.KNOWS)
    return gateway


def _is_over_for_all(state: State, epoch: int, nonce: int) -> bool:
    """The log has ended this login and the client is not at it: what is pushed is void, and what
    is told reaches nobody.
    """
    return epoch != state.engine.epoch and nonce != state.client.nonce


def _is_passed_over(state: State, gateway: Gateway, number: int, note: Note) -> bool:
    window = gateway.window
    if note.kind == NoteKind.LOGGED_IN:
        if window is not None:
            return window.nonce == note.nonce and window.epoch == note.epoch
        is_own = note.gateway == number and not _is_over_for_all(state, note.epoch, note.nonce)
        return note.nonce != gateway.pending and not is_own
    if window is None:
        return True
    if note.epoch != window.epoch:
        return note.kind != NoteKind.STREAM or not window.is_listened_to
    return note.kind == NoteKind.IGNORED and note.seq <= window.acknowledged
