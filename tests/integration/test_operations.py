"""What docs/operating.md tells an operator to do, done: log, snapshots and cluster by command."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oms.local.processes import Processes
from oms.local.venue import LocalVenue
from oms.node.engine import make_engine
from oms.node.genesis import split_entries
from oms.replication.segment_maker import segment_path
from tests.support.node_on_disk import flip

pytestmark = [pytest.mark.integration, pytest.mark.timeout(110)]

ROOT = Path(__file__).resolve().parents[2]
NODES = ("n1", "n2", "n3")


class Operator:
    """Types commands about one venue."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def __call__(self, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """One command, and the exit code it must have."""
        done = subprocess.run(
            [sys.executable, "-m", "oms.cli.main", *words],
            env=dict(os.environ, PYTHONPATH=str(ROOT), OMS_DATA=str(self.data)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    def lines(self, *words: str, expect: int = 0) -> list[dict[str, object]]:
        """The JSON lines that a command prints."""
        text = self(*words, "--json", expect=expect).stdout
        return [json.loads(line) for line in text.splitlines()]

    def snapshot(self, node: str, log_index: object) -> Path:
        """Where a node's snapshot is."""
        return self.data / node / "snapshots" / f"{log_index:016x}.snapshot"


@pytest.fixture
def oms(tmp_path: Path) -> Iterator[Operator]:
    """An operator; whatever still runs over the folder is ended."""
    path = tmp_path / "venue"
    yield Operator(path)
    if path.exists():
        Processes(path / "run", path / "logs").stop(["g1", *NODES], 5)


def test_log_and_snapshots_are_read_while_the_venue_runs(oms: Operator, tmp_path: Path) -> None:
    """Looking needs no stop and changes nothing."""
    oms("up")
    oms("admin", "deposit", "GST", "1.5")
    oms("cluster", "health", "--exit-when-healthy", "--timeout", "20")
    found = json.loads(oms("cluster", "status", "--json").stdout)
    assert (found["verdict"], found["reasons"]) == ("healthy", [])
    assert [node["digest"] for node in found["nodes"]] == ["equal"] * 3
    assert found["leader_id"] in oms("cluster", "status").stdout

    (made,) = oms.lines("snapshot", "create")
    assert made["node_id"] != found["leader_id"], "a follower's pause is felt by nobody"
    (mine,) = oms.lines("snapshot", "create", "--node", found["leader_id"])
    assert mine["digest"] == made["digest"]
    listed = oms.lines("snapshot", "list")
    assert {(item["node_id"], item["digest"]) for item in listed} == {
        (made["node_id"], made["digest"]),
        (mine["node_id"], made["digest"]),
    }
    oms("snapshot", "verify", "--replay")

    verified = oms.lines("log", "verify")
    assert [line["node_id"] for line in verified] == list(NODES)
    assert all(line["is_as_written"] for line in verified)
    assert {line["digest"] for line in verified} == {made["digest"]}
    last = oms.lines("log", "inspect", "--count", "1")[0]
    assert last["kinds"] == {"DEPOSIT_CASH": 1}
    assert last["commands"][0]["fields"]["amount"] == 15_000  # type: ignore[index]
    shown = oms("log", "inspect", "--index", str(last["log_index"])).stdout
    assert "amount=15000" in shown

    engine = make_engine("core")
    oms("log", "export", "--raw", "--out", str(tmp_path / "raw"))
    exported = [json.loads(line) for line in oms("log", "export", "--out", "-").stdout.splitlines()]
    ours = [line["log_index"] for line in exported if line["kind"] == "batch"]
    batches = split_entries((tmp_path / "raw").read_bytes())
    for log_index, batch in zip(ours, batches, strict=True):
        engine.apply(log_index, batch)
    assert f"{engine.digest():016x}" == made["digest"], "the exported log makes the same state"
    refused = oms("log", "export", "--out", str(tmp_path / "raw"), expect=1).stderr
    assert "File exists" in refused
    text = oms("log", "export", "--from", "3", "--to", "4", "--out", "-").stdout
    assert [json.loads(line)["log_index"] for line in text.splitlines()] == [3, 4]
    assert "key_hash=(hidden)" in oms("log", "inspect", "--index", "3").stdout
    oms("down")


def test_health_says_what_is_missing(oms: Operator) -> None:
    """One node down, two nodes down, and back."""
    oms("up")
    oms("cluster", "health", "--exit-when-healthy", "--timeout", "20")
    venue = LocalVenue.open(oms.data)
    with venue:
        leader = venue.leader()
        check_what_is_missing(oms, venue, str(leader))


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Until it is so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def check_what_is_missing(oms: Operator, venue: LocalVenue, leader: str) -> None:
    """The steps; whatever happens, the venue's processes and sockets are ended."""
    first, second = [name for name in NODES if name != leader]
    assert venue.kill(first, signal.SIGKILL)
    assert venue.wait_gone(first, 5)
    done = oms("cluster", "health", expect=4)
    assert done.stdout.strip() == "degraded"
    assert f"{first}: does not answer" in done.stderr
    oms("cluster", "health", "--majority")
    oms("cluster", "status")
    assert venue.kill(second, signal.SIGKILL)
    assert venue.wait_gone(second, 5)
    # It takes an election time-out until the one that is left knows that it leads nobody.
    wait_for(lambda: venue.leader() is None)
    done = oms("cluster", "health", "--majority", expect=3)
    assert done.stdout.strip() == "not accepting"
    assert f"{second}: does not answer" in done.stderr
    oms("up")
    oms("cluster", "health", "--exit-when-healthy", "--timeout", "20")
    venue.stop()
    oms("cluster", "health", expect=3)
    oms("cluster", "status", expect=3)
    assert "no node answers" in oms("snapshot", "create", expect=1).stderr


def test_damage_is_found_and_a_snapshot_of_another_node_is_restored(
    oms: Operator, tmp_path: Path
) -> None:
    """The way of an operator from a doubt to a node that starts well again."""
    oms("up")
    oms("admin", "deposit", "GST", "2.5")
    oms("cluster", "health", "--exit-when-healthy", "--lag-max", "0", "--timeout", "20")
    (made,) = oms.lines("snapshot", "create", "--node", "n2")
    log_index = made["log_index"]
    backup = tmp_path / str(made["file"])
    shutil.copyfile(oms.snapshot("n2", log_index), backup)
    refused = oms("snapshot", "restore", str(backup), "--node", "n1", expect=1).stderr
    assert "node n1 runs" in refused
    oms("admin", "deposit", "GST", "3.5")
    oms("down")
    assert all(line["is_as_written"] for line in oms.lines("log", "verify"))

    flip(oms.data / "n1" / "events.log", 128 * 9 + 32)
    (own,) = (oms.data / "n1" / "snapshots").glob("*.snapshot")
    flip(own, 200)
    segment = segment_path(oms.data / "n3" / "journal", 1)
    flip(segment, len(segment.read_bytes().rstrip(b"\0")) - 40)
    lines = {str(line["node_id"]): line for line in oms.lines("log", "verify", expect=1)}
    assert {name for name in NODES if lines[name]["is_as_written"]} == {"n2"}
    text = oms("log", "verify", expect=1).stdout
    assert "events, event 10, byte 1152 of events.log, made by log index" in text
    assert f"snapshot, {own.name}: {own.name}: the state's checksum is wrong" in text
    assert f"journal, log index {lines['n2']['last_index']}: record" in text
    assert "no " in oms("snapshot", "list", "--node", "n1", expect=1).stdout
    oms("snapshot", "verify", "--node", "n1", expect=1)
    oms("snapshot", "verify", "--node", "n2", "--replay")
    assert "damaged at log index" in oms("log", "inspect", "--node", "n3", expect=1).stderr

    done = oms("snapshot", "restore", str(backup), "--node", "n1").stdout
    assert f"log index {log_index}" in done
    assert "events.log did not fit" in done
    assert {path.name for path in (oms.data / "n1" / "set-aside").iterdir()} == {
        "events.log.1",
        f"{own.name}.1",
    }
    venue = LocalVenue.open(oms.data)
    for name in ("n1", "n2"):
        venue.start_node(name)
    oms("cluster", "health", "--majority", "--exit-when-healthy", "--timeout", "30")
    started = [json.loads(line) for line in venue.log_file("n1").read_text().splitlines()]
    restored = [line["log_index"] for line in started if line["event"] == "snapshot_restored"]
    assert restored == [log_index]
    oms("cluster", "health", expect=4)
    venue.stop()
    assert all(
        line["is_as_written"] for name in ("n1", "n2") for line in oms.lines(
            "log", "verify", "--node", name
        )
    )  # fmt: skip
