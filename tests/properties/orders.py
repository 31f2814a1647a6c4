"""Random commands of traders: orders, replaces, cancels, mass cancels, crowds of orders.

Called by the generator. Promises: deterministic in the given dice.
"""

from oms.bounds import PRICE_MAX, TIMESTAMP_MAX
from oms.messages import commands as c
from oms.messages.enums import (
    OUCH_POLICY,
    Entitlement,
    OrdType,
    Phase,
    Policy,
    PostOnly,
    SelfTrade,
    Side,
    TimeInForce,
)
from oms.reference.state import Instrument, Venue
from tests.properties import pegging, waiting
from tests.properties.dice import DEEP_TICKS, I64_MAX, I64_MIN, U32_MAX, Dice
from tests.properties.operations import COLLECTING

POLICIES = (OUCH_POLICY, OUCH_POLICY, Policy.KEEPS_PRIORITY_ON_REDUCE, Policy(0), Policy(7))
PRICES = (0, -1, 1, I64_MIN, I64_MAX, PRICE_MAX, PRICE_MAX + 1, 12_345)
AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
LASTING_AND_AT_ONCE = tuple(TimeInForce)[:6]
CROWD_ORDERS = 500  # in one entry
SAID_BY_ALL = (
    "session_id", "conn_epoch", "client_seq", "not_after_ns", "policy", "user_ref_num",
    "account_id", "instrument_id", "side", "cl_ord_id", "firm", "display", "capacity", "iso",
    "cross_type",
)  # fmt: skip


def new_order(dice: Dice, venue: Venue) -> c.Command:
    """Of somebody who may, as a rule; of every type and time in force."""
    rng = dice.rng
    if not venue.instruments or not venue.accounts:
        return query(dice, venue)
    sign = dice.sign(venue)
    allowed = _allowed(dice, venue, sign[0])
    if not allowed and rng.random() < 0.8:  # somebody else, perhaps
        sign = dice.sign(venue)
        allowed = _allowed(dice, venue, sign[0])
    instrument = rng.choice(venue.instruments)
    is_market = rng.random() < 0.12
    ord_type = OrdType.MARKET if is_market else OrdType.LIMIT
    if is_market and rng.random() < 0.4:
        ord_type = OrdType.MARKET_TO_LIMIT
    is_plain_market = ord_type == OrdType.MARKET
    tifs = [TimeInForce.DAY, TimeInForce.IOC] if is_plain_market else list(LASTING_AND_AT_ONCE)
    side = rng.choice((1, 1, 1, 2, 2, 2, 5, 6))
    tif = rng.choices(tifs, [6, 3, 1, 1, 1, 1][: len(tifs)])[0]
    order = c.NewOrder(
        *sign,
        policy=rng.choice(POLICIES),
        user_ref_num=dice.next_ref(venue, sign[0]),
        account_id=rng.choice(allowed or [1]),
        instrument_id=instrument.instrument_id,
        side=side,
        ord_type=ord_type,
        time_in_force=_call_tif(dice, instrument, tif),
        order_qty=dice.qty(instrument),
        price=rng.choice(PRICES) if is_market else dice.price(venue, instrument, side),
        cl_ord_id=rng.randbytes(rng.choice((0, 14, 24))),
        firm=rng.randbytes(rng.choice((0, 4))),
        display=rng.choice(b"YYYAZNN"),
        capacity=rng.choice(b"APRO"),
        iso=rng.choice(b"YN"),
        cross_type=rng.choice(b"NOC"),
        **_extras(dice, instrument, tif, is_market=is_market),
    )
    order = waiting.perhaps(rng, venue, instrument, order)
    return pegging.perhaps(rng, instrument, order, share=dice.peg_share)


def taker(dice: Dice, venue: Venue) -> c.Command:
    """Somebody's plain order at the best price of the other side: most others ask for too much."""
    order = new_order(dice, venue)
    if not isinstance(order, c.NewOrder):
        return order
    instrument = venue.instruments[order.instrument_id - 1]
    top = venue.book(instrument.instrument_id).top()
    best = top.ask_price if order.side == Side.BUY else top.bid_price
    return c.NewOrder(
        **{name: getattr(order, name) for name in SAID_BY_ALL},
        ord_type=OrdType.LIMIT,
        time_in_force=dice.rng.choice((TimeInForce.DAY, TimeInForce.IOC)),
        order_qty=dice.rng.choice((1, 2, 3)) * instrument.lot_size,
        price=best or instrument.reference(),
    )


def _call_tif(dice: Dice, instrument: Instrument, tif: int) -> int:
    """Instead of what is for at once mostly what a call takes, sometimes out of place."""
    rng = dice.rng
    if rng.random() < 0.01:
        return rng.choice((TimeInForce.AT_THE_OPEN, TimeInForce.AT_THE_CLOSE))
    if instrument.phase not in COLLECTING or rng.random() < 0.1:
        return tif
    if tif not in AT_ONCE and rng.random() < 0.8:
        return tif
    if instrument.phase == Phase.CLOSING_AUCTION:
        return rng.choice((TimeInForce.DAY, TimeInForce.AT_THE_CLOSE))
    return rng.choice((TimeInForce.DAY, TimeInForce.AT_THE_OPEN))


def _allowed(dice: Dice, venue: Venue, session_id: int) -> list[int]:
    """Accounts that the session may enter for."""
    session = venue.session(session_id)
    return [
        a.account_id
        for a in venue.accounts
        if session
        and venue.entitlements(session.user_id, a.account_id) & Entitlement.ENTER
        and (not venue.is_disabled(session.user_id, a.account_id) or dice.rng.random() < 0.1)
    ]


def _extras(dice: Dice, instrument: Instrument, tif: int, *, is_market: bool) -> dict[str, int]:
    """What an order says about how it enters; most say nothing."""
    rng = dice.rng
    extras: dict[str, int] = {}
    if rng.random() < 0.08:
        extras["min_qty"] = rng.choice((1, 1, 2, 5)) * instrument.lot_size
    if rng.random() < 0.2:
        extras["self_trade"] = rng.choice(list(SelfTrade))
    if rng.random() < (0.02 if is_market or extras.get("min_qty") else 0.08):
        extras["post_only"] = rng.choice(list(PostOnly))
    if rng.random() < (0.02 if is_market else 0.15):
        extras["display_qty"] = rng.choice((1, 1, 2, 3)) * instrument.lot_size
    if tif in {TimeInForce.GTD, TimeInForce.GTT} or rng.random() < 0.01:
        lasts = rng.choice((1_000, 10**6, 10**7, 10**7, 10**8, 10**8))
        if rng.random() < 0.1:
            lasts = rng.choice((0, -1, TIMESTAMP_MAX))
        extras["expire_ns"] = lasts + (dice.time_ns if tif == TimeInForce.GTD else 0)
    return extras


def replace(dice: Dice, venue: Venue) -> c.Command:
    """Of a live order, up or down, elsewhere or in place."""
    rng = dice.rng
    order = dice.target(venue)
    sign = dice.sign(venue, order.session_id if order else None)
    qty, price, extras = 10, 1000, {}
    tif = rng.choices((1, 2, 3, 4, 5, 6), (8, 6, 4, 1, 2, 2))[0]
    if order:
        instrument = venue.instruments[order.instrument_id - 1]
        tif = _call_tif(dice, instrument, tif)
        total = order.cum + order.leaves
        qty = rng.choice((total, order.cum, total - instrument.lot_size, total // 2))
        qty = max(rng.choice((qty, order.cum + dice.qty(instrument))), 0)
        price = rng.choice((order.price, dice.price(venue, instrument, order.side)))
        extras = _extras(dice, instrument, tif, is_market=False)
    made = c.ReplaceOrder(
        *sign,
        policy=rng.choice(POLICIES),
        orig_user_ref_num=order.user_ref_num if order else rng.randint(0, 20),
        user_ref_num=dice.next_ref(venue, sign[0]),
        time_in_force=tif,
        order_qty=qty,
        price=price,
        cl_ord_id=rng.randbytes(rng.choice((0, 14))),
        display=rng.choice(b"YN"),
        iso=rng.choice(b"YN"),
        **extras,
    )
    made = waiting.as_replace(rng, venue, order, made)
    return pegging.as_replace(rng, venue, order, made)


def cancel(dice: Dice, venue: Venue) -> c.Command:
    """Of a live order."""
    order = dice.target(venue)
    sign = dice.sign(venue, order.session_id if order else None)
    ref = order.user_ref_num if order else dice.rng.randint(0, 20)
    return c.CancelOrder(*sign, dice.rng.choice(POLICIES), ref, 0)


def reduce(dice: Dice, venue: Venue) -> c.Command:
    """To a total that is more, less or nothing."""
    order = dice.target(venue)
    sign = dice.sign(venue, order.session_id if order else None)
    if order is None:
        return c.CancelOrder(*sign, dice.rng.choice(POLICIES), 1, 5)
    total = order.cum + order.leaves
    qty = dice.rng.choice((order.cum, order.cum + 1, total - 1, total, total // 2, total + 9))
    return c.CancelOrder(*sign, dice.rng.choice(POLICIES), order.user_ref_num, min(qty, U32_MAX))


def crowd(dice: Dice, venue: Venue) -> list[c.Command]:
    """Orders of everybody who may, all of which rest."""
    rng = dice.rng
    allowed = [
        (session.session_id, account.account_id)
        for session in venue.sessions
        for account in venue.accounts
        if venue.entitlements(session.user_id, account.account_id) & Entitlement.ENTER
        and not venue.is_disabled(session.user_id, account.account_id)
    ]
    made: list[c.Command] = []
    for _ in range(CROWD_ORDERS if allowed else 0):
        session_id, account_id = rng.choice(allowed)
        side = rng.choice((Side.BUY, Side.SELL_SHORT))
        away = -1 if side == Side.BUY else 1
        if venue.instruments[0].is_crossable:
            away = -away  # all of them will trade, and it takes more than one entry
        ticks = 1_000 + rng.randint(1, DEEP_TICKS) * away
        made.append(
            c.NewOrder(
                *dice.sign(venue, session_id), OUCH_POLICY,
                dice.next_ref(venue, session_id), account_id, 1, side, OrdType.LIMIT,
                rng.choice((TimeInForce.DAY, TimeInForce.GTC)), rng.randint(1, 9),
                ticks * venue.instruments[0].tick_size, b"", b"", 89, 65, 78, 78,
            )
        )  # fmt: skip
    return made


def mass_cancel(dice: Dice, venue: Venue) -> c.Command:
    """Of a session or of a whole account."""
    rng = dice.rng
    sign = dice.sign(venue)
    return c.MassCancel(
        *sign,
        policy=rng.choice((*POLICIES, Policy.WHOLE_ACCOUNT, Policy.WHOLE_ACCOUNT)),
        user_ref_num=dice.next_ref(venue, sign[0]),
        account_id=rng.choice((0, rng.randint(0, len(venue.accounts) + 1))),
        instrument_id=rng.choice((0, rng.randint(0, len(venue.instruments) + 1))),
        side=rng.choice((0, 0, 1, 2, 5, 6)),
        firm=rng.randbytes(rng.choice((0, 4))),
    )


def change_entry(dice: Dice, venue: Venue) -> c.Command:
    """Off, mostly on again."""
    rng = dice.rng
    sign = dice.sign(venue)
    ref = dice.next_ref(venue, sign[0])
    account = rng.choice((0, rng.randint(0, len(venue.accounts) + 1)))
    firm = rng.randbytes(rng.choice((0, 4)))
    if rng.random() < 0.2:
        return c.DisableEntry(*sign, ref, account, firm)
    return c.EnableEntry(*sign, ref, rng.choice((0, account)), firm)


def query(dice: Dice, venue: Venue) -> c.Command:
    """Which reference comes next."""
    return c.AccountQuery(*dice.sign(venue))


def refused(dice: Dice, venue: Venue) -> c.Command:
    """Something that the venue does not offer."""
    return c.RefusedRequest(*dice.sign(venue), dice.rng.randint(0, 50), 1)
