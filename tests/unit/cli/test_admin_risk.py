"""The risk verbs of `oms admin`: what is named becomes one command, what means nothing is said."""

from pathlib import Path

import pytest

from oms.cli import admin_risk_work as work
from oms.config import SettingsError
from oms.messages import link
from oms.messages.enums import LimitOption, Restriction, RiskField, RiskScope, ShortSale

NOWHERE = Path("/nonexistent")  # nothing is asked of a venue before the arguments are sound


def test_only_what_is_named_is_set() -> None:
    """A limit that nobody mentioned stays as it is."""
    wanted = work.Wanted(max_open_orders=5, max_exposure="12.5", short_sale=False)
    command = wanted.command(RiskScope.ACCOUNT, 3, is_cancel=True)
    assert (command.scope, command.scope_id) == (RiskScope.ACCOUNT, 3)
    assert command.fields == RiskField.OPEN_ORDERS | RiskField.EXPOSURE | RiskField.SHORT_SALE
    assert (command.max_open_orders, command.max_exposure) == (5, 125_000)
    assert (command.short_sale, command.options) == (
        ShortSale.FORBIDDEN,
        LimitOption.CANCEL_BREACHES,
    )
    assert (command.order_rate, command.rate_window_ns) == (0, 0)


def test_a_rate_comes_with_its_window_and_its_reserve() -> None:
    """A window without a rate would be refused by the venue; no rate is no window."""
    rate = work.Wanted(order_rate=10, cancel_reserve=2, rate_window_ms=500)
    command = rate.command(RiskScope.SESSION, 0, is_cancel=False)
    assert (command.order_rate, command.cancel_reserve) == (10, 2)
    assert command.rate_window_ns == 500_000_000
    none = work.Wanted(order_rate=0, cancel_reserve=2)
    command = none.command(RiskScope.SESSION, 0, is_cancel=False)
    assert command.fields == RiskField.ORDER_RATE
    assert (command.order_rate, command.cancel_reserve, command.rate_window_ns) == (0, 0, 0)


def test_every_limit_can_follow_the_default_by_its_name() -> None:
    """What has no name on the command line could never follow again."""
    assert sum(work.FIELDS.values()) == sum(RiskField)
    wanted = work.Wanted(follow=",".join(work.FIELDS))
    command = wanted.command(RiskScope.ACCOUNT, 1, is_cancel=False)
    assert (command.fields, command.defaults) == (0, sum(RiskField))
    with pytest.raises(SettingsError, match="no limit"):
        work.Wanted(follow="exposure").command(RiskScope.ACCOUNT, 1, is_cancel=False)


def test_arguments_that_mean_nothing_are_refused_before_anything_is_sent() -> None:
    """A kill switch without a name must not become the venue's."""
    with pytest.raises(SettingsError, match="scope is not clear"):
        work.kill(NOWHERE, "account", "", is_killed=True)
    with pytest.raises(SettingsError, match="scope is not clear"):
        work.kill(NOWHERE, "venue", "NRTH", is_killed=True)
    with pytest.raises(SettingsError, match="no scope"):
        work.kill(NOWHERE, "session", "NRTH", is_killed=True)
    with pytest.raises(SettingsError, match="restriction is not clear"):
        work.restrict(NOWHERE, "ALDER", None, work.Restricted(), is_lifted=False, is_cancel=False)
    with pytest.raises(SettingsError, match="whose limits"):
        work.set_risk(NOWHERE, work.Target(None, None), work.Wanted(), is_cancel=False)
    with pytest.raises(SettingsError, match="no mode"):
        work.self_trade(NOWHERE, "NRTH", "all", 0)


def test_restrictions_are_named_as_they_are_asked_for() -> None:
    """Who reads a restriction can type it."""
    every = work.Restricted(no_buy=True, no_sell=True, no_short=True, close_only=True)
    assert every.bits() == sum(Restriction)
    assert work.restriction_names(every.bits()) == ["no-buy", "no-sell", "no-short", "close-only"]
    assert work.restriction_names(0) == []


def test_limits_say_where_they_come_from() -> None:
    """An operator must see what a change of the default will touch."""
    view = link.LimitsView(
        own=RiskField.EXPOSURE, short_sale=0, max_open_orders=0, max_exposure=10_000,
        duplicate_window_ns=0, order_rate=10, cancel_reserve=2, rate_window_ns=10**9,
    )  # fmt: skip
    assert work.limits_rows(view) == [
        ("order rate", "10 in 1000 ms, 2 for cancels", "default"),
        ("open orders", "none", "default"),
        ("duplicates", "none", "default"),
        ("exposure", "1.00", "own"),
        ("short sales", "allowed", "default"),
    ]
