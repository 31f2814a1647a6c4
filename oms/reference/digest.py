"""Both digests: the chain over entries and events, and the hash of the canonical state.

Called by the engine. Promises: the words and the mixing of docs/rules.md, Digest, to the letter.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence

from oms.bounds import OUTCOME_WINDOW
from oms.messages.enums import OrdType, Side
from oms.reference.order import Order
from oms.reference.state import (
    Account,
    Instrument,
    KeyedPosting,
    Limits,
    Participant,
    Pegs,
    Position,
    Session,
    Stops,
    User,
    Venue,
)  # fmt: skip

_MULTIPLIER = 0x9E37_79B9_7F4A_7C15
_PAIR = 0xC2B2_AE3D_27D4_EB4F
_MASK = 0xFFFF_FFFF_FFFF_FFFF
_LANES = 4
_WORD_BYTES = 8


def words_of(data: bytes) -> tuple[int, ...]:
    """Bytes as 64-bit words, zero padded."""
    padded = data.ljust(-(-len(data) // _WORD_BYTES) * _WORD_BYTES, b"\0")
    return struct.unpack(f"<{len(padded) // _WORD_BYTES}Q", padded)


def mix(lanes: list[int], words: Iterable[int]) -> None:
    """Mix one block into the lanes; it is padded with zeros to a multiple of four words."""
    block = [word & _MASK for word in words]
    block += [0] * (-len(block) % _LANES)
    _mix_block(lanes, block)


def mix_records(lanes: list[int], data: bytes) -> None:
    """As `mix`, of records: whole blocks."""
    _mix_block(lanes, words_of(data))


def mix_pairs(lanes: list[int], data: bytes) -> None:
    """Mix records into the lanes two words at a time: pair `i` into lane `i mod 4`."""
    words = words_of(data)
    for index in range(0, len(words), 2):
        lane = (index // 2) % _LANES
        product = (lanes[lane] ^ words[index]) * (words[index + 1] ^ _PAIR)
        lanes[lane] = (product & _MASK) ^ (product >> 64)


def _mix_block(lanes: list[int], block: Sequence[int]) -> None:
    for index in range(_LANES):
        lane = lanes[index]
        for word in block[index::_LANES]:
            lane = ((lane ^ word) * _MULTIPLIER) & _MASK
            lane ^= lane >> 32
        lanes[index] = lane


def finish(lanes: list[int]) -> int:
    """The digest that the lanes stand for."""
    result = 0
    for lane in lanes:
        result = ((result ^ lane) * _MULTIPLIER) & _MASK
        result ^= result >> 29
    return result


def state_digest(venue: Venue) -> int:
    """Hash of everything that decides what happens next."""
    lanes = [1, 2, 3, 4]
    mix(lanes, list(_state_words(venue)))
    return finish(lanes)


def _state_words(venue: Venue) -> Iterator[int]:
    yield from counter_words(venue)
    yield from reversed(venue.free_slots)
    yield from _identity_words(venue)
    yield len(venue.sessions)
    for session in venue.sessions:
        yield from session_words(session)
    yield from _order_words(venue)
    yield from currency_words(venue)
    yield venue.numbers.restate_up_to
    yield venue.numbers.restate_last
    yield from task_words(venue)
    yield venue.numbers.keys_taken
    for posting in venue.keyed:
        yield from keyed_words(posting)
    yield from fee_words(venue)
    yield from tick_words(venue)
    yield venue.trades_max
    yield venue.day_match_id
    first, last = trade_range(venue)
    yield from trade_words(venue, range(first, last + 1))
    if venue.capacities is not None:
        yield from venue.default_limits
        for limits in (*venue.account_limits, *venue.session_limits):
            yield from limits_words(limits)


def counter_words(venue: Venue) -> Iterator[int]:
    """The numbers that stand alone."""
    n = venue.numbers
    yield from (
        n.applied_index, n.last_timestamp, n.event_seq, n.next_order_id, n.next_match_id,
        n.trading_date, n.midnight_ns, n.is_day_open, n.sweep_slot, n.cluster_id, n.rule_version,
        n.genesis_left, n.is_killed, n.highest_slot,
    )  # fmt: skip
    yield len(venue.free_slots)


def currency_words(venue: Venue) -> Iterator[int]:
    """Which there are, and what was issued of each."""
    yield len(venue.currencies)
    for currency in venue.currencies:
        yield from (*words_of(currency.code), currency.rate, currency.issued)


def task_words(venue: Venue) -> Iterator[int]:
    """The queued work: mass cancels, then uncrosses."""
    yield len(venue.tasks)
    for t in venue.tasks:
        yield from (
            t.of_session_id, t.of_account_id, t.of_instrument_id, t.side, t.last_order_id,
            t.next_slot, t.last_slot, t.asked_by, t.conn_epoch, t.client_seq, t.user_ref_num,
            t.canceled, t.is_admin, t.is_disconnect, t.breach,
        )  # fmt: skip
    yield len(venue.uncrossing)
    yield from venue.uncrossing


def fee_words(venue: Venue) -> Iterator[int]:
    """The fee schedules."""
    yield len(venue.fees)
    for f in venue.fees:
        yield from (f.maker_rate, f.taker_rate, f.fee_account_id)


def tick_words(venue: Venue) -> Iterator[int]:
    """The tick tables."""
    yield len(venue.tick_tables)
    for table in venue.tick_tables:
        yield from words_of(table.name)
        yield len(table.rows)
        for row in table.rows:
            yield from (row.price, row.tick)


def trade_range(venue: Venue) -> tuple[int, int]:
    """The first and the last match that may be remembered."""
    last = venue.numbers.next_match_id - 1
    return max(venue.day_match_id, last - venue.trades_max) + 1, last


def trade_words(venue: Venue, match_ids: range) -> Iterator[int]:
    """The remembered trades among those."""
    for match_id in match_ids:
        t = venue.trades.get(match_id)
        if t is None:
            continue
        yield from (t.match_id, t.price, t.qty, t.instrument_id, t.is_busted)
        for s in (t.buy, t.sell):
            yield from (
                s.order_id, s.fee, s.fee_account_id, s.account_id, s.user_ref_num, s.session_id,
                s.side,
            )  # fmt: skip


def keyed_words(k: KeyedPosting) -> Iterator[int]:
    """One deposit or transfer that had a key."""
    yield from (
        k.key, k.kind, k.account_id, k.instrument_id, k.amount, k.to_account_id, k.cost,
        k.currency_id,
    )  # fmt: skip


def limits_words(x: Limits) -> Iterator[int]:
    """Limits of one account or session, and what is left of them."""
    yield from (
        x.own, x.short_sale, x.max_open_orders, x.max_exposure, x.duplicate_window_ns,
        x.order_rate, x.cancel_reserve, x.rate_window_ns, x.used_ns, x.used_orders,
        x.used_cancels, len(x.recent),
    )  # fmt: skip
    for r in x.recent:
        yield from (r.at_ns, r.instrument_id, r.side, r.price, r.qty)


def _identity_words(venue: Venue) -> Iterator[int]:
    yield len(venue.instruments)
    for i in venue.instruments:
        yield from instrument_words(i)
        yield from print_words(venue.stops_of(i.instrument_id))
        yield from peg_words(venue.pegs_of(i.instrument_id))
    yield len(venue.participants)
    for p in venue.participants:
        yield from participant_words(p)
    yield len(venue.accounts)
    for a in venue.accounts:
        yield from account_words(a)
    yield len(venue.positions)
    for key, position in venue.positions.items():
        yield from position_words(key, position)
    yield len(venue.users)
    for u in venue.users:
        yield from user_words(u)
    grants = [(*key, bits) for key, bits in venue.grants.items() if bits]
    yield len(grants)
    for grant in grants:
        yield from grant


def instrument_words(i: Instrument) -> Iterator[int]:
    """One instrument."""
    yield from (
        i.instrument_id, *words_of(i.symbol), i.lot_size, i.tick_size, i.reference_price,
        i.last_price, i.price_collar_bps, i.market_collar_bps, i.phase, i.price_scale,
        i.currency_id, i.shares_issued, i.topic_seq, i.is_killed, i.restriction, i.tick_table,
        i.is_crossable, i.call.ends_ns,
        i.call.stage, i.call.next_phase, i.call.price, i.call.volume, i.call.said_price,
        i.call.said_volume, i.call.said_imbalance, i.call.static_bps, i.call.dynamic_bps,
        i.call.pause_ns, i.call.band_reference, i.call.is_extended, i.call.clamp,
    )  # fmt: skip


def print_words(s: Stops) -> Iterator[int]:
    """What was printed and not held against an instrument's stop orders."""
    yield from (s.low, s.high, s.base)


def peg_words(p: Pegs) -> Iterator[int]:
    """How far an instrument's pegs were moved; nothing where there are none."""
    if p.orders:
        yield from (*p.noted, p.next_id, p.is_due_again)


def participant_words(p: Participant) -> Iterator[int]:
    """One participant."""
    yield from (p.participant_id, *words_of(p.name))


def account_words(a: Account) -> Iterator[int]:
    """One account."""
    first, *others = a.balances
    yield from (
        a.account_id, a.participant_id, *words_of(a.firm), first.cash, first.hold, a.max_order_qty,
        a.max_order_value, a.long_limit, a.short_limit, a.topic_seq, a.owner_group, a.self_trade,
        a.is_killed, a.fee_schedule, a.may_owe,
    )  # fmt: skip
    for balance in others:
        yield from (balance.cash, balance.hold)


def position_words(key: tuple[int, int], position: Position) -> Iterator[int]:
    """One position, of (account_id, instrument_id)."""
    yield from (
        *key, position.qty, position.open_buy_qty, position.open_sell_qty, position.held_qty,
        position.restriction,
        position.cost, position.realised,
    )  # fmt: skip


def user_words(u: User) -> Iterator[int]:
    """One user, without grants."""
    yield from (
        u.user_id, u.participant_id, *words_of(u.name), *words_of(u.salt), *words_of(u.key_hash),
    )  # fmt: skip


def session_words(s: Session) -> Iterator[int]:
    """One session and its window."""
    yield from (
        s.session_id, s.user_id, s.protocol, s.default_account_id, s.conn_epoch, s.is_logged_in,
        s.login_nonce, s.gateway_id, s.client_seq, s.out_seq, s.last_user_ref_num, s.live_orders,
        s.options, s.is_killed,
    )  # fmt: skip
    for client_seq in range(max(1, s.client_seq - OUTCOME_WINDOW + 1), s.client_seq + 1):
        yield s.window.get(client_seq, 0)


def _order_words(venue: Venue) -> Iterator[int]:
    yield len(venue.live)
    for book in venue.books:
        for o in book.orders():
            yield from order_words(o)
    for stops in venue.stops:
        for o in in_their_places(stops):
            yield from order_words(o)
    for pegs in venue.pegs:
        for o in pegs.orders.values():
            if not o.pegged_price:
                yield from order_words(o)


def in_their_places(stops: Stops) -> list[Order]:
    """By trigger and side, the price that comes first first; trailing ones; then those elected."""
    parked = sorted(stops.parked.values(), key=_place)
    return [*parked, *stops.queue]


def _place(o: Order) -> tuple[bool, int, bool, int, int]:
    is_buy = o.side == Side.BUY
    price = o.stop_price if is_buy else -o.stop_price
    return (o.trail > 0, o.trigger, not is_buy, 0 if o.trail else price, o.order_id)


def order_words(o: Order) -> Iterator[int]:
    """One live order."""
    yield from (
        o.order_id, o.slot, o.session_id, o.user_ref_num, o.account_id, o.instrument_id, o.side,
        o.time_in_force, o.price, o.leaves, o.cum, o.capacity, o.cross_type, *words_of(o.firm),
        o.expires_ns, o.reserve, o.peak, o.public_id, o.ord_type == OrdType.MARKET, o.is_hidden,
    )  # fmt: skip
    if o.fees:
        yield from (
            o.fees.maker_rate, o.fees.taker_rate, o.fees.fee_account_id, o.fee_carry, o.fee_held,
        )  # fmt: skip
    if o.is_waiting:
        yield from (
            o.ord_type, o.stop_price, o.trigger, o.self_trade, o.is_elected, o.trail, o.first_stop,
        )  # fmt: skip
    if o.is_peg:
        yield from (o.ord_type, o.peg_offset, o.self_trade, o.pegged_price)
