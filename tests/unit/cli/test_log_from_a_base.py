"""A log whose beginning is not kept: what `oms log` and `oms snapshot` say and do about it."""

import json
from pathlib import Path

import pytest

from oms.cli import log_work, snapshot_work
from oms.config import SettingsError
from oms.node.snapshot_shelf import NodeFolder
from oms.replication.journal import DiskJournal
from tests.support.node_on_disk import NodeOnDisk
from tests.support.node_parts import CLUSTER_ID
from tests.support.raft_cluster import raise_fatal

BASE = 6


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeFolder:
    """A stopped node that once took a leader's snapshot at index BASE in."""
    made = NodeOnDisk(tmp_path / "n1", snapshots_at=(BASE,))
    journal = DiskJournal(
        made.folder.journal,
        cluster_id=CLUSTER_ID,
        node_id="n1",
        segment_bytes=1 << 20,
        on_fatal=raise_fatal,
    )
    later = journal.entries(BASE + 1, 100, 1 << 20)
    journal.rebase(BASE, 1)
    for entry, log_index, term in later:
        journal.add(entry, log_index, term)
    journal.sync()
    journal.close()
    for module in (log_work, snapshot_work):
        monkeypatch.setattr(module, "chosen_nodes", lambda _data, _node: [made.folder])
    return made.folder


def test_verify_replays_from_the_snapshot_at_the_base(
    folder: NodeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says where it began."""
    assert log_work.verify(folder.path, None, as_json=True) == 0
    line = json.loads(capsys.readouterr().out)
    assert line["first_index"] == BASE + 1
    assert line["is_as_written"]
    assert log_work.verify(folder.path, None, as_json=False) == 0
    assert f"replayed from log index {BASE + 1}: what was before" in capsys.readouterr().out


def test_inspect_and_export_begin_where_the_log_does(
    folder: NodeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who asks for what is not kept is told what is."""
    out = tmp_path / "log.jsonl"
    assert log_work.export(folder.path, None, out, log_work.Range(None, None), is_raw=False) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[0]["log_index"] == BASE + 1
    with pytest.raises(SettingsError, match=f"kept goes from index {BASE + 1} to"):
        log_work.export(folder.path, None, out, log_work.Range(1, None), is_raw=False)
    capsys.readouterr()
    span = log_work.Span(BASE, 1)
    assert log_work.inspect(folder.path, None, span, has_records=False, as_json=False) == 1
    assert f"kept goes from index {BASE + 1} to" in capsys.readouterr().err
    everything = log_work.Span(None, 1_000)
    assert log_work.inspect(folder.path, None, everything, has_records=False, as_json=False) == 0
    assert capsys.readouterr().out.startswith(f"{BASE + 1}  term 1")


def test_snapshots_are_held_against_the_log_that_is_kept(
    folder: NodeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one at the base is where the replay begins; it is no fault that nothing is before."""
    assert snapshot_work.verify(folder.path, None, is_replayed=True, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["log_index"] == BASE
