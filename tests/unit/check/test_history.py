"""Histories: what a client sent and was told, as the checker reads it afterwards."""

import asyncio
from pathlib import Path

import pytest

from oms.check.history import (
    MAGIC,
    Clock,
    Frame,
    FrameKind,
    History,
    HistoryError,
    Recorder,
    find_histories,
    read_history,
)
from oms.client.aio import AsyncClient
from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m
from tests.support.fake_server import FakeServer

ENTER = ouch.encode(m.EnterOrder(1, m.SIDE_BUY, 100, b"ALDER", 250_000))
ANSWER = ouch.encode(m.CancelReject(7, 1))


class CountingClock(Clock):
    """Every moment is the next number."""

    def __init__(self) -> None:
        self.name = "a test's"
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        self.now_ns += 1
        return self.now_ns

    def wall_ns(self) -> int:
        return 1_000 + self.now_ns


def write_example(path: Path) -> None:
    with Recorder(path, "GUEST", CountingClock()) as recorder:
        connection = recorder.connected("127.0.0.1:9001")
        login = soupbin.LoginRequest(b"GUEST", b"SECRET", b"", 40)
        connection.wrote(soupbin.login_request(login))
        connection.read(soupbin.login_accepted(b"20260105", 41))
        connection.wrote(soupbin.unsequenced(ENTER) + soupbin.CLIENT_HEARTBEAT_PACKET)
        connection.read(soupbin.sequenced(ANSWER) + soupbin.SERVER_HEARTBEAT_PACKET)
        connection.lost("a test")


def test_a_history_reads_as_it_was_written(tmp_path: Path) -> None:
    """Kinds, times, numbers and bytes; heartbeats and passwords are not in it."""
    path = tmp_path / "guest.history"
    write_example(path)
    history = read_history(path)
    assert (history.owner.user, history.owner.clock) == ("GUEST", "a test's")
    assert history.is_complete
    frames = list(history.frames())
    assert frames[1] == Frame(FrameKind.CONNECTED, 1, 2, 1_002, 0, b"127.0.0.1:9001")
    assert frames[2] == Frame(FrameKind.ASKED, 1, 3, 1_003, 40, b"")
    assert frames[4] == Frame(FrameKind.SENT, 1, 5, 1_005, 0, ENTER)
    assert frames[5] == Frame(FrameKind.RECEIVED, 1, 6, 1_006, 41, ANSWER)
    assert [frame.kind for frame in frames] == [1, 2, 8, 3, 4, 5, 6, 7]
    assert b"SECRET" not in path.read_bytes()


def test_bytes_may_be_cut_anywhere(tmp_path: Path) -> None:
    """TCP knows no frames: one byte at a time gives the same history."""
    packet = soupbin.login_accepted(b"20260105", 1) + soupbin.sequenced(ANSWER)
    with Recorder(tmp_path / "a.history", "GUEST", CountingClock()) as recorder:
        connection = recorder.connected("gateway")
        for position in range(len(packet)):
            connection.read(packet[position : position + 1])
    kinds = [frame.kind for frame in read_history(tmp_path / "a.history").frames()]
    assert kinds.count(FrameKind.RECEIVED) == kinds.count(FrameKind.LOGIN) == 1


def test_a_broken_protocol_ends_the_connection_in_the_history(tmp_path: Path) -> None:
    """What comes behind cannot be told apart any more."""
    with Recorder(tmp_path / "a.history", "GUEST", CountingClock()) as recorder:
        connection = recorder.connected("gateway")
        connection.read(b"\x00\x00")
        connection.read(soupbin.sequenced(ANSWER))
    frames = list(read_history(tmp_path / "a.history").frames())
    assert [frame.kind for frame in frames] == [1, 2, 6, 7]
    assert b"the venue broke the protocol" in frames[2].body


def test_a_history_cut_anywhere_is_read_to_its_last_whole_frame(tmp_path: Path) -> None:
    """A client that was killed has written less; that is no lie, but it is not complete either."""
    path = tmp_path / "guest.history"
    write_example(path)
    data = path.read_bytes()
    whole = list(History(path, data).frames())
    for size in range(data.index(whole[1].body), len(data)):
        history = History(path, data[:size])
        frames = list(history.frames())
        assert frames == whole[: len(frames)]
        assert not history.is_complete


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    """Who edits the evidence is found out: no bit of a whole frame can be another one."""
    path = tmp_path / "guest.history"
    write_example(path)
    data = path.read_bytes()
    whole = list(History(path, data).frames())
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0x10
        try:
            frames = list(History(path, bytes(changed)).frames())
        except HistoryError:
            continue
        assert frames == whole[: len(frames)], position
        assert len(frames) < len(whole), position


def test_a_frame_taken_out_is_noticed(tmp_path: Path) -> None:
    """The checksums are a chain: an answer that does not fit cannot be removed in silence."""
    path = tmp_path / "guest.history"
    write_example(path)
    data = path.read_bytes()
    end = data.index(ANSWER) + len(ANSWER)
    start = end - len(ANSWER) - 8 - 28
    with pytest.raises(HistoryError, match="changed at offset"):
        History(path, data[:start] + data[end:])


def test_an_existing_history_is_never_written_over(tmp_path: Path) -> None:
    """Evidence is appended to nothing and replaces nothing."""
    write_example(tmp_path / "guest.history")
    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "guest.history", "GUEST")


def test_a_recorder_left_by_an_exception_does_not_call_its_history_whole(tmp_path: Path) -> None:
    """A client that crashed may have sent what is not written here."""
    path = tmp_path / "guest.history"
    with pytest.raises(RuntimeError), Recorder(path, "GUEST"):
        raise RuntimeError
    assert not read_history(path).is_complete


def test_histories_are_found_in_folders_and_by_name(tmp_path: Path) -> None:
    """Twice named is read once."""
    write_example(tmp_path / "b.history")
    write_example(tmp_path / "a.history")
    (tmp_path / "other.txt").write_bytes(MAGIC)
    found = find_histories([tmp_path, tmp_path / "a.history"])
    assert [path.name for path in found] == ["a.history", "b.history"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(HistoryError, match="there is no"):
        find_histories([tmp_path / "empty"])


def test_the_product_s_client_writes_its_history(tmp_path: Path) -> None:
    """What was sent and told over two connections of one session is all in the file."""

    async def story() -> None:
        with Recorder(tmp_path / "user.history", "user") as recorder, FakeServer() as server:
            client = await AsyncClient.connect(
                [server.address], "user", "SECRET", timeout_s=5, recorder=recorder
            )
            first = client.enter("ALDER", "BUY", 100, "25.10")
            await first.outcome(timeout=5)
            server.drop()
            second = client.enter("ALDER", "BUY", 200, "25.10")
            await second.outcome(timeout=5)
            await client.close()

    asyncio.run(asyncio.wait_for(story(), 20))
    frames = list(read_history(tmp_path / "user.history").frames())
    received = [frame for frame in frames if frame.kind == FrameKind.RECEIVED]
    assert [frame.out_seq for frame in received] == list(range(1, len(received) + 1))
    sent = [frame.body for frame in frames if frame.kind == FrameKind.SENT]
    entered = {ouch.decode_inbound(body) for body in sent if body[0] == m.EnterOrder.TYPE}
    assert {order.qty for order in entered if isinstance(order, m.EnterOrder)} == {100, 200}
    accepted = [frame for frame in received if frame.body[0] == m.Accepted.TYPE]
    first_sent = next(frame for frame in frames if frame.kind == FrameKind.SENT)
    assert len(accepted) == 2
    assert first_sent.monotonic_ns <= accepted[0].monotonic_ns
    connected = [frame for frame in frames if frame.kind == FrameKind.CONNECTED]
    lost = [frame for frame in frames if frame.kind == FrameKind.LOST]
    assert len(connected) == len(lost) >= 3, "a probe, a session, and again after the drop"
