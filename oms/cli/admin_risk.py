"""`oms admin kill`, `unkill`, `restrict`, `self-trade`, `set-risk` and `show risk`.

Called by `admin.py`, which puts these verbs beside its own. The work is in `admin_risk_work.py`,
imported when a verb is called.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None)

Data = Annotated[Path, typer.Option("--data", help="The data folder.", envvar="OMS_DATA")]
Where = Annotated[str, typer.Argument(help="venue, user, account or instrument.")]
Whose = Annotated[str, typer.Argument(help="Its name; none for the venue.")]
Count = Annotated[int | None, typer.Option(min=0)]
Price = Annotated[str | None, typer.Option(help="Decimal text, in currency units.")]
Cancel = Annotated[
    bool, typer.Option("--cancel", help="Live orders that would be refused now go, too.")
]


@app.command()
def kill(where: Where, data: Data, name: Whose = "") -> None:
    """Stop new orders and replaces.

    What rests stays, and cancels pass.
    """
    from oms.cli import admin_risk_work as work

    work.kill(data, where, name, is_killed=True)


@app.command()
def unkill(where: Where, data: Data, name: Whose = "") -> None:
    """Let new orders in again."""
    from oms.cli import admin_risk_work as work

    work.kill(data, where, name, is_killed=False)


@app.command()
def restrict(
    symbol: Annotated[str, typer.Argument(help="An instrument's symbol.")],
    data: Data,
    *,
    account: Annotated[str | None, typer.Option(help="For this account alone.")] = None,
    no_buy: Annotated[bool, typer.Option("--no-buy", help="No purchases.")] = False,
    no_sell: Annotated[bool, typer.Option("--no-sell", help="No sales of either kind.")] = False,
    no_short: Annotated[bool, typer.Option("--no-short", help="No short sales.")] = False,
    close_only: Annotated[
        bool, typer.Option("--close-only", help="Only what brings a position nearer to zero.")
    ] = False,
    lift: Annotated[bool, typer.Option("--lift", help="Nothing is restricted any more.")] = False,
    cancel: Cancel = False,
) -> None:
    """Say what may not be entered in an instrument.

    It replaces what was said for the same instrument, or account in it, before.
    """
    from oms.cli import admin_risk_work as work

    wanted = work.Restricted(no_buy, no_sell, no_short, close_only)
    work.restrict(data, symbol, account, wanted, is_lifted=lift, is_cancel=cancel)


@app.command("self-trade")
def self_trade(
    account: Annotated[str, typer.Argument(help="An account's name.")],
    mode: Annotated[str, typer.Argument(help="newest, oldest, both, decrement or none.")],
    data: Data,
    *,
    group: Annotated[
        int, typer.Option(min=0, help="Accounts of one group are one owner; 0: it alone.")
    ] = 0,
) -> None:
    """Say how an owner is kept from trading with itself."""
    from oms.cli import admin_risk_work as work

    work.self_trade(data, account, mode, group)


@app.command("set-risk")
def set_risk(
    data: Data,
    *,
    account: Annotated[
        str | None, typer.Option(help="An account, or `default` for all that follow it.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="A login's session, or `default` for all that follow it.")
    ] = None,
    max_order_qty: Count = None,
    max_order_value: Price = None,
    long_limit: Count = None,
    short_limit: Count = None,
    max_open_orders: Annotated[int | None, typer.Option(min=0, help="0: no limit.")] = None,
    max_exposure: Annotated[
        str | None, typer.Option(help="Value of all live orders, decimal text; 0: no limit.")
    ] = None,
    order_rate: Annotated[
        int | None, typer.Option(min=0, help="Commands within the window; 0: no limit.")
    ] = None,
    cancel_reserve: Annotated[
        int, typer.Option(min=0, help="Of the order rate, for cancels alone.")
    ] = 0,
    rate_window_ms: Annotated[int, typer.Option(min=1)] = 1_000,
    duplicate_window_ms: Annotated[
        int | None, typer.Option(min=0, help="Orders alike within it are refused; 0: none.")
    ] = None,
    short_sale: Annotated[bool | None, typer.Option("--short-sale/--no-short-sale")] = None,
    follow: Annotated[
        str, typer.Option(help="Limits that follow the default again, by comma: order-rate,...")
    ] = "",
    cancel: Cancel = False,
) -> None:
    """Change limits of accounts and sessions.

    Of one account, of one login's session, or of all that follow the default.
    """
    from oms.cli import admin_risk_work as work

    wanted = work.Wanted(
        max_order_qty=max_order_qty,
        max_order_value=max_order_value,
        long_limit=long_limit,
        short_limit=short_limit,
        max_open_orders=max_open_orders,
        max_exposure=max_exposure,
        order_rate=order_rate,
        cancel_reserve=cancel_reserve,
        rate_window_ms=rate_window_ms,
        duplicate_window_ms=duplicate_window_ms,
        short_sale=short_sale,
        follow=follow,
    )
    work.set_risk(data, work.Target(account, user), wanted, is_cancel=cancel)
