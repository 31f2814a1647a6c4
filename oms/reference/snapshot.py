"""The oracle's state as bytes and back.

Called by the engine. Promises: what is restored behaves exactly as what was saved; damaged bytes
are refused with ValueError. The format is this room's own, not the core's.
"""

import zlib

import msgspec

from oms.reference.book import Book
from oms.reference.order import FeeSchedule, Order
from oms.reference.state import (
    Account,
    CancelTask,
    Capacities,
    Counters,
    Currency,
    Instrument,
    KeyedPosting,
    Limits,
    Participant,
    Pegs,
    Position,
    Session,
    Stops,
    TickTable,
    Trade,
    User,
    Venue,
)  # fmt: skip

_MARKER = b"QREF\x02"
_CRC_BYTES = 4


class _Saved(msgspec.Struct, array_like=True):
    numbers: Counters
    capacities: Capacities | None
    instruments: list[Instrument]
    participants: list[Participant]
    accounts: list[Account]
    users: list[User]
    sessions: list[Session]
    positions: list[tuple[int, int, Position]]
    grants: list[tuple[int, int, int]]
    orders: list[Order]  # in the order of their books, so that each level keeps its queue
    free_slots: list[int]
    tasks: list[CancelTask] = []
    keyed: list[KeyedPosting] = []
    uncrossing: list[int] = []
    account_limits: list[Limits] = []
    session_limits: list[Limits] = []
    default_limits: list[int] = []
    fees: list[FeeSchedule] = []
    trades: dict[int, Trade] = {}
    trades_max: int = 0
    day_match_id: int = 0
    stops: list[Stops] = []
    pegs: list[Pegs] = []
    currencies: list[Currency] = []
    currencies_max: int = 0
    tick_tables: list[TickTable] = []


def save(venue: Venue) -> bytes:
    """The whole state, marked, versioned and checksummed."""
    body = msgspec.msgpack.encode(
        _Saved(
            venue.numbers,
            venue.capacities,
            venue.instruments,
            venue.participants,
            venue.accounts,
            venue.users,
            venue.sessions,
            [(*key, position) for key, position in venue.positions.items()],
            [(*key, bits) for key, bits in venue.grants.items()],
            [order for book in venue.books for order in book.orders()],
            venue.free_slots,
            venue.tasks,
            venue.keyed,
            venue.uncrossing,
            venue.account_limits,
            venue.session_limits,
            venue.default_limits,
            venue.fees,
            venue.trades,
            venue.trades_max,
            venue.day_match_id,
            venue.stops,
            venue.pegs,
            venue.currencies,
            venue.currencies_max,
            venue.tick_tables,
        )
    )
    return _MARKER + zlib.crc32(body).to_bytes(_CRC_BYTES, "little") + body


def load(data: bytes) -> Venue:
    """Read what `save` wrote. Raises: ValueError."""
    start = len(_MARKER) + _CRC_BYTES
    body = data[start:]
    crc = int.from_bytes(data[len(_MARKER) : start], "little")
    if not data.startswith(_MARKER) or len(data) < start or zlib.crc32(body) != crc:
        message = "not a snapshot of this engine, or a damaged one"
        raise ValueError(message)
    saved = msgspec.msgpack.decode(body, type=_Saved)
    venue = Venue()
    venue.numbers = saved.numbers
    venue.capacities = saved.capacities
    venue.instruments = saved.instruments
    venue.books = [Book() for _ in saved.instruments]
    venue.participants = saved.participants
    venue.accounts = saved.accounts
    venue.users = saved.users
    venue.sessions = saved.sessions
    venue.free_slots = saved.free_slots
    venue.tasks = saved.tasks
    venue.keyed = saved.keyed
    venue.uncrossing = saved.uncrossing
    venue.account_limits = saved.account_limits
    venue.session_limits = saved.session_limits
    venue.default_limits = saved.default_limits
    venue.fees = saved.fees
    venue.trades, venue.trades_max = saved.trades, saved.trades_max
    venue.day_match_id = saved.day_match_id
    for account_id, instrument_id, position in saved.positions:
        venue.positions[account_id, instrument_id] = position
    for user_id, account_id, bits in saved.grants:
        venue.grants[user_id, account_id] = bits
    venue.currencies, venue.currencies_max = saved.currencies, saved.currencies_max
    venue.tick_tables = saved.tick_tables
    venue.stops = saved.stops or [Stops() for _ in saved.instruments]
    venue.pegs = saved.pegs or [Pegs() for _ in saved.instruments]
    pegs = {order.slot: order for p in venue.pegs for order in p.orders.values()}
    saved.orders = [pegs.get(order.slot, order) for order in saved.orders]
    for order in saved.orders:
        venue.book(order.instrument_id).add(order)
    waiting = [order for stops in venue.stops for order in (*stops.parked.values(), *stops.queue)]
    waiting += [order for order in pegs.values() if not order.pegged_price]
    for order in (*saved.orders, *waiting):
        venue.live[order.session_id, order.user_ref_num] = order
        venue.slots[order.slot] = order
        venue.start_timer(order)
    return venue
