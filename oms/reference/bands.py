"""Price bands: how far continuous trading may go before it pauses (docs/rules.md, Bands).

Called by the administration, the matcher, the phases and the auction. Promises: nothing trades
outside the band that held when its command came; what would have begins a volatility call.
"""

from enum import IntEnum
from typing import NamedTuple

from oms.bounds import PRICE_MAX, TIMESTAMP_MAX
from oms.messages import records
from oms.messages.enums import Phase, RejectReason, Side
from oms.reference import phases, ticks
from oms.reference.records import HEAD_FIELDS
from oms.reference.state import Instrument, Venue

_BPS = 10_000


class Clamp(IntEnum):
    """Which end of its band an uncross was held at. 0 in the state: none."""

    HIGH = 1
    LOW = 2


class Band(NamedTuple):
    """The lowest and the highest price that may trade; an end that is a band's is on the tick."""

    low: int
    high: int


def set_bands(venue: Venue, record: bytes) -> tuple[int, int]:
    """SET_BANDS: why it is refused, or NONE and it is done; and the id concerned."""
    instrument_id, static_bps, dynamic_bps, call_ns = records.BANDS.unpack(record)[HEAD_FIELDS:]
    instrument = venue.instrument(instrument_id)
    if instrument is None:
        return RejectReason.UNKNOWN_ID, instrument_id
    if (
        not phases.is_offered(venue, Phase.VOLATILITY_AUCTION)
        or static_bps > _BPS
        or dynamic_bps > _BPS
        or not 0 <= call_ns <= TIMESTAMP_MAX // 2
    ):
        return RejectReason.BAD_VALUE, instrument_id
    call = instrument.call
    call.static_bps, call.dynamic_bps, call.pause_ns = static_bps, dynamic_bps, call_ns
    return RejectReason.NONE, instrument_id


def band(instrument: Instrument) -> Band:
    """What may trade now: the narrower of the static and the dynamic band at either end."""
    call = instrument.call
    low, high = 0, PRICE_MAX  # what rests off a tick that came later may trade, too
    around = (
        (call.band_reference or instrument.reference_price, call.static_bps),
        (instrument.last_price, call.dynamic_bps),
    )
    for reference, bps in around:
        if reference and bps:
            distance = reference * bps // _BPS
            high = min(high, ticks.price_floor(instrument, reference + distance))
            low = max(low, ticks.price_ceil(instrument, reference - distance))
    return Band(low, high)


def reach(instrument: Instrument, side: int, worst: int) -> int:
    """How far an order that goes to `worst` may trade at once."""
    limits = band(instrument)
    return min(worst, limits.high) if side == Side.BUY else max(worst, limits.low)


def clamp(instrument: Instrument, price: int) -> int:
    """At which end of the band a call must be held that would trade at `price`; 0: at none."""
    limits = band(instrument)
    if instrument.phase != Phase.VOLATILITY_AUCTION or price == 0:
        return 0
    return Clamp.HIGH if price > limits.high else Clamp.LOW if price < limits.low else 0
