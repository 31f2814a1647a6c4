"""The model's faults: what may go wrong, each as often as the budget says.

Called by `transitions.py`. Labels begin with "!"; what follows names the case.
"""

from collections.abc import Iterator
from itertools import product

from tests.model.gateway_rules import disconnected
from tests.model.log_rules import apply
from tests.model.moves import (
    abandon,
    free_epoch,
    hang_up,
    lose_gateway,
    publish,
    push_again,
)
from tests.model.reduction import settled
from tests.model.state import (
    Fault,
    Gateway,
    Led,
    Phase,
    Pipe,
    Rules,
    State,
    Step,
    all_copies,
    haunted,
    with_gateway,
    with_pipe,
)


def fault_steps(rules: Rules, state: State) -> Iterator[Step]:
    """Everything that can go wrong next."""
    budget = state.budget
    if budget.leader_crash:
        yield from _leader_crashes(rules, state)
    for number in (1, 2):
        if budget.gateway_crash[number - 1]:
            yield from _gateway_crashes(rules, state, number)
    if budget.pipe_loss:
        yield from _pipe_losses(rules, state)
    if budget.expiry and any(copy.is_fresh for copy in all_copies(state)):
        yield ("!time passes",), _age(rules, state)
    if budget.early_resend:
        spent = state._replace(budget=budget._replace(early_resend=budget.early_resend - 1))
        for number in (1, 2):
            gateway = state.gateways[number - 1]
            if gateway.pending or gateway.window is not None:
                yield ("!early resend", f"g{number}"), push_again(rules, spent, number)
    if budget.disconnect and state.client.phase != Phase.DOWN:
        yield from _disconnects(rules, state)
    if budget.lease and state.engine.is_logged_in and state.engine.gateway:
        spent = state._replace(budget=budget._replace(lease=budget.lease - 1))
        yield ("!gateway lost", f"g{state.engine.gateway}"), lose_gateway(rules, spent)
    if rules.fault is Fault.LOST_FRAME_SKIPPED:
        for number in (1, 2):
            gateway = state.gateways[number - 1]
            if gateway.inbox:
                lost = gateway._replace(inbox=gateway.inbox[1:])
                yield ("!frame lost", f"g{number}"), with_gateway(state, number, lost)


# ---- the leader


def _with_led(state: State, led: Led) -> State:
    first, second = state.gateways
    return state._replace(gateways=(first._replace(led=led), second._replace(led=led)))


def _leader_crashes(rules: Rules, state: State) -> Iterator[Step]:
    """What it had read or proposed and not committed is lost: a prefix of each pipe. The rest
    dies with it, or is read late, when the leader only slept and leads again.
    """
    budget = state.budget
    state = state._replace(budget=budget._replace(leader_crash=budget.leader_crash - 1))
    if rules.fault is Fault.ACKNOWLEDGE_BEFORE_COMMIT:
        yield from _acknowledge_early(rules, state)
    dead = _with_led(state, Led.BLIND)._replace(pipes=((), ()))
    yield ("!leader crash", "all lost"), settled(rules, dead)
    sizes = [range(len(pipe) + 1) for pipe in state.pipes]
    for first, second in product(*sizes):
        pipes = (state.pipes[0][first:], state.pipes[1][second:])
        late = _with_led(state, Led.LATE)._replace(pipes=pipes)
        yield ("!leader crash", "rest late", str(first), str(second)), settled(rules, late)


def _acknowledge_early(rules: Rules, state: State) -> Iterator[Step]:
    """The built-in mistake: outcomes go out at the proposal, and the proposal is lost."""
    dead = _with_led(state, Led.BLIND)._replace(pipes=((), ()))
    for number in (1, 2):
        engine, after = state.engine, dead
        for copy in state.pipes[number - 1]:
            engine, note = apply(rules, engine, copy, free_epoch(state))
            after = publish(rules, after, note)
            yield ("!leader crash", f"g{number} was answered early"), after


def _pipe_losses(rules: Rules, state: State) -> Iterator[Step]:
    """The oldest copies in a pipe are gone; nobody is told."""
    budget = state.budget
    state = state._replace(budget=budget._replace(pipe_loss=budget.pipe_loss - 1))
    for number in (1, 2):
        pipe = state.pipes[number - 1]
        for lost in range(1, len(pipe) + 1):
            after = with_pipe(state, number, pipe[lost:])
            yield ("!pipe loss", f"g{number}", str(lost)), settled(rules, after)


# ---- a gateway


def _gateway_crashes(rules: Rules, state: State, number: int) -> Iterator[Step]:
    """Its memory is gone; the end of what it pushed may be too. It comes back as another one."""
    pipe = state.pipes[number - 1]
    if state.gateways[number - 1]._replace(led=Led.KNOWS) == Gateway() and not pipe:
        return
    left = list(state.budget.gateway_crash)
    left[number - 1] -= 1
    state = state._replace(budget=state.budget._replace(gateway_crash=(left[0], left[1])))
    for kept in range(len(pipe) + 1):
        ghosts = haunted(*state.ghosts, pipe[:kept])
        after = with_pipe(state, number, ())._replace(ghosts=ghosts)
        yield ("!gateway crash", f"g{number}", str(kept)), _restart(rules, after, number)


def _restart(rules: Rules, state: State, number: int) -> State:
    """Another process: whatever names the old one names nobody now."""
    client = state.client
    if client.gateway == number:
        client = disconnected(client)
    first, second = with_gateway(state, number, Gateway()).gateways
    engine = state.engine
    state = state._replace(
        client=client,
        engine=engine._replace(gateway=_unless(engine.gateway, number)),
        gateways=(_forget(first, number), _forget(second, number)),
        ghosts=haunted(*(_orphaned(ghost, number) for ghost in state.ghosts)),
    )
    return settled(rules, state)


def _unless(gateway: int, number: int) -> int:
    return 0 if gateway == number else gateway


def _orphaned(pipe: Pipe, number: int) -> Pipe:
    return tuple(copy._replace(gateway=_unless(copy.gateway, number)) for copy in pipe)


def _forget(gateway: Gateway, number: int) -> Gateway:
    inbox = tuple(note._replace(gateway=_unless(note.gateway, number)) for note in gateway.inbox)
    return gateway._replace(inbox=inbox)


# ---- time and the client's connection


def _age(rules: Rules, state: State) -> State:
    """Everything on its way outlives its not_after."""
    budget = state.budget
    state = state._replace(
        pipes=(_aged(state.pipes[0]), _aged(state.pipes[1])),
        ghosts=haunted(*(_aged(ghost) for ghost in state.ghosts)),
        budget=budget._replace(expiry=budget.expiry - 1),
    )
    return settled(rules, state)


def _aged(pipe: Pipe) -> Pipe:
    return tuple(copy._replace(is_fresh=False) for copy in pipe)


def _disconnects(rules: Rules, state: State) -> Iterator[Step]:
    """The connection breaks. If the gateway does not notice, it does so later, or another login
    takes over first.
    """
    budget, client = state.budget, state.client
    state = state._replace(
        budget=budget._replace(disconnect=budget.disconnect - 1), client=disconnected(client)
    )
    yield ("!disconnect", "unnoticed"), settled(rules, state)
    gateway = state.gateways[client.gateway - 1]
    if gateway.pending == client.nonce:
        yield ("!disconnect", "noticed"), abandon(rules, state, client.gateway)
    elif gateway.window is not None and gateway.window.nonce == client.nonce:
        yield ("!disconnect", "noticed"), hang_up(rules, state, client.gateway)
