"""The genesis file: whole entries, or a start that is refused."""

from pathlib import Path

import pytest

from oms.config import SettingsError
from oms.node.genesis import load_entries, split_entries
from tests.support.node_parts import entry, login, order

ENTRIES = [entry(login()), entry(), entry(order(1), order(2))]


def test_entries_are_cut_where_they_end() -> None:
    assert split_entries(b"".join(ENTRIES)) == ENTRIES


def test_every_cut_is_noticed() -> None:
    """Half a genesis would be another venue."""
    whole = b"".join(ENTRIES)
    ends = {len(b"".join(ENTRIES[:count])) for count in range(1, 4)}
    for length in range(len(whole)):
        if length not in ends:
            with pytest.raises(ValueError, match=r"short|empty"):
                split_entries(whole[:length])


def test_what_is_no_entry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_entries(tmp_path / "genesis.bin")
    (tmp_path / "genesis.bin").write_bytes(ENTRIES[0] + b"\0" * 64)
    with pytest.raises(SettingsError, match="no log entry at byte"):
        load_entries(tmp_path / "genesis.bin")
