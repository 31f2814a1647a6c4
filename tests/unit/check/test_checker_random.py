"""Random flow through the checker: never a false alarm, and no lie goes unnoticed.

The seed of a failing run is in its name.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from oms.check.history import Clock, Frame, FrameKind, History, Recorder, read_history
from oms.check.judge import check
from oms.wire import ouch_messages as m
from oms.wire.appendage import Option, Tag, build_appendage
from tests.support.recorded_venue import SYMBOL, RecordedClient, RecordedVenue

PRICE = 1_000_000
STEPS = 60


class Flow:
    """Everything a client may do, at random."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.venue = RecordedVenue(folder, 3, firms=3)
        for client in self.venue.clients:
            client.login()

    def play(self) -> None:
        """Some entries of some messages; connections come and go in between."""
        rng, venue = self.rng, self.venue
        for _ in range(STEPS):
            for client in venue.clients:
                for _ in range(rng.randint(0, 4)):
                    self.act(client)
            venue.commit()
            for client in venue.clients:
                if rng.random() < 0.8:
                    client.listen()
                if rng.random() < 0.05:
                    client.drop()
                    client.login(rng.choice((None, 1)))
        venue.listen()

    def act(self, client: RecordedClient) -> None:
        """One message."""
        rng = self.rng
        urns = range(1, 60)
        choice = rng.random()
        if choice < 0.55:
            client.send(self.order(next(client.next_urn)))
        elif choice < 0.75:
            client.cancel(rng.choice(urns), rng.choice((0, 0, 20)))
        elif choice < 0.90:
            client.replace(rng.choice(urns), rng.randint(1, 200), self.price())
        elif choice < 0.92:
            client.send(m.AccountQueryRequest())
        elif choice < 0.94:
            client.send(m.MassCancelRequest(next(client.next_urn), b"R01", SYMBOL))
        elif choice < 0.96:
            client.send(m.DisableRequest(next(client.next_urn), b"R02"))
        elif choice < 0.98:
            client.send(m.EnableRequest(next(client.next_urn), b"R02"))
        else:
            client.send(self.order(rng.choice(urns)))  # a number that may be used up

    def price(self) -> int:
        """Round the middle; sometimes off the tick."""
        return PRICE + 100 * self.rng.randint(-5, 5) + self.rng.choice((0, 0, 0, 0, 7))

    def order(self, urn: int) -> m.EnterOrder:
        """Limit and market, day, immediate and timed; with and without optional fields."""
        rng = self.rng
        options: list[Option] = []
        if rng.random() < 0.5:
            options.append(Option(Tag.FIRM, rng.choice((b"R01", b"R02", b"R03", b"NONE"))))
        if rng.random() < 0.1:
            options.append(Option(Tag.MIN_QTY, rng.randint(1, 100)))
        if rng.random() < 0.1:
            options.append(Option(Tag.POST_ONLY, ord("P")))
        if rng.random() < 0.3:
            options.append(Option(Tag.AIQ_STRATEGY, ord(rng.choice("WOD"))))
        tif = rng.choice((m.TIF_DAY, m.TIF_DAY, m.TIF_IOC, m.TIF_GTT))
        if tif == m.TIF_GTT:
            options.append(Option(Tag.EXPIRE_TIME, rng.randint(0, 3)))
        side = rng.choice((m.SIDE_BUY, m.SIDE_SELL, m.SIDE_SELL_SHORT))
        price = rng.choice((self.price(), self.price(), self.price(), m.PRICE_MARKET_ROUND))
        return m.EnterOrder(
            urn, side, rng.randint(1, 150), rng.choice((SYMBOL, SYMBOL, SYMBOL, b"NONE")), price,
            tif, cl_ord_id=b"C%d" % urn, appendage=build_appendage(options),
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(1, 13))
def test_random_flow_is_clean(tmp_path: Path, seed: int) -> None:
    """Whatever clients do, an honest venue is not accused."""
    flow = Flow(tmp_path, seed)
    flow.play()
    verdict = check([tmp_path], flow.venue.close())
    assert verdict.is_clean, verdict.examples
    assert verdict.acknowledged > 30
    assert verdict.unread == 0


class Again(Clock):
    """The times of frames that are written once more."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frame = Frame(0, 0, 0, 0, 0, b"")

    def monotonic_ns(self) -> int:
        return self.frame.monotonic_ns

    def wall_ns(self) -> int:
        return self.frame.wall_ns


def write_again(history: History, path: Path, place: int, bit: int) -> None:
    """The same history with one bit of one frame's body another one."""
    clock = Again(history.owner.clock)
    recorder = Recorder(path, history.owner.user, clock)
    frames = list(history.frames())[1:]
    for number, frame in enumerate(frames):
        clock.frame = frame
        body = bytearray(frame.body)
        if number == place:
            body[bit // 8 % len(body)] ^= 1 << bit % 8
        is_numbered = frame.kind in (FrameKind.RECEIVED, FrameKind.ASKED)
        prefix = frame.out_seq.to_bytes(8, "little") if is_numbered else b""
        recorder.write(FrameKind(frame.kind), frame.connection, prefix + bytes(body))
    recorder.abandon()


def test_no_bit_of_what_was_told_can_be_another_one(tmp_path: Path) -> None:
    """A hundred days that differ from what happened in one bit of one answer."""
    (tmp_path / "true").mkdir()
    flow = Flow(tmp_path / "true", seed=7)
    flow.play()
    log = flow.venue.close()
    paths = [client.path for client in flow.venue.clients]
    rng = random.Random(7)
    for trial in range(100):
        history = read_history(rng.choice(paths))
        told = [
            number
            for number, frame in enumerate(list(history.frames())[1:])
            if frame.kind == FrameKind.RECEIVED
        ]
        place, bit = rng.choice(told), rng.randrange(1 << 12)
        changed = tmp_path / f"{trial}.history"
        write_again(history, changed, place, bit)
        others = [path for path in paths if path != history.path]
        verdict = check([changed, *others], log)
        assert not verdict.is_clean, (trial, place, bit)


def test_no_lie_at_any_place_goes_unnoticed(tmp_path: Path) -> None:
    """Each message of a day changed, left out, repeated or moved, one at a time."""
    lies: list[Callable[[list[bytes], int], None]] = [change, leave_out, repeat, move]
    for lie in lies:
        place = 0
        while True:
            folder = tmp_path / f"{lie.__name__}{place}"
            folder.mkdir()
            length = tell(folder, lie, place)
            if place >= length - 1:
                break
            place += 1
        assert place >= 10


def tell(folder: Path, lie: Callable[[list[bytes], int], None], place: int) -> int:
    """A short day of which one client is told a lie; how many messages it has."""
    venue = RecordedVenue(folder)
    first, second = venue.clients
    for client in venue.clients:
        client.login()
    for step in range(4):
        first.enter(m.SIDE_SELL, 100, PRICE + 100 * step)
        second.enter(m.SIDE_BUY, 60, PRICE + 100 * step)
        venue.commit()
    first.cancel(1)
    venue.commit()
    before = list(first.stream)
    if place < len(before) - 1:
        lie(first.stream, place)
    is_lie = first.stream != before
    venue.listen()
    verdict = check([folder], venue.close())
    assert verdict.is_clean is not is_lie, (lie.__name__, place, verdict)
    return len(before)


def change(stream: list[bytes], place: int) -> None:
    """One bit of the body's last byte."""
    message = bytearray(stream[place])
    message[len(message) // 2] ^= 1
    stream[place] = bytes(message)


def leave_out(stream: list[bytes], place: int) -> None:
    """One message is not told."""
    del stream[place]


def repeat(stream: list[bytes], place: int) -> None:
    """One message is told twice."""
    stream.insert(place, stream[place])


def move(stream: list[bytes], place: int) -> None:
    """Two messages change places."""
    stream[place], stream[place + 1] = stream[place + 1], stream[place]
