"""Snapshots: everything goes on as if nothing had been, and nothing else is believed."""

import importlib
import random
import struct
from pathlib import Path

import pytest

from oms._core import Engine
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.event_records import unpack_events
from oms.messages.packing import pack_batch
from tests.scenarios.play import Player
from tests.unit.core.venue import BUYER, NEVER, SELLER, TICK, Venue

M64 = (1 << 64) - 1
MIX = 0x9E3779B97F4A7C15
HEADER_WORDS = 4
GOLDEN = Path(__file__).parents[2] / "golden"


def _traffic(venue: Venue, rng: random.Random, count: int) -> list[c.Command]:
    commands: list[c.Command] = []
    for _ in range(count):
        session = rng.choice((BUYER, SELLER))
        price = rng.randint(90, 110) * TICK
        what = rng.random()
        if what < 0.5 or venue.urn[session] == 0:
            commands.append(venue.new(session, rng.randint(1, 50), price))
        elif what < 0.75:
            name = rng.randint(1, venue.urn[session])
            commands.append(venue.replace(session, name, rng.randint(1, 50), price))
        else:
            commands.append(venue.cancel(session, rng.randint(1, venue.urn[session])))
    return commands


def _same(left: Engine, right: Engine) -> bool:
    return (left.digest(), left.state_digest(), left.events()) == (
        right.digest(), right.state_digest(), right.events(),
    )  # fmt: skip


def test_an_engine_goes_on_from_any_point() -> None:
    """A node that starts from a snapshot must be the replica it would have been."""
    rng = random.Random(3)
    venue = Venue()
    copy = Engine()
    for _ in range(60):
        copy.restore(venue.engine.snapshot())
        copy.verify()
        assert copy.snapshot() == venue.engine.snapshot()
        assert copy.state_digest() == venue.engine.state_digest()
        venue.apply(*_traffic(venue, rng, 25))
        entry = pack_batch(venue.now_ns + 1, _traffic(venue, rng, 5))
        copy.restore(venue.engine.snapshot())
        venue.index += 1
        venue.now_ns += 1
        for engine in (venue.engine, copy):
            engine.apply(venue.index, entry)
        assert _same(venue.engine, copy)
    assert venue.engine.totals() == copy.totals()
    assert venue.engine.directory() == copy.directory()


def test_an_empty_engine_has_a_snapshot() -> None:
    """A node may be asked for one before the first entry."""
    engine = Engine()
    engine.apply(4, b"no entry")
    copy = Engine()
    copy.restore(engine.snapshot())
    assert (copy.applied_index, copy.has_genesis) == (4, False)
    assert copy.digest() == engine.digest()


def test_events_are_no_part_of_the_state() -> None:
    """They were published; a restored engine has nothing to say."""
    venue = Venue()
    venue.apply(venue.new(BUYER, 1, TICK))
    copy = Engine()
    copy.restore(venue.engine.snapshot())
    assert copy.events() == b""


def test_every_changed_byte_is_noticed() -> None:
    """Disks flip bits; a snapshot that was changed is no snapshot."""
    venue = Venue()
    venue.apply(*_traffic(venue, random.Random(1), 40))
    good = venue.engine.snapshot()
    before = (venue.engine.digest(), venue.engine.state_digest())
    for place in range(len(good)):
        wrong = bytearray(good)
        wrong[place] ^= 1 << (place % 8)
        with pytest.raises(ValueError, match="not a snapshot"):
            venue.engine.restore(bytes(wrong))
    for wrong_length in (b"", good[:-8], good[:-1], good + b"\0", good + bytes(8), good[:31]):
        with pytest.raises(ValueError, match="not a snapshot"):
            venue.engine.restore(wrong_length)
    assert (venue.engine.digest(), venue.engine.state_digest()) == before


def _sealed(words: list[int]) -> bytes:
    """A snapshot whose length and checksum are right, whatever it says."""
    lanes = [len(words) + i + (words[1] << 40) for i in range(4)]
    body = words[HEADER_WORDS:]
    whole = len(body) // 4 * 4
    body += [0] * (whole + 4 - len(body))
    for i, word in enumerate(body):
        lane = ((lanes[i % 4] ^ word) * MIX) & M64
        lanes[i % 4] = lane ^ (lane >> 32)
    h = 0
    for lane in lanes:
        h = ((h ^ lane) * MIX) & M64
        h ^= h >> 29
    words[2:4] = [len(words), h]
    return struct.pack(f"<{len(words)}Q", *words)


def test_nothing_is_believed_for_its_checksum_alone() -> None:
    """Whatever a sealed snapshot says: it is refused, or the engine that comes of it is sound."""
    rng = random.Random(11)
    venue = Venue(instruments=3, orders_max=500)
    venue.apply(*_traffic(venue, rng, 60))
    good = venue.engine.snapshot()
    words = list(struct.unpack(f"<{len(good) // 8}Q", good))
    assert _sealed(list(words)) == good
    refused = 0
    for _ in range(600):
        changed = list(words)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(HEADER_WORDS, len(changed))
            changed[place] = rng.choice(
                (0, 1, rng.getrandbits(8), rng.getrandbits(32), rng.getrandbits(64),
                 changed[place] ^ (1 << rng.randrange(64)), changed[rng.randrange(len(changed))])
            )  # fmt: skip
        if rng.random() < 0.1:
            del changed[rng.randrange(HEADER_WORDS, len(changed))]
        engine = Engine()
        try:
            engine.restore(_sealed(changed))
        except ValueError:
            refused += 1
        else:
            engine.verify()
            engine.apply(engine.applied_index + 1, pack_batch(venue.now_ns + 5, []))
    assert refused > 100


def test_a_snapshot_of_the_version_before_is_read() -> None:
    """An upgraded node starts from what the old program left; its next snapshot is a new one."""
    old = (GOLDEN / "snapshot_v1.bin").read_bytes()
    assert int.from_bytes(old[8:16], "little") == 1
    engine = Engine()
    engine.restore(old)
    engine.verify()
    assert (engine.digest(), engine.event_seq, engine.applied_index) == (0x06C9979CE6DE0083, 78, 4)
    assert [(o.user_ref_num, o.leaves_qty, o.cum_qty) for o in engine.session_orders(1)] == [
        (7, 13, 0), (9, 33, 6), (11, 2, 0),
    ]  # fmt: skip
    copy = Engine()
    copy.restore(engine.snapshot())
    assert copy.state_digest() == engine.state_digest()
    assert int.from_bytes(copy.snapshot()[8:16], "little") == 4


def test_a_snapshot_of_version_2_is_read() -> None:
    """Icebergs, times, owners and switches of the version before come back as they were."""
    old = (GOLDEN / "snapshot_v2.bin").read_bytes()
    assert int.from_bytes(old[8:16], "little") == 2
    engine = Engine()
    engine.restore(old)
    engine.verify()
    assert (engine.digest(), engine.event_seq, engine.applied_index) == (0x19DB3B1CC111AB2C, 48, 11)
    orders = [
        (session_id, o.user_ref_num, o.leaves_qty, o.cum_qty)
        for session_id in (2, 3, 4)
        for o in engine.session_orders(session_id)
    ]
    assert orders == [
        (2, 1, 55, 45), (2, 2, 50, 0), (3, 1, 40, 0), (3, 2, 10, 0), (4, 2, 500, 0),
    ]  # fmt: skip
    book = engine.book(1, 5)
    assert book is not None
    assert [(level.price, level.qty) for level in book.asks] == [
        (100_000, 15), (100_100, 50), (100_200, 100),
    ]  # fmt: skip
    copy = Engine()
    copy.restore(engine.snapshot())
    assert copy.state_digest() == engine.state_digest()


def test_a_snapshot_of_version_3_is_read() -> None:
    """Stop orders, fees, bands, limits and trades of the version before come back as they were."""
    old = (GOLDEN / "snapshot_v3.bin").read_bytes()
    assert int.from_bytes(old[8:16], "little") == 3
    engine = Engine()
    engine.restore(old)
    engine.verify()
    assert (engine.digest(), engine.event_seq, engine.applied_index) == (0x6A687BC9B985F350, 63, 18)
    orders = [
        (session_id, o.user_ref_num, o.leaves_qty, o.cum_qty, o.price, o.stop_price, o.is_hidden)
        for session_id in (2, 3, 4)
        for o in engine.session_orders(session_id)
    ]
    assert orders == [
        (2, 2, 15, 0, 99_500, 0, False), (2, 3, 12, 0, 107_100, 102_000, False),
        (2, 4, 5, 0, 100_000, 0, False), (3, 2, 40, 0, 100_500, 0, False),
        (4, 1, 23, 2, 100_400, 0, True), (4, 2, 7, 0, 99_000, 99_000, False),
    ]  # fmt: skip
    account = engine.account(1)
    assert account is not None
    assert (account.cash, account.hold, account.fee_schedule) == (9_997_999_994, 3_277_711, 1)
    copy = Engine()
    copy.restore(engine.snapshot())
    assert copy.state_digest() == engine.state_digest()


def test_money_of_a_snapshot_of_version_3_is_that_of_the_first_currency() -> None:
    """Its one currency is the first, without a code; keyed deposits still happen once."""
    old = (GOLDEN / "snapshot_v3_money.bin").read_bytes()
    assert int.from_bytes(old[8:16], "little") == 3
    engine = Engine()
    engine.restore(old)
    engine.verify()
    assert (engine.digest(), engine.event_seq, engine.applied_index) == (0x5272BD91759125C6, 65, 17)
    orders = [
        (session_id, o.user_ref_num, o.leaves_qty, o.cum_qty)
        for session_id in (2, 3, 4)
        for o in engine.session_orders(session_id)
    ]
    assert orders == [(2, 1, 70, 30), (2, 2, 5, 0), (2, 3, 7, 0), (3, 2, 20, 0), (4, 1, 3, 0)]
    views = [engine.account(account_id) for account_id in (1, 2, 3)]
    assert [[(b.cash, b.hold) for b in view.balances] for view in views if view] == [
        [(9997989800, 8253186)], [(10002133400, 0)], [(10000000200, 270000)],
    ]  # fmt: skip
    assert [(x.code, x.rate) for x in engine.directory().currencies] == [("", 100_000_000)]
    again = ac.DepositCash(1, 1, 9, NEVER, 2, 123_400, 5)  # the key that it remembers
    engine.apply(18, pack_batch(0, [again]))
    assert [e.reason for e in unpack_events(engine.events())] == [0]
    assert engine.totals().cash_total == sum(view.cash for view in views if view)
    copy = Engine()
    copy.restore(engine.snapshot())
    assert copy.state_digest() == engine.state_digest()


def test_a_market_order_without_a_valid_price_in_its_collar_comes_back() -> None:
    """In a call it rests at 0; a node that could not read its own snapshot would be lost."""
    player = Player(importlib.import_module("oms._core.engine").Engine())
    player.play(
        "instrument AAPL reference=0.05 tick=0.10\nadmin phase AAPL OPENING_AUCTION\n"
        "alice buy 1 AAPL @ market #1\n"
    )
    copy = Engine()
    copy.restore(player.engine.snapshot())
    assert copy.state_digest() == player.engine.state_digest()


def test_an_unknown_version_is_refused() -> None:
    """A rolled-back program must not read what it does not know."""
    good = Venue().engine.snapshot()
    words = list(struct.unpack(f"<{len(good) // 8}Q", good))
    words[1] += 1
    with pytest.raises(ValueError, match="version"):
        Engine().restore(_sealed(words))
