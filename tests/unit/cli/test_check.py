"""`oms check`: what it prints, and what its exit code says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from oms.check import log_source
from oms.check.verdict import Kind
from oms.cli.main import app
from oms.config import NodeAddress, NodeSettings, SettingsError
from oms.local.folder import to_toml
from oms.node import skip_orders
from oms.node.skip_orders import SkipOrder, hash_of
from oms.replication.journal import DiskJournal
from oms.wire import ouch_messages as m
from tests.support.raft_cluster import raise_fatal
from tests.support.recorded_venue import CLUSTER_ID, RecordedVenue

PRICE = 1_000_000


def traded(folder: Path) -> RecordedVenue:
    venue = RecordedVenue(folder)
    for client in venue.clients:
        client.login()
        client.enter(m.SIDE_BUY, 100, PRICE)
    venue.step()
    venue.clients[0].cancel(1)
    venue.step()
    return venue


def write_node(folder: Path, log: list[bytes], *, term: int = 1) -> None:
    """A stopped node's folder with this log; every third entry is the library's own."""
    folder.mkdir(parents=True)
    settings = NodeSettings(
        node_id="n1", cluster_id=f"{CLUSTER_ID:016x}", nodes=[_address()], data=str(folder),
        keys="", genesis="",
    )  # fmt: skip
    (folder / log_source.NODE_FILE).write_text(to_toml(settings))
    DiskJournal.format(folder / "journal", cluster_id=CLUSTER_ID, node_id="n1")
    journal = DiskJournal(
        folder / "journal", cluster_id=CLUSTER_ID, node_id="n1", on_fatal=raise_fatal
    )
    journal.setCurrentTerm(term, None)
    index = 0
    for batch in log:
        index += 1
        journal.add(b"\x20" + batch, index, term)
        if index % 3 == 2:
            index += 1
            journal.add(b"\x01", index, term)
    journal.sync()
    journal.close()


def _address() -> NodeAddress:
    return NodeAddress("n1", "x", "x", "x", "x", "x")


def test_a_clean_check_says_what_it_compared(tmp_path: Path) -> None:
    """Numbers that show that it was no empty run; exit code 0."""
    log = traded(tmp_path).close()
    done = CliRunner().invoke(app, ["check", str(tmp_path), str(log)])
    assert done.exit_code == 0, done.output
    assert "2 histories of 2 sessions: 3 messages sent, 2 orders acknowledged" in done.output
    assert done.output.rstrip().endswith("clean")


def test_json_has_every_kind_of_violation(tmp_path: Path) -> None:
    """For scripts: zeros are written, too."""
    log = traded(tmp_path).close()
    done = CliRunner().invoke(app, ["check", str(tmp_path), str(log), "--json"])
    verdict = json.loads(done.stdout)
    assert {kind.value: verdict[kind.value] for kind in Kind} == dict.fromkeys(map(str, Kind), 0)
    assert (verdict["operations"], verdict["acknowledged"], verdict["commands"]) == (3, 2, 27)


def test_a_violation_is_exit_code_1_and_is_told(tmp_path: Path) -> None:
    """Which session, which message."""
    venue = traded(tmp_path)
    venue.close()
    log = venue.write_log(venue.log[:-1])
    done = CliRunner().invoke(app, ["check", str(tmp_path), str(log)])
    assert done.exit_code == 1
    assert "1 lost" in done.output
    assert "lost: REP01: told and not in the log" in done.output


def test_the_log_of_a_node_is_read_from_its_folder(tmp_path: Path) -> None:
    """Indexes and the library's own entries are not what an export has; the verdict is."""
    venue = traded(tmp_path)
    venue.close()
    write_node(tmp_path / "n1", venue.log)
    for named in (tmp_path / "n1", tmp_path):
        done = CliRunner().invoke(app, ["check", str(tmp_path), str(named), "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["acknowledged"] == 2


def test_of_a_venue_the_furthest_log_is_read(tmp_path: Path) -> None:
    """A node that was away has not all that was committed; longer and older is no better."""
    venue = traded(tmp_path)
    venue.close()
    write_node(tmp_path / "short", venue.log[:-1], term=2)
    write_node(tmp_path / "stale", [*venue.log[:-1], venue.log[3], venue.log[3]], term=1)
    write_node(tmp_path / "whole", venue.log, term=2)
    assert log_source.choose(tmp_path) == tmp_path / "whole"


def test_a_log_without_its_beginning_is_refused(tmp_path: Path) -> None:
    """Nobody replays half a log."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="kept from its beginning"):
        log_source.choose(tmp_path / "empty")


def test_an_entry_left_out_by_order_is_left_out(tmp_path: Path) -> None:
    """The orders lie in the node's folder, where the node reads them, too."""
    venue = traded(tmp_path)
    venue.close()
    poison = venue.log[3]
    write_node(tmp_path / "n1", [*venue.log[:-1], poison, venue.log[-1]])
    index = max(i for i, batch in log_source.entries(tmp_path / "n1") if batch == poison)
    skip_orders.add(
        tmp_path / "n1",
        SkipOrder(index, hash_of(poison), ordered_at_ns=0, ordered_by="", reason=""),
    )
    done = CliRunner().invoke(app, ["check", str(tmp_path), str(tmp_path / "n1")])
    assert done.exit_code == 0, done.output


def test_evidence_that_cannot_be_read_is_four_lines(tmp_path: Path) -> None:
    """A damaged history is not a clean one."""
    venue = traded(tmp_path)
    log = venue.close()
    path = venue.clients[0].path
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(SettingsError, match="nothing was checked"):
        CliRunner().invoke(app, ["check", str(tmp_path), str(log)], catch_exceptions=False)
