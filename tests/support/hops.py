"""A venue of real processes with a relay on every link, and traders who know what they asked for.

Called by tests/integration/test_hops_*.py. A test tells a story of faults at one hop while traders'
orders are on their way; then `prove` finds out from every side that each order was accepted
once, that nothing else was, and that every client was told what every node replays.
"""

import asyncio
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast
from unittest import mock

import msgspec

from oms.chaos.relay import Relay, Relays
from oms.config import GatewaySettings, NodeAddress, NodeSettings, load
from oms.local import venue as local_venue
from oms.local.folder import to_toml
from oms.local.venue import LocalVenue
from oms.messages import link
from oms.messages.enums import EventKind, Protocol
from oms.messages.event_records import Event, unpack_events
from tests.support import hop_faults
from tests.support.crash_evidence import (
    assert_log_explains_everything,
    assert_tape_is_stream,
    directory_of,
    session_stream,
)
from tests.support.hop_trader import (
    CANCELERS,
    GATEWAYS,
    PATIENCE_S,
    USERS,
    Trader,
    assert_each_once,
    config,
    names,
)
from tests.support.node_rig import replay_events

POLL_S: Final = 0.005
NODES: Final = ("n1", "n2", "n3")


Story = Callable[[Trader], Awaitable[None]]
StoryOfTwo = Callable[[Trader, Trader], Awaitable[None]]


class HopVenue:
    """Three nodes, two gateways, and relays between everything. Made by `hop_venue`."""

    def __init__(self, venue: LocalVenue, relays: Relays, *, narrow: bool) -> None:
        self.venue = venue
        self._relays = relays
        self.push: dict[tuple[str, str], Relay] = {}  # by gateway and node
        self.pub: dict[tuple[str, str], Relay] = {}
        self.router: dict[tuple[str, str], Relay] = {}
        self.raft: dict[tuple[str, str], Relay] = {}  # lower id dials higher id
        self.door: dict[str, Relay] = {}
        self._users = iter(names("H", USERS))
        self._cancelers = iter(names("C", CANCELERS))
        self._narrow_bytes = 4_096 if narrow else 0
        if narrow:
            (venue.folder.path / hop_faults.NARROW).touch()
        for gateway in venue.folder.venue.gateways:
            self._relay_gateway(gateway.name)
            self.door[gateway.name] = relays.link(gateway.listen)
        for node in venue.nodes:
            self._relay_node(node.node_id)

    def _relay_gateway(self, name: str) -> None:
        path = self.venue.folder.gateway_settings(name)
        settings = load(path, GatewaySettings)
        nodes = []
        for node in settings.nodes:
            key = (name, node.node_id)
            self.push[key] = self._relays.link(node.pull)
            self.pub[key] = self._relays.link(node.pub, buffer_bytes=self._narrow_bytes)
            self.router[key] = self._relays.link(node.router)
            nodes.append(
                msgspec.structs.replace(
                    node,
                    pull=self.push[key].address,
                    pub=self.pub[key].address,
                    router=self.router[key].address,
                )
            )
        path.write_text(to_toml(msgspec.structs.replace(settings, nodes=nodes)))

    def _relay_node(self, node_id: str) -> None:
        path = self.venue.folder.node_settings(node_id)
        settings = load(path, NodeSettings)
        nodes = [self._raft_address(node_id, node) for node in settings.nodes]
        path.write_text(to_toml(msgspec.structs.replace(settings, nodes=nodes)))

    def _raft_address(self, dialler: str, node: NodeAddress) -> NodeAddress:
        if node.node_id <= dialler:
            return node
        relay = self.raft[dialler, node.node_id] = self._relays.link(node.raft)
        return msgspec.structs.replace(node, raft=relay.address)

    def doors(self, gateways: Sequence[str] = GATEWAYS) -> list[tuple[str, int]]:
        """Where clients connect: the relays before the gateways."""
        split = [self.door[name].address.rpartition(":") for name in gateways]
        return [(host, int(port)) for host, _, port in split]

    # ---- stories

    def play(self, story: Story, *, is_canceler: bool = False) -> Trader:
        """Everything whole; a trader logs in; the story; every outcome; the proof."""
        crew = [Trader(self, next(self._cancelers if is_canceler else self._users))]
        self._play(crew, lambda: story(*crew))
        return crew[0]

    def play_two(self, story: StoryOfTwo) -> None:
        """The same with two traders."""
        crew = [Trader(self, next(self._users)) for _ in range(2)]
        self._play(crew, lambda: story(*crew))

    def _play(self, crew: list[Trader], story: Callable[[], Awaitable[None]]) -> None:
        self.make_whole()

        async def run() -> None:
            try:
                for trader in crew:
                    await trader.connect()
                await story()
                self._relays.mend()
                for trader in crew:
                    await trader.settled()
                await self.blocking(lambda: self.venue.start(PATIENCE_S))
                await self.blocking(lambda: self.prove(*crew))
            finally:
                self.wake_all()
                for trader in crew:
                    await trader.close()

        asyncio.run(asyncio.wait_for(run(), 3 * PATIENCE_S))

    def make_whole(self) -> None:
        """No fault left from a test before."""
        self._relays.mend()
        for path in self.venue.folder.path.glob("die-at-*"):
            path.unlink()
        self.wake_all()
        self.venue.start(PATIENCE_S)

    def wake_all(self) -> None:
        """Nothing sleeps."""
        for name in self.venue.names:
            self.venue.kill(name, signal.SIGCONT)

    async def blocking(self, work: Callable[[], object]) -> None:
        """Something that waits, while the clients go on."""
        await asyncio.to_thread(work)

    async def until(self, is_done: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_done():
            assert time.monotonic() < deadline, f"{what} did not happen"
            await asyncio.sleep(POLL_S)

    async def leader(self) -> str:
        """Who accepts orders, as soon as somebody does."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            leader = await asyncio.to_thread(self.venue.leader)
            if leader is not None:
                return leader
        raise AssertionError("nobody leads")

    async def heard(self, gateway: str, leader: str) -> None:
        """The gateway has heard that this node leads."""
        await self.until(
            lambda: [line["leader_id"] for line in self.said(gateway, "leader")][-1:] == [leader],
            f"{gateway} hears of {leader}",
        )

    def followers(self, leader: str) -> list[str]:
        """The others."""
        return [name for name in NODES if name != leader]

    def arm(self, name: str) -> None:
        """Whoever reaches this place with a marked order dies there."""
        hop_faults.place(self.venue.folder.path, name).touch()

    def is_armed(self, name: str) -> bool:
        """Nobody has died there yet."""
        return hop_faults.place(self.venue.folder.path, name).exists()

    def stop(self, *names: str) -> None:
        """SIGSTOP."""
        for name in names:
            assert self.venue.kill(name, signal.SIGSTOP), f"{name} does not run"

    def go_on(self, *names: str) -> None:
        """SIGCONT."""
        for name in names:
            assert self.venue.kill(name, signal.SIGCONT), f"{name} does not run"

    async def kill(self, *names: str) -> None:
        """SIGKILL, and wait for the end."""
        for name in names:
            assert self.venue.kill(name), f"{name} does not run"
        for name in names:
            await self.gone(name)

    async def end(self, name: str) -> None:
        """SIGTERM, and wait for the end: what it had is in its files."""
        assert self.venue.kill(name, signal.SIGTERM), f"{name} does not run"
        await self.gone(name)

    async def gone(self, name: str) -> None:
        """A process is no more."""
        assert await asyncio.to_thread(self.venue.wait_gone, name, PATIENCE_S), f"{name} lives"

    async def started(self, *names: str) -> None:
        """Start what was killed, and wait until the venue is whole."""
        for name in names:
            self.venue.start_node(name)
        await self.blocking(lambda: self.venue.start(PATIENCE_S))

    # ---- evidence

    def said(self, name: str, event: str) -> list[dict[str, object]]:
        """What a process logged of one kind."""
        lines = self.venue.log_file(name).read_text().splitlines()
        found = [
            cast("dict[str, object]", json.loads(line)) for line in lines if line.startswith("{")
        ]
        return [line for line in found if line["event"] == event]

    def events(self) -> list[Event]:
        """Every event of the log so far, as the first node that answers has it."""
        running = [name for name in NODES if self.venue.pids()[name] is not None]
        return unpack_events(replay_events(self.venue, running[0]))

    def count(self, trader: Trader, kind: EventKind) -> int:
        """How often something was said to a trader's session."""
        session_id = self.session_id(trader)
        return sum(1 for e in self.events() if e.kind == kind and e.session_id == session_id)

    def accepted(self, trader: Trader) -> list[int]:
        """UserRefNums of a trader's accepted orders, in the log's order."""
        session_id = self.session_id(trader)
        return [
            event.user_ref_num
            for event in self.events()
            if event.kind == EventKind.ORDER_ACCEPTED and event.session_id == session_id
        ]

    def session_id(self, trader: Trader) -> int:
        """A trader's session."""
        directory = directory_of(self.venue, self.venue.leader() or NODES[0])
        return directory.credentials(trader.name, Protocol.OUCH).session_id

    def prove(self, *traders: Trader) -> None:
        """Nothing lost, nothing doubled, and one truth at every node."""
        self.venue.wait_equal(PATIENCE_S)
        for node in NODES:
            directory = directory_of(self.venue, node)
            for trader in traders:
                client = trader.client
                assert_tape_is_stream(self.venue, node, directory, trader.name, client)
                session_id = directory.credentials(trader.name, Protocol.OUCH).session_id
                stream = unpack_events(session_stream(self.venue, node, session_id))
                assert_each_once(trader, stream)
        first, *others = [replay_events(self.venue, node) for node in NODES]
        assert all(other == first for other in others), "the nodes replay other outputs"

    def leave_proof(self) -> None:
        """The end of a file: the journals explain every event, to both engines."""
        self.make_whole()
        self.venue.wait_equal(PATIENCE_S)
        self.venue.stop()
        assert_log_explains_everything(self.venue)

    def folder_of(self, node: str) -> Path:
        """A node's data."""
        return self.venue.folder.path / node

    def status(self, node: str) -> link.Status:
        """What a node says of itself."""
        status = self.venue.statuses()[node]
        assert status is not None, f"{node} does not answer"
        return status


@contextmanager
def hop_venue(*, narrow: bool = False) -> Iterator[HopVenue]:
    """A running venue with relays; at the end its log must explain everything."""
    path = Path(tempfile.mkdtemp(prefix="quorate-hops-"))
    modules = mock.patch.multiple(
        local_venue,
        _NODE_MODULE="tests.support.hop_node",
        _GATEWAY_MODULE="tests.support.hop_gateway",
    )
    try:
        with modules, Relays() as relays:
            made = LocalVenue.format(path / "venue", config(), gateway_count=len(GATEWAYS))
            with made:
                hops = HopVenue(made, relays, narrow=narrow)
                made.start(PATIENCE_S)
                yield hops
                hops.leave_proof()
    finally:
        shutil.rmtree(path)
