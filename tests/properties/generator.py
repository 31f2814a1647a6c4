"""A seeded source of log entries that looks at the oracle's state, so that things really happen.

Called by the comparison. Promises: the same seed gives the same steps. Prices gather around the
best prices, cancels and replaces aim at live orders, a closed day is opened again; and on top of
that a share of everything is wrong: numbers, epochs, times, fields, bytes.
"""

from collections.abc import Callable
from random import Random

import msgspec

from oms.bounds import PRICE_MAX, TIMESTAMP_MAX
from oms.messages import commands as c
from oms.messages.enums import (
    OUCH_POLICY,
    Entitlement,
    KillScope,
    OrdType,
    Phase,
    Policy,
    PostOnly,
    SelfTrade,
    Side,
    TimeInForce,
)
from oms.messages.records import pack_batch
from oms.reference.order import Order
from oms.reference.state import Instrument, Venue
from tests.properties import money, risk, venues, waiting
from tests.properties.steps import Planned, Signed, Step, fill_in

I64_MAX = (1 << 63) - 1
I64_MIN = -(1 << 63)
U32_MAX = 0xFFFF_FFFF
PHASES = (Phase.HALTED, Phase.CANCEL_ONLY, Phase.PRE_OPEN, Phase.CLOSED)
CALLS = (Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION)
COLLECTING = (Phase.PRE_OPEN, *CALLS)
CALL_REPAIRS = 0.02  # calls last, so that orders come together in them
POLICIES = (OUCH_POLICY, OUCH_POLICY, Policy.KEEPS_PRIORITY_ON_REDUCE, Policy(0), Policy(7))
PRICES = (0, -1, 1, I64_MIN, I64_MAX, PRICE_MAX, PRICE_MAX + 1, 12_345)
QTYS = (0, 1, 0x7FFF_FFFF, 0x8000_0000, U32_MAX)
ODD_FIELDS: dict[str, tuple[int, ...]] = {
    "order_qty": QTYS,
    "price": PRICES,
    "time_in_force": (0, 4, 5, 6, 7, 8, 9, 255),
    "side": (0, 3, 5, 6, 255),
    "ord_type": (0, 1, 3, 4, 5, 6, 255),
    "account_id": (0, 1, 99, U32_MAX),
    "instrument_id": (0, 1, 99, U32_MAX),
    "user_ref_num": (0, 1, 1, 1, 2, 3, U32_MAX - 1),
    "refuse_reason": (1, 17, 200),
    "policy": (0, 7, 0xFFFF),
    "min_qty": QTYS,
    "self_trade": (0, 4, 5, 255),
    "post_only": (0, 1, 2, 3, 255),
    "display_qty": QTYS,
    "expire_ns": (0, 1, TIMESTAMP_MAX, I64_MAX, I64_MIN),
    **waiting.ODD_FIELDS,
}
AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
LASTING_AND_AT_ONCE = tuple(TimeInForce)[:6]
CALLING_SHARE = 0.25  # venues whose calls begin and end all the time
DEEP_SHARE = 0.2
DEEP_TICKS = 400
CROWDED_SHARE = 0.2  # of the deep ones
QUEUE_SHARE = 0.3
CROWD_MIN = 1_500  # more than one entry may cancel
CROWD_ORDERS = 500  # in one entry
CROWD_SHARE = 0.1  # of the entries while there are fewer


class Generator:
    """The next step, and the next, as long as somebody asks."""

    def __init__(self, rng: Random, *, must_be_deep: bool = False) -> None:
        self._rng = rng
        self._is_deep = rng.random() < DEEP_SHARE or must_be_deep
        self._is_crowded = self._is_deep and rng.random() < CROWDED_SHARE and not must_be_deep
        self.crowd_orders = 0  # how many commands came in crowds
        self._opening = venues.opening(rng, is_deep=self._is_deep)
        self._time_ns = venues.START_NS + 10
        self._last_refs: dict[int, int] = {}  # of this step: session_id -> user_ref_num
        mass_weight = 4 if self._is_crowded else 0 if self._is_deep else 1
        self._makers: list[tuple[int, Callable[[Venue], c.Command | None]]] = [
            (46, self._new_order),
            (16, self._replace),
            (4 if self._is_deep else 9, self._cancel),
            (6, self._reduce),
            (1, self._query),
            (1, self._refused),
            (3, self._posting),
            (1, self._fees),
            (1, self._bust),
            (0 if self._is_deep else 1, self._limits),
            (0 if self._is_deep else 1, self._set_instrument),
            (0 if must_be_deep else 1, self._phase),
            (0 if self._is_deep else 1, self._set_bands),
            (4 if rng.random() < CALLING_SHARE else 0, self._call_phase),
            (1, self._identity),
            (1, self._login),
            (1, self._set_self_trade),
            (0 if self._is_deep else 1, self._set_kill),
            (0 if self._is_deep else 1, self._change_entry),
            (0 if self._is_deep else 1, self._set_restriction),
            (0 if self._is_deep else 1, self._set_risk),
            (mass_weight, self._mass_cancel),
            (mass_weight, self._admin_mass_cancel),
        ]

    def next_step(self, venue: Venue) -> Step:
        """One more log entry, given where the oracle stands."""
        if self._opening:
            return self._opening.pop(0)
        rng = self._rng
        self._last_refs.clear()
        self._time_ns += rng.choice((0, 1, 1_000, 1_000_000))
        if self._is_crowded and len(venue.live) < CROWD_MIN and rng.random() < CROWD_SHARE:
            self.crowd_orders += CROWD_ORDERS
            return Step(self._time_ns, tuple(Planned(order) for order in self._crowd(venue)))
        if rng.random() < 0.01:
            return Step(self._time_ns, raw=self._garbage(venue))
        count = rng.choice((1, 1, 1, 2, 4, 9)) if rng.random() > 0.03 else 0
        planned = tuple(self._planned(venue) for _ in range(count))
        stamp = self._time_ns if rng.random() > 0.01 else rng.choice((0, -5, I64_MIN))
        return Step(stamp, planned)

    def _planned(self, venue: Venue) -> Planned:
        rng = self._rng
        command = self._repair(venue)
        while command is None:
            weights = [weight for weight, _ in self._makers]
            command = rng.choices(self._makers, weights)[0][1](venue)
        if rng.random() < 0.005:
            return Planned(c.GatewayLost(rng.choice((7, 8, 9))))
        if rng.random() < 0.005:
            return Planned(c.Logout(rng.randint(0, len(venue.sessions) + 1), 0))
        if isinstance(command, Signed) and rng.random() < 0.06:
            return self._distorted(venue, command)
        if rng.random() < 0.05:
            command = self._odd(command)
        return Planned(command)

    def _repair(self, venue: Venue) -> c.Command | None:
        """Bring the venue back to where orders trade, soon but not always."""
        rng, now = self._rng, venue.numbers
        if rng.random() > 0.3 or not venue.sessions:
            return None
        asleep = [s.session_id for s in venue.sessions if not s.is_logged_in]
        if asleep:
            return c.Login(rng.choice(asleep), rng.randint(1, 10**6), rng.choice((7, 8)))
        sign = self._sign(venue, 1)
        if not now.is_day_open and not now.sweep_slot:
            return c.StartDay(*sign, now.trading_date + 1, venues.MIDNIGHT_NS)
        off = [
            (KillScope.VENUE, 0, now.is_killed),
            *((KillScope.SESSION, s.session_id, s.is_killed) for s in venue.sessions),
            *((KillScope.ACCOUNT, a.account_id, a.is_killed) for a in venue.accounts),
            *((KillScope.INSTRUMENT, i.instrument_id, i.is_killed) for i in venue.instruments),
        ]
        killed = [(scope, scope_id) for scope, scope_id, is_killed in off if is_killed]
        if killed:
            return c.SetKill(*sign, *rng.choice(killed), 0)
        restricted = [(i.instrument_id, 0) for i in venue.instruments if i.restriction]
        restricted += [(key[1], key[0]) for key, p in venue.positions.items() if p.restriction]
        if restricted:
            return c.SetRestriction(*sign, *rng.choice(restricted), 0)
        quiet = [
            i.instrument_id
            for i in venue.instruments
            if i.phase != Phase.CONTINUOUS
            and (i.phase not in COLLECTING or rng.random() < CALL_REPAIRS)
        ]
        if quiet:
            return c.SetPhase(*sign, rng.choice((0, rng.choice(quiet))), Phase.CONTINUOUS)
        return None

    def _sign(self, venue: Venue, session_id: int | None = None) -> tuple[int, int, int, int]:
        """A signature whose epoch and number are filled in later."""
        if session_id is None:
            session_id = self._rng.randint(1, max(len(venue.sessions), 1))
        late = self._rng.random() < 0.01
        return (session_id, 0, 0, self._time_ns - 1 if late else I64_MAX)

    def _distorted(self, venue: Venue, command: Signed) -> Planned:
        """A repeat, a gap, another epoch or another session's name."""
        rng = self._rng
        session = venue.session(command.session_id)
        if session is None:
            return Planned(command)
        epoch, seq = session.conn_epoch, session.client_seq
        match rng.randint(0, 3):
            case 0:
                seq = rng.randint(0, seq)
            case 1:
                seq += rng.choice((2, 3, 1 << 40))
            case 2:
                epoch, seq = max(epoch + rng.choice((-1, 1)), 0), seq + 1
            case _:
                wrong = rng.choice((0, len(venue.sessions) + 1, U32_MAX))
                command = msgspec.structs.replace(command, session_id=wrong)
        changed = msgspec.structs.replace(command, conn_epoch=epoch, client_seq=seq)
        return Planned(changed, natural=False)

    def _odd(self, command: c.Command) -> c.Command:
        """One field with a value it should not have."""
        fields = [name for name in command.__struct_fields__ if name in ODD_FIELDS]
        if not fields:
            return command
        name = self._rng.choice(fields)
        return msgspec.structs.replace(command, **{name: self._rng.choice(ODD_FIELDS[name])})

    def _garbage(self, venue: Venue) -> bytes:
        """Bytes that are no batch, or a batch whose records were scribbled on."""
        rng = self._rng
        step = Step(self._time_ns, tuple(self._planned(venue) for _ in range(rng.randint(1, 3))))
        data = bytearray(pack_batch(step.timestamp_ns, fill_in(step, venue)))
        match rng.randint(0, 5):
            case 0:
                return rng.randbytes(rng.randint(0, 300))
            case 1:
                return bytes(data[: rng.randint(0, len(data) - 1)])
            case 2:
                data[rng.randint(0, 3)] ^= 1 << rng.randint(0, 7)
            case 3:
                data[32] = rng.randint(0, 255)
            case 4:
                data[8:16] = (1 << 62).to_bytes(8, "little")
            case _:
                for _ in range(rng.randint(1, 5)):
                    data[rng.randint(32, len(data) - 1)] ^= 1 << rng.randint(0, 7)
        return bytes(data)

    def _price(self, venue: Venue, instrument: Instrument, side: int) -> int:
        """Near the best prices, on the tick; in a deep book mostly on the own side."""
        top = venue.book(instrument.instrument_id).top()
        own_best = top.bid_price if side == Side.BUY else top.ask_price
        if own_best and self._rng.random() < QUEUE_SHARE:
            return own_best  # behind others
        if self._is_deep:
            away = self._rng.randint(-3, DEEP_TICKS) * (-1 if side == Side.BUY else 1)
            ticks = instrument.reference_price // instrument.tick_size + away
            return max(ticks, 1) * instrument.tick_size
        middle = self._rng.choice(
            [p for p in (top.bid_price, top.ask_price, instrument.reference()) if p]
            or [100 * instrument.tick_size]
        )
        ticks = middle // instrument.tick_size + self._rng.randint(-4, 4)
        return max(ticks, 1) * instrument.tick_size

    def _qty(self, instrument: Instrument) -> int:
        lots = self._rng.choice((1, 1, 2, 3, 5, 8, 20, 100))
        return lots * instrument.lot_size

    def _new_order(self, venue: Venue) -> c.Command | None:
        rng = self._rng
        if not venue.instruments or not venue.accounts:
            return self._query(venue)
        sign = self._sign(venue)
        allowed = self._allowed(venue, sign[0])
        if not allowed and rng.random() < 0.8:  # somebody else, perhaps
            sign = self._sign(venue)
            allowed = self._allowed(venue, sign[0])
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
            user_ref_num=self._next_ref(venue, sign[0]),
            account_id=rng.choice(allowed or [1]),
            instrument_id=instrument.instrument_id,
            side=side,
            ord_type=ord_type,
            time_in_force=self._call_tif(instrument, tif),
            order_qty=self._qty(instrument),
            price=rng.choice(PRICES) if is_market else self._price(venue, instrument, side),
            cl_ord_id=rng.randbytes(rng.choice((0, 14, 24))),
            firm=rng.randbytes(rng.choice((0, 4))),
            display=rng.choice(b"YYYAZNN"),
            capacity=rng.choice(b"APRO"),
            iso=rng.choice(b"YN"),
            cross_type=rng.choice(b"NOC"),
            **self._extras(instrument, tif, is_market=is_market),
        )
        return waiting.perhaps(rng, venue, instrument, order)

    def _call_tif(self, instrument: Instrument, tif: int) -> int:
        """Instead of what is for at once mostly what a call takes, sometimes out of place."""
        rng = self._rng
        if rng.random() < 0.01:
            return rng.choice((TimeInForce.AT_THE_OPEN, TimeInForce.AT_THE_CLOSE))
        if instrument.phase not in COLLECTING or rng.random() < 0.1:
            return tif
        if tif not in AT_ONCE and rng.random() < 0.8:
            return tif
        if instrument.phase == Phase.CLOSING_AUCTION:
            return rng.choice((TimeInForce.DAY, TimeInForce.AT_THE_CLOSE))
        return rng.choice((TimeInForce.DAY, TimeInForce.AT_THE_OPEN))

    def _allowed(self, venue: Venue, session_id: int) -> list[int]:
        """Accounts that the session may enter for."""
        session = venue.session(session_id)
        return [
            a.account_id
            for a in venue.accounts
            if session
            and venue.entitlements(session.user_id, a.account_id) & Entitlement.ENTER
            and (not venue.is_disabled(session.user_id, a.account_id) or self._rng.random() < 0.1)
        ]

    def _extras(self, instrument: Instrument, tif: int, *, is_market: bool) -> dict[str, int]:
        """What an order says about how it enters; most say nothing."""
        rng = self._rng
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
            extras["expire_ns"] = lasts + (self._time_ns if tif == TimeInForce.GTD else 0)
        return extras

    def _next_ref(self, venue: Venue, session_id: int) -> int:
        """A user_ref_num that goes up, but for a few."""
        session = venue.session(session_id)
        last = self._last_refs.get(session_id, session.last_user_ref_num if session else 0)
        ref = min(last + self._rng.choices((1, 2, 9, 0), (20, 3, 1, 1))[0], U32_MAX)
        self._last_refs[session_id] = max(ref, last)
        return ref

    def _target(self, venue: Venue) -> Order | None:
        """A live order, most of the time."""
        if not venue.live or self._rng.random() < 0.08:
            return None
        return self._rng.choice(list(venue.live.values()))

    def _replace(self, venue: Venue) -> c.Command | None:
        rng = self._rng
        order = self._target(venue)
        sign = self._sign(venue, order.session_id if order else None)
        qty, price, extras = 10, 1000, {}
        tif = rng.choices((1, 2, 3, 4, 5, 6), (8, 6, 4, 1, 2, 2))[0]
        if order:
            instrument = venue.instruments[order.instrument_id - 1]
            tif = self._call_tif(instrument, tif)
            total = order.cum + order.leaves
            qty = rng.choice((total, order.cum, total - instrument.lot_size, total // 2))
            qty = max(rng.choice((qty, order.cum + self._qty(instrument))), 0)
            price = rng.choice((order.price, self._price(venue, instrument, order.side)))
            extras = self._extras(instrument, tif, is_market=False)
        replace = c.ReplaceOrder(
            *sign,
            policy=rng.choice(POLICIES),
            orig_user_ref_num=order.user_ref_num if order else rng.randint(0, 20),
            user_ref_num=self._next_ref(venue, sign[0]),
            time_in_force=tif,
            order_qty=qty,
            price=price,
            cl_ord_id=rng.randbytes(rng.choice((0, 14))),
            display=rng.choice(b"YN"),
            iso=rng.choice(b"YN"),
            **extras,
        )
        return waiting.as_replace(rng, venue, order, replace)

    def _cancel(self, venue: Venue) -> c.Command | None:
        order = self._target(venue)
        sign = self._sign(venue, order.session_id if order else None)
        ref = order.user_ref_num if order else self._rng.randint(0, 20)
        return c.CancelOrder(*sign, self._rng.choice(POLICIES), ref, 0)

    def _reduce(self, venue: Venue) -> c.Command | None:
        order = self._target(venue)
        sign = self._sign(venue, order.session_id if order else None)
        if order is None:
            return c.CancelOrder(*sign, self._rng.choice(POLICIES), 1, 5)
        total = order.cum + order.leaves
        qty = self._rng.choice((order.cum, order.cum + 1, total - 1, total, total // 2, total + 9))
        return c.CancelOrder(
            *sign, self._rng.choice(POLICIES), order.user_ref_num, min(qty, U32_MAX)
        )

    def _crowd(self, venue: Venue) -> list[c.Command]:
        """Orders of everybody who may, all of which rest."""
        rng = self._rng
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
                    *self._sign(venue, session_id), OUCH_POLICY,
                    self._next_ref(venue, session_id), account_id, 1, side, OrdType.LIMIT,
                    rng.choice((TimeInForce.DAY, TimeInForce.GTC)), rng.randint(1, 9),
                    ticks * venue.instruments[0].tick_size, b"", b"", 89, 65, 78, 78,
                )
            )  # fmt: skip
        return made

    def _mass_cancel(self, venue: Venue) -> c.Command | None:
        rng = self._rng
        sign = self._sign(venue)
        return c.MassCancel(
            *sign,
            policy=rng.choice((*POLICIES, Policy.WHOLE_ACCOUNT, Policy.WHOLE_ACCOUNT)),
            user_ref_num=self._next_ref(venue, sign[0]),
            account_id=rng.choice((0, rng.randint(0, len(venue.accounts) + 1))),
            instrument_id=rng.choice((0, rng.randint(0, len(venue.instruments) + 1))),
            side=rng.choice((0, 0, 1, 2, 5, 6)),
            firm=rng.randbytes(rng.choice((0, 4))),
        )

    def _set_self_trade(self, venue: Venue) -> c.Command | None:
        rng = self._rng
        account = rng.randint(0, len(venue.accounts) + 1)
        mode = rng.choice((0, 0, 0, 0, *SelfTrade, 5, 255))
        return c.SetSelfTrade(*self._admin_sign(venue), account, rng.choice((0, 0, 1, 2)), mode)

    def _set_kill(self, venue: Venue) -> c.Command | None:
        """Mostly letting in again, or nothing would trade any more."""
        rng = self._rng
        scope = rng.choice((0, 1, 2, 2, 3, 3, 4, 4, 5))
        is_killed = rng.choice((0, 0, 0, 1, 2))
        return c.SetKill(
            *self._admin_sign(venue), scope, rng.choice((0, rng.randint(0, 6))), is_killed
        )

    def _set_risk(self, venue: Venue) -> c.Command | None:
        return risk.set_risk(self._rng, self._admin_sign(venue), venue)

    def _set_restriction(self, venue: Venue) -> c.Command | None:
        return risk.set_restriction(self._rng, self._admin_sign(venue), venue)

    def _change_entry(self, venue: Venue) -> c.Command | None:
        rng = self._rng
        sign = self._sign(venue)
        ref = self._next_ref(venue, sign[0])
        account = rng.choice((0, rng.randint(0, len(venue.accounts) + 1)))
        firm = rng.randbytes(rng.choice((0, 4)))
        if rng.random() < 0.2:
            return c.DisableEntry(*sign, ref, account, firm)
        return c.EnableEntry(*sign, ref, rng.choice((0, account)), firm)

    def _admin_mass_cancel(self, venue: Venue) -> c.Command | None:
        rng = self._rng
        return c.AdminMassCancel(
            *self._admin_sign(venue),
            of_session_id=rng.choice((0, 0, 0, rng.randint(0, len(venue.sessions) + 1))),
            of_account_id=rng.choice((0, rng.randint(0, len(venue.accounts) + 1))),
            of_instrument_id=rng.choice((0, rng.randint(0, len(venue.instruments) + 1))),
            side=rng.choice((0, 0, 1, 2, 5, 6, 7)),
        )

    def _query(self, venue: Venue) -> c.Command | None:
        return c.AccountQuery(*self._sign(venue))

    def _refused(self, venue: Venue) -> c.Command | None:
        return c.RefusedRequest(*self._sign(venue), self._rng.randint(0, 50), 1)

    def _login(self, venue: Venue) -> c.Command | None:
        rng = self._rng
        session = venue.session(rng.randint(0, len(venue.sessions) + 1))
        if session is None:
            return c.Login(99, 1, 7)
        nonce = rng.choice((session.login_nonce, rng.getrandbits(64)))
        limit = (0, I64_MAX, self._time_ns, self._time_ns - 1, -1, 0, 0, 0)[nonce % 8]
        return c.Login(session.session_id, nonce, rng.choice((7, 8, (1 << 64) - 1)), limit)

    def _admin_sign(self, venue: Venue) -> tuple[int, int, int, int]:
        return self._sign(venue, 1 if self._rng.random() < 0.9 else None)

    def _posting(self, venue: Venue) -> c.Command | None:
        return money.posting(self._rng, venue, self._admin_sign(venue))

    def _bust(self, venue: Venue) -> c.Command | None:
        return money.bust(self._rng, venue, self._admin_sign(venue))

    def _fees(self, venue: Venue) -> c.Command | None:
        return money.fees(self._rng, venue, self._admin_sign(venue))

    def _limits(self, venue: Venue) -> c.Command | None:
        values = list(venues.limits(self._rng))
        if self._rng.random() < 0.2:
            values[self._rng.randint(0, 3)] = self._rng.choice((-1, 0, I64_MIN))
        account = self._rng.randint(0, len(venue.accounts) + 1)
        return c.SetLimits(*self._admin_sign(venue), account, *values)

    def _set_instrument(self, venue: Venue) -> c.Command | None:
        rng = self._rng
        target = venue.instrument(rng.randint(0, len(venue.instruments) + 1))
        if target is None:
            return c.SetInstrument(*self._admin_sign(venue), 77, 1, 1, 0, 0, 1)
        return c.SetInstrument(
            *self._admin_sign(venue),
            target.instrument_id,
            lot_size=rng.choice((target.lot_size, target.lot_size, 1, 0)),
            tick_size=rng.choice((target.tick_size, target.tick_size, target.tick_size, 1, 0)),
            reference_price=rng.choice((target.reference(), 0, -1, PRICE_MAX + 1, 20_000)),
            price_collar_bps=rng.choice((0, 0, 300, 10_001)),
            market_collar_bps=rng.choice((0, 1, 500, 10_000, 10_001)),
        )

    def _phase(self, venue: Venue) -> c.Command | None:
        rng, sign = self._rng, self._admin_sign(venue)
        if rng.random() < (0.02 if self._is_deep else 0.3):
            return c.EndDay(*sign)
        if rng.random() < 0.1:
            date = venue.numbers.trading_date + rng.choice((0, 1))
            return c.StartDay(*sign, date, venues.MIDNIGHT_NS)
        instrument = rng.choice((0, rng.randint(0, len(venue.instruments) + 1)))
        phase = rng.choice((*PHASES, *CALLS, *CALLS, Phase.CONTINUOUS, Phase.CONTINUOUS, 0, 99))
        is_timed = phase in CALLS or rng.random() < 0.02
        lasts = rng.choice((0, 10**6, 10**7, 10**8, 10**8, -1, I64_MAX)) if is_timed else 0
        return c.SetPhase(*sign, instrument, phase, lasts)

    def _call_phase(self, venue: Venue) -> c.Command | None:
        """Into a call, or out of one."""
        rng = self._rng
        if not venue.instruments:
            return self._phase(venue)
        target = rng.choice(venue.instruments)
        phase = Phase.CONTINUOUS
        if target.phase == Phase.CONTINUOUS:
            phase = rng.choice((Phase.PRE_OPEN, *CALLS))
        elif rng.random() < 0.2:
            phase = rng.choice((Phase.HALTED, Phase.CLOSED, *CALLS))
        return c.SetPhase(*self._sign(venue, 1), target.instrument_id, phase)

    def _set_bands(self, venue: Venue) -> c.Command | None:
        """Narrow enough to be reached."""
        rng = self._rng
        return c.SetBands(
            *self._admin_sign(venue),
            instrument_id=rng.randint(0, len(venue.instruments) + 1),
            static_bps=rng.choice((0, 0, 100, 500, 10_000, 10_001)),
            dynamic_bps=rng.choice((0, 50, 100, 300, 10_001)),
            call_ns=rng.choice((0, 10**6, 10**7, 10**7, -1, I64_MAX)),
        )

    def _identity(self, venue: Venue) -> c.Command | None:
        """Somebody or something new, often with an id, a name or a reference that is wrong."""
        rng, sign = self._rng, self._admin_sign(venue)
        some = rng.randint(0, 6)
        name = rng.choice((b"", b"  ", b"A1", b"SYM1", b"USER1", b"N%d" % rng.randint(0, 999)))
        match rng.randint(0, 5):
            case 0:
                new_id = len(venue.instruments) + rng.choice((1, 1, 0, 2, 50))
                made = venues.instrument(rng, new_id, name)
                return msgspec.structs.replace(
                    made, session_id=sign[0], not_after_ns=sign[3], price_scale=rng.choice((4, 10))
                )
            case 1:
                new_id = len(venue.participants) + rng.choice((1, 1, 0, 2, 50))
                return c.AddParticipant(*sign, new_id, name)
            case 2:
                new_id = len(venue.accounts) + rng.choice((1, 1, 0, 2, 50))
                return c.AddAccount(*sign, new_id, some, name[:4], *venues.limits(rng))
            case 3:
                new_id = len(venue.users) + rng.choice((1, 1, 0, 2, 50))
                return c.AddUser(*sign, new_id, some, name, b"s", b"h")
            case 4:
                new_id = len(venue.sessions) + rng.choice((1, 1, 0, 2, 50))
                return c.OpenSession(
                    *sign,
                    new_id,
                    some,
                    rng.randint(0, 6),
                    rng.randint(0, 6),
                    rng.choice((0, 0, 1, 1, 2, 255)),
                )
            case _:
                bits = rng.choice((0, 1, 1, 1, 3, 31, 32, U32_MAX))
                is_own_right = some == 1 and rng.random() < 0.9
                account = rng.randint(1, 6) if is_own_right else rng.randint(0, 6)
                return c.Grant(*sign, some, account, bits)
