"""The scrub: the state itself is hashed at fixed indexes, and a difference fences."""

from pathlib import Path

import msgspec
import pytest

from oms.bounds import SCRUB_EVERY_ENTRIES
from oms.messages.admin_commands import DepositCash
from oms.node import replica, scrub
from oms.node.digests import STATES_KEPT
from oms.reference.engine import Engine
from tests.support.node_parts import ADMIN_SESSION, NOW_NS, entry, login, order
from tests.support.node_replica import OneReplica


class FlippedEngine(Engine):
    """A state with one bit that flipped; nothing that was said so far shows it."""

    def scrub_digest(self, step: int) -> int:
        """Of the state as it is."""
        return super().scrub_digest(step) ^ 1


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fourth index."""
    monkeypatch.setattr(replica, "SCRUB_EVERY_ENTRIES", 4)


def must_fence(node: OneReplica) -> bool:
    """Whether a majority has another state."""
    return node.digests.must_fence


def test_a_scrub_comes_at_multiples_also_when_the_entry_is_the_logs_own(one: OneReplica) -> None:
    """Every node must hash at the same indexes, or nothing could be compared."""
    for log_index in range(one.engine.applied_index + 1, 5):
        one.replica.on_skip(log_index)
    assert one.engine.applied_index == 4
    expected = (4, f"{one.engine.scrub_digest(4 // SCRUB_EVERY_ENTRIES):016x}")
    one.replica.on_commit(5, 1, entry(login()))
    status = one.status.status()
    assert (status.scrub_index, status.scrub_digest) == expected


def test_before_the_first_scrub_the_status_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart from a snapshot."""
    monkeypatch.setattr(replica, "SCRUB_EVERY_ENTRIES", 1 << 20)
    made = OneReplica(tmp_path)
    made.apply(login())
    status = made.status.status()
    made.close()
    assert (status.scrub_index, status.scrub_digest) == (0, "")


def test_each_scrub_takes_the_next_slice(one: OneReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many orders are open: no walk of the whole state, and no part is left out."""
    steps: list[int] = []

    def note(_engine: Engine, step: int) -> int:
        steps.append(step)
        return step

    monkeypatch.setattr(scrub, "SCRUB_EVERY_ENTRIES", 4)
    monkeypatch.setattr(Engine, "scrub_digest", note)
    one.apply(login())
    for number in range(1, 16):
        one.apply(order(number))
    first = steps[0]
    assert steps == list(range(first, first + 4))
    assert one.scrub.log_index == 4 * steps[-1]


def test_a_state_that_differs_is_seen_though_the_chain_is_equal(tmp_path: Path) -> None:
    """Two peers have the true state at that index: this node is the one that is wrong."""
    node = OneReplica(tmp_path, FlippedEngine())
    for _ in range(4):
        node.apply(login())
    own, digests = node.status.status(), node.digests
    true = f"{node.scrub.state_digest ^ 1:016x}"
    second, third = (
        msgspec.structs.replace(own, node_id=name, scrub_digest=true) for name in ("n2", "n3")
    )
    assert not digests.compare(msgspec.structs.replace(own, node_id="n4")), "alike"
    assert digests.compare(second)
    assert digests.difference("n2") == ("state", node.scrub.log_index)
    assert not must_fence(node)
    assert not digests.compare(second), "told once"
    assert digests.compare(third)
    assert must_fence(node)
    node.close()


def test_scrubs_at_other_indexes_are_not_compared(one: OneReplica) -> None:
    """A peer that is one scrub behind is compared with what this node had there."""
    for _ in range(4):
        one.apply(login())
    first = one.status.status()
    other = msgspec.structs.replace(first, node_id="n2", scrub_index=1 << 40, scrub_digest="1")
    assert not one.digests.compare(other)
    for _ in range(4 * STATES_KEPT):
        one.apply(DepositCash(ADMIN_SESSION, 1, 1, NOW_NS * 2, 1, 1))
    late = msgspec.structs.replace(one.status.status(), node_id="n2", scrub_digest="1")
    assert not one.digests.compare(msgspec.structs.replace(late, scrub_index=first.scrub_index)), (
        "long gone"
    )
    assert one.digests.compare(late)
