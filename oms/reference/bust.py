"""Trades that may be taken back, and taking one back (docs/rules.md, Trade bust).

Called by the matcher and the uncross for each trade, by the administration and the start of a day.
Promises: the same money, shares and fees go back that went; no order is touched.
"""

from oms.messages import records
from oms.messages.enums import EventKind, RejectReason, Side
from oms.reference import ledger
from oms.reference.events import Draft, Events, executed_field
from oms.reference.order import Order
from oms.reference.records import HEAD_FIELDS
from oms.reference.state import Trade, TradeSide, Venue


def note(
    venue: Venue, match_id: int, *, price: int, qty: int, sides: list[tuple[Order, int]]
) -> None:
    """Remember a trade, the two orders with their fees, until there are as many younger ones."""
    if venue.trades_max == 0:
        return
    buy, sell = sorted(sides, key=lambda side: side[0].side != Side.BUY)
    instrument_id = buy[0].instrument_id
    venue.trades[match_id] = Trade(match_id, price, qty, instrument_id, _side(*buy), _side(*sell))


def _side(order: Order, fee: int) -> TradeSide:
    fee_account_id = order.fees.fee_account_id if order.fees else 0
    return TradeSide(
        order.order_id, fee, fee_account_id, order.account_id, order.user_ref_num,
        order.session_id, order.side,
    )  # fmt: skip


def remembered(venue: Venue, match_id: int) -> Trade | None:
    """The trade of today with that match_id, if it is one of the last `trades_max` matches."""
    forgotten = venue.numbers.next_match_id - 1 - venue.trades_max
    if match_id <= max(forgotten, venue.day_match_id):
        return None
    return venue.trades.get(match_id)


def bust_trade(venue: Venue, events: Events, record: bytes) -> tuple[int, int]:
    """BUST_TRADE: why it is refused, or NONE; and the match."""
    (match_id,) = records.BUST.unpack(record)[HEAD_FIELDS:]
    trade = remembered(venue, match_id)
    if trade is None:
        return RejectReason.UNKNOWN_ID, match_id
    if trade.is_busted:
        return RejectReason.ALREADY_BUSTED, match_id
    trade.is_busted = True
    for side, sign in ((trade.buy, 1), (trade.sell, -1)):
        _give_back(venue, trade, side, sign)
        events.emit(
            Draft(
                kind=EventKind.TRADE_BUSTED,
                side=side.side,
                session_id=side.session_id,
                account_id=side.account_id,
                instrument_id=trade.instrument_id,
                user_ref_num=side.user_ref_num,
                order_id=side.order_id,
                price=trade.price,
                qty=trade.qty,
                cl_ord_id=executed_field(match_id, -side.fee),
            )
        )
    events.emit(
        Draft(
            kind=EventKind.TRADE_BUST,
            instrument_id=trade.instrument_id,
            price=trade.price,
            qty=trade.qty,
            cl_ord_id=executed_field(match_id, 0),
        )
    )
    return RejectReason.NONE, match_id


def _give_back(venue: Venue, trade: Trade, side: TradeSide, sign: int) -> None:
    value = sign * trade.price * trade.qty
    venue.balance(side.account_id, trade.instrument_id).cash += value + side.fee
    venue.accounts[side.account_id - 1].may_owe = True
    position = venue.positions[side.account_id, trade.instrument_id]
    ledger.move(position, -sign * trade.qty, -value)
    if side.fee_account_id:
        venue.balance(side.fee_account_id, trade.instrument_id).cash -= side.fee
        venue.accounts[side.fee_account_id - 1].may_owe = True
