"""Faults of processes: killed, struck at a named place, stopped for a while.

Called by `strike.py`. Each function does one fault to its end and returns what was done, for the
reader.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence
from typing import Final

from oms.chaos.hands import Hands, not_whole
from oms.chaos.schedule import Fault
from oms.chaos.switch import Blow, Place
from oms.local.requests import NoAnswer, RequestRefused
from oms.messages import link

SNAPSHOT_S: Final = 20.0
PLACE_S: Final = 10.0  # until a node comes to a place, with orders on their way
PLACE_POLL_S: Final = 0.002
PLACE_BURST: Final = 4
ASK_S: Final = 0.1


async def kill(
    hands: Hands, fault: Fault, names: Sequence[str], *, is_failover: bool = False
) -> str:
    """SIGKILL of all of them at once."""
    in_flight = await hands.aim()
    hands.note(in_flight, kills=len(names))
    await hands.blocking(lambda: hands.arena.kill(names))
    if is_failover:
        hands.leader_is_gone()
    return await hands.bring_back(
        fault, names, in_flight, hands.arena.restart, is_failover=is_failover
    )


async def kill_after_snapshot(hands: Hands, fault: Fault, name: str) -> str:
    """Right behind a snapshot; where none can be made now, the kill comes all the same."""
    await snapshot(hands, name)
    return await kill(hands, fault, [name], is_failover=True)


async def pause(hands: Hands, fault: Fault, name: str) -> str:
    """SIGSTOP, then SIGCONT."""
    in_flight = await hands.aim()
    hands.crowd.note_kill()
    hands.venue.kill(name, signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.lasts_s)
    finally:
        hands.venue.kill(name, signal.SIGCONT)
    return f"{name}, {in_flight} in flight, for {fault.lasts_s:.1f} s"


# ---- at a named place


async def die_at(
    hands: Hands, fault: Fault, name: str, place: Place, *, is_leader: bool = False
) -> str:
    """The node kills itself when it comes to the place."""
    in_flight = await _come_to(hands, name, place, Blow.KILL)
    hands.note(in_flight, kills=1)
    if is_leader:
        hands.leader_is_gone()
    await hands.blocking(lambda: hands.arena.wait_gone([name]))
    told = await hands.bring_back(
        fault, [name], in_flight, hands.arena.restart, is_failover=is_leader
    )
    return f"{place.name.lower()}: {told}"


async def cut_power_at(
    hands: Hands, fault: Fault, name: str, place: Place, *, is_leader: bool = False
) -> str:
    """The node stands still at the place, and the power goes."""
    in_flight = await _come_to(hands, name, place, Blow.STOP)
    hands.note(in_flight, power_cuts=1)
    if is_leader:
        hands.leader_is_gone()
    await hands.blocking(lambda: hands.arena.cut_power([name], fault.seed))
    told = await hands.bring_back(
        fault, [name], in_flight, hands.arena.restore_power, is_failover=is_leader
    )
    return f"{place.name.lower()}: {told}"


async def die_voted(hands: Hands, fault: Fault, leader: str, follower: str) -> str:
    """The leader is killed, and a follower when its vote is on disk and not sent."""
    hands.arena.switches[follower].arm(Place.VOTED)
    in_flight = await hands.aim()
    hands.note(in_flight, kills=2)
    await hands.blocking(lambda: hands.arena.kill([leader]))
    try:
        await _reached(hands, follower, Place.VOTED)
        await hands.blocking(lambda: hands.arena.wait_gone([follower]))
    finally:
        hands.arena.switches[follower].disarm()
    return await hands.bring_back(fault, [leader, follower], in_flight, hands.arena.restart)


async def _come_to(hands: Hands, name: str, place: Place, blow: Blow) -> int:
    """Arm the place and have the node go there; returns the orders in flight then."""
    await hands.aim()
    switch = hands.arena.switches[name]
    switch.arm(place, blow)
    is_in_snapshot = place in {Place.SNAPSHOT_WRITTEN, Place.SNAPSHOT_NAMED}
    asking = asyncio.create_task(_ask_for_snapshots(hands, name)) if is_in_snapshot else None
    try:
        await _reached(hands, name, place)
        return hands.crowd.in_flight
    finally:
        switch.disarm()
        if asking is not None:
            asking.add_done_callback(asyncio.Task.exception)


async def _ask_for_snapshots(hands: Hands, name: str) -> None:
    """Until the node is where it should be: one that has just started may not hear the first."""
    while hands.arena.switches[name].place != Place.NOWHERE:
        await snapshot(hands, name, timeout_s=ASK_S)


async def _reached(hands: Hands, name: str, place: Place) -> None:
    deadline = time.monotonic() + PLACE_S
    while hands.arena.switches[name].place == place:
        if time.monotonic() > deadline:
            raise not_whole(f"{name} does not come to {place.name.lower()}")
        if not hands.crowd.in_flight:
            hands.crowd.burst(PLACE_BURST)
        await asyncio.sleep(PLACE_POLL_S)


async def snapshot(hands: Hands, name: str, timeout_s: float = SNAPSHOT_S) -> None:
    """Have a node write one, if it can now."""
    with contextlib.suppress(NoAnswer, RequestRefused):
        await hands.blocking(
            lambda: hands.venue.requests().ask(
                name, link.CreateSnapshot(), link.SnapshotMade, timeout_s
            )
        )
