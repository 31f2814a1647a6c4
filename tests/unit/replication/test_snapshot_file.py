"""Snapshot files: what cannot be trusted is found on reading."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from oms.replication import snapshot_file
from oms.replication.snapshot_file import Snapshot, SnapshotDamaged

SNAPSHOT = Snapshot(
    cluster_id=5, log_index=300, event_seq=7_000, digest=1 << 63, state=b"state", events_crc=9,
    events_base=6_000,
)  # fmt: skip


def test_a_snapshot_reads_back(tmp_path: Path) -> None:
    path = snapshot_file.write(tmp_path, SNAPSHOT)
    assert snapshot_file.read(path) == SNAPSHOT
    head = snapshot_file.check(path)
    assert (head.log_index, head.event_seq, head.state_bytes) == (300, 7_000, 5)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_file_of_version_1_is_still_read(tmp_path: Path) -> None:
    """A venue that is started with this version begins from what the last one wrote."""
    body = struct.pack("<QQQQQII", 5, 300, 7_000, 1 << 63, 20, zlib.crc32(b"s" * 20), 9)
    head = struct.pack("<8sII", snapshot_file.MAGIC, 1, zlib.crc32(body))
    path = snapshot_file.path_of(tmp_path, 300)
    path.write_bytes(head + body + b"s" * 20)
    assert snapshot_file.read(path) == Snapshot(5, 300, 7_000, 1 << 63, b"s" * 20, 9, 0)
    assert snapshot_file.check(path).events_base == 0


def test_a_flipped_bit_in_any_byte_is_found(tmp_path: Path) -> None:
    """A node that starts from a wrong state would vote and lead with it."""
    path = snapshot_file.write(tmp_path, SNAPSHOT)
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        for verify in (snapshot_file.read, snapshot_file.check):
            with pytest.raises(SnapshotDamaged):
                verify(path)


def test_a_large_file_is_checked_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that was received is as large as the state: it is not read into memory for this."""
    monkeypatch.setattr(snapshot_file, "_PIECE_BYTES", 64)
    path = snapshot_file.write(tmp_path, replace(SNAPSHOT, state=bytes(range(256)) * 5))
    assert snapshot_file.check(path).state_bytes == 1280
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(SnapshotDamaged, match="state's checksum"):
        snapshot_file.check(path)


def test_every_cut_is_found(tmp_path: Path) -> None:
    path = snapshot_file.write(tmp_path, SNAPSHOT)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        for verify in (snapshot_file.read, snapshot_file.check):
            with pytest.raises(SnapshotDamaged):
                verify(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(SnapshotDamaged):
        snapshot_file.read(path)


def test_a_renamed_snapshot_is_refused(tmp_path: Path) -> None:
    """The name orders the files: one that lies about its index must not be taken."""
    path = snapshot_file.write(tmp_path, SNAPSHOT)
    moved = path.rename(snapshot_file.path_of(tmp_path, 301))
    with pytest.raises(SnapshotDamaged, match="300"):
        snapshot_file.read(moved)


def test_prune_keeps_the_newest_and_removes_unfinished_writes(tmp_path: Path) -> None:
    for log_index in (1, 20, 300):
        snapshot_file.write(tmp_path, Snapshot(5, log_index, 0, 0, b""))
    (tmp_path / "x.aside").write_bytes(b"half")
    snapshot_file.prune(tmp_path, 2)
    assert [
        snapshot_file.read(path).log_index for path in snapshot_file.newest_first(tmp_path)
    ] == [
        300,
        20,
    ]
    assert not list(tmp_path.glob("*.aside"))


def test_prune_spares_the_one_of_the_days_eve(tmp_path: Path) -> None:
    """From it the day's outputs can be made again; the newest cannot do that."""
    for log_index in (1, 20, 300, 4_000):
        snapshot_file.write(tmp_path, Snapshot(5, log_index, 0, 0, b""))
    snapshot_file.prune(tmp_path, 1, spared=20)
    kept = [snapshot_file.read(path).log_index for path in snapshot_file.newest_first(tmp_path)]
    assert kept == [4_000, 20]
