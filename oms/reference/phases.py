"""The stages of an instrument's day: which orders each lets in (docs/rules.md, Phases).

Called by risk and by everything that changes phases. Promises: reads only.
"""

from oms.messages.enums import OrdType, Phase, RejectReason, TimeInForce
from oms.reference.order import CALL_TIMES
from oms.reference.records import OrderRecord
from oms.reference.state import Instrument, Venue

_COLLECTS_FROM = 2  # the rule version from which on orders are collected at all
CALLS = frozenset((Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION))
_PHASES_OF_OLD = frozenset(
    (Phase.PRE_OPEN, Phase.CONTINUOUS, Phase.HALTED, Phase.CANCEL_ONLY, Phase.CLOSED)
)
_AT_ONCE = frozenset((TimeInForce.IOC, TimeInForce.FOK))
_PHASES_OF_TIME = {
    TimeInForce.AT_THE_OPEN: (Phase.PRE_OPEN, Phase.OPENING_AUCTION),
    TimeInForce.AT_THE_CLOSE: (Phase.CLOSING_AUCTION,),
}


def is_offered(venue: Venue, phase: int) -> bool:
    """Whether an administrator may ask for it."""
    return phase in _PHASES_OF_OLD or (phase in CALLS and _has_calls(venue))


def collects(venue: Venue, phase: int) -> bool:
    """Whether orders come to rest in it without trading."""
    return _has_calls(venue) and (phase == Phase.PRE_OPEN or phase in CALLS)


def refuses(venue: Venue, instrument: Instrument) -> int:
    """Why no order may enter now, or NONE."""
    phase = instrument.phase
    is_early = phase == Phase.PRE_OPEN and not _has_calls(venue)
    if not venue.numbers.is_day_open or phase == Phase.CLOSED or is_early:
        return RejectReason.MARKET_CLOSED
    if instrument.call.stage:
        return RejectReason.HALTED
    if phase == Phase.CONTINUOUS or collects(venue, phase):
        return RejectReason.NONE
    return RejectReason.HALTED


def takes(venue: Venue, instrument: Instrument, record: OrderRecord) -> bool:
    """Whether an order with these terms is one for the phase."""
    if record.time_in_force in CALL_TIMES:
        phases = _PHASES_OF_TIME[TimeInForce(record.time_in_force)]
        if not _has_calls(venue) or instrument.phase not in phases:
            return False
    if not collects(venue, instrument.phase):
        return True
    return not (
        record.time_in_force in _AT_ONCE
        or record.ord_type == OrdType.MARKET_TO_LIMIT
        or record.post_only
        or record.min_qty
    )


def _has_calls(venue: Venue) -> bool:
    return venue.numbers.rule_version >= _COLLECTS_FROM
