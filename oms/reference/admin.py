"""Administration: who and what there is, deposits, limits, phases (docs/rules.md, Administration).

Called by the engine for its kinds, in genesis mode without a session. Promises: a command that
fails changes nothing; success and failure are answered in the session's stream.
"""

from collections.abc import Callable
from typing import NamedTuple

from oms.bounds import PRICE_MAX
from oms.messages import records
from oms.messages.enums import (
    CommandKind,
    Entitlement,
    EventKind,
    Protocol,
    RejectReason,
    SelfTrade,
)  # fmt: skip
from oms.reference import (
    bands,
    bust,
    currencies,
    day,
    fees,
    kill,
    mass_cancel,
    phase_change,
    phases,
    postings,
    risk_admin,
    ticks,
)  # fmt: skip
from oms.reference.book import Book
from oms.reference.events import Draft, Events
from oms.reference.records import HEAD_FIELDS, Head
from oms.reference.state import (
    DISABLED,
    Account,
    Balance,
    Capacities,
    Instrument,
    Participant,
    Pegs,
    Session,
    Stops,
    User,
    Venue,
)  # fmt: skip

_PROTOCOLS = frozenset(int(protocol) for protocol in Protocol)
_SELF_TRADE_MODES = frozenset(int(mode) for mode in SelfTrade)
_BPS_MAX = 10_000
_ENTITLEMENTS_MAX = 31  # every bit of Entitlement
_OPTIONS_MAX = 1  # every bit of SessionOption
_PRICE_SCALE_MAX = 9


class Result(NamedTuple):
    """What became of a command: why it failed (NONE: it did not), and the id concerned."""

    reason: int
    concerned: int


def administrate(
    venue: Venue, events: Events, session: Session | None, head: Head, record: bytes
) -> None:
    """Process one admin record; no session: genesis mode."""
    if session is not None and not _is_admin(venue, session):
        _answer(events, EventKind.ADMIN_REJECTED, session, head, reason=RejectReason.NOT_ADMIN)
        return
    if head.kind == CommandKind.ADMIN_MASS_CANCEL:
        concerned = records.MASS_CANCEL.unpack(record)[HEAD_FIELDS]
        result = Result(mass_cancel.admin_mass_cancel(venue, session, record), concerned)
    elif head.kind == CommandKind.SET_BANDS:
        result = Result(*bands.set_bands(venue, record))
    elif head.kind == CommandKind.SET_RESTRICTION:
        result = Result(*risk_admin.set_restriction(venue, session, record))
    elif head.kind in _POSTINGS:
        result = Result(*postings.post(venue, head.kind, record))
    elif head.kind == CommandKind.SET_RISK:
        result = Result(*risk_admin.set_risk(venue, session, record))
    else:
        result = _HANDLERS[CommandKind(head.kind)](venue, events, record)
    if result.reason:
        _answer(events, EventKind.ADMIN_REJECTED, session, head, reason=result.reason)
        return
    if head.kind in _CHANGES_DIRECTORY:
        kind = EventKind.DIRECTORY_CHANGED
        events.emit(Draft(kind=kind, qty=head.kind, order_id=result.concerned))
    if session is not None:
        _answer(events, EventKind.ADMIN_APPLIED, session, head, order_id=result.concerned)


def _is_admin(venue: Venue, session: Session) -> bool:
    return bool(venue.entitlements(session.user_id, 0) & Entitlement.ADMIN)


def _answer(
    events: Events, kind: EventKind, session: Session | None, head: Head, *, reason: int = 0,
    order_id: int = 0,
) -> None:  # fmt: skip
    events.emit(
        Draft(
            kind=kind,
            reason=reason,
            session_id=session.session_id if session else 0,
            client_seq=session.client_seq if session else 0,
            conn_epoch=session.conn_epoch if session else 0,
            qty=head.kind,
            order_id=order_id,
        )
    )


def _new_id(new_id: int, count: int, maximum: int) -> int:
    """Judge the id of something new: only the next free one will do."""
    if 1 <= new_id <= count:
        return RejectReason.DUPLICATE_ID
    if new_id == 0:
        return RejectReason.UNKNOWN_ID
    if new_id > maximum:
        return RejectReason.CAPACITY
    return RejectReason.NONE if new_id == count + 1 else RejectReason.UNKNOWN_ID


def _is_blank(name: bytes) -> bool:
    return not name.strip(b" \0")


def _capacities(venue: Venue) -> Capacities:
    assert venue.capacities is not None, "admin records are ignored before genesis"
    return venue.capacities


def _are_instrument_values_bad(
    lot: int, tick: int, reference: int, price_collar: int, market_collar: int
) -> bool:
    return (
        lot < 1
        or not 1 <= tick <= PRICE_MAX
        or not 0 <= reference <= PRICE_MAX
        or price_collar > _BPS_MAX
        or not 1 <= market_collar <= _BPS_MAX
    )


def _add_instrument(venue: Venue, _events: Events, record: bytes) -> Result:
    (new_id, lot, tick, reference, price_collar, market_collar, phase, price_scale,
     currency_id, symbol) = records.INSTRUMENT.unpack(record)[HEAD_FIELDS:]  # fmt: skip
    reason = _new_id(new_id, len(venue.instruments), _capacities(venue).instruments_max)
    if reason:
        return Result(reason, new_id)
    currency_id = currency_id or 1
    if venue.currency(currency_id) is None:
        return Result(RejectReason.UNKNOWN_ID, new_id)
    if (
        _are_instrument_values_bad(lot, tick, reference, price_collar, market_collar)
        or not phases.is_offered(venue, phase)
        or price_scale > _PRICE_SCALE_MAX
        or _is_blank(symbol)
        or any(other.symbol == symbol for other in venue.instruments)
    ):
        return Result(RejectReason.BAD_VALUE, new_id)
    instrument = Instrument(
        new_id, symbol, lot, tick, reference, price_collar, market_collar, phase, price_scale,
        is_crossable=phases.collects(venue, phase), currency_id=currency_id,
    )  # fmt: skip
    venue.instruments.append(instrument)
    venue.books.append(Book())
    venue.stops.append(Stops())
    venue.pegs.append(Pegs())
    return Result(RejectReason.NONE, new_id)


def _set_instrument(venue: Venue, _events: Events, record: bytes) -> Result:
    (instrument_id, lot, tick, reference, price_collar, market_collar, _phase, _scale,
     currency_id, _symbol) = records.INSTRUMENT.unpack(record)[HEAD_FIELDS:]  # fmt: skip
    instrument = venue.instrument(instrument_id)
    if instrument is None:
        return Result(RejectReason.UNKNOWN_ID, instrument_id)
    waits = venue.stops_of(instrument_id).count or venue.pegs_of(instrument_id).orders
    is_empty = venue.book(instrument_id).is_empty and not waits
    changes_live_tick = tick != instrument.tick_size and not is_empty
    changes_currency = currency_id not in (0, instrument.currency_id)
    if (
        changes_live_tick
        or changes_currency
        or _are_instrument_values_bad(lot, tick, reference, price_collar, market_collar)
    ):
        return Result(RejectReason.BAD_VALUE, instrument_id)
    instrument.lot_size = lot
    instrument.tick_size = tick
    if reference != instrument.reference_price:
        instrument.call.band_reference = 0
    instrument.reference_price = reference
    instrument.price_collar_bps = price_collar
    instrument.market_collar_bps = market_collar
    return Result(RejectReason.NONE, instrument_id)


def _add_participant(venue: Venue, _events: Events, record: bytes) -> Result:
    new_id, name = records.PARTICIPANT.unpack(record)[HEAD_FIELDS:]
    reason = _new_id(new_id, len(venue.participants), _capacities(venue).participants_max)
    if not reason:
        venue.participants.append(Participant(new_id, name))
    return Result(reason, new_id)


def _add_account(venue: Venue, _events: Events, record: bytes) -> Result:
    new_id, participant_id, firm, *limits = records.ACCOUNT.unpack(record)[HEAD_FIELDS:]
    reason = _new_id(new_id, len(venue.accounts), _capacities(venue).accounts_max)
    if reason:
        return Result(reason, new_id)
    if not 1 <= participant_id <= len(venue.participants):
        return Result(RejectReason.UNKNOWN_ID, new_id)
    is_taken = any(other.firm == firm for other in venue.accounts)
    if min(limits) < 0 or _is_blank(firm) or is_taken:
        return Result(RejectReason.BAD_VALUE, new_id)
    account = Account(new_id, participant_id, firm, *limits)
    account.balances = [Balance() for _ in venue.currencies]
    venue.accounts.append(account)
    risk_admin.open_account(venue)
    return Result(RejectReason.NONE, new_id)


def _set_limits(venue: Venue, _events: Events, record: bytes) -> Result:
    account_id, _participant, _firm, *limits = records.ACCOUNT.unpack(record)[HEAD_FIELDS:]
    account = venue.account(account_id)
    if account is None:
        return Result(RejectReason.UNKNOWN_ID, account_id)
    if min(limits) < 0:
        return Result(RejectReason.BAD_VALUE, account_id)
    account.max_order_qty, account.max_order_value = limits[:2]
    account.long_limit, account.short_limit = limits[2:]
    venue.account_limits[account_id].own |= risk_admin.BASIC
    return Result(RejectReason.NONE, account_id)


def _add_user(venue: Venue, _events: Events, record: bytes) -> Result:
    new_id, participant_id, name, salt, key_hash = records.USER.unpack(record)[HEAD_FIELDS:]
    reason = _new_id(new_id, len(venue.users), _capacities(venue).users_max)
    if reason:
        return Result(reason, new_id)
    if not 1 <= participant_id <= len(venue.participants):
        return Result(RejectReason.UNKNOWN_ID, new_id)
    if _is_blank(name) or any(other.name == name for other in venue.users):
        return Result(RejectReason.BAD_VALUE, new_id)
    venue.users.append(User(new_id, participant_id, name, salt, key_hash))
    return Result(RejectReason.NONE, new_id)


def _open_session(venue: Venue, _events: Events, record: bytes) -> Result:
    (new_id, user_id, default_account, protocol,
     options) = records.SESSION.unpack(record)[HEAD_FIELDS:]  # fmt: skip
    reason = _new_id(new_id, len(venue.sessions), _capacities(venue).sessions_max)
    if reason:
        return Result(reason, new_id)
    is_account_known = default_account == 0 or venue.account(default_account) is not None
    if not 1 <= user_id <= len(venue.users) or not is_account_known:
        return Result(RejectReason.UNKNOWN_ID, new_id)
    if protocol not in _PROTOCOLS or options > _OPTIONS_MAX:
        return Result(RejectReason.BAD_VALUE, new_id)
    venue.sessions.append(Session(new_id, user_id, protocol, default_account, options=options))
    risk_admin.open_session(venue)
    return Result(RejectReason.NONE, new_id)


def _grant(venue: Venue, _events: Events, record: bytes) -> Result:
    user_id, account_id, bits = records.GRANT.unpack(record)[HEAD_FIELDS:]
    is_account_known = account_id == 0 or venue.account(account_id) is not None
    if not 1 <= user_id <= len(venue.users) or not is_account_known:
        return Result(RejectReason.UNKNOWN_ID, user_id)
    if bits > _ENTITLEMENTS_MAX:
        return Result(RejectReason.BAD_VALUE, user_id)
    keeps = venue.grants.get((user_id, account_id), 0) & DISABLED if bits else 0
    venue.grants[user_id, account_id] = bits | keeps
    return Result(RejectReason.NONE, user_id)


def _set_phase(venue: Venue, events: Events, record: bytes) -> Result:
    return Result(*phase_change.set_phase(venue, events, record))


def _set_self_trade(venue: Venue, _events: Events, record: bytes) -> Result:
    account_id, group, mode = records.SELF_TRADE.unpack(record)[HEAD_FIELDS:]
    account = venue.account(account_id)
    if account is None:
        return Result(RejectReason.UNKNOWN_ID, account_id)
    if mode and mode not in _SELF_TRADE_MODES:
        return Result(RejectReason.BAD_VALUE, account_id)
    account.owner_group, account.self_trade = group, mode
    return Result(RejectReason.NONE, account_id)


def _set_fees(venue: Venue, _events: Events, record: bytes) -> Result:
    return Result(*fees.set_fees(venue, record))


def _set_ticks(venue: Venue, _events: Events, record: bytes) -> Result:
    return Result(*ticks.set_ticks(venue, record))


def _add_currency(venue: Venue, _events: Events, record: bytes) -> Result:
    return Result(*currencies.add_currency(venue, record))


def _bust_trade(venue: Venue, events: Events, record: bytes) -> Result:
    return Result(*bust.bust_trade(venue, events, record))


def _set_kill(venue: Venue, _events: Events, record: bytes) -> Result:
    return Result(*kill.set_kill(venue, record))


def _start_day(venue: Venue, events: Events, record: bytes) -> Result:
    trading_date, midnight_ns = records.DAY.unpack(record)[HEAD_FIELDS:]
    reason = day.start(venue, events, trading_date=trading_date, midnight_ns=midnight_ns)
    return Result(reason, trading_date)


def _end_day(venue: Venue, events: Events, _record: bytes) -> Result:
    return Result(day.end(venue, events), venue.numbers.trading_date)


_K = CommandKind
_HANDLERS: dict[CommandKind, Callable[[Venue, Events, bytes], Result]] = {
    _K.ADD_INSTRUMENT: _add_instrument,
    _K.ADD_PARTICIPANT: _add_participant,
    _K.ADD_ACCOUNT: _add_account,
    _K.ADD_USER: _add_user,
    _K.OPEN_SESSION: _open_session,
    _K.GRANT: _grant,
    _K.SET_LIMITS: _set_limits,
    _K.SET_INSTRUMENT: _set_instrument,
    _K.SET_PHASE: _set_phase,
    _K.START_DAY: _start_day,
    _K.END_DAY: _end_day,
    _K.SET_SELF_TRADE: _set_self_trade,
    _K.SET_KILL: _set_kill,
    _K.SET_FEES: _set_fees,
    _K.SET_TICKS: _set_ticks,
    _K.BUST_TRADE: _bust_trade,
    _K.ADD_CURRENCY: _add_currency,
}
_POSTINGS = frozenset((_K.DEPOSIT_CASH, _K.DEPOSIT_SHARES, _K.TRANSFER))
KINDS = frozenset(
    (*_HANDLERS, *_POSTINGS, _K.ADMIN_MASS_CANCEL, _K.SET_RISK, _K.SET_RESTRICTION, _K.SET_BANDS)
)
_CHANGES_DIRECTORY = frozenset(
    (
        _K.ADD_INSTRUMENT, _K.ADD_PARTICIPANT, _K.ADD_ACCOUNT, _K.ADD_USER, _K.OPEN_SESSION,
        _K.GRANT, _K.SET_LIMITS, _K.SET_INSTRUMENT, _K.ADD_CURRENCY,
        _K.SET_TICKS,
    )
)  # fmt: skip
