"""Leases: a silent gateway is lost, a sleeping leader loses nobody."""

from oms.bounds import GATEWAY_LEASE_NS, GATEWAYS_MAX
from oms.node.leases import STALL_NS, Leases

STEP_NS = STALL_NS // 2


def watch(leases: Leases, start_ns: int, until_ns: int) -> list[int]:
    """Look at the leases regularly; who was lost."""
    lost = []
    for now_ns in range(start_ns, until_ns + 1, STEP_NS):
        lost += leases.expired(now_ns, is_reading=True)
    return lost


def test_a_silent_gateway_is_lost_once_and_after_its_lease() -> None:
    leases = Leases()
    leases.restart([], 0)
    leases.heard(5, 0)
    assert watch(leases, 0, GATEWAY_LEASE_NS) == []
    assert watch(leases, GATEWAY_LEASE_NS, GATEWAY_LEASE_NS + 4 * STEP_NS) == [5]


def test_any_push_renews_the_lease() -> None:
    leases = Leases()
    leases.restart([5], 0)
    assert watch(leases, 0, GATEWAY_LEASE_NS - STEP_NS) == []
    leases.heard(5, GATEWAY_LEASE_NS - STEP_NS)
    assert watch(leases, GATEWAY_LEASE_NS - STEP_NS, 2 * GATEWAY_LEASE_NS - STEP_NS) == []


def test_a_new_leader_gives_a_whole_lease_to_gateways_it_never_heard() -> None:
    """They may have died together with the leader before: nobody else would ever notice."""
    leases = Leases()
    leases.restart([8, 3], 1_000)
    assert watch(leases, 1_000, 1_000 + GATEWAY_LEASE_NS) == []
    assert watch(leases, 1_000 + GATEWAY_LEASE_NS, 1_000 + GATEWAY_LEASE_NS + 4 * STEP_NS) == [3, 8]


def test_a_leader_that_slept_restarts_the_leases() -> None:
    """After SIGSTOP the heartbeats wait in its own socket."""
    leases = Leases()
    leases.restart([5], 0)
    assert leases.expired(10 * GATEWAY_LEASE_NS, is_reading=True) == []
    assert leases.expired(10 * GATEWAY_LEASE_NS + STEP_NS, is_reading=True) == []


def test_silence_says_nothing_while_pull_is_not_read() -> None:
    leases = Leases()
    leases.restart([5], 0)
    for now_ns in range(0, 2 * GATEWAY_LEASE_NS, STEP_NS):
        assert leases.expired(now_ns, is_reading=False) == []


def test_gateways_are_bounded() -> None:
    leases = Leases()
    assert all(leases.heard(number, 0) for number in range(GATEWAYS_MAX))
    assert not leases.heard(GATEWAYS_MAX, 0)
    assert leases.heard(0, 1)
