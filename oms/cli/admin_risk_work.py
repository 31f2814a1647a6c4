"""What the risk verbs of `oms admin` do: names to ids, then one logged command each.

Called by `admin_risk.py`. Prints one line per command that was applied; a refusal or an unknown
outcome is raised (AdminRejected, AdminUnavailable), and so is an argument that means nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from oms.cli.admin_work import Names, administrator, applied, names_of, units, wrong
from oms.local.decimals import to_text
from oms.messages import admin_commands as ac
from oms.messages import link
from oms.messages.enums import (
    KillScope,
    LimitOption,
    Restriction,
    RiskField,
    RiskScope,
    SelfTrade,
    ShortSale,
)

_UNSIGNED = (0, 0, 0, 0)
_DEFAULT = "default"
_MS_NS = 1_000_000
_MODES: Final = {
    "none": 0,
    "newest": SelfTrade.CANCEL_NEWEST,
    "oldest": SelfTrade.CANCEL_OLDEST,
    "both": SelfTrade.CANCEL_BOTH,
    "decrement": SelfTrade.DECREMENT,
}
FIELDS: Final = {
    "max-order-qty": RiskField.MAX_ORDER_QTY,
    "max-order-value": RiskField.MAX_ORDER_VALUE,
    "long-limit": RiskField.LONG_LIMIT,
    "short-limit": RiskField.SHORT_LIMIT,
    "order-rate": RiskField.ORDER_RATE,
    "duplicate-window": RiskField.DUPLICATES,
    "max-open-orders": RiskField.OPEN_ORDERS,
    "max-exposure": RiskField.EXPOSURE,
    "short-sale": RiskField.SHORT_SALE,
}


@dataclass(frozen=True, slots=True)
class Restricted:
    """What `restrict` names."""

    no_buy: bool = False
    no_sell: bool = False
    no_short: bool = False
    close_only: bool = False

    def bits(self) -> Restriction:
        """As the venue has it."""
        said = (
            (self.no_buy, Restriction.NO_BUY),
            (self.no_sell, Restriction.NO_SELL),
            (self.no_short, Restriction.NO_SHORT),
            (self.close_only, Restriction.CLOSE_ONLY),
        )
        return Restriction(sum(bit for is_said, bit in said if is_said))


@dataclass(frozen=True, slots=True)
class Target:
    """Whose limits `set-risk` changes: one of the two is named."""

    account: str | None
    user: str | None

    def scope(self, names: Names) -> tuple[RiskScope, int]:
        """Scope and id; `default` is the id 0."""
        if self.account is not None:
            is_default = self.account == _DEFAULT
            return RiskScope.ACCOUNT, 0 if is_default else names.account(self.account).account_id
        assert self.user is not None, "set_risk has seen that one is named"
        is_default = self.user == _DEFAULT
        return RiskScope.SESSION, 0 if is_default else names.session(self.user).session_id

    def text(self) -> str:
        """For people."""
        kind, name = ("user", self.user) if self.account is None else ("account", self.account)
        return f"all {kind}s that follow the default" if name == _DEFAULT else f"{kind} {name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Limits as `set-risk` names them; None: not named."""

    max_order_qty: int | None = None
    max_order_value: str | None = None
    long_limit: int | None = None
    short_limit: int | None = None
    max_open_orders: int | None = None
    max_exposure: str | None = None
    order_rate: int | None = None
    cancel_reserve: int = 0
    rate_window_ms: int = 1_000
    duplicate_window_ms: int | None = None
    short_sale: bool | None = None
    follow: str = ""

    def command(self, scope: RiskScope, scope_id: int, *, is_cancel: bool) -> ac.SetRisk:
        """The command; what is not named is 0 in it, and not among its fields."""
        named = (
            (self.max_order_qty, RiskField.MAX_ORDER_QTY),
            (self.max_order_value, RiskField.MAX_ORDER_VALUE),
            (self.long_limit, RiskField.LONG_LIMIT),
            (self.short_limit, RiskField.SHORT_LIMIT),
            (self.max_open_orders, RiskField.OPEN_ORDERS),
            (self.max_exposure, RiskField.EXPOSURE),
            (self.order_rate, RiskField.ORDER_RATE),
            (self.duplicate_window_ms, RiskField.DUPLICATES),
            (self.short_sale, RiskField.SHORT_SALE),
        )
        rate = self.order_rate or 0
        return ac.SetRisk(
            *_UNSIGNED,
            scope,
            scope_id,
            fields=sum(bit for value, bit in named if value is not None),
            defaults=sum(self._followed()),
            options=LimitOption.CANCEL_BREACHES if is_cancel else 0,
            short_sale=ShortSale.FORBIDDEN if self.short_sale is False else ShortSale.ALLOWED,
            max_open_orders=self.max_open_orders or 0,
            order_rate=rate,
            cancel_reserve=self.cancel_reserve if rate else 0,
            rate_window_ns=self.rate_window_ms * _MS_NS if rate else 0,
            duplicate_window_ns=(self.duplicate_window_ms or 0) * _MS_NS,
            max_exposure=units(self.max_exposure or "0", "max_exposure"),
            max_order_qty=self.max_order_qty or 0,
            max_order_value=units(self.max_order_value or "0", "max_order_value"),
            long_limit=self.long_limit or 0,
            short_limit=self.short_limit or 0,
        )

    def _followed(self) -> list[RiskField]:
        names = [name.strip() for name in self.follow.split(",") if name.strip()]
        unknown = [name for name in names if name not in FIELDS]
        if unknown:
            raise wrong(f"{unknown[0]!r} is no limit", f"there are {', '.join(FIELDS)}")
        return [FIELDS[name] for name in dict.fromkeys(names)]


def kill(data: Path, where: str, name: str, *, is_killed: bool) -> None:
    """New orders of a scope stop, or come in again."""
    if where not in {"venue", "user", "account", "instrument"}:
        raise wrong(f"{where!r} is no scope", "there are venue, user, account and instrument")
    if (where == "venue") != (not name):
        raise wrong("the scope is not clear", "the venue has no name, and all else needs one")
    with administrator(data) as session:
        names = names_of(session)
        scope, scope_id = KillScope.VENUE, 0
        if where == "user":
            scope, scope_id = KillScope.SESSION, names.session(name).session_id
        elif where == "account":
            scope, scope_id = KillScope.ACCOUNT, names.account(name).account_id
        elif where == "instrument":
            scope, scope_id = KillScope.INSTRUMENT, names.instrument(name).instrument_id
        event = session.execute(ac.SetKill(*_UNSIGNED, scope, scope_id, int(is_killed)))
    what = "refused" if is_killed else "let in again"
    applied(event, f"new orders are {what}: {where} {name}".rstrip())


def restrict(
    data: Path,
    symbol: str,
    account: str | None,
    wanted: Restricted,
    *,
    is_lifted: bool,
    is_cancel: bool,
) -> None:
    """What may not be entered in an instrument, by all or by one account."""
    bits = wanted.bits()
    if is_lifted == bool(bits):
        raise wrong("the restriction is not clear", "name what is restricted, or --lift")
    with administrator(data) as session:
        names = names_of(session)
        event = session.execute(
            ac.SetRestriction(
                *_UNSIGNED,
                names.instrument(symbol).instrument_id,
                0 if account is None else names.account(account).account_id,
                bits,
                LimitOption.CANCEL_BREACHES if is_cancel else 0,
            )
        )
    whose = "" if account is None else f" for account {account}"
    said = ", ".join(restriction_names(bits)) or "not restricted"
    applied(event, f"{symbol}{whose}: {said}")


def restriction_names(bits: int) -> list[str]:
    """What a restriction says, as the options of `restrict` say it."""
    return [str(bit.name).lower().replace("_", "-") for bit in Restriction if bits & bit]


def self_trade(data: Path, account: str, mode: str, group: int) -> None:
    """Group and mode of an account."""
    if mode not in _MODES:
        raise wrong(f"{mode!r} is no mode", f"there are {', '.join(_MODES)}")
    with administrator(data) as session:
        account_id = names_of(session).account(account).account_id
        event = session.execute(ac.SetSelfTrade(*_UNSIGNED, account_id, group, int(_MODES[mode])))
    applied(event, f"account {account}: self-trade {mode}, group {group or 'of its own'}")


def set_risk(data: Path, target: Target, wanted: Wanted, *, is_cancel: bool) -> None:
    """Limits of an account, of a session, or of all that follow the default."""
    if (target.account is None) == (target.user is None):
        raise wrong("it is not clear whose limits", "name --account or --user, one of them")
    with administrator(data) as session:
        scope, scope_id = target.scope(names_of(session))
        command = wanted.command(scope, scope_id, is_cancel=is_cancel)
        if not command.fields and not command.defaults:
            raise wrong("no limit is named", f"there are {', '.join(FIELDS)}")
        event = session.execute(command)
    applied(event, f"limits of {target.text()}")


def limits_rows(limits: link.LimitsView) -> list[tuple[str, str, str]]:
    """Name, value and origin of the limits that are not in `show account`'s first table."""
    rate = "none"
    if limits.order_rate:
        rate = f"{limits.order_rate:,} in {limits.rate_window_ns / _MS_NS:g} ms"
        rate += f", {limits.cancel_reserve:,} for cancels"
    window = limits.duplicate_window_ns
    exposure = limits.max_exposure
    rows = [
        ("order rate", rate, RiskField.ORDER_RATE),
        ("open orders", f"{limits.max_open_orders or 'none'}", RiskField.OPEN_ORDERS),
        ("duplicates", f"{window / _MS_NS:g} ms" if window else "none", RiskField.DUPLICATES),
        (
            "exposure",
            to_text(exposure) if exposure else "none",
            RiskField.EXPOSURE,
        ),
        ("short sales", ShortSale(limits.short_sale).name.lower(), RiskField.SHORT_SALE),
    ]
    return [(name, text, "own" if limits.own & bit else "default") for name, text, bit in rows]
