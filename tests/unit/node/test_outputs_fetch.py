"""Missing outputs: fetched in pieces, believed only when their checksum is the snapshot's."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from oms.bounds import EVENT_BYTES, REQUEST_WAIT_NS
from oms.messages import link
from oms.messages.enums import EventKind
from oms.node.event_log import EventLog
from oms.node.outputs_fetch import RETRY_NS, OutputsFetch, Peer
from oms.node.replies import ANSWER, REFUSAL
from tests.support.node_parts import FakeSocket, event, silent_log

BASE, END = 100, 110
TRUTH = b"".join(event(EventKind.TRADE, number) for number in range(BASE + 1, END + 3))
encode = msgspec.msgpack.Encoder().encode


class Fetching:
    """A fetch from two peers, and time."""

    def __init__(self, folder: Path) -> None:
        self.log = EventLog(folder / "events.log")
        self.log.begin_at(BASE, missing_to=END)
        self.sockets = [FakeSocket(), FakeSocket()]
        peers = [Peer(f"n{at + 2}", item.as_socket) for at, item in enumerate(self.sockets)]
        self.crc = zlib.crc32(TRUTH[: (END - BASE) * EVENT_BYTES])
        self.fetch = OutputsFetch(self.log, peers, crc=self.crc, say=silent_log())
        self.peers = peers
        self.now = 0

    def asked(self) -> list[tuple[int, bytes, int]]:
        """Peer, request_id and from_event_seq of what was asked since the last look."""
        found = []
        for at, socket in enumerate(self.sockets):
            for request_id, body in socket.take():
                request = msgspec.msgpack.decode(body, type=link.ReplayEvents)
                found.append((at, request_id, request.from_event_seq))
        return found

    def run(self, after_ns: int = 0) -> list[tuple[int, bytes, int]]:
        """Some time later."""
        self.now += after_ns
        self.fetch.run(self.now)
        return self.asked()

    def answer(self, peer: int, request_id: bytes, data: bytes) -> list[tuple[int, bytes, int]]:
        """A peer answers; what is asked then."""
        body = encode(link.Records(data, 0, 0, is_end=False))
        return self.reply(peer, request_id, ANSWER, body)

    def reply(
        self, peer: int, request_id: bytes, code: bytes, body: bytes
    ) -> list[tuple[int, bytes, int]]:
        """A peer says something."""
        self.sockets[peer].incoming.append([request_id, code, body])
        self.fetch.on_readable(self.peers[peer], self.now)
        return self.asked()


def piece(first: int, count: int) -> bytes:
    """Records as they are."""
    return TRUTH[(first - BASE - 1) * EVENT_BYTES :][: count * EVENT_BYTES]


@pytest.fixture
def fetching(tmp_path: Path) -> Iterator[Fetching]:
    made = Fetching(tmp_path)
    yield made
    made.log.close()


def test_piece_by_piece_until_all_is_there(fetching: Fetching) -> None:
    [(peer, request_id, first)] = fetching.run()
    assert (peer, first) == (0, BASE + 1)
    [(_, request_id, first)] = fetching.answer(0, request_id, piece(BASE + 1, 4))
    assert first == BASE + 5
    assert fetching.log.read(BASE + 1, 4) == b"", "not shown before it is checked"
    assert fetching.answer(0, request_id, piece(BASE + 5, 8)) == []
    assert fetching.fetch.is_over
    assert fetching.log.read(BASE + 1, 99) == piece(BASE + 1, END - BASE)


def test_wrong_bytes_are_not_believed(fetching: Fetching) -> None:
    """A peer with a flipped bit would have its lie told to clients by this node too."""
    [(_, request_id, _)] = fetching.run()
    wrong = bytearray(piece(BASE + 1, END - BASE))
    wrong[70] ^= 1
    assert fetching.answer(0, request_id, bytes(wrong)) == []
    assert fetching.log.missing
    [(peer, request_id, first)] = fetching.run(RETRY_NS)
    assert (peer, first) == (1, BASE + 1), "from the beginning, from somebody else"
    fetching.answer(1, request_id, piece(BASE + 1, END - BASE))
    assert fetching.log.missing == 0
    assert fetching.log.read(BASE + 1, 99) == piece(BASE + 1, END - BASE)


@pytest.mark.parametrize("data", [b"", piece(BASE + 2, 2), piece(BASE + 1, 1) * 2])
def test_other_records_than_those_asked_for_are_refused(fetching: Fetching, data: bytes) -> None:
    [(_, request_id, _)] = fetching.run()
    assert fetching.answer(0, request_id, data) == []
    assert fetching.run(RETRY_NS)[0][0] == 1


def test_a_peer_that_refuses_or_is_silent_is_left(fetching: Fetching) -> None:
    [(_, request_id, _)] = fetching.run()
    assert fetching.reply(0, request_id, REFUSAL, encode(link.Refusal("not here"))) == []
    assert fetching.run(RETRY_NS - 1) == []
    [(peer, late_id, _)] = fetching.run(1)
    assert peer == 1
    assert fetching.run(REQUEST_WAIT_NS) == []
    assert fetching.run(1) == []
    [(peer, _, _)] = fetching.run(RETRY_NS)
    assert peer == 0
    assert fetching.answer(1, late_id, piece(BASE + 1, 10)) == [], "an answer that came too late"
    assert not fetching.fetch.is_over


def test_a_day_that_is_over_meanwhile_needs_no_fetching(fetching: Fetching) -> None:
    [(_, request_id, _)] = fetching.run()
    fetching.log.begin_at(END + 50)
    assert fetching.fetch.is_over
    assert fetching.answer(0, request_id, piece(BASE + 1, 10)) == []
    assert fetching.run(RETRY_NS) == []
    assert fetching.log.event_seq == END + 50
