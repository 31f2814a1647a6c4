"""Faults of networks, clients, clocks and folders.

Called by `strike.py`. Each function does one fault to its end and returns what was done, for the
reader.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from oms.chaos.hands import PATIENCE_S, Hands, not_whole
from oms.chaos.schedule import Fault
from oms.client.aio import AsyncClient
from oms.client.errors import ClientError
from oms.config import NodeSettings, load
from oms.local.folder import to_toml

SKEW_MS: Final = (60, 200, 2_000, 60_000)  # the smallest is more than a leader may differ
SECOND_LOGIN_S: Final = 10.0
_CANNOT_START: Final = 2  # exit code of a node
_PRODUCT_NODE: Final = "oms.node.main"


# ---- networks and clients


async def part(hands: Hands, fault: Fault, name: str, cut: Callable[[str], None]) -> str:
    """A partition along one node, and its end."""
    in_flight = await hands.aim()
    hands.crowd.note_kill()
    cut(name)
    try:
        await asyncio.sleep(fault.lasts_s)
    finally:
        hands.arena.links.mend()
    return f"{name}, {in_flight} in flight, for {fault.lasts_s:.1f} s"


async def flap(hands: Hands) -> str:
    """Every client's connection is reset."""
    in_flight = await hands.aim()
    hands.crowd.note_kill()
    hands.arena.links.flap()
    return f"every client's connection, {in_flight} in flight"


async def login_twice(hands: Hands, fault: Fault) -> str:
    """Somebody else logs in as one of the robots, which then takes its session back."""
    robot = hands.crowd.robots[fault.choice % len(hands.crowd.robots)]
    doors = hands.arena.links.doors
    turned = doors if fault.seed % 2 else doors[::-1]
    in_flight = await hands.aim()
    hands.crowd.note_kill()
    with hands.guests.record(robot.name) as recorder:
        try:
            client = await AsyncClient.connect(
                turned,
                robot.name,
                hands.guests.password(robot.name),
                from_seq=0,
                reconnect=False,
                timeout_s=SECOND_LOGIN_S,
                recorder=recorder,
            )
        except ClientError as error:
            return f"{robot.name}, {in_flight} in flight: it was not let in ({error})"
        with contextlib.suppress(ClientError, TimeoutError):
            await asyncio.wait_for(_read(client), fault.lasts_s)
        is_out = not client.is_live
        await client.close()
    how = "was thrown out again" if is_out else "left"
    return f"{robot.name}, {in_flight} in flight: the second login {how}"


async def _read(client: AsyncClient) -> None:
    async for _ in client.events():
        pass


# ---- clocks


async def skew(hands: Hands, fault: Fault, leader: str, *, sign: int) -> str:
    """The leader's clock is wrong: another one leads until it is right again, and longer."""
    switch = hands.arena.switches[leader]
    skew_ms = SKEW_MS[fault.choice % len(SKEW_MS)]
    await hands.until(
        lambda statuses: all(item.may_lead for item in statuses),
        "a node does not trust its clock",
        is_everybody_wanted=True,
    )
    in_flight = await hands.aim()
    switch.skew_ns = sign * skew_ms * 1_000_000
    try:
        statuses = await hands.until(
            lambda statuses: (
                any(s.accepting and s.node_id != leader for s in statuses)
                and not any(s.accepting and s.node_id == leader for s in statuses)
            ),
            f"{leader} leads on with a clock that is wrong by {skew_ms} ms",
        )
        await asyncio.sleep(fault.lasts_s)
    finally:
        switch.skew_ns = 0
    await hands.until(
        lambda statuses: all(item.may_lead for item in statuses),
        f"{leader} does not trust its clock, which is right again",
        is_everybody_wanted=True,
    )
    second = next(item.node_id for item in statuses if item.accepting)
    return f"{leader} by {sign * skew_ms:+,} ms, {in_flight} in flight: {second} led"


# ---- folders


async def wipe(hands: Hands, fault: Fault) -> str:
    """A disk is lost: everything is killed, the node replaced, the venue started.

    Only the first two nodes and whoever came after them lose their disks: the third one keeps the
    log from its first entry, as the judge wants it.
    """
    arena = hands.arena
    lost = arena.node_ids[fault.choice % 2]
    every = [*arena.node_ids, *arena.gateway_names]
    in_flight = await hands.aim()
    hands.note(in_flight, kills=len(every))
    await hands.blocking(lambda: arena.kill(every))
    new = await hands.blocking(lambda: arena.replace(lost))
    await hands.blocking(lambda: arena.restart([*arena.node_ids, *arena.gateway_names]))
    return f"{lost}, {in_flight} in flight: {new} took its place"


async def wrong_folder(hands: Hands, fault: Fault, other: str, follower: str) -> str:
    """A node's process is started on the folder of a follower, which runs or was killed: it must
    refuse, and the follower must find everything as it was.
    """
    arena, is_running = hands.arena, bool(fault.seed % 2)
    in_flight = await hands.aim()
    if not is_running:
        hands.note(in_flight, kills=1)
        await hands.blocking(lambda: arena.kill([follower]))
    said = await hands.blocking(lambda: _start_wrongly(hands, other, follower))
    if not is_running:
        await hands.blocking(lambda: arena.restart([follower]))
    how = "in use" if is_running else "of a killed node"
    return f"{other} on the folder of {follower}, {how}, {in_flight} in flight: {said}"


def _start_wrongly(hands: Hands, node_id: str, follower: str) -> str:
    venue = hands.venue.folder
    settings = load(venue.node_settings(node_id), NodeSettings)
    wrong = msgspec.structs.replace(settings, data=str(venue.path / follower))
    folder = venue.path / f"{node_id}.wrong"
    folder.mkdir()
    file = folder / "node.toml"
    file.write_text(to_toml(wrong))
    try:
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-m", _PRODUCT_NODE, "--settings", str(file)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise not_whole(f"{node_id} runs on the folder of {follower}") from error
    finally:
        file.unlink()
        folder.rmdir()
    if done.returncode != _CANNOT_START:
        raise not_whole(f"{node_id} on the folder of {follower} ended with {done.returncode}")
    return "it refused to start"
