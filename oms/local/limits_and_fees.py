"""The configuration's defaults of limits and its fee schedules, as commands of the genesis entry.

Called by genesis.py. Pure. Whatever the engine would refuse is refused here first, by name: a
genesis entry cannot be taken back.
"""

from typing import Final

from oms.bounds import FEE_RATE_MAX, FEE_SCHEDULES_MAX, LIMIT_WINDOW_MAX_NS, ORDER_RATE_MAX
from oms.config import (
    AccountConfig,
    AccountLimitsConfig,
    FeesConfig,
    RiskConfig,
    SessionLimitsConfig,
)
from oms.local.decimals import to_rate, to_units
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import RiskField, RiskScope, ShortSale

UNSIGNED: Final = (0, 0, 0, 0)  # session, epoch, client_seq, not_after: genesis mode has none
_MS_NS: Final = 1_000_000


def fee_schedules(
    fees: list[FeesConfig], accounts: list[AccountConfig], account_ids: dict[str, int]
) -> list[c.Command]:
    """SET_FEES of every schedule, then of every account that has one. Raises: ValueError."""
    if len(fees) > FEE_SCHEDULES_MAX:
        msg = f"fees: {len(fees)} schedules, at most {FEE_SCHEDULES_MAX}"
        raise ValueError(msg)
    made: list[c.Command] = []
    for number, schedule in enumerate(fees, 1):
        what = f"fee schedule {number}"
        if schedule.to not in account_ids:
            msg = f"{what}: there is no account {schedule.to!r} that could get the fees"
            raise ValueError(msg)
        maker, taker = to_rate(schedule.maker, what), to_rate(schedule.taker, what)
        if max(abs(maker), abs(taker)) > FEE_RATE_MAX:
            msg = f"{what}: a rate is at most {FEE_RATE_MAX // 1_000} basis points, either way"
            raise ValueError(msg)
        made.append(ac.SetFees(*UNSIGNED, number, 0, maker, taker, account_ids[schedule.to]))
    for account in accounts:
        number = account.fee_schedule
        if number > len(fees):
            msg = f"account {account.firm}: there is no fee schedule {number}"
            raise ValueError(msg)
        if number:
            made.append(ac.SetFees(*UNSIGNED, number, account_ids[account.firm]))
    return made


def default_limits(risk: RiskConfig) -> list[c.Command]:
    """SET_RISK of the defaults, where the configuration says other than the engine."""
    accounts, sessions = risk.accounts, risk.sessions
    of_accounts = ac.SetRisk(
        *UNSIGNED,
        RiskScope.ACCOUNT,
        0,
        RiskField.ORDER_RATE
        | RiskField.OPEN_ORDERS
        | RiskField.DUPLICATES
        | RiskField.EXPOSURE
        | RiskField.SHORT_SALE,
        short_sale=ShortSale.ALLOWED if accounts.short_sale else ShortSale.FORBIDDEN,
        duplicate_window_ns=accounts.duplicate_window_ms * _MS_NS,
        max_exposure=to_units(accounts.max_exposure, "risk of accounts, max_exposure"),
        **_rate(accounts, "risk of accounts"),
    )
    of_sessions = ac.SetRisk(
        *UNSIGNED,
        RiskScope.SESSION,
        0,
        RiskField.ORDER_RATE | RiskField.OPEN_ORDERS,
        **_rate(sessions, "risk of sessions"),
    )
    if of_accounts.duplicate_window_ns > LIMIT_WINDOW_MAX_NS or of_accounts.max_exposure < 0:
        msg = "risk of accounts: duplicate_window_ms is above an hour, or max_exposure below zero"
        raise ValueError(msg)
    made: list[c.Command] = []
    if accounts != AccountLimitsConfig():
        made.append(of_accounts)
    if sessions != SessionLimitsConfig():
        made.append(of_sessions)
    return made


def _rate(limits: SessionLimitsConfig, what: str) -> dict[str, int]:
    window_ns = limits.rate_window_ms * _MS_NS
    if limits.order_rate == 0 and limits.cancel_reserve == 0:
        return {"max_open_orders": limits.max_open_orders}
    if (
        limits.cancel_reserve >= limits.order_rate
        or limits.order_rate > ORDER_RATE_MAX
        or window_ns > LIMIT_WINDOW_MAX_NS
    ):
        msg = f"{what}: cancel_reserve is below order_rate, that at most {ORDER_RATE_MAX:,},"
        msg += " and rate_window_ms at most an hour"
        raise ValueError(msg)
    return {
        "max_open_orders": limits.max_open_orders,
        "order_rate": limits.order_rate,
        "cancel_reserve": limits.cancel_reserve,
        "rate_window_ns": window_ns,
    }
