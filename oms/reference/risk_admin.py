"""Restrictions and limits: how an administrator changes them.

Called by the administration. Promises: a command that fails changes nothing; live orders are
touched only where the command asks for it, and then by bounded work (docs/rules.md, Restrictions).
"""

from oms.messages import records
from oms.messages.enums import RejectReason
from oms.reference import mass_cancel
from oms.reference.records import HEAD_FIELDS
from oms.reference.state import Position, Session, Venue

_RESTRICTIONS_MAX = 15  # every bit of Restriction
_OPTIONS_MAX = 1  # every bit of LimitOption


def set_restriction(venue: Venue, session: Session | None, record: bytes) -> tuple[int, int]:
    """SET_RESTRICTION: why it is refused, or NONE and it is done; and the id concerned."""
    instrument_id, account_id, bits, options = records.RESTRICTION.unpack(record)[HEAD_FIELDS:]
    instrument = venue.instrument(instrument_id)
    if instrument is None or (account_id and venue.account(account_id) is None):
        return RejectReason.UNKNOWN_ID, instrument_id
    if bits > _RESTRICTIONS_MAX or options > _OPTIONS_MAX:
        return RejectReason.BAD_VALUE, instrument_id
    if options and mass_cancel.is_full(venue):
        return RejectReason.CAPACITY, instrument_id
    if account_id == 0:
        instrument.restriction = bits
    else:
        key = (account_id, instrument_id)
        assert venue.capacities is not None, "admin records are ignored before genesis"
        if key not in venue.positions and len(venue.positions) >= venue.capacities.positions_max:
            return RejectReason.CAPACITY, instrument_id
        venue.positions.setdefault(key, Position()).restriction = bits
    if options:
        mass_cancel.cancel_breaches(
            venue, session, account_id=account_id, instrument_id=instrument_id
        )
    return RejectReason.NONE, instrument_id
