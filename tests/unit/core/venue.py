"""A small venue for the engine's unit tests: two accounts, one session each, driven by records.

Called by the tests of this folder. Promises: nothing random; `apply` steps the log index and
returns the events of the entry.
"""

from oms._core import Engine
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import Entitlement, EventKind, OrdType, Phase, Protocol, Side, TimeInForce
from oms.messages.event_records import Event, unpack_events
from oms.messages.packing import pack_batch

START_NS = 1_767_605_400_000_000_000
NEVER = (1 << 62) - 1
FREE = (0, 0, 0, 0)
TICK = 100
BUYER, SELLER = 1, 2  # sessions, and the accounts of the same number
RICH = 1 << 56
MANY = 1 << 48


class Venue:
    """An engine after genesis, with a counter for every session."""

    def __init__(
        self,
        *,
        instruments: int = 1,
        orders_max: int = 100_000,
        positions_max: int = 1_000,
        tick: int = TICK,
        rule_version: int = 1,
        phase: Phase = Phase.CONTINUOUS,
    ) -> None:
        self.engine = Engine()
        self.index = 0
        self.now_ns = START_NS
        self.seq = {BUYER: 0, SELLER: 0}
        self.urn = {BUYER: 0, SELLER: 0}
        genesis = _identities(instruments, tick, phase)
        capacities = (orders_max, instruments, 2, 2, 2, 2, positions_max)
        self.apply(c.Genesis(7, rule_version, len(genesis), *capacities), *genesis)
        self.apply(c.Login(BUYER, 1, 9), c.Login(SELLER, 1, 9))

    def apply(self, *commands: c.Command) -> list[Event]:
        """One entry with these commands; its events."""
        self.index += 1
        self.now_ns += 1
        self.engine.apply(self.index, pack_batch(self.now_ns, list(commands)))
        return unpack_events(self.engine.events())

    def new(
        self,
        session: int,
        qty: int,
        price: int,
        *,
        tif: int = TimeInForce.DAY,
        ord_type: int = OrdType.LIMIT,
        instrument: int = 1,
    ) -> c.NewOrder:
        """The session's next order; its user_ref_num is then `self.urn[session]`."""
        self.seq[session] += 1
        self.urn[session] += 1
        side = Side.BUY if session == BUYER else Side.SELL
        return c.NewOrder(
            session, 1, self.seq[session], NEVER, 0, self.urn[session], session, instrument, side,
            ord_type, tif, qty, price, b"C", b"", ord("Y"), ord("A"), ord("N"), ord("N"),
        )  # fmt: skip

    def cancel(self, session: int, user_ref_num: int, order_qty: int = 0) -> c.CancelOrder:
        """Cancel or reduce one of the session's orders."""
        self.seq[session] += 1
        return c.CancelOrder(session, 1, self.seq[session], NEVER, 0, user_ref_num, order_qty)

    def replace(self, session: int, orig: int, qty: int, price: int) -> c.ReplaceOrder:
        """Replace one of the session's orders; its new name is `self.urn[session]`."""
        self.seq[session] += 1
        self.urn[session] += 1
        return c.ReplaceOrder(
            session, 1, self.seq[session], NEVER, 0, orig, self.urn[session], TimeInForce.DAY, qty,
            price, b"R", ord("Y"), ord("N"),
        )  # fmt: skip


def _identities(instruments: int, tick: int, phase: Phase) -> list[c.Command]:
    parties = (BUYER, SELLER)
    made: list[c.Command] = [
        ac.AddInstrument(
            *FREE, n, b"S%d" % n, lot_size=1, tick_size=tick, reference_price=0,
            price_collar_bps=0, market_collar_bps=500, phase=phase,
        )
        for n in range(1, instruments + 1)
    ]  # fmt: skip
    made += [ac.AddParticipant(*FREE, n, b"P%d" % n) for n in parties]
    made += [ac.AddAccount(*FREE, n, n, b"A%d" % n, MANY, 1 << 62, MANY, 0) for n in parties]
    made += [ac.AddUser(*FREE, n, n, b"U%d" % n, b"salt", b"hash") for n in parties]
    made += [ac.OpenSession(*FREE, n, n, n, Protocol.OUCH) for n in parties]
    made += [ac.Grant(*FREE, n, n, Entitlement.ENTER) for n in parties]
    made += [ac.DepositCash(*FREE, n, RICH) for n in parties]
    made += [
        ac.DepositShares(*FREE, n, instrument, 1 << 40)
        for n in parties
        for instrument in range(1, instruments + 1)
    ]
    made.append(ac.StartDay(*FREE, 20260105, START_NS))
    return made


def executed(events: list[Event], session: int) -> list[Event]:
    """The executions of one session's orders, in order."""
    return [
        event
        for event in events
        if event.kind == EventKind.ORDER_EXECUTED and event.session_id == session
    ]
