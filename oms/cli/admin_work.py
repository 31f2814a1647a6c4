"""What the verbs of `oms admin` do: names to ids, then one logged command each.

Called by `admin.py`. Prints one line per command that was applied; a refusal or an unknown outcome
is raised (AdminRejected, AdminUnavailable). Commands after a refused one are not sent.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from oms.config import AccountConfig, InstrumentConfig, SettingsError
from oms.local.admin import AdminRejected, AdminSession
from oms.local.decimals import to_rate, to_text, to_units
from oms.local.genesis import OWN_ACCOUNT, add_account, add_instrument, add_user, trading_day
from oms.local.requests import NodeRequests
from oms.local.samples import random_password
from oms.local.venue import LocalVenue
from oms.messages import admin_commands as ac
from oms.messages import link
from oms.messages.enums import Entitlement, Phase, Protocol, RejectReason, SessionOption, Side
from oms.messages.event_records import Event

_NS_PER_S = 1_000_000_000
_UNSIGNED = (0, 0, 0, 0)
_READ = "docs/operating.md, Admin commands"
NAME_BYTES_MAX = 16


@dataclass(frozen=True, slots=True)
class InstrumentChange:
    """What `instrument add` and `instrument set` may name."""

    reference_price: str | None
    tick_size: str | None
    lot_size: int | None
    price_collar_bps: int | None
    market_collar_bps: int | None


@dataclass(frozen=True, slots=True)
class CancelScope:
    """Which orders `cancel` means: those that fit everything that is named."""

    user: str | None = None
    account: str | None = None
    symbol: str | None = None
    side: str | None = None
    is_all: bool = False  # nothing else is named, and that is meant


class Names:
    """The directory, by name. Raises: AdminRejected for a name that is not there."""

    def __init__(self, directory: link.Directory) -> None:
        self.directory = directory

    def account(self, firm: str) -> link.FirmView:
        """An account."""
        found = {item.firm.strip("\0 "): item for item in self.directory.accounts}
        return found[_known(firm, list(found), "account")]

    def instrument(self, symbol: str) -> link.InstrumentView:
        """An instrument."""
        found = {item.symbol.strip("\0 "): item for item in self.directory.instruments}
        return found[_known(symbol, list(found), "instrument")]

    def currency(self, code: str | None) -> link.CurrencyView:
        """A currency; without a code the venue's first."""
        if code is None:
            return self.directory.currencies[0]
        found = {item.code: item for item in self.directory.currencies if item.code}
        return found[_known(code.upper(), list(found), "currency")]

    def user(self, name: str) -> link.UserView:
        """A login."""
        found = {item.name.strip("\0 "): item for item in self.directory.users}
        return found[_known(name.upper(), list(found), "user")]

    def session(self, name: str) -> link.SessionView:
        """A login's session."""
        user = self.user(name)
        return next(s for s in self.directory.sessions if s.user_id == user.user_id)


@contextlib.contextmanager
def administrator(data: Path) -> Iterator[AdminSession]:
    """The administrator's session of the venue in `data`; logs in at the first command."""
    venue = LocalVenue.open(data)
    with NodeRequests(venue.nodes, venue.keys) as requests:
        yield AdminSession(requests)


def names_of(session: AdminSession) -> Names:
    """The directory as the leader has it now."""
    return Names(session.read(link.GetDirectory(), link.Directory))


def deposit(data: Path, account: str, amount: str, key: int, currency: str | None) -> None:
    """Cash in or out."""
    cash = units(amount, "amount")
    with administrator(data) as session:
        names = names_of(session)
        account_id, money = names.account(account).account_id, names.currency(currency)
        event = session.execute(
            ac.DepositCash(*_UNSIGNED, account_id, cash, key, money.currency_id)
        )
    applied(event, f"{money_text(cash, money)} into account {account}")


def shares(data: Path, account: str, symbol: str, quantity: int, *, key: int, cost: str) -> None:
    """Shares in or out."""
    paid = units(cost, "cost")
    with administrator(data) as session:
        names = names_of(session)
        account_id = names.account(account).account_id
        instrument_id = names.instrument(symbol).instrument_id
        event = session.execute(
            ac.DepositShares(*_UNSIGNED, account_id, instrument_id, quantity, key, paid)
        )
    applied(event, f"{quantity:,} {symbol} into account {account}")


def transfer(
    data: Path,
    source: str,
    target: str,
    amount: str,
    *,
    symbol: str | None,
    currency: str | None,
    key: int,
) -> None:
    """Cash or shares from one account to another."""
    if symbol is not None and currency is not None:
        raise wrong("shares are in no currency", "name --symbol or --currency")
    if symbol is not None and not amount.isdecimal():
        raise wrong("quantity cannot be used", f"{amount!r} is not a whole number above zero")
    quantity = units(amount, "amount") if symbol is None else int(amount)
    with administrator(data) as session:
        names = names_of(session)
        from_id, to_id = names.account(source).account_id, names.account(target).account_id
        instrument_id = 0 if symbol is None else names.instrument(symbol).instrument_id
        money = names.currency(currency)
        currency_id = money.currency_id if symbol is None else 0
        event = session.execute(
            ac.Transfer(*_UNSIGNED, from_id, to_id, instrument_id, quantity, key, currency_id)
        )
    what = money_text(quantity, money) if symbol is None else f"{quantity:,} {symbol}"
    applied(event, f"{what} from account {source} to {target}")


def fees_set(data: Path, schedule: int, to: str, *, maker: str, taker: str) -> None:
    """What a schedule's orders pay."""
    maker_rate, taker_rate = _rate(maker, "maker"), _rate(taker, "taker")
    with administrator(data) as session:
        account_id = names_of(session).account(to).account_id
        event = session.execute(
            ac.SetFees(*_UNSIGNED, schedule, 0, maker_rate, taker_rate, account_id)
        )
    applied(event, f"schedule {schedule}: {maker} bps for makers, {taker} bps for takers")


def fees_give(data: Path, account: str, schedule: int) -> None:
    """Which schedule an account has."""
    with administrator(data) as session:
        account_id = names_of(session).account(account).account_id
        event = session.execute(ac.SetFees(*_UNSIGNED, schedule, account_id))
    applied(event, f"account {account} has schedule {schedule}")


def bust(data: Path, match_id: int) -> None:
    """A trade is taken back."""
    with administrator(data) as session:
        event = session.execute(ac.BustTrade(*_UNSIGNED, match_id))
    applied(event, f"match {match_id} is taken back")


def limits(
    data: Path,
    account: str,
    *,
    max_order_qty: int | None,
    max_order_value: str | None,
    long_limit: int | None,
    short_limit: int | None,
) -> None:
    """Some of an account's limits; the others are read first and sent again."""
    value = None if max_order_value is None else units(max_order_value, "max_order_value")
    with administrator(data) as session:
        account_id = names_of(session).account(account).account_id
        now = session.read(link.GetAccount(account_id), link.AccountView)
        event = session.execute(
            ac.SetLimits(
                *_UNSIGNED,
                account_id,
                _or(max_order_qty, now.max_order_qty),
                _or(value, now.max_order_value),
                _or(long_limit, now.long_limit),
                _or(short_limit, now.short_limit),
            )
        )
    applied(event, f"limits of account {account}")


def grant(data: Path, user: str, account: str, rights: str) -> None:
    """A login's rights to an account."""
    bits = _rights(rights)
    with administrator(data) as session:
        names = names_of(session)
        account_id = 0 if account == "venue" else names.account(account).account_id
        event = session.execute(ac.Grant(*_UNSIGNED, names.user(user).user_id, account_id, bits))
    applied(event, f"{user} may {rights} for {account}")


def phase(data: Path, symbol: str, name: str, seconds: float) -> None:
    """The phase of one instrument or all; a call may end by itself."""
    if name.upper() not in Phase.__members__:
        raise wrong(f"{name!r} is no phase", f"there are {', '.join(Phase.__members__)}")
    with administrator(data) as session:
        one = 0 if symbol == "all" else names_of(session).instrument(symbol).instrument_id
        call_ns = round(seconds * _NS_PER_S)
        event = session.execute(ac.SetPhase(*_UNSIGNED, one, Phase[name.upper()], call_ns))
    applied(event, f"{symbol} is {name.upper()}")


def bands(data: Path, symbol: str, static: int, dynamic: int, seconds: float) -> None:
    """The price bands of one instrument."""
    with administrator(data) as session:
        one = names_of(session).instrument(symbol).instrument_id
        call_ns = round(seconds * _NS_PER_S)
        event = session.execute(ac.SetBands(*_UNSIGNED, one, static, dynamic, call_ns))
    applied(event, f"bands of {symbol}: static {static}, dynamic {dynamic} basis points")


def cancel(data: Path, scope: CancelScope) -> None:
    """Every live order within the scope; the venue does it in bounded pieces."""
    if scope == CancelScope() and not scope.is_all:
        raise wrong("this would cancel every order", "say so with --all, or say whose")
    if scope.side is not None and scope.side.upper() not in {"BUY", "SELL"}:
        raise wrong(f"{scope.side!r} is no side", "there are BUY and SELL")
    with administrator(data) as session:
        names = names_of(session)
        event = session.execute(
            ac.AdminMassCancel(
                *_UNSIGNED,
                0 if scope.user is None else names.session(scope.user).session_id,
                0 if scope.account is None else names.account(scope.account).account_id,
                0 if scope.symbol is None else names.instrument(scope.symbol).instrument_id,
                0 if scope.side is None else int(Side[scope.side.upper()]),
            )
        )
    whose = [
        f"{name} {value}"
        for name, value in (
            ("user", scope.user),
            ("account", scope.account),
            ("symbol", scope.symbol),
            ("side", scope.side),
        )
        if value is not None
    ]
    applied(event, f"live orders are canceled: {', '.join(whose) or 'all'}")


def instrument_add(
    data: Path, symbol: str, change: InstrumentChange, phase_name: str, currency: str | None
) -> None:
    """One more instrument."""
    defaults = InstrumentConfig(symbol=symbol)
    config = InstrumentConfig(
        symbol=symbol,
        reference_price=change.reference_price or defaults.reference_price,
        tick_size=change.tick_size or defaults.tick_size,
        lot_size=_or(change.lot_size, defaults.lot_size),
        price_collar_bps=_or(change.price_collar_bps, defaults.price_collar_bps),
        market_collar_bps=_or(change.market_collar_bps, defaults.market_collar_bps),
        phase=phase_name.upper(),
    )
    with administrator(data) as session:
        names = names_of(session)
        number = len(names.directory.instruments) + 1
        currency_id = names.currency(currency).currency_id
        try:
            command = add_instrument(config, number, currency_id=currency_id)
        except ValueError as error:
            raise wrong("this instrument cannot be added", str(error)) from error
        event = session.execute(command)
    applied(event, f"instrument {number} {symbol}")


def instrument_set(data: Path, symbol: str, change: InstrumentChange) -> None:
    """Some of an instrument's parameters; the others are read first and sent again."""
    with administrator(data) as session:
        now = names_of(session).instrument(symbol)
        event = session.execute(
            ac.SetInstrument(
                *_UNSIGNED,
                now.instrument_id,
                _or(change.lot_size, now.lot_size),
                _units_or(change.tick_size, now.tick_size, "tick_size"),
                _units_or(change.reference_price, now.reference_price, "reference_price"),
                _or(change.price_collar_bps, now.price_collar_bps),
                _or(change.market_collar_bps, now.market_collar_bps),
            )
        )
    applied(event, f"instrument {symbol}")


def participant_add(data: Path, name: str) -> None:
    """One more participant; its number is the first that is free."""
    if not name.isascii() or not 0 < len(name) <= NAME_BYTES_MAX:
        raise wrong(f"{name!r} is no participant's name", "1 to 16 ASCII characters")
    with administrator(data) as session:
        directory = names_of(session).directory
        known = [item.participant_id for item in directory.accounts]
        known += [item.participant_id for item in directory.users]
        number, event = _first_free(session, 1 + max(known, default=0), name)
    applied(event, f"participant {number} {name}")


def _first_free(session: AdminSession, number: int, name: str) -> tuple[int, Event]:
    """Add at the first free number: the directory does not name a participant without accounts."""
    while True:
        try:
            return number, session.execute(ac.AddParticipant(*_UNSIGNED, number, name.encode()))
        except AdminRejected as refused:
            if refused.reason is not RejectReason.DUPLICATE_ID:
                raise
        number += 1


def account_add(data: Path, config: AccountConfig) -> None:
    """One more account, with its first cash. `config.participant` is a number."""
    cash = units(config.cash, "cash")
    with administrator(data) as session:
        number = len(names_of(session).directory.accounts) + 1
        try:
            command = add_account(config, number, int(config.participant))
        except ValueError as error:
            raise wrong("this account cannot be added", str(error)) from error
        event = session.execute(command)
        applied(event, f"account {number} {config.firm}")
        if cash:
            event = session.execute(ac.DepositCash(*_UNSIGNED, number, cash))
            applied(event, f"{to_text(cash)} into account {config.firm}")


def user_add(
    data: Path, name: str, firms: list[str], password: str, *, cancel_on_disconnect: bool = False
) -> None:
    """One more login: user, session, rights. Without a password one is made up and printed."""
    chosen = password or random_password()
    if not chosen.isascii() or not 0 < len(chosen) <= len(random_password()):
        raise wrong("this password cannot be used", "1 to 10 ASCII characters (SoupBinTCP)")
    with administrator(data) as session:
        names = names_of(session)
        accounts = [names.account(firm) for firm in firms]
        user_id = len(names.directory.users) + 1
        session_id = len(names.directory.sessions) + 1
        participant_id = accounts[0].participant_id
        try:
            command = add_user(name, chosen, user_id, participant_id)
        except ValueError as error:
            raise wrong("this login cannot be added", str(error)) from error
        applied(session.execute(command), f"user {user_id} {name.upper()}")
        for account in accounts:
            bits = OWN_ACCOUNT
            event = session.execute(ac.Grant(*_UNSIGNED, user_id, account.account_id, bits))
            applied(event, f"{name.upper()} may use account {account.firm.strip()}")
        options = SessionOption.CANCEL_ON_DISCONNECT if cancel_on_disconnect else 0
        event = session.execute(
            ac.OpenSession(
                *_UNSIGNED, session_id, user_id, accounts[0].account_id, Protocol.OUCH, int(options)
            )
        )
        applied(event, f"session {session_id} of {name.upper()}")
    if not password:
        _say(f"password {chosen}  (it is not kept anywhere)")


def day_start(data: Path, date: int | None) -> None:
    """Open a day."""
    now_ns = int(datetime.now(UTC).timestamp()) * 1_000_000_000
    if date is not None:
        try:
            day = datetime.strptime(str(date), "%Y%m%d").replace(tzinfo=UTC)
        except ValueError as error:
            raise wrong(f"{date} is no date", "write it as yyyymmdd") from error
        now_ns = int(day.timestamp()) * 1_000_000_000
    trading_date, midnight_ns = trading_day(now_ns)
    with administrator(data) as session:
        event = session.execute(ac.StartDay(*_UNSIGNED, trading_date, midnight_ns))
    applied(event, f"the day {trading_date} is open")


def day_end(data: Path) -> None:
    """Close the day."""
    with administrator(data) as session:
        event = session.execute(ac.EndDay(*_UNSIGNED))
    applied(event, "the day is closed; DAY orders expire")


def money_text(amount: int, currency: link.CurrencyView) -> str:
    """An amount with its currency's code, if it has one."""
    return f"{to_text(amount)} {currency.code}".rstrip()


def applied(event: Event, text: str) -> None:
    """Say that it was done, and where in the log's events."""
    _say(f"applied (event {event.event_seq}): {text}")


def _say(text: str) -> None:
    print(text)


def _or(wanted: int | None, now: int) -> int:
    return now if wanted is None else wanted


def units(text: str, what: str) -> int:
    """Decimal text as 10^-4 units. Raises: SettingsError."""
    try:
        return to_units(text, what)
    except ValueError as error:
        raise wrong(f"{what} cannot be used", str(error)) from error


def _rate(text: str, what: str) -> int:
    """Basis points as 10^-7. Raises: SettingsError."""
    try:
        return to_rate(text, what)
    except ValueError as error:
        raise wrong(f"{what} cannot be used", str(error)) from error


def _units_or(text: str | None, now: int, what: str) -> int:
    return now if text is None else units(text, what)


def _rights(text: str) -> int:
    bits = Entitlement(0)
    for name in text.upper().split(","):
        if name == "NONE":
            continue
        if name not in Entitlement.__members__:
            raise wrong(f"{name!r} is no right", f"there are {', '.join(Entitlement.__members__)}")
        bits |= Entitlement[name]
    return int(bits)


def _known(name: str, names: list[str], kind: str) -> str:
    if name not in names:
        raise wrong(f"there is no {kind} {name!r}", f"there are {', '.join(names) or 'none'}")
    return name


def wrong(what: str, why: str) -> SettingsError:
    """An argument that cannot be used, to be raised."""
    return SettingsError(
        what=what, why=why, do="change the argument; nothing was sent to the venue", read=_READ
    )
