"""Orders: enter, replace, cancel, and how they trade (docs/rules.md, same names).

Called by the engine after a command was admitted. Promises: price-time priority; the events of one
command come in the order of the rules.
"""

from oms.bounds import PRICE_MAX
from oms.messages.enums import (
    CancelReason,
    EventFlag,
    EventKind,
    Liquidity,
    OrdType,
    Policy,
    PostOnly,
    RejectReason,
    RestatedReason,
    Side,
    TimeInForce,
)  # fmt: skip
from oms.reference import (
    bands,
    bust,
    fees,
    ledger,
    limits,
    peg_terms,
    phase_change,
    risk,
    self_trade,
    stop_terms,
    ticks,
)
from oms.reference.events import Events
from oms.reference.order import CALL_TIMES, STOP_TYPES, Order, liquidity_of
from oms.reference.records import OrderRecord
from oms.reference.state import NAMES_ANEW, Position, Session, Venue


def new_order(venue: Venue, events: Events, session: Session, record: OrderRecord) -> None:
    """NEW_ORDER."""
    if record.user_ref_num <= session.last_user_ref_num:
        events.answer(EventKind.COMMAND_IGNORED, session)
        return
    session.last_user_ref_num = record.user_ref_num
    reason = risk.check_new(venue, session, record)
    if reason:
        on_topic = risk.may_enter(venue, session, record.account_id)
        events.order_rejected(record, reason, on_topic=on_topic)
        return
    book = venue.book(record.instrument_id)
    before = book.top()
    venue.positions.setdefault((record.account_id, record.instrument_id), Position())
    order = Order(
        order_id=next_order_id(venue),
        session_id=record.session_id,
        user_ref_num=record.user_ref_num,
        account_id=record.account_id,
        instrument_id=record.instrument_id,
        side=record.side,
        time_in_force=record.time_in_force,
        price=record.price,
        leaves=record.order_qty,
        cum=0,
        capacity=record.capacity,
        cross_type=record.cross_type,
        firm=record.firm,
        expires_ns=risk.expires_ns(record, venue.numbers.last_timestamp),
        ord_type=record.ord_type,
    )
    fees.settle_terms(venue, order)
    instrument = venue.instruments[order.instrument_id - 1]
    if order.ord_type in STOP_TYPES:
        order.trigger = record.trigger
        terms = stop_terms.terms_of(
            venue, instrument, record, ord_type=order.ord_type, side=order.side, original=None
        )
        _park(venue, events, order, terms, record, EventKind.ORDER_ACCEPTED)
        return
    worst = risk.worst_price(
        instrument, side=order.side, ord_type=order.ord_type, price=order.price
    )
    enter = _enter_peg if order.is_peg else _enter
    enter(venue, events, order, worst, record, EventKind.ORDER_ACCEPTED)
    events.book_top_if_changed(order.instrument_id, before)


def enter_elected(venue: Venue, events: Events, order: Order, record: OrderRecord) -> None:
    """A stop order's time has come: it goes as far as its price, and rests if it is a limit."""
    before = venue.book(order.instrument_id).top()
    worst = bands.reach(venue.instruments[order.instrument_id - 1], order.side, order.price)
    _match(venue, events, order, worst, self_trade.mode_of(venue, order, record), record)
    _rest_or_cancel(venue, events, order, order.price, record)
    events.book_top_if_changed(order.instrument_id, before)


def refused_request(venue: Venue, events: Events, session: Session, record: OrderRecord) -> None:
    """REFUSED_REQUEST."""
    if record.user_ref_num <= session.last_user_ref_num:
        events.answer(EventKind.COMMAND_IGNORED, session)
        return
    session.last_user_ref_num = record.user_ref_num
    on_topic = risk.may_enter(venue, session, record.account_id)
    events.order_rejected(record, record.refuse_reason, on_topic=on_topic)


def cancel_order(venue: Venue, events: Events, session: Session, record: OrderRecord) -> None:
    """CANCEL_ORDER."""
    order = venue.live.get((session.session_id, record.user_ref_num))
    if order is None or record.order_qty >= order.cum + order.leaves:
        events.superfluous(session, record, RejectReason.ORDER_NOT_CANCELABLE)
        return
    if not limits.take_rate(venue, session, order.account_id, is_cancel=True):
        on_topic = risk.may_enter(venue, session, order.account_id)
        events.cancel_rejected(
            record, RejectReason.RATE_LIMIT, account_id=order.account_id, on_topic=on_topic
        )
        return
    before = venue.book(order.instrument_id).top()
    if record.order_qty <= order.cum:
        remove(venue, order)
        _cancel_rest(events, order, CancelReason.USER, record)
        venue.free_slot(order)
    else:
        cut = order.cum + order.leaves - record.order_qty
        shorten(venue, order, cut)
        events.canceled(order, cut, CancelReason.USER, record)
    events.book_top_if_changed(order.instrument_id, before)


def replace_order(venue: Venue, events: Events, session: Session, record: OrderRecord) -> None:
    """REPLACE_ORDER."""
    order = venue.live.get((session.session_id, record.orig_user_ref_num))
    is_stale = record.user_ref_num <= session.last_user_ref_num
    if order is None or is_stale or venue.is_doomed(order):
        events.superfluous(session, record, RejectReason.ORDER_NOT_CANCELABLE)
        return
    before = venue.book(order.instrument_id).top()
    reason = risk.check_replace(venue, session, order, record)
    if reason:
        _replace_refused(venue, events, session, order, record, reason)
        events.book_top_if_changed(order.instrument_id, before)
        return
    session.last_user_ref_num = record.user_ref_num
    terms = None
    if order.is_waiting:
        terms = stop_terms.terms_of(
            venue, venue.instruments[order.instrument_id - 1], record, ord_type=order.ord_type,
            side=order.side, original=order,
        )  # fmt: skip
    keeps_place = (
        record.policy & Policy.KEEPS_PRIORITY_ON_REDUCE
        and record.time_in_force in risk.LASTING
        and (record.price == order.price if terms is None else terms == stop_terms.own(order))
        and order.cum < record.order_qty < order.cum + order.leaves
        and record.display_qty == order.peak
        and (not order.is_peg or record.peg_offset == order.peg_offset)
        and risk.is_hiding(venue, record) == order.is_hidden
        and not order.is_for_call
        and record.time_in_force not in CALL_TIMES
    )
    if keeps_place:
        _cut_in_place(venue, order, record)
        order.self_trade = record.self_trade if terms or order.is_peg else 0
        said = stop_terms.as_said(record, order) if terms else record
        events.opened(EventKind.ORDER_REPLACED, order, said, is_live=True)
    else:
        place = _place_in_queue(venue, order)
        remove(venue, order)
        order.order_id = next_order_id(venue)
        order.user_ref_num = record.user_ref_num
        order.time_in_force = record.time_in_force
        order.expires_ns = risk.expires_ns(record, venue.numbers.last_timestamp)
        order.price = record.price
        order.leaves = max(record.order_qty - order.cum, 0)
        order.hide(0)
        order.public_id, order.is_hidden, order.pegged_price = 0, False, 0
        fees.settle_terms(venue, order)
        if terms:
            _park(venue, events, order, terms, record, EventKind.ORDER_REPLACED)
            if order.is_elected:
                venue.stops_of(order.instrument_id).queue.insert(place, order)
        elif order.is_peg:
            _enter_peg(venue, events, order, record.price, record, EventKind.ORDER_REPLACED)
        else:
            order.ord_type = OrdType.LIMIT
            _enter(venue, events, order, record.price, record, EventKind.ORDER_REPLACED)
    events.book_top_if_changed(order.instrument_id, before)


def remove(venue: Venue, order: Order) -> None:
    """Take a live order out of the book and give back its holds; the slot stays its own."""
    ledger.release(venue, order, order.leaves)
    ledger.hold_fees(venue, order, 0)
    venue.unlink(order)


def shorten(venue: Venue, order: Order, cut: int) -> None:
    """A live order loses shares without a trade, and keeps its place."""
    ledger.release(venue, order, cut)
    order.cut(cut)
    ledger.hold_fees(venue, order, order.leaves)


def take_away(
    venue: Venue, events: Events, order: Order, reason: CancelReason, flags: EventFlag
) -> None:
    """The day's end or a mass cancel came past a live order."""
    before = venue.book(order.instrument_id).top()
    remove(venue, order)
    qty, order.leaves = order.leaves, 0
    events.canceled(order, qty, reason, None, flags=flags)
    venue.free_slot(order)
    events.book_top_if_changed(order.instrument_id, before)


def _replace_refused(
    venue: Venue, events: Events, session: Session, order: Order, record: OrderRecord, reason: int
) -> None:
    if record.policy & Policy.INVALID_REPLACE_CANCELS:
        remove(venue, order)
        qty, order.leaves = order.leaves, 0
        events.canceled(
            order,
            qty,
            CancelReason.SYSTEM,
            record,
            reject_reason=reason,
            answered_user_ref_num=record.user_ref_num,
        )
        venue.free_slot(order)
    else:
        on_topic = risk.may_enter(venue, session, order.account_id)
        events.cancel_rejected(record, reason, account_id=order.account_id, on_topic=on_topic)


def _cut_in_place(venue: Venue, order: Order, record: OrderRecord) -> None:
    """A replace that only reduces: same place, same order_id, another user_ref_num."""
    shorten(venue, order, order.cum + order.leaves - record.order_qty)
    order.time_in_force = record.time_in_force
    venue.stop_timer(order)
    order.expires_ns = risk.expires_ns(record, venue.numbers.last_timestamp)
    venue.start_timer(order)
    del venue.live[order.session_id, order.user_ref_num]
    order.user_ref_num = record.user_ref_num
    venue.live[order.session_id, order.user_ref_num] = order


def _park(
    venue: Venue, events: Events, order: Order, terms: stop_terms.StopTerms, record: OrderRecord,
    kind: EventKind,
) -> None:  # fmt: skip
    """A stop order that has passed every check waits."""
    order.price = terms.worst
    order.stop_price, order.trail, order.first_stop = terms.stop_price, terms.trail, terms.first
    order.self_trade = record.self_trade
    events.opened(kind, order, stop_terms.as_said(record, order), is_live=True)
    ledger.hold(venue, order, order.leaves)
    ledger.hold_fees(venue, order, order.leaves)
    venue.rest(order)


def _place_in_queue(venue: Venue, order: Order) -> int:
    if not order.is_elected:
        return 0
    return venue.stops_of(order.instrument_id).queue.index(order)


def _enter(
    venue: Venue, events: Events, order: Order, worst: int, record: OrderRecord, kind: EventKind
) -> None:
    """What becomes of an order that has passed every check: said, then matched, rested or gone."""
    if venue.instruments[order.instrument_id - 1].is_crossable:
        _collect(venue, events, order, worst, record, kind)
        return
    limit = worst
    if not record.post_only:
        worst = bands.reach(venue.instruments[order.instrument_id - 1], order.side, worst)
    resting = venue.book(order.instrument_id).first_opposite(order.side, worst)
    if order.ord_type == OrdType.MARKET_TO_LIMIT and resting is not None:
        order.price = worst = limit = _as_limit(venue, order, resting.stands_at)
    needed = min(record.min_qty, order.leaves)
    if order.time_in_force == TimeInForce.FOK:
        needed = order.leaves
    if resting is not None and order.leaves and record.post_only:
        _stay_behind(venue, events, order, resting, record, kind)
        return
    events.opened(kind, order, record, is_live=order.leaves > 0)
    if order.ord_type == OrdType.MARKET_TO_LIMIT:
        if resting is None:
            _rest_or_cancel(venue, events, order, limit, record)
            return
        order.ord_type = OrdType.LIMIT
    mode = self_trade.mode_of(venue, order, record)
    lapses = resting is None and _may_rest(order)  # a minimum that nobody is there for
    if needed and not lapses and not self_trade.can_trade(venue, order, worst, mode, needed):
        _cancel_rest(events, order, CancelReason.IOC_REMAINDER, record)
        venue.free_slot(order)
        return
    _match(venue, events, order, worst, mode, record)
    _rest_or_cancel(venue, events, order, limit, record)


def _enter_peg(
    venue: Venue, events: Events, order: Order, _cap: int, record: OrderRecord, kind: EventKind
) -> None:
    """A peg that has passed every check goes where it should stand, if that is anywhere."""
    instrument = venue.instruments[order.instrument_id - 1]
    order.is_hidden = True
    order.peg_offset = record.peg_offset
    order.self_trade = record.self_trade
    events.opened(kind, order, record, is_live=order.leaves > 0)
    match_peg(venue, events, order, record)
    if order.leaves == 0:
        venue.free_slot(order)
        return
    ledger.hold(venue, order, order.leaves)
    ledger.hold_fees(venue, order, order.leaves)
    pegs = venue.pegs_of(order.instrument_id)
    pegs.is_due_again |= pegs.noted != peg_terms.best_prices(venue, instrument)
    venue.rest(order)
    pause_if_stopped(venue, events, order)


def match_peg(venue: Venue, events: Events, order: Order, record: OrderRecord) -> None:
    """Find out where a peg should stand, and trade with whoever is in its way."""
    order.pegged_price = peg_terms.price_of(venue, order)
    if order.pegged_price:
        instrument = venue.instruments[order.instrument_id - 1]
        worst = bands.reach(instrument, order.side, order.pegged_price)
        _match(venue, events, order, worst, self_trade.mode_of(venue, order, record), record)


def pause_if_stopped(venue: Venue, events: Events, order: Order) -> None:
    """If a peg would still trade with somebody, the band has stopped it: trading pauses."""
    if not order.leaves or not order.pegged_price:
        return
    if venue.book(order.instrument_id).first_opposite(order.side, order.pegged_price) is not None:
        phase_change.pause(venue, events, venue.instruments[order.instrument_id - 1])


def _collect(
    venue: Venue, events: Events, order: Order, worst: int, record: OrderRecord, kind: EventKind
) -> None:
    """An order for a call: it rests, whatever stands on the other side."""
    events.opened(kind, order, record, is_live=order.leaves > 0)
    order.price = worst  # a market order's collar price
    if order.leaves:
        _rest(venue, order, record)
    else:
        venue.free_slot(order)


def _as_limit(venue: Venue, order: Order, price: int) -> int:
    """The best price as a limit: where it is between two ticks, the tick that reaches it."""
    instrument = venue.instruments[order.instrument_id - 1]
    if ticks.is_on_tick(instrument, price):
        return price
    rounded = ticks.price_ceil if order.side == Side.BUY else ticks.price_floor
    return rounded(instrument, price)


def _stay_behind(
    venue: Venue, events: Events, order: Order, best: Order, record: OrderRecord, kind: EventKind
) -> None:
    """A post-only order that would trade: it goes, or rests at the next price behind the others."""
    instrument = venue.instruments[order.instrument_id - 1]
    next_price = ticks.price_down if order.side == Side.BUY else ticks.price_up
    price = next_price(instrument, best.stands_at)
    if record.post_only == PostOnly.SLIDE and 0 < price <= PRICE_MAX:
        order.price = price
        events.opened(kind, order, record, is_live=True)
        _rest_or_cancel(venue, events, order, order.price, record)
        return
    events.opened(kind, order, record, is_live=True)
    _cancel_rest(events, order, CancelReason.POST_ONLY, record)
    venue.free_slot(order)


def _match(
    venue: Venue, events: Events, incoming: Order, worst: int, mode: int, record: OrderRecord
) -> None:
    """Trade with the best of the other side, first come first served, up to the worst price."""
    book = venue.book(incoming.instrument_id)
    instrument = venue.instruments[incoming.instrument_id - 1]
    while incoming.leaves:
        resting = book.first_opposite(incoming.side, worst)
        if resting is None:
            return
        if mode and self_trade.is_same_owner(venue, resting, incoming):
            self_trade.prevent(venue, events, resting, incoming, mode, record)
            continue
        price, qty = resting.stands_at, min(resting.shown, incoming.leaves)
        match_id = venue.numbers.next_match_id
        venue.numbers.next_match_id += 1
        ledger.release(venue, resting, qty)
        for order in (resting, incoming):
            ledger.settle(venue, order, price=price, qty=qty)
            order.leaves -= qty
            order.cum += qty
        venue.stops_of(instrument.instrument_id).note_print(price, instrument.reference())
        instrument.last_price = price
        maker_fee = fees.charge(venue, resting, is_maker=True, amount=price * qty)
        ledger.hold_fees(venue, resting, resting.leaves)
        taker_fee = fees.charge(venue, incoming, is_maker=False, amount=price * qty)
        sides = [(resting, maker_fee), (incoming, taker_fee)]
        bust.note(venue, match_id, price=price, qty=qty, sides=sides)
        events.executed(
            resting, qty=qty, price=price, match_id=match_id, liquidity=liquidity_of(resting),
            record=None, fee=maker_fee,
        )  # fmt: skip
        events.executed(
            incoming, qty=qty, price=price, match_id=match_id, liquidity=Liquidity.REMOVED,
            record=record, fee=taker_fee,
        )  # fmt: skip
        events.trade(incoming, qty=qty, price=price, match_id=match_id, is_hidden=resting.is_hidden)
        if resting.leaves == 0:
            venue.unlink(resting)
            venue.free_slot(resting)
        elif resting.shown == 0:
            refresh(venue, events, resting)


def refresh(venue: Venue, events: Events, order: Order) -> None:
    """An iceberg that shows nothing any more shows more, at the back of its level."""
    order.take_from_reserve(min(order.peak, order.reserve))
    venue.book(order.instrument_id).move_to_the_back(order)
    if venue.numbers.rule_version >= NAMES_ANEW:
        order.public_id = next_order_id(venue)
        events.restated(order, RestatedReason.DISPLAY)


def _rest_or_cancel(
    venue: Venue, events: Events, order: Order, limit: int, record: OrderRecord
) -> None:
    """What is left after matching rests or goes.

    If it would still trade with somebody, the band has stopped it: trading pauses.
    """
    book = venue.book(order.instrument_id)
    is_stopped = order.leaves > 0 and book.first_opposite(order.side, limit) is not None
    if order.leaves and _may_rest(order):
        _rest(venue, order, record)
    else:
        if order.leaves:
            reason = CancelReason.IOC_REMAINDER
            if order.ord_type != OrdType.LIMIT and book.opposite(order.side):
                reason = CancelReason.COLLAR
            _cancel_rest(events, order, CancelReason.HALTED if is_stopped else reason, record)
        venue.free_slot(order)
    if is_stopped:
        phase_change.pause(venue, events, venue.instruments[order.instrument_id - 1])


def _rest(venue: Venue, order: Order, record: OrderRecord) -> None:
    ledger.hold(venue, order, order.leaves)
    ledger.hold_fees(venue, order, order.leaves)
    order.hide(record.display_qty)
    order.is_hidden = risk.is_hiding(venue, record)
    venue.rest(order)


def _may_rest(order: Order) -> bool:
    return order.ord_type == OrdType.LIMIT and order.time_in_force in risk.LASTING


def _cancel_rest(
    events: Events, order: Order, reason: CancelReason, record: OrderRecord | None
) -> None:
    qty, order.leaves = order.leaves, 0
    events.canceled(order, qty, reason, record)


def next_order_id(venue: Venue) -> int:
    """A number that no order had: its own, or its new public one."""
    order_id = venue.numbers.next_order_id
    venue.numbers.next_order_id += 1
    return order_id
