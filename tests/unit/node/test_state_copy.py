"""The copy of a large state is made beside the loop; a small one, or without room, by the loop."""

import os
from pathlib import Path

import pytest

from oms._core import Engine
from oms.node import state_copy
from oms.node.snapshots import Snapshots
from oms.node.state_copy import CopiedAtOnce, CopiedBeside, copy_state
from oms.reference.engine import Engine as Oracle
from oms.replication import snapshot_file
from tests.support.node_parts import CLUSTER_ID, login, order, silent_log
from tests.support.node_replica import OneReplica


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OneReplica:
    """A replica with the core, for which every state is a large one."""
    monkeypatch.setattr(state_copy, "SNAPSHOT_COPY_BYTES_MAX", 0)
    one = OneReplica(tmp_path, Engine())  # type: ignore[arg-type]  # the core has all it is asked
    one.apply(login())
    one.apply(order(1))
    return one


def snapshots_of(one: OneReplica, folder: Path) -> Snapshots:
    """The snapshots of this replica."""
    return Snapshots(
        folder, engine=one.engine, event_log=one.event_log, cluster_id=CLUSTER_ID, turn=0,
        node_count=1, say=silent_log(), events_crc=one.event_log.day_crc,
    )  # fmt: skip


def test_a_large_state_is_written_as_it_was(core: OneReplica, tmp_path: Path) -> None:
    """What is applied while it is being made belongs to the next one."""
    made = snapshots_of(core, tmp_path / "snapshots")
    expected, index = core.engine.snapshot(), core.engine.applied_index
    made.start()
    core.apply(order(2))
    made.stop(is_last_wanted=False)
    (path,) = snapshot_file.newest_first(tmp_path / "snapshots")
    saved = snapshot_file.read(path)
    assert (saved.log_index, saved.state) == (index, expected)


def test_size_and_engine_decide(core: OneReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork costs more than a small copy; the oracle cannot do it."""
    large = copy_state(core.engine, 0)
    assert isinstance(large, CopiedBeside)
    assert large.wait() == core.engine.snapshot()
    assert isinstance(copy_state(Oracle(), 1), CopiedAtOnce)
    monkeypatch.setattr(state_copy, "SNAPSHOT_COPY_BYTES_MAX", 1 << 20)
    assert isinstance(copy_state(core.engine, 0), CopiedAtOnce)
    large = copy_state(core.engine, (1 << 20) + 1)
    assert isinstance(large, CopiedBeside)
    large.drop()


def test_without_room_for_a_process_the_loop_copies(
    core: OneReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause is better than no snapshot."""

    def refuse(_name: str, _flags: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", refuse)
    copy = copy_state(core.engine, 0)
    assert isinstance(copy, CopiedAtOnce)
    assert copy.wait() == core.engine.snapshot()


def test_a_process_that_fails_fails_the_snapshot(
    core: OneReplica, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is said, and nothing that is not whole lies in the folder."""
    monkeypatch.setattr(os, "memfd_create", lambda _name, _flags: os.open("/dev/full", os.O_RDWR))
    made = snapshots_of(core, tmp_path / "snapshots")
    made.stop()
    assert snapshot_file.newest_first(tmp_path / "snapshots") == []
