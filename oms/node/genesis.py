"""Reads the genesis file: the packed log entries that a new venue starts with.

Called at start while the engine is empty. The file is log entries (`records.pack_batch`) one behind
the other; each says its own length. The leader proposes them in order; entries of an unfinished
genesis are the only ones in the log until it is complete.
"""

from pathlib import Path

from oms.bounds import BATCH_COMMANDS_MAX, BATCH_HEADER_BYTES, COMMAND_BYTES
from oms.config import SettingsError
from oms.messages.records import BATCH_HEADER, BATCH_MARKER, BATCH_VERSION


def split_entries(data: bytes) -> list[bytes]:
    """Cut a genesis file into its entries. Raises: ValueError when it is not one."""
    entries: list[bytes] = []
    offset = 0
    while offset < len(data):
        if offset + BATCH_HEADER_BYTES > len(data):
            msg = f"cut short at byte {offset}"
            raise ValueError(msg)
        marker, version, count, *_rest = BATCH_HEADER.unpack_from(data, offset)
        end = offset + BATCH_HEADER_BYTES + count * COMMAND_BYTES
        if (marker, version) != (BATCH_MARKER, BATCH_VERSION) or count > BATCH_COMMANDS_MAX:
            msg = f"no log entry at byte {offset}"
            raise ValueError(msg)
        if end > len(data):
            msg = f"the entry at byte {offset} is cut short"
            raise ValueError(msg)
        entries.append(data[offset:end])
        offset = end
    if not entries:
        msg = "it is empty"
        raise ValueError(msg)
    return entries


def load_entries(path: Path) -> list[bytes]:
    """Entries of the genesis file. Raises: SettingsError."""
    try:
        return split_entries(path.read_bytes())
    except OSError as error:
        why = error.strerror or str(error)
    except ValueError as error:
        why = str(error)
    raise SettingsError(
        what=f"cannot read the genesis file {path}",
        why=why,
        do="format the venue again with `oms up --data DIR` in an empty folder",
        read="docs/operating.md, When something does not start",
    )
