"""One node takes another's place: all of it, or a venue that says how to finish."""

import shutil
from pathlib import Path

import msgspec
import pytest

from oms.config import NodeSettings, SettingsError, load
from oms.local.folder import (
    REPLACING_FILE,
    DataFolder,
    format_folder,
    load_gateway,
    load_node,
    open_folder,
    sync_folder,
)
from oms.local.replacement import Replacement
from oms.local.samples import demo_config
from oms.replication import journal_folder
from oms.transport import keys

FILES = {"skips.jsonl": b"{}\n"}
CONFIG = msgspec.structs.replace(demo_config(1), users=[])  # nobody's password takes its time


@pytest.fixture(autouse=True)
def small_journals(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here does not depend on their size; filling them takes the disk's time."""
    monkeypatch.setattr(journal_folder, "FIRST_SEGMENT_BYTES", 1 << 16)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """A stopped venue."""
    return format_folder(tmp_path / "venue", CONFIG, node_count=3, gateway_count=1)


def make_journal(path: Path) -> None:
    """Something that can be told from nothing."""
    path.mkdir()
    (path / "segment").write_bytes(b"joining")


def replace(folder: DataFolder, old: str, new: str) -> list[Path]:
    """Do it."""
    return Replacement(folder.path, old, new).run(make_journal, FILES)


def refusal(folder: DataFolder, old: str, new: str) -> str:
    """Why it is refused; nothing may have changed."""
    before = contents(folder.path)
    with pytest.raises(SettingsError) as raised:
        Replacement(folder.path, old, new)
    assert contents(folder.path) == before
    text = str(raised.value)
    assert [line[:6].strip() for line in text.splitlines()] == ["what:", "why:", "do:", "read:"]
    return text


def contents(path: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(item.relative_to(path)): item.read_bytes() for item in path.rglob("*") if item.is_file()
    }


def check(folder: DataFolder) -> None:
    """n4 is in n2's place, everywhere."""
    venue = open_folder(folder.path).venue
    assert [node.node_id for node in venue.nodes] == ["n1", "n4", "n3"]
    assert venue.retired == ["n2"]
    made = open_folder(folder.path)
    for node_id in ("n1", "n3", "n4"):
        assert load_node(made, node_id).nodes == venue.nodes
        keys.load(folder.keys, keys.node_name(node_id))
    assert load_gateway(made, "g1").nodes == venue.nodes
    assert (folder.path / "n4" / "journal" / "segment").read_bytes() == b"joining"
    assert (folder.path / "n4" / "skips.jsonl").read_bytes() == FILES["skips.jsonl"]
    assert load(folder.path / "n4" / "node.toml", NodeSettings).has_journal
    assert "node-n2" not in keys.load_allow_list(folder.keys).values(), "it is let in no more"
    assert not (folder.path / "n2").exists()
    assert not list(folder.path.rglob("*.new"))


def test_a_new_node_takes_the_place_of_a_lost_one(folder: DataFolder) -> None:
    """Every process that starts afterwards knows the new one, and none the old one."""
    journals = {
        name: data for name, data in contents(folder.path).items() if name[:3] in {"n1/", "n3/"}
    }
    moved = replace(folder, "n2", "n4")
    check(folder)
    for name, data in journals.items():
        if not name.endswith("node.toml"):
            assert (folder.path / name).read_bytes() == data, "those that stay are not touched"
    assert folder.path / "set-aside" / "n2" in moved
    assert (folder.path / "set-aside" / "n2" / "node.toml").exists(), "nothing is removed"


def test_a_node_whose_disk_is_gone_is_replaced(folder: DataFolder) -> None:
    """The ordinary case: nothing of it is left."""
    shutil.rmtree(folder.path / "n2")
    replace(folder, "n2", "n4")
    check(folder)


def test_a_node_whose_settings_cannot_be_read_is_replaced(folder: DataFolder) -> None:
    """Half a disk is no better than none."""
    folder.node_settings("n2").write_text("node_id = ")
    replace(folder, "n2", "n4")
    check(folder)


def test_a_name_never_comes_back(folder: DataFolder) -> None:
    """What a node of that name voted for and acknowledged is counted on for ever."""
    replace(folder, "n2", "n4")
    assert "is or was a node" in refusal(folder, "n1", "n2")
    assert "is or was a node" in refusal(folder, "n1", "n3")


@pytest.mark.parametrize("new", ["", "N4", "4", "../n4", "n 4", "a" * 13, "g1", "keys"])
def test_a_name_that_is_none_or_taken_is_refused(folder: DataFolder, new: str) -> None:
    """It becomes a folder, a key's name and a field of every journal."""
    refusal(folder, "n2", new)


def test_an_unknown_node_is_refused(folder: DataFolder) -> None:
    """With the names that there are."""
    assert "n1, n2, n3" in refusal(folder, "n7", "n4")


class Interrupted(Exception):
    """The machine went down."""


def interrupt(monkeypatch: pytest.MonkeyPatch, name: str, at: int) -> None:
    """Go down at the `at`-th call of something."""
    rename = Path.rename
    calls = [0]

    def count() -> None:
        calls[0] += 1
        if calls[0] == at:
            raise Interrupted

    def counted_rename(path: Path, target: Path) -> Path:
        count()
        return rename(path, target)

    def counted_sync(path: Path) -> None:
        count()
        sync_folder(path)

    if name == "rename":
        monkeypatch.setattr(Path, "rename", counted_rename)
    else:
        monkeypatch.setattr("oms.local.replacement.sync_folder", counted_sync)


@pytest.mark.parametrize("name", ["rename", "sync_folder"])
def test_an_interruption_is_finished_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """At every step: the venue opens as before or not at all, and the same words finish it."""
    for at in range(1, 40):
        folder = format_folder(tmp_path / str(at), CONFIG, node_count=3, gateway_count=1)
        with monkeypatch.context() as patch:
            interrupt(patch, name, at)
            try:
                replace(folder, "n2", "n4")
            except Interrupted:
                pass
            else:
                check(folder)
                assert at > 8, "every step was interrupted once"
                return
        finish(folder)
    raise AssertionError("it never came to its end")


def finish(folder: DataFolder) -> None:
    """What an operator does after the interruption."""
    if (folder.path / REPLACING_FILE).exists():
        with pytest.raises(SettingsError, match="oms cluster replace n2 n4"):
            open_folder(folder.path)
        with pytest.raises(SettingsError, match="half-done"):
            Replacement(folder.path, "n1", "n5")
        replace(folder, "n2", "n4")
    elif "n4" not in [node.node_id for node in open_folder(folder.path).venue.nodes]:
        replace(folder, "n2", "n4")
    check(folder)
