"""What random commands are made of: signatures, references, prices, quantities, live orders.

Called by the generator and by the modules that make its commands. Promises: deterministic in the
given random source and the venue's state.
"""

from random import Random

from oms.messages.enums import Side
from oms.reference.order import Order
from oms.reference.state import Instrument, Venue
from tests.properties import tick_tables, venues

I64_MAX = (1 << 63) - 1
I64_MIN = -(1 << 63)
U32_MAX = 0xFFFF_FFFF
DEEP_TICKS = 400
QUEUE_SHARE = 0.3


class Dice:
    """The random source, and how far the generator has come in time and references."""

    def __init__(self, rng: Random, *, is_deep: bool) -> None:
        self.rng = rng
        self.is_deep = is_deep  # one book with many levels
        self.peg_share = rng.choice((0.04, 0.04, 0.1, 0.5))
        self.time_ns = venues.START_NS + 10
        self.last_refs: dict[int, int] = {}  # of this step: session_id -> user_ref_num

    def sign(self, venue: Venue, session_id: int | None = None) -> tuple[int, int, int, int]:
        """A signature whose epoch and number are filled in later."""
        if session_id is None:
            session_id = self.rng.randint(1, max(len(venue.sessions), 1))
        late = self.rng.random() < 0.01
        return (session_id, 0, 0, self.time_ns - 1 if late else I64_MAX)

    def admin_sign(self, venue: Venue) -> tuple[int, int, int, int]:
        """The administrator's, as a rule."""
        return self.sign(venue, 1 if self.rng.random() < 0.9 else None)

    def next_ref(self, venue: Venue, session_id: int) -> int:
        """A user_ref_num that goes up, but for a few."""
        session = venue.session(session_id)
        last = self.last_refs.get(session_id, session.last_user_ref_num if session else 0)
        ref = min(last + self.rng.choices((1, 2, 9, 0), (20, 3, 1, 1))[0], U32_MAX)
        self.last_refs[session_id] = max(ref, last)
        return ref

    def price(self, venue: Venue, instrument: Instrument, side: int) -> int:
        """Near the best prices, on the tick; in a deep book mostly on the own side."""
        top = venue.book(instrument.instrument_id).top()
        own_best = top.bid_price if side == Side.BUY else top.ask_price
        if own_best and self.rng.random() < QUEUE_SHARE:
            return own_best  # behind others
        if self.is_deep:
            away = self.rng.randint(-3, DEEP_TICKS) * (-1 if side == Side.BUY else 1)
            price = instrument.reference_price + away * instrument.tick_size
            return tick_tables.stepped(instrument, price, 0)
        middle = self.rng.choice(
            [p for p in (top.bid_price, top.ask_price, instrument.reference()) if p]
            or [100 * instrument.tick_size]
        )
        return tick_tables.stepped(instrument, middle, self.rng.randint(-4, 4))

    def qty(self, instrument: Instrument) -> int:
        """Whole lots, mostly few."""
        lots = self.rng.choice((1, 1, 2, 3, 5, 8, 20, 100))
        return lots * instrument.lot_size

    def target(self, venue: Venue) -> Order | None:
        """A live order, most of the time."""
        if not venue.live or self.rng.random() < 0.08:
            return None
        return self.rng.choice(list(venue.live.values()))
