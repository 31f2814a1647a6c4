"""What must be true after a crash, found out from every side that does not know of the others.

Used by tests/integration/test_crashes.py. A client's tape, the streams that each node replays, the
robots' own records and the committed log itself, read from the journals of stopped nodes and
played to both engines, must all tell one story.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from gateways.admission import DirectoryIndex
from oms._core.engine import Engine as CoreEngine
from oms.bounds import EVENT_BYTES
from oms.config import VenueConfig
from oms.local.venue import LocalVenue
from oms.messages import link
from oms.messages.enums import Protocol
from oms.messages.event_records import unpack_events
from oms.node.engine import Engine
from oms.node.event_file import ARCHIVE, EVENTS, AllEvents
from oms.reference.engine import Engine as ReferenceEngine
from oms.replication import snapshot_file
from oms.replication.journal_reader import JournalReader
from oms.robots.auditor import Auditor
from oms.wire import soupbin
from oms.wire.outbound import SOUP_HEADER_BYTES, encode_packet
from tests.support.crash_load import Load, TapedClient

ASK_S: Final = 10.0


RATE: Final = 400.0  # orders a second, all robots
Script = Callable[[Load], Awaitable[None]]


def run(venue: LocalVenue, config: VenueConfig, seed: int, script: Script) -> Load:
    """Play the script while robots trade through the first gateway, then gather the evidence."""

    async def play_script() -> Load:
        load = Load(venue, config, seed=seed, rate=RATE)
        async with load.trading(venue.gateway_addresses):
            await load.acknowledged(100)
            await script(load)
            await load.settle()
            await load.blocking(lambda: assert_told_the_truth(venue, load))
        return load

    load = asyncio.run(play_script())
    venue.stop()
    assert_log_explains_everything(venue)
    return load


# ---- while the venue runs


def directory_of(venue: LocalVenue, node_id: str) -> DirectoryIndex:
    """Names and numbers as this node has them."""
    return DirectoryIndex(venue.requests().ask(node_id, link.GetDirectory(), link.Directory, ASK_S))


def session_stream(venue: LocalVenue, node_id: str, session_id: int) -> bytes:
    """A session's whole stream as this node replays it, numbered from 1 without a gap."""
    data = b""
    while True:
        request = link.ReplaySession(session_id, len(data) // EVENT_BYTES + 1)
        records = venue.requests().ask(node_id, request, link.Records, ASK_S)
        data += records.data
        if records.is_end:
            numbers = [event.out_seq for event in unpack_events(data)]
            assert numbers == list(range(1, len(numbers) + 1))
            return data


def messages_of(stream: bytes, directory: DirectoryIndex) -> list[bytes]:
    """The OUCH messages of a stream."""
    return [
        encode_packet(stream, offset, directory.symbols, directory.midnight_ns)[SOUP_HEADER_BYTES:]
        for offset in range(0, len(stream), EVENT_BYTES)
    ]


def assert_told_the_truth(venue: LocalVenue, load: Load) -> None:
    """Every node has what every client was told, once and in order, and nothing besides."""
    venue.wait_equal(ASK_S)
    for node in venue.nodes:
        directory = directory_of(venue, node.node_id)
        for name, client in load.clients.items():
            assert_tape_is_stream(venue, node.node_id, directory, name, client)
    auditor = Auditor(venue.requests(), load.crowd.robots)
    auditor.learn(venue.nodes[0].node_id)
    judgement = auditor.judge()
    assert judgement.is_clean, judgement
    assert judgement.finding.facts_compared > 0


def assert_tape_is_stream(
    venue: LocalVenue, node_id: str, directory: DirectoryIndex, name: str, client: TapedClient
) -> None:
    """What came over TCP, over all connections, is what this node replays, byte for byte."""
    session_id = directory.credentials(name, Protocol.OUCH).session_id
    assert session_id, f"{node_id} does not know {name}"
    replayed = messages_of(session_stream(venue, node_id, session_id), directory)
    tape = client.taped.tape
    assert not client.taped.faults, client.taped.faults
    expected = replayed[client.taped.first_seq - 1 :]
    for number, (told, logged) in enumerate(zip(tape, expected, strict=False)):
        assert told == logged, f"{name}: message {client.taped.first_seq + number} at {node_id}"
    assert len(tape) == len(expected), f"{name}: told {len(tape)}, {node_id} has {len(expected)}"


def read_stream(
    address: tuple[str, int], user: str, password: str, *, from_seq: int, count: int
) -> list[bytes]:
    """Log in anew and read `count` messages from `from_seq` on, with nothing but a socket."""
    request = soupbin.LoginRequest(user.encode(), password.encode(), b"", from_seq)
    splitter = soupbin.FrameSplitter()
    messages: list[bytes] = []
    deadline = time.monotonic() + ASK_S
    with socket.create_connection(address, ASK_S) as connection:
        connection.sendall(soupbin.login_request(request))
        while len(messages) < count:
            assert time.monotonic() < deadline, f"{len(messages)} of {count} messages"
            data = connection.recv(1 << 16)
            assert data, "the venue closed the connection"
            for frame in splitter.feed(data):
                if frame[0] == soupbin.LOGIN_ACCEPTED:
                    assert soupbin.parse_login_accepted(frame).sequence == from_seq
                elif frame[0] == soupbin.SEQUENCED:
                    messages.append(frame[1:])
    return messages


# ---- when it is stopped


def committed_log(venue: LocalVenue, node_id: str, last_index: int) -> list[tuple[bytes, int]]:
    """(batch, term) from 1 to `last_index` out of a stopped node's archive and journal; the batch
    of the log's own entries is empty.
    """
    folder = venue.folder.path / node_id
    with JournalReader(
        folder / "journal",
        cluster_id=int(venue.folder.venue.cluster_id, 16),
        node_id=node_id,
        archive=folder / ARCHIVE,
    ) as reader:
        assert reader.damage is None, reader.damage
        assert reader.first_index == 1, f"{node_id} has not the whole log"
        assert reader.last_index >= last_index, f"{node_id} has not all that it has applied"
        return [(entry.batch, entry.term) for entry in reader.entries(1, last_index)]


def newest_snapshot(venue: LocalVenue, node_id: str) -> Path:
    """The file that a stopped node will start from."""
    return snapshot_file.newest_first(venue.folder.path / node_id / "snapshots")[0]


def event_log(venue: LocalVenue, node_id: str) -> Path:
    """A node's retained outputs of the current day."""
    return venue.folder.path / node_id / EVENTS


def all_outputs(venue: LocalVenue, node_id: str) -> bytes:
    """A node's outputs of all days: the archive's, then the current one's."""
    events = AllEvents(event_log(venue, node_id))
    try:
        return events.read(1, events.event_seq)
    finally:
        events.close()


def assert_log_explains_everything(venue: LocalVenue) -> None:
    """All journals have one history, and both engines make of it what the nodes wrote down.

    The venue was stopped cleanly: a node's last snapshot says how far it had applied.
    """
    stops = {
        node.node_id: snapshot_file.read(newest_snapshot(venue, node.node_id))
        for node in venue.nodes
    }
    logs = {
        node_id: committed_log(venue, node_id, stop.log_index) for node_id, stop in stops.items()
    }
    longest = max(logs, key=lambda node_id: len(logs[node_id]))
    for node_id, log in logs.items():
        assert log == logs[longest][: len(log)], f"{node_id} committed another history"
    written = all_outputs(venue, longest)
    for node_id, stop in stops.items():
        own = all_outputs(venue, node_id)
        assert len(own) == stop.event_seq * EVENT_BYTES
        assert own == written[: len(own)], f"{node_id} wrote other events"
    digests = {stop.log_index: stop.digest for stop in stops.values()}
    for engine in (CoreEngine(), ReferenceEngine()):
        assert play(engine, logs[longest], digests) == written, type(engine).__module__


def play(engine: Engine, log: list[tuple[bytes, int]], digests: dict[int, int]) -> bytes:
    """Every event of the log, with the digest compared where somebody noted one."""
    events: list[bytes] = []
    for log_index, (batch, _term) in enumerate(log, start=1):
        if not batch:
            engine.skip_to(log_index)
        elif engine.apply(log_index, batch):
            events.append(engine.events())
        if log_index in digests:
            assert engine.digest() == digests[log_index], f"digest at log index {log_index}"
    return b"".join(events)
