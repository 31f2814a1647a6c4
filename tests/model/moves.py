"""The model's moves that several steps share: pushing, committing, publishing, logging out.

Called by `transitions.py` and `faults.py`.
"""

from collections.abc import Callable, Sequence
from typing import ParamSpec

from tests.model.gateway_rules import all_again, dispatch, leave
from tests.model.log_rules import apply, log_out
from tests.model.reduction import settled
from tests.model.state import (
    Broken,
    Copy,
    Engine,
    Gateway,
    Label,
    Led,
    Note,
    NoteKind,
    Phase,
    Rules,
    State,
    Step,
    all_copies,
    with_gateway,
)

_P = ParamSpec("_P")


def step(label: Label, move: Callable[_P, State], *args: _P.args, **kwargs: _P.kwargs) -> Step:
    """A labelled move. Raises: Broken, with the label."""
    try:
        return label, move(*args, **kwargs)
    except Broken as broken:
        broken.label = label
        raise


def push(state: State, number: int, copies: Sequence[Copy]) -> State:
    """A gateway pushes to whom it takes for the leader."""
    if not copies or state.gateways[number - 1].led == Led.BLIND:
        return state
    first, second = state.pipes
    pipes = ((*first, *copies), second) if number == 1 else (first, (*second, *copies))
    return state._replace(pipes=pipes)


def _smallest_free(used: set[int]) -> int:
    number = 1
    while number in used:
        number += 1
    return number


def free_epoch(state: State) -> int:
    """An epoch that nothing in the state names."""
    used = {state.engine.epoch, *(copy.epoch for copy in all_copies(state))}
    for gateway in state.gateways:
        used.update(note.epoch for note in gateway.inbox)
        if gateway.window is not None:
            used.add(gateway.window.epoch)
    return _smallest_free(used)


def free_nonce(state: State) -> int:
    """A nonce that nothing in the state names."""
    used = {state.engine.nonce, state.client.nonce, *(copy.nonce for copy in all_copies(state))}
    for gateway in state.gateways:
        used.add(gateway.pending)
        used.update(note.nonce for note in gateway.inbox)
        if gateway.window is not None:
            used.add(gateway.window.nonce)
    return _smallest_free(used)


def commit(rules: Rules, state: State, copy: Copy) -> State:
    """The leader's next command is committed, applied and published."""
    engine, note = apply(rules, state.engine, copy, free_epoch(state))
    _check_connection(state, engine, copy, note)
    return publish(rules, state._replace(engine=engine), note)


def _check_connection(state: State, engine: Engine, copy: Copy, note: Note | None) -> None:
    """The promises to a client whose login is the session's current one."""
    client = state.client
    if client.phase <= Phase.LOGIN or client.nonce != state.engine.nonce:
        return
    is_taken_over = engine.epoch != state.engine.epoch
    if is_taken_over and not copy.is_fresh:
        raise Broken("undisturbed", "a login given up long ago ended the one in use")
    if note is not None and note.kind == NoteKind.STREAM and note.item > client.cursor:
        raise Broken("submit", f"item {note.item} was not submitted on this connection")


def publish(rules: Rules, state: State, note: Note | None) -> State:
    """An event goes to both gateways; each takes it in its own time, in order."""
    if note is not None:
        first, second = state.gateways
        state = state._replace(gateways=(_told(first, note), _told(second, note)))
    return settled(rules, state)


def _told(gateway: Gateway, note: Note) -> Gateway:
    led, pending, window, inbox = gateway
    return Gateway(led, pending, window, (*inbox, note))


def lose_gateway(rules: Rules, state: State) -> State:
    """The leader declares the gateway of the session's login lost."""
    engine, note = log_out(state.engine)
    return publish(rules, state._replace(engine=engine), note)


def take_in(rules: Rules, state: State, number: int, index: int) -> State:
    """The gateway takes in the event at `index` of its inbox."""
    gateway = state.gateways[number - 1]
    inbox = gateway.inbox
    gateway = gateway._replace(inbox=inbox[:index] + inbox[index + 1 :])
    turn = dispatch(rules, number, gateway, state.client, state.engine, inbox[index])
    seen = turn.client.seen
    if seen != state.engine.stream[: len(seen)]:
        raise Broken("stream", f"the client has {seen}, the log has {state.engine.stream}")
    after = with_gateway(state, number, turn.gateway)._replace(client=turn.client)
    return settled(rules, push(after, number, turn.pushed))


def hang_up(rules: Rules, state: State, number: int) -> State:
    """The gateway sees that its client is gone."""
    gateway, pushed = leave(state.gateways[number - 1])
    return settled(rules, push(with_gateway(state, number, gateway), number, pushed))


def abandon(rules: Rules, state: State, number: int) -> State:
    """The gateway sees that nobody waits for the login any more."""
    gateway = state.gateways[number - 1]._replace(pending=0)
    return settled(rules, with_gateway(state, number, gateway))


def push_again(rules: Rules, state: State, number: int) -> State:
    """The gateway's timer fires."""
    gateway, pushed = all_again(rules, state.gateways[number - 1], number, is_new_leader=False)
    return settled(rules, push(with_gateway(state, number, gateway), number, pushed))
