"""Where the checker reads the committed log from: a venue's folder, a node's, or an exported file.

Called by the judge and by `oms check`. Promises: entries in log order, each once, nothing changed
on disk; of a venue's nodes the one is read that has all that was committed; a log that is damaged,
or is not kept from its first entry on, is refused and not judged.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from oms.bounds import BATCH_HEADER_BYTES, COMMAND_BYTES
from oms.config import NodeSettings, SettingsError, load
from oms.messages.records import BATCH_HEADER, BATCH_MARKER, BATCH_VERSION
from oms.replication.journal_reader import JournalReader

NODE_FILE: Final = "node.toml"
_READ: Final = "docs/checking.md, The log"
_READ_BYTES: Final = 1 << 20


def choose(path: Path) -> Path:
    """The node of a venue whose log is the furthest; a node's folder or a file is what it is.

    Of the nodes of a stopped venue the one with the highest last term, and then index, has every
    entry that was ever committed; those whose log has no beginning are passed over. Raises:
    SettingsError.
    """
    if not path.is_dir() or (path / NODE_FILE).exists():
        return path
    found: list[tuple[int, int, Path]] = []
    for folder in sorted(item.parent for item in path.glob(f"*/{NODE_FILE}")):
        with _reader(folder) as reader:
            if reader.damage is None and reader.first_index == 1:
                found.append((reader.last_term, reader.last_index, folder))
    if not found:
        raise _refused(
            path,
            "no node in it has a log that is whole and kept from its beginning",
            "name the data folder of a venue, a node's, or a file of `oms log export --raw`",
        )
    return max(found)[2]


def entries(path: Path) -> Iterator[tuple[int, bytes]]:
    """(log index, batch) of every entry that is ours, of what `choose` has chosen.

    In an exported file entries are counted, because it does not have their indexes.
    Raises: SettingsError, JournalDamagedError.
    """
    if path.is_dir():
        yield from _of_node(path)
    else:
        yield from _of_file(path)


def _of_node(folder: Path) -> Iterator[tuple[int, bytes]]:
    with _reader(folder) as reader:
        if reader.damage is not None:
            raise reader.damage
        if reader.first_index != 1:
            raise _refused(
                folder,
                f"it begins with log index {reader.first_index}",
                "name a node that has the log from its beginning",
            )
        for entry in reader.entries():
            if entry.is_ours:
                yield entry.log_index, entry.batch


def _reader(folder: Path) -> JournalReader:
    settings = load(folder / NODE_FILE, NodeSettings)
    return JournalReader(
        folder / "journal",
        cluster_id=int(settings.cluster_id, 16),
        node_id=settings.node_id,
        archive=folder / "archive",
    )


def _of_file(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb", buffering=_READ_BYTES) as file:
            number = 0
            while header := file.read(BATCH_HEADER_BYTES):
                number += 1
                yield number, header + file.read(_following(path, number, header))
    except OSError as error:
        raise _refused(path, error.strerror or str(error), "name a node's folder") from error


def _following(path: Path, number: int, header: bytes) -> int:
    """How many bytes of commands follow a batch's header."""
    if len(header) == BATCH_HEADER_BYTES:
        marker, version, count, *_ = BATCH_HEADER.unpack(header)
        if (marker, version) == (BATCH_MARKER, BATCH_VERSION):
            return int(count) * COMMAND_BYTES
    raise _refused(
        path,
        f"entry {number} of it is no batch",
        "name a node's folder, or a file written by `oms log export --raw`",
    )


def _refused(path: Path, why: str, do: str) -> SettingsError:
    return SettingsError(what=f"cannot read the log in {path}", why=why, do=do, read=_READ)
