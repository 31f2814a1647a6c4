"""An operator's orders to leave an entry out, kept in every node's folder (RULES A15).

Called by the node at start (`load`) and by `oms log skip` (`add`), while the node is down. An order
names an entry by index and hash, says who gave it, when and why, and is never removed: whoever
replays the log needs it again. Promises: written whole and synced, or not at all; a file that
cannot be read stops the start, because a node without its orders would go another way.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from oms.config import SettingsError
from oms.replication.snapshot_file import sync_folder

FILE_NAME: Final = "skips.jsonl"
HASH_DIGITS: Final = 64


class SkipOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry to leave out; `entry_hash` is SHA-256 of its bytes, in hex."""

    log_index: int
    entry_hash: str
    ordered_at_ns: int
    ordered_by: str
    reason: str


class WrongSkipOrder(Exception):
    """There is an order for this log index, but it names another entry: nobody's guess."""


def hash_of(entry: bytes) -> str:
    """What an order names an entry by."""
    return hashlib.sha256(entry).hexdigest()


def find(orders: Mapping[int, SkipOrder], log_index: int, entry: bytes) -> SkipOrder | None:
    """The order that names this entry, if there is one. Raises: WrongSkipOrder."""
    order = orders.get(log_index)
    if order is not None and order.entry_hash != hash_of(entry):
        message = f"log index {log_index} is {hash_of(entry)}, the order says {order.entry_hash}"
        raise WrongSkipOrder(message)
    return order


def load(folder: Path) -> dict[int, SkipOrder]:
    """The orders in a node's folder, by log index. Raises: SettingsError."""
    path = folder / FILE_NAME
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    orders: dict[int, SkipOrder] = {}
    for line in lines:
        try:
            order = msgspec.json.decode(line, type=SkipOrder)
        except msgspec.DecodeError as error:
            raise _unusable(path, str(error)) from error
        if order.log_index in orders:
            raise _unusable(path, f"two orders for log index {order.log_index}")
        orders[order.log_index] = order
    return orders


def add(folder: Path, order: SkipOrder) -> bool:
    """Add an order to a node's folder. False: this very entry is left out already.

    Raises: SettingsError (the file is not readable, or orders another entry at this index).
    """
    orders = load(folder)
    known = orders.get(order.log_index)
    if known is not None and known.entry_hash != order.entry_hash:
        raise _unusable(
            folder / FILE_NAME, f"it names another entry at log index {order.log_index}"
        )
    if known is not None:
        return False
    try:
        _write(folder, [*orders.values(), order])
    except OSError as error:
        raise _unusable(folder / FILE_NAME, error.strerror or str(error)) from error
    return True


def _write(folder: Path, orders: Iterable[SkipOrder]) -> None:
    """Beside the old file, synced, then in its place."""
    made = folder / f"{FILE_NAME}.new"
    with made.open("wb") as file:
        file.write(msgspec.json.Encoder().encode_lines(list(orders)))
        file.flush()
        os.fsync(file.fileno())
    made.replace(folder / FILE_NAME)
    sync_folder(folder)


def _unusable(path: Path, why: str) -> SettingsError:
    return SettingsError(
        what=f"cannot use the skip orders in {path}",
        why=why,
        do="copy the file from another node of this venue; never edit or delete it",
        read="docs/operating.md, An entry that kills nodes",
    )
