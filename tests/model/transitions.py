"""The model's steps that are no faults: what client, gateways and log do by themselves.

Called by `search.py` and by the walks. The promise "decided" is about these steps alone.
"""

from collections.abc import Iterator

from tests.model.faults import fault_steps
from tests.model.gateway_rules import all_again, is_orphan, login, order
from tests.model.moves import (
    abandon,
    commit,
    free_nonce,
    hang_up,
    lose_gateway,
    push,
    push_again,
    step,
    take_in,
)
from tests.model.reduction import is_over, settled
from tests.model.state import (
    Fault,
    Led,
    Phase,
    Rules,
    State,
    Step,
    haunted,
    is_decided,
    with_gateway,
    with_pipe,
)


def steps(rules: Rules, state: State) -> Iterator[Step]:
    """Everything that can happen next. Raises: Broken when one of these breaks a promise."""
    if is_over(rules, state):
        return
    yield from _client_steps(rules, state)
    for number in (1, 2):
        yield from _gateway_steps(rules, state, number)
    yield from _log_steps(rules, state)
    yield from fault_steps(rules, state)


# ---- the client


def _client_steps(rules: Rules, state: State) -> Iterator[Step]:
    client = state.client
    if client.phase == Phase.DOWN:
        if not is_decided(rules, client):
            yield from _connects(rules, state)
        return
    if client.phase == Phase.REPLAYING:
        yield ("replay",), _replay(rules, state)
    if client.phase == Phase.LIVE or (client.phase == Phase.REPLAYING and rules.is_eager):
        yield from _submits(rules, state)


def _connects(rules: Rules, state: State) -> Iterator[Step]:
    """At any gateway; before the first login one is as good as the other."""
    is_first = state.engine.epoch == 0 and not state.ghosts and state.pipes == ((), ())
    is_alike = is_first and state.gateways[0] == state.gateways[1]
    for number in (1,) if is_alike else (1, 2):
        if not state.gateways[number - 1].pending:
            yield ("connect", f"g{number}"), _connect(rules, state, number)


def _connect(rules: Rules, state: State, number: int) -> State:
    nonce = free_nonce(state)
    client = state.client._replace(phase=Phase.LOGIN, gateway=number, nonce=nonce)
    gateway = state.gateways[number - 1]._replace(pending=nonce)
    state = with_gateway(state, number, gateway)._replace(client=client)
    return settled(rules, push(state, number, [login(nonce, number)]))


def _replay(rules: Rules, state: State) -> State:
    """The past from any node, and what the gateway held meanwhile, without a seam."""
    client = state.client
    seen = state.engine.stream[: client.held]
    live = client._replace(phase=Phase.LIVE, held=0, seen=seen)
    return settled(rules, state._replace(client=live))


def _submits(rules: Rules, state: State) -> Iterator[Step]:
    """The next item without an outcome is written, in the old order on every connection."""
    client = state.client
    window = state.gateways[client.gateway - 1].window
    if window is None or window.nonce != client.nonce:
        return
    for item in range(client.cursor + 1, len(rules.items) + 1):
        if item not in client.seen:
            yield ("submit", str(item)), _submit(rules, state, item)
            return


def _submit(rules: Rules, state: State, item: int) -> State:
    number = state.client.gateway
    gateway = state.gateways[number - 1]
    window = gateway.window
    assert window is not None
    copy = order(window, len(window.in_flight), item)
    window = window._replace(in_flight=(*window.in_flight, item))
    state = with_gateway(state, number, gateway._replace(window=window))
    state = state._replace(client=state.client._replace(cursor=item))
    return settled(rules, push(state, number, [copy]))


# ---- a gateway


def _gateway_steps(rules: Rules, state: State, number: int) -> Iterator[Step]:
    gateway, client = state.gateways[number - 1], state.client
    name = f"g{number}"
    if gateway.inbox:
        yield step(("event", name), take_in, rules, state, number, 0)
        if rules.fault is Fault.EVENTS_OUT_OF_ORDER and len(gateway.inbox) > 1:
            yield step(("event out of order", name), take_in, rules, state, number, 1)
    if gateway.led != Led.KNOWS:
        yield ("learn", name), _learn(rules, state, number)
    nonce = client.nonce if client.gateway == number else 0
    if gateway.pending and gateway.pending != nonce:
        yield ("notice login", name), abandon(rules, state, number)
    window = gateway.window
    if window is not None and window.is_listened_to and window.nonce != nonce:
        yield ("notice", name), hang_up(rules, state, number)
    if is_stuck(state, number) and rules.fault is not Fault.NEVER_RESEND:
        yield ("resend", name), _tick(rules, state, number)


def _learn(rules: Rules, state: State, number: int) -> State:
    """A status frame names the new leader; what went to the old one may still be read."""
    left = state.pipes[number - 1]
    gateway, pushed = all_again(rules, state.gateways[number - 1], number, is_new_leader=True)
    state = with_gateway(state, number, gateway._replace(led=Led.KNOWS))
    state = with_pipe(state, number, ())._replace(ghosts=haunted(*state.ghosts, left))
    return settled(rules, push(state, number, pushed))


def is_stuck(state: State, number: int) -> bool:
    """Something is undecided and nothing is on its way: only a timer can help."""
    gateway = state.gateways[number - 1]
    if gateway.led != Led.KNOWS or gateway.inbox or state.pipes[number - 1] or state.ghosts:
        return False
    window = gateway.window
    is_open = window is not None and (bool(window.in_flight) or is_orphan(window))
    return is_open or bool(gateway.pending)


def _tick(rules: Rules, state: State, number: int) -> State:
    """The timer. A logout that is void has no event; after some tries it is let go."""
    gateway = state.gateways[number - 1]
    window, engine = gateway.window, state.engine
    is_void = window is not None and (not engine.is_logged_in or engine.epoch != window.epoch)
    if window is not None and is_void and is_orphan(window):
        state = with_gateway(state, number, gateway._replace(window=None))
    return push_again(rules, state, number)


# ---- the log


def _log_steps(rules: Rules, state: State) -> Iterator[Step]:
    for number in (1, 2):
        pipe = state.pipes[number - 1]
        if pipe:
            after = with_pipe(state, number, pipe[1:])
            yield step(("commit", f"g{number}"), commit, rules, after, pipe[0])
    for index, ghost in enumerate(state.ghosts):
        if index and ghost == state.ghosts[index - 1]:
            continue
        others = state.ghosts[:index] + state.ghosts[index + 1 :]
        after = state._replace(ghosts=haunted(*others, ghost[1:]))
        yield step(("commit late", str(index)), commit, rules, after, ghost[0])
    if state.engine.is_logged_in and state.engine.gateway == 0:
        yield ("gateway lost", "dead"), lose_gateway(rules, state)
