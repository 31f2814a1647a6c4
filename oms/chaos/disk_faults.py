"""Faults of disks: power cuts, full, failing and slow ones, turned bits.

Called by `strike.py`; the disks are `forgetful_disk.py`. Each function does one fault to its end
and returns what was done, for the reader.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from oms.chaos import process_faults
from oms.chaos.hands import LOOK_S, PATIENCE_S, Hands, not_whole
from oms.chaos.schedule import Fault
from oms.chaos.switch import Place

SLOW_SYNC_MS: Final = (20, 60, 150, 400)
SYNCING_MS: Final = 150
DAMAGED: Final = "journal damaged at log index"


async def cut_power(
    hands: Hands, fault: Fault, names: Sequence[str], *, is_failover: bool = False
) -> str:
    """The power goes, of one node or of all at once."""
    in_flight = await hands.aim()
    hands.note(in_flight, power_cuts=1)
    await hands.blocking(lambda: hands.arena.cut_power(names, fault.seed))
    if is_failover:
        hands.leader_is_gone()
    return await hands.bring_back(
        fault, names, in_flight, hands.arena.restore_power, is_failover=is_failover
    )


async def cut_power_syncing(hands: Hands, fault: Fault) -> str:
    """Of all, while each of them waits for a sync that the disk has not answered."""
    names = hands.arena.node_ids
    for name in names:
        hands.arena.disks[name].slow_syncs(SYNCING_MS)
    return await cut_power(hands, fault, names)


async def fill(hands: Hands, fault: Fault, names: Sequence[str]) -> str:
    """No room is left, until the nodes have noticed and a while longer."""
    arena, began = hands.arena, time.monotonic()
    in_flight = await hands.aim()
    for name in names:
        arena.disks[name].limit_room(0)
        arena.switches[name].arm(Place.SEGMENT_WANTED)
    try:
        await hands.until(
            lambda statuses: all(
                item.room != "ample" for item in statuses if item.node_id in names
            ),
            f"{' '.join(names)} did not notice that the disk is full",
        )
        noticed_s = time.monotonic() - began
        await asyncio.sleep(fault.lasts_s)
    finally:
        for name in names:
            arena.disks[name].free_room()
            arena.switches[name].disarm()
    return (
        f"{' '.join(names)}, {in_flight} in flight, noticed after {noticed_s:.1f} s,"
        f" for {fault.lasts_s:.1f} s more"
    )


async def fail_sync(hands: Hands, fault: Fault, name: str, *, is_leader: bool) -> str:
    """A sync reports EIO, half of it is lost for good: the node ends, and starts with the rest."""
    arena = hands.arena
    arena.disks[name].fail_next_sync(fault.seed)
    in_flight = await hands.aim()
    await hands.blocking(lambda: arena.wait_gone([name], PATIENCE_S))
    hands.note(in_flight)
    if is_leader:
        hands.leader_is_gone()
    told = await hands.bring_back(
        fault, [name], in_flight, arena.restore_power, is_failover=is_leader
    )
    return f"{told}; the node ended by itself"


async def slow(hands: Hands, fault: Fault, names: Sequence[str]) -> str:
    """Every sync takes long."""
    delay_ms = SLOW_SYNC_MS[fault.choice % len(SLOW_SYNC_MS)]
    in_flight = await hands.aim()
    disks = [hands.arena.disks[name] for name in names]
    for disk in disks:
        disk.slow_syncs(delay_ms)
    try:
        await asyncio.sleep(fault.lasts_s)
    finally:
        for disk in disks:
            disk.slow_syncs(0)
    return f"{' '.join(names)}, {in_flight} in flight, {delay_ms} ms for {fault.lasts_s:.1f} s"


# ---- turned bits


class _Bit(NamedTuple):
    path: Path
    offset: int
    mask: int

    def turn(self) -> None:
        with self.path.open("r+b") as file:
            file.seek(self.offset)
            byte = file.read(1)[0]
            file.seek(self.offset)
            file.write(bytes([byte ^ self.mask]))

    def __str__(self) -> str:
        return f"{self.path.name}, byte {self.offset:,}"


async def flip_journal(hands: Hands, fault: Fault, name: str) -> str:
    """In what is written of a segment: the node refuses to start, and its owner has the disk
    repaired. If the bit lay where nothing was promised it starts, and has its entries again.
    """
    folder = hands.venue.folder.path / name / "journal"
    await _kill(hands, fault, name)
    segments = sorted(path for path in folder.glob("segment-*") if not path.suffix)
    bit = _turn(next(path for path in reversed(segments) if _written(path)), fault.seed)
    log = hands.venue.log_file(name)
    said = len(log.read_text())
    if await _starts(hands, name):
        return f"{name}, {bit}: it started, for nothing was promised of it"
    if DAMAGED not in log.read_text()[said:]:
        raise not_whole(f"{name} refuses to start, and does not say that its journal is damaged")
    bit.turn()
    await hands.blocking(lambda: hands.arena.restart([name]))
    return f"{name}, {bit}: it refused to start; turned back"


async def flip_snapshot(hands: Hands, fault: Fault, name: str) -> str:
    """In the newest one: it is passed over."""
    await process_faults.snapshot(hands, name)
    await _kill(hands, fault, name)
    found = sorted((hands.venue.folder.path / name / "snapshots").glob("*.snapshot"))
    if found:
        return await _survives(hands, fault, name, found[-1])
    await hands.blocking(lambda: hands.arena.restart([name]))
    return f"{name} has no snapshot"


async def flip_outputs(hands: Hands, fault: Fault, name: str) -> str:
    """In its retained outputs: they are made again, or fetched."""
    await _kill(hands, fault, name)
    return await _survives(hands, fault, name, hands.venue.folder.path / name / "events.log")


async def _survives(hands: Hands, fault: Fault, name: str, path: Path) -> str:
    bit = _turn(path, fault.seed)
    if not await _starts(hands, name):
        raise not_whole(f"{name} refuses to start, though only {path.name} is damaged")
    return f"{name}, {bit}: it started"


async def _kill(hands: Hands, fault: Fault, name: str) -> None:
    in_flight = await hands.aim()
    hands.note(in_flight, kills=1)
    await hands.blocking(lambda: hands.arena.kill([name]))
    await asyncio.sleep(fault.lasts_s)


async def _starts(hands: Hands, name: str) -> bool:
    """Start it: True once it answers, False when it has ended."""
    await hands.blocking(lambda: hands.arena.restart([name]))
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if (await hands.blocking(hands.venue.statuses))[name] is not None:
            return True
        if (await hands.blocking(hands.venue.pids))[name] is None:
            return False
        await asyncio.sleep(LOOK_S)
    raise not_whole(f"{name} neither starts nor ends")


def _written(path: Path) -> int:
    """Bytes of a file up to its last one that is not zero."""
    return len(path.read_bytes().rstrip(b"\0"))


def _turn(path: Path, seed: int) -> _Bit:
    """Turn a bit of what is written of a file round."""
    draw = random.Random(seed)  # noqa: S311 - repeatable decisions, not a secret
    bit = _Bit(path, draw.randrange(_written(path) or 1), 1 << draw.randrange(8))
    bit.turn()
    return bit
