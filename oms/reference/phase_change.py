"""How one phase becomes another, and which way leads through an uncross (docs/rules.md, Phases).

Called by the administration, the day, the auction and the engine. Promises: orders that were
collected trade in an uncross before continuous trading begins.
"""

from enum import IntEnum

from oms.bounds import TIMESTAMP_MAX
from oms.messages import records
from oms.messages.enums import EventFlag, EventKind, Phase, RejectReason, Side
from oms.reference import bands, peg_terms, phases
from oms.reference.book import Book
from oms.reference.budget import Budget
from oms.reference.call_price import find
from oms.reference.events import Draft, Events
from oms.reference.records import HEAD_FIELDS
from oms.reference.state import Instrument, Venue

_AFTER_CALL = {
    Phase.OPENING_AUCTION: Phase.CONTINUOUS,
    Phase.VOLATILITY_AUCTION: Phase.CONTINUOUS,
    Phase.CLOSING_AUCTION: Phase.CLOSED,
}


class Stage(IntEnum):
    """How far an uncross has come. 0 in the state: there is none."""

    QUEUED = 1  # nothing was done yet
    TRADING = 2
    CUTTING = 3  # what overlaps outside the band goes
    CLEARING = 4  # what was for this call alone goes


def set_phase(venue: Venue, events: Events, record: bytes) -> tuple[int, int]:
    """SET_PHASE: why it is refused, or NONE and it is done or begun; and the id concerned."""
    instrument_id, phase, call_ns = records.PHASE.unpack(record)[HEAD_FIELDS:]
    if instrument_id > len(venue.instruments):
        return RejectReason.UNKNOWN_ID, instrument_id
    meant = [i for i in venue.instruments if instrument_id in (0, i.instrument_id)]
    if (
        not phases.is_offered(venue, phase)
        or not 0 <= call_ns <= TIMESTAMP_MAX - venue.numbers.last_timestamp
        or (call_ns and phase not in phases.CALLS)
        or (instrument_id and meant[0].call.stage)
    ):
        return RejectReason.BAD_VALUE, instrument_id
    for instrument in meant:
        if instrument.call.stage == 0:
            move(venue, events, instrument, phase)
            if phase in phases.CALLS:
                ends_ns = venue.numbers.last_timestamp + call_ns if call_ns else 0
                instrument.call.ends_ns = ends_ns
    return RejectReason.NONE, instrument_id


def move(venue: Venue, events: Events, instrument: Instrument, phase: int) -> None:
    """To another phase: behind an uncross where one is due."""
    call = instrument.call
    is_closed = instrument.phase in phases.CALLS and phase == Phase.CLOSED
    if call.stage:
        call.next_phase = phase
    elif (phase == Phase.CONTINUOUS or is_closed) and _has_left(venue, instrument):
        _begin(venue, instrument, phase)
    else:
        change(venue, events, instrument, phase)


def change(venue: Venue, events: Events, instrument: Instrument, phase: int) -> None:
    """Be in that phase and say so, unless it is the phase already."""
    if instrument.phase == phase:
        return
    call, instrument_id = instrument.call, instrument.instrument_id
    if phase != Phase.CONTINUOUS:
        peg_terms.suspend_all(venue, instrument)
    call.ends_ns = call.said_price = call.said_volume = call.said_imbalance = 0
    call.is_extended = False
    if phases.collects(venue, phase):
        instrument.is_crossable = True
        venue.touched[instrument_id] = None
    elif instrument.is_crossable and not _has_left(venue, instrument):
        instrument.is_crossable = False
        events.book_top(instrument_id)
    instrument.phase = phase
    events.emit(Draft(kind=EventKind.PHASE_CHANGED, instrument_id=instrument_id, reason=phase))


def end_due_calls(venue: Venue, events: Events, budget: Budget) -> None:
    """Calls whose time is over, the earliest first; a volatility call may go on once."""
    due = [i for i in venue.instruments if 0 < i.call.ends_ns <= venue.numbers.last_timestamp]
    due.sort(key=lambda i: (i.call.ends_ns, i.instrument_id))
    for instrument in due[: budget.fills]:
        budget.fills -= 1
        price = find(venue.book(instrument.instrument_id), instrument).price
        if bands.clamp(instrument, price) and not instrument.call.is_extended:
            _extend(venue, events, instrument)
        else:
            move(venue, events, instrument, _AFTER_CALL[Phase(instrument.phase)])


def _extend(venue: Venue, events: Events, instrument: Instrument) -> None:
    """The call goes on for as long again: it would end outside the band."""
    instrument.call.is_extended = True
    instrument.call.ends_ns = 0
    _start_pause(venue, instrument)
    events.emit(
        Draft(
            kind=EventKind.PHASE_CHANGED,
            instrument_id=instrument.instrument_id,
            reason=instrument.phase,
            flags=EventFlag.EXTENDED,
        )
    )


def pause(venue: Venue, events: Events, instrument: Instrument) -> None:
    """An order has reached the end of the band: continuous trading pauses for a call."""
    change(venue, events, instrument, Phase.VOLATILITY_AUCTION)
    _start_pause(venue, instrument)


def _start_pause(venue: Venue, instrument: Instrument) -> None:
    """A volatility call begins, or goes on: it ends in time, or when it is told to."""
    if instrument.call.pause_ns:
        instrument.call.ends_ns = venue.numbers.last_timestamp + instrument.call.pause_ns


def _begin(venue: Venue, instrument: Instrument, next_phase: int) -> None:
    """The call is over: its turn comes behind those that are under way."""
    instrument.call.stage = Stage.QUEUED
    instrument.call.next_phase = next_phase
    instrument.call.ends_ns = 0
    venue.uncrossing.append(instrument.instrument_id)


def is_crossed(book: Book) -> bool:
    """Whether somebody would buy for what somebody would sell for."""
    bid, ask = book.first(Side.BUY), book.first(Side.SELL)
    return bid is not None and ask is not None and bid.stands_at >= ask.stands_at


def _has_left(venue: Venue, instrument: Instrument) -> bool:
    """Whether a book still has what only calls have: overlapping prices, orders for calls."""
    book = venue.book(instrument.instrument_id)
    return is_crossed(book) or any(order.is_for_call for order in book.orders())
