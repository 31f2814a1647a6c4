"""The data folder: made once, opened often, and refused when it is not what it should be."""

import shutil
from pathlib import Path

import pytest

from oms.config import GatewaySettings, NodeSettings, SettingsError, load
from oms.local.folder import (
    UNFINISHED_FILE,
    VENUE_FILE,
    DataFolder,
    VenueFile,
    format_folder,
    open_folder,
    to_toml,
)
from oms.local.samples import demo_config
from oms.replication import journal_folder
from oms.replication.journal_reader import JournalReader
from oms.transport import keys


@pytest.fixture(autouse=True)
def small_journals(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here does not depend on their size; filling them takes the disk's time."""
    monkeypatch.setattr(journal_folder, "FIRST_SEGMENT_BYTES", 1 << 16)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """A fresh venue."""
    return format_folder(tmp_path / "venue", demo_config(1), node_count=3, gateway_count=1)


def refusal(path: Path) -> str:
    """The text with which `path` is refused: always four lines."""
    with pytest.raises(SettingsError) as raised:
        open_folder(path)
    text = str(raised.value)
    assert [line[:6].strip() for line in text.splitlines()] == ["what:", "why:", "do:", "read:"]
    return text


def test_formatted_folder_opens_with_the_same_identity(folder: DataFolder) -> None:
    """`down` and `up` must find the very cluster that was made."""
    assert open_folder(folder.path).venue == folder.venue


def test_a_venue_without_gateways_opens(tmp_path: Path) -> None:
    """An empty list of tables leaves no trace in TOML."""
    made = format_folder(tmp_path / "venue", demo_config(1), node_count=1, gateway_count=0)
    assert open_folder(made.path).venue == made.venue


def test_every_process_gets_settings_it_can_load(folder: DataFolder) -> None:
    """The nodes read what the formatter wrote, with nothing in between."""
    for node in folder.venue.nodes:
        settings = load(folder.node_settings(node.node_id), NodeSettings)
        assert settings.nodes == folder.venue.nodes
        assert Path(settings.data).is_dir()
        assert settings.has_journal
        JournalReader(
            Path(settings.data) / "journal",
            cluster_id=int(settings.cluster_id, 16),
            node_id=node.node_id,
        ).close()
        keys.load(Path(settings.keys), keys.node_name(node.node_id))
    door = load(folder.gateway_settings("g1"), GatewaySettings)
    assert door.cluster_id == folder.venue.cluster_id
    keys.load(Path(door.keys), "gateway")
    keys.load(folder.keys, "admin")


def test_every_address_is_its_own(folder: DataFolder) -> None:
    """One port given twice would be found only when the second process starts."""
    addresses = [gateway.listen for gateway in folder.venue.gateways]
    for node in folder.venue.nodes:
        addresses += [node.raft, node.pull, node.pub, node.feed, node.router]
    assert len(addresses) == len(set(addresses)) == 16


def test_secrets_are_readable_by_their_owner_only(folder: DataFolder) -> None:
    """The genesis holds password hashes, the keys admit to everything."""
    assert folder.path.stat().st_mode & 0o077 == 0
    for path in (folder.genesis, folder.keys / "admin.secret", folder.keys / "cluster.key"):
        assert path.stat().st_mode & 0o077 == 0


def test_formatting_never_touches_existing_content(tmp_path: Path) -> None:
    """A mistyped --data must not cost anybody's files."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SettingsError, match=r"not empty: thesis\.txt"):
        format_folder(tmp_path, demo_config(1), node_count=3, gateway_count=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_formatting_refuses_a_venue_that_is_there(folder: DataFolder) -> None:
    """Making it again would replace the log's identity."""
    with pytest.raises(SettingsError, match="not empty"):
        format_folder(folder.path, demo_config(1), node_count=3, gateway_count=1)


def test_formatting_refuses_a_file(tmp_path: Path) -> None:
    """The data folder must be a folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="not a folder"):
        format_folder(tmp_path / "file", demo_config(1), node_count=3, gateway_count=1)


def test_empty_folder_is_formatted(tmp_path: Path) -> None:
    """Operators often make the mount point first."""
    (tmp_path / "venue").mkdir()
    format_folder(tmp_path / "venue", demo_config(1), node_count=1, gateway_count=1)


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    """A folder without a venue is not one, whatever else is in it."""
    (tmp_path / "something").write_text("else")
    assert "there is no venue" in refusal(tmp_path)


def test_half_made_folder_is_refused(folder: DataFolder) -> None:
    """Formatting was interrupted: some keys or settings may be missing."""
    (folder.path / VENUE_FILE).rename(folder.path / UNFINISHED_FILE)
    assert "half-made" in refusal(folder.path)


def test_other_format_version_is_refused(folder: DataFolder) -> None:
    """A newer program's folder must not be read with this one's eyes."""
    path = folder.path / VENUE_FILE
    path.write_text(path.read_text().replace("format_version = 1", "format_version = 2"))
    assert "version 2" in refusal(folder.path)


def test_node_folder_of_another_cluster_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    """A restored backup of the wrong venue would vote with a stranger's log."""
    other = format_folder(tmp_path / "other", demo_config(1), node_count=3, gateway_count=1)
    shutil.copy(other.node_settings("n2"), folder.node_settings("n2"))
    assert other.venue.cluster_id in refusal(folder.path)


def test_node_folders_that_changed_places_are_refused(folder: DataFolder) -> None:
    """A node that runs under another's name votes twice."""
    shutil.copy(folder.node_settings("n1"), folder.node_settings("n2"))
    assert "n2" in refusal(folder.path)


def test_genesis_of_another_cluster_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    """The log's first entry is the venue's identity."""
    other = format_folder(tmp_path / "other", demo_config(1), node_count=3, gateway_count=1)
    shutil.copy(other.genesis, folder.genesis)
    assert "belongs to cluster" in refusal(folder.path)


@pytest.mark.parametrize("size", [0, 31, 159])
def test_short_genesis_is_refused(folder: DataFolder, size: int) -> None:
    """A torn file must not start a venue with half of its accounts."""
    folder.genesis.write_bytes(folder.genesis.read_bytes()[:size])
    assert f"{size} bytes" in refusal(folder.path)


def test_copied_folder_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    """Two running copies of one venue would be two histories of the same orders."""
    shutil.copytree(folder.path, tmp_path / "copy")
    assert "moved or copied" in refusal(tmp_path / "copy")


@pytest.mark.parametrize("missing", ["genesis.bin", "g1/gateway.toml", "keys/cluster.key"])
def test_missing_part_is_named(folder: DataFolder, missing: str) -> None:
    """The message says which file is gone."""
    (folder.path / missing).unlink()
    assert Path(missing).name in refusal(folder.path)


def test_a_lost_node_hides_nobody_else(folder: DataFolder) -> None:
    """Its disk is gone, the others run: they must be seen, and can be stopped."""
    shutil.rmtree(folder.path / "n2")
    found = open_folder(folder.path)
    assert [node.node_id for node in found.venue.nodes if found.is_lost(node.node_id)] == ["n2"]


def test_settings_survive_their_own_text(folder: DataFolder, tmp_path: Path) -> None:
    """What is written is what is read, blanks and quotes in paths included."""
    settings = NodeSettings(
        node_id="n1",
        cluster_id="ab",
        nodes=folder.venue.nodes,
        data='/a "b"\\c d',
        keys="/ä",
        genesis="/g",
        core=3,
    )
    (tmp_path / "node.toml").write_text(to_toml(settings))
    assert load(tmp_path / "node.toml", NodeSettings) == settings
    (tmp_path / "venue.toml").write_text(to_toml(folder.venue))
    assert load(tmp_path / "venue.toml", VenueFile) == folder.venue
