"""Leaders and silence, in virtual time: who reaches no majority does not lead for long."""

from pathlib import Path

import pytest

from oms.replication.raft_core import TIMEOUT_MAX_S
from tests.support.raft_fates import STEP_S, Simulation


@pytest.fixture
def simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulation:
    """Three healthy nodes, one of which leads."""
    simulation = Simulation(tmp_path, 1, monkeypatch)
    simulation.cut_chance = 0.0
    for name in simulation.names:
        simulation.start(name)
    while not accepting(simulation):
        simulation.step()
    return simulation


def accepting(simulation: Simulation) -> list[str]:
    return [name for name, log in simulation.logs.items() if log.status().is_accepting]


def silence(simulation: Simulation, *, to: str) -> None:
    """Nothing arrives at `to` any more, and no connection closes."""
    for name in simulation.names:
        simulation.network.slow[name, to] = 1e6


def test_leader_that_hears_no_majority_steps_down_within_an_election_time_out(
    simulation: Simulation,
) -> None:
    """Its promises to clients would wait for ever; its reads would be of the past."""
    old = accepting(simulation)[0]
    silence(simulation, to=old)
    start_s = simulation.network.now_s
    while accepting(simulation) == [old]:
        simulation.step()
    assert simulation.network.now_s - start_s <= TIMEOUT_MAX_S + 0.05
    assert simulation.logs[old].status().role == "follower"
    assert not simulation.logs[old].propose(b"late")


def test_others_have_a_leader_soon_and_the_old_one_follows_when_it_hears_again(
    simulation: Simulation,
) -> None:
    """A silent leader is replaced after one time-out of the others."""
    old = accepting(simulation)[0]
    for name in simulation.names:
        simulation.network.slow[old, name] = 1e6
    start_s = simulation.network.now_s
    while not [name for name in accepting(simulation) if name != old]:
        simulation.step()
    assert simulation.network.now_s - start_s <= 2 * TIMEOUT_MAX_S
    new = next(name for name in accepting(simulation) if name != old)
    simulation.network.slow.clear()
    for name in simulation.names:
        if name != old:
            simulation.network.disconnect(old, name)
    for _ in range(int(1.0 / STEP_S)):
        simulation.step()
    assert simulation.logs[old].status().leader_id == new
    assert accepting(simulation) == [new]


def test_handing_over_costs_a_few_milliseconds_not_a_time_out(simulation: Simulation) -> None:
    """What a rolling restart costs its clients."""
    old = accepting(simulation)[0]
    start_s = simulation.network.now_s
    assert simulation.logs[old].transfer(None) == ""
    while not accepting(simulation):
        simulation.step()
    assert accepting(simulation) != [old]
    assert simulation.network.now_s - start_s < 0.1


def test_node_that_does_not_answer_is_not_handed_over_to(simulation: Simulation) -> None:
    """Its connection is open still: waiting for it would stop the venue for nothing."""
    old = accepting(simulation)[0]
    silent, other = (name for name in simulation.names if name != old)
    simulation.paused_until_s[silent] = simulation.network.now_s + 10.0
    for _ in range(int(0.4 / STEP_S)):
        simulation.step()
    leader = simulation.logs[old]
    assert leader.transfer(silent) == f"{silent} does not answer"
    leader.set_may_lead(False)
    while accepting(simulation) != [other]:
        simulation.step()
    assert simulation.leaders[simulation.logs[other].status().term] == other


def test_follower_that_does_not_answer_counts_as_one_without_room(simulation: Simulation) -> None:
    """Of the two that are left one has no space: without its reserve nothing could be committed."""
    old = accepting(simulation)[0]
    silent, full = (name for name in simulation.names if name != old)
    simulation.paused_until_s[silent] = simulation.network.now_s + 1e6
    simulation.logs[full].set_storage_ok(False)
    while simulation.logs[old].status().room != "reserve":
        simulation.step()
    assert simulation.logs[old].propose(b"cancel")
    while simulation.logs[old].pending():
        simulation.step()
