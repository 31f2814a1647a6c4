"""Events and state as one readable line each: what `>` and `=` lines of a scenario say.

Called by the player. Promises: one line per event record; numbers as a person writes them.
"""

from decimal import Decimal
from enum import IntEnum
from functools import cache

from oms.bounds import EVENT_BYTES
from oms.messages import link
from oms.messages.enums import (
    CancelReason,
    CommandKind,
    EventFlag,
    EventKind,
    Liquidity,
    OrdType,
    Phase,
    RejectReason,
    RestatedReason,
    Side,
    TimeInForce,
)
from oms.messages.event_records import (
    Event,
    OrderTerms,
    unpack_auction,
    unpack_book_top,
    unpack_event,
    unpack_prevented,
    unpack_terms,
)
from oms.reference.engine import Engine
from oms.reference.order import PEG_TYPES, STOP_TYPES
from tests.scenarios import world

_SIDES: dict[int, str] = {Side.BUY: "buy", Side.SELL: "sell", Side.SELL_SHORT: "short"}
_SIDES[Side.SELL_SHORT_EXEMPT] = "short-exempt"


def price(value: int) -> str:
    """10^-4 units, at least two decimals."""
    number = Decimal(value) / world.SCALE
    return f"{number:.2f}" if value % 100 == 0 else f"{number:.4f}"


def person(session_id: int) -> str:
    """Whose session it is."""
    known = 1 <= session_id <= len(world.PEOPLE)
    return world.PEOPLE[session_id - 1] if known else f"session-{session_id}"


def symbol(instrument_id: int) -> str:
    """An instrument's name."""
    known = 1 <= instrument_id <= len(world.SYMBOLS)
    return world.SYMBOLS[instrument_id - 1] if known else f"instrument-{instrument_id}"


@cache  # asked for every event of a million commands
def name_of(kind: type[IntEnum], code: int) -> str:
    """A code's name, or the code where the list does not have it."""
    return kind(code).name if code in set(kind) else f"{kind.__name__}-{code}"


def side(code: int) -> str:
    """A side as commands write it."""
    return _SIDES.get(code, f"side-{code}")


def events(data: bytes) -> list[str]:
    """A line for each event record."""
    offsets = range(0, len(data), EVENT_BYTES)
    return [event(data[offset : offset + EVENT_BYTES]) for offset in offsets]


def event(record: bytes) -> str:
    """One event."""
    e = unpack_event(record)
    who, name = person(e.session_id), symbol(e.instrument_id)
    match e.kind:
        case EventKind.ORDER_ACCEPTED:
            return f"{who} accepted #{e.user_ref_num} {_terms(e)}"
        case EventKind.ORDER_REPLACED:
            live = "" if e.flags & EventFlag.LIVE else ", dead"
            return f"{who} replaced #{e.orig_user_ref_num} by #{e.user_ref_num} {_terms(e)}{live}"
        case EventKind.ORDER_CANCELED:
            text = f"{who} canceled #{e.user_ref_num} {e.qty}, {e.leaves_qty} left"
            text += f": {name_of(CancelReason, e.reason)}"
            if e.reason == CancelReason.SELF_TRADE:
                prevented = unpack_prevented(record)
                text += f", not {prevented.qty} @ {price(prevented.price)}"
            for flag in (EventFlag.HIDDEN, EventFlag.MASS_CANCELED, EventFlag.DISCONNECTED):
                text += f" {flag.name}" if e.flags & flag else ""
            text += _public_id(e)
            if e.reject_reason:
                who_was = f"#{e.orig_user_ref_num} was " if e.orig_user_ref_num else ""
                text += f", {who_was}{name_of(RejectReason, e.reject_reason)}"
            return text
        case EventKind.ORDER_EXECUTED:
            added = name_of(Liquidity, e.reason).lower()
            done = f"{e.qty} @ {price(e.price)}"
            own = ", its own" if e.flags & EventFlag.SELF_TRADED else ""
            fee = f", fee {price(e.fee)}" if e.fee else ""
            text = f"{who} executed #{e.user_ref_num} {done} {added}, {e.leaves_qty} left{own}"
            return text + fee + _public_id(e)
        case EventKind.TRADE_BUSTED:
            done = f"{side(e.side)} {e.qty} {symbol(e.instrument_id)} @ {price(e.price)}"
            fee = f", fee {price(e.fee)}" if e.fee else ""
            return f"{who} busted #{e.user_ref_num} match {e.match_id}: {done}{fee}"
        case EventKind.ORDER_RESTATED if e.reason == RestatedReason.ELECTED:
            done = f"{side(e.side)} {e.qty} {name} @ {price(e.price)}"
            return f"{who} elected #{e.user_ref_num}: {done}"
        case EventKind.ORDER_RESTATED:
            text = f"{who} restated #{e.user_ref_num}: shows {e.qty} of {e.leaves_qty}"
            return text + _public_id(e)
        case EventKind.ORDER_REJECTED:
            return f"{who} rejected #{e.user_ref_num}: {name_of(RejectReason, e.reason)}"
        case EventKind.CANCEL_REJECTED:
            return f"{who} cancel rejected #{e.user_ref_num}: {name_of(RejectReason, e.reason)}"
        case EventKind.ACCOUNT_QUERY_RESPONSE:
            return f"{who} next is #{e.user_ref_num}"
        case EventKind.SYSTEM_EVENT:
            return f"{who} system {chr(e.reason)}"
        case EventKind.MASS_CANCEL_ACCEPTED:
            return f"{who} mass cancel #{e.user_ref_num} accepted"
        case EventKind.ENTRY_DISABLED:
            return f"{who} entry disabled #{e.user_ref_num}"
        case EventKind.ENTRY_ENABLED:
            return f"{who} entry enabled #{e.user_ref_num}"
        case EventKind.ADMIN_APPLIED:
            return f"{who} applied {name_of(CommandKind, e.qty)} {e.order_id}"
        case EventKind.ADMIN_REJECTED:
            return f"{who} refused {name_of(CommandKind, e.qty)}: {name_of(RejectReason, e.reason)}"
        case _:
            return _outcome(e, record)


def _outcome(e: Event, record: bytes) -> str:
    who, name = person(e.session_id), symbol(e.instrument_id)
    match e.kind:
        case EventKind.ORDER_TERMS:
            return f"{who} terms #{e.user_ref_num}: {_asked(unpack_terms(record))}"
        case EventKind.COMMAND_IGNORED:
            return f"{who} ignored seq {e.client_seq}"
        case EventKind.ALREADY_APPLIED:
            return f"{who} already applied seq {e.client_seq}, its outcome ended at {e.order_id}"
        case EventKind.GAP:
            return f"{who} gap at seq {e.client_seq}, expected {e.order_id}"
        case EventKind.COMMAND_EXPIRED:
            what = f"seq {e.client_seq}" if e.conn_epoch else "to log in"
            return f"{who} too late {what}"
        case EventKind.SESSION_LOGGED_IN:
            where = f"stream at {e.order_id}, last #{e.user_ref_num}"
            return f"{who} logged in, epoch {e.conn_epoch}, {where}"
        case EventKind.SESSION_LOGGED_OUT:
            return f"{who} logged out, epoch {e.conn_epoch}"
        case EventKind.TRADE:
            hidden = " hidden" if e.flags & EventFlag.HIDDEN else ""
            return f"trade {name} {side(e.side)} {e.qty} @ {price(e.price)}{hidden}"
        case EventKind.BOOK_TOP:
            top = unpack_book_top(record)
            bid, ask = _quote(top.bid_qty, top.bid_price), _quote(top.ask_qty, top.ask_price)
            return f"top {name} {bid} / {ask}"
        case EventKind.TRADE_BUST:
            return f"bust {name} {e.qty} @ {price(e.price)}, match {e.match_id}"
        case EventKind.PHASE_CHANGED:
            extended = " for as long again" if e.flags & EventFlag.EXTENDED else ""
            return f"phase {name} {name_of(Phase, e.reason)}{extended}"
        case EventKind.AUCTION_STATE | EventKind.AUCTION_TRADE:
            return _auction(e, record)
        case EventKind.DIRECTORY_CHANGED:
            return f"directory {name_of(CommandKind, e.qty)} {e.order_id}"
        case EventKind.MASS_CANCEL_DONE:
            which = f" #{e.user_ref_num}" if e.user_ref_num else ""
            return f"{who} mass cancel{which} done: {e.qty} canceled"
        case EventKind.DAY_STARTED:
            return f"day started {e.order_id}"
        case EventKind.DAY_ENDED:
            return f"day ended {e.order_id}"
        case _:
            return f"unknown event {e}"


def _asked(terms: OrderTerms) -> str:
    """Every term that an order has."""
    return ", ".join(f"{name} {value}" for name, value in terms._asdict().items() if value)


def _public_id(e: Event) -> str:
    return f", public as {e.public_id}" if e.public_id else ""


def _auction(e: Event, record: bytes) -> str:
    """`call AAPL 300 @ 10.00, 50 more to buy`, and what it came to."""
    said = unpack_auction(record)
    verb = "call" if e.kind == EventKind.AUCTION_STATE else "auction"
    text = f"{verb} {symbol(e.instrument_id)} {_quote(said.volume, said.price)}"
    if e.side:
        text += f", {said.imbalance} more to {side(e.side)}"
    return text


def _quote(qty: int, value: int) -> str:
    return f"{qty} @ {price(value)}" if qty else "none"


def _terms(e: Event) -> str:
    limit = "market" if e.ord_type == OrdType.MARKET else price(e.price)
    text = f"{side(e.side)} {e.qty} {symbol(e.instrument_id)} @ {limit}"
    if e.display == ord("N"):
        text += " hidden"
    if e.ord_type == OrdType.MARKET_TO_LIMIT:
        text += " (best)"
    if e.ord_type in STOP_TYPES | PEG_TYPES:
        text += f" ({name_of(OrdType, e.ord_type).lower().replace('_', '-')})"
    if e.time_in_force != TimeInForce.DAY:
        text += f" {name_of(TimeInForce, e.time_in_force).lower()}"
    return text


def _waits(order: link.OrderView) -> str:
    """What a stop order waits for, where a peg stands."""
    if order.ord_type in PEG_TYPES:
        return f" pegged at {price(order.pegged_price)}" if order.pegged_price else " suspended"
    if not order.stop_price:
        return ""
    trails = f" trail {price(order.trail)}" if order.trail else ""
    return f" stop {price(order.stop_price)}{trails}"


def state(words: list[str], engine: Engine) -> str:
    """The answer to a `=` line: what it asks for, then how it stands."""
    match words:
        case ["account", name]:
            view = engine.account(world.account_id(name))
            assert view is not None, f"no account {name}"
            codes = [currency.code for currency in engine.directory().currencies]
            text = f"account {name}: cash {price(view.cash)}, hold {price(view.hold)}"
            for b in view.balances[1:]:
                text += f", {codes[b.currency_id - 1]} {price(b.cash)} (hold {price(b.hold)})"
            for p in view.positions:
                text += f", {symbol(p.instrument_id)} {p.qty}"
                text += f" (buying {p.open_buy_qty}, selling {p.open_sell_qty},"
                text += f" held {p.held_qty})"
            return text
        case ["profit", name]:
            return _profit(name, engine)
        case ["book", name]:
            book = engine.book(world.instrument_id(name), 10)
            assert book is not None, f"no instrument {name}"
            sides = [
                ", ".join(f"{x.qty} @ {price(x.price)} ({x.order_count})" for x in levels)
                for levels in (book.bids, book.asks)
            ]
            return f"book {name}: {sides[0] or 'none'} / {sides[1] or 'none'}"
        case ["orders", name]:
            orders = engine.session_orders(world.PEOPLE.index(name) + 1)
            lines = [
                f"#{o.user_ref_num} {side(o.side)} {o.leaves_qty} {symbol(o.instrument_id)}"
                f" @ {price(o.price)}{_waits(o)} done {o.cum_qty}"
                for o in orders
            ]
            return f"orders {name}: {', '.join(lines) or 'none'}"
        case ["stream", name]:
            session = engine.directory().sessions[world.PEOPLE.index(name)]
            return f"stream {name}: at {session.out_seq}, seq {session.client_seq}"
        case ["conserved"]:
            t = engine.totals()
            is_kept = t.shares_issued == t.shares_total and all(
                (x.cash_issued, x.hold_total) == (x.cash_total, x.hold_of_orders)
                for x in t.currencies
            )
            return f"conserved: {'yes' if is_kept else t}"
        case _:
            message = f"cannot ask for {' '.join(words)!r}"
            raise ValueError(message)


def _profit(name: str, engine: Engine) -> str:
    """What an account's positions cost, and what they brought."""
    view = engine.account(world.account_id(name))
    assert view is not None, f"no account {name}"
    lines = [
        f"{symbol(p.instrument_id)} {p.qty} cost {price(p.cost)},"
        f" realised {price(p.realised)}, unrealised {price(p.unrealised)}"
        for p in view.positions
    ]
    return f"profit {name}: {'; '.join(lines) or 'nothing'}"
