"""`oms admin`: the venue's configuration, changed by logged commands (RULES A21).

Called by `main.py`. The names of accounts, instruments and users are looked up in the directory of
the leader; the work is in `admin_work.py`, imported when a verb is called.
"""

from pathlib import Path
from typing import Annotated

import typer

from oms.cli import admin_currency, admin_risk, admin_ticks

app = typer.Typer(
    help="Change and show accounts, instruments, limits, phases, the day.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
instrument_app = typer.Typer(help="Instruments.", no_args_is_help=True, rich_markup_mode=None)
account_app = typer.Typer(help="Accounts.", no_args_is_help=True, rich_markup_mode=None)
fees_app = typer.Typer(help="Fee schedules.", no_args_is_help=True, rich_markup_mode=None)
participant_app = typer.Typer(help="Participants.", no_args_is_help=True, rich_markup_mode=None)
user_app = typer.Typer(help="Logins.", no_args_is_help=True, rich_markup_mode=None)
day_app = typer.Typer(help="The trading day.", no_args_is_help=True, rich_markup_mode=None)
show_app = typer.Typer(help="Show what there is.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(admin_risk.app)
app.add_typer(admin_currency.app, name="currency")
app.add_typer(admin_ticks.app, name="ticks")
app.add_typer(instrument_app, name="instrument")
app.add_typer(account_app, name="account")
app.add_typer(fees_app, name="fees")
app.add_typer(participant_app, name="participant")
app.add_typer(user_app, name="user")
app.add_typer(day_app, name="day")
app.add_typer(show_app, name="show")

Data = Annotated[Path, typer.Option("--data", help="The data folder.", envvar="OMS_DATA")]
Account = Annotated[str, typer.Argument(help="An account's name (its firm on OUCH).")]
Symbol = Annotated[str, typer.Argument(help="An instrument's symbol.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Linearizable = Annotated[
    bool,
    typer.Option(
        "--linearizable",
        help="Have a majority confirm first that the node that answers leads: nothing older than"
        " this question is shown.",
    ),
]
Price = Annotated[str | None, typer.Option(help="Decimal text, in currency units.")]
Bps = Annotated[int | None, typer.Option(min=0, max=10_000, help="Hundredths of a percent.")]
Key = Annotated[
    int,
    typer.Option(min=0, max=(1 << 64) - 1, help="The same again with the same key has no effect."),
]
Currency = Annotated[
    str | None, typer.Option(help="Its code; the venue's first currency if not given.")
]
Count = Annotated[int | None, typer.Option(min=0)]


@app.command()
def deposit(
    account: Account,
    amount: Annotated[str, typer.Argument(help="Decimal text; negative takes out.")],
    data: Data,
    key: Key = 0,
    currency: Currency = None,
) -> None:
    """Bring cash into an account (or out of it: `-- -100.00`)."""
    from oms.cli import admin_work as work

    work.deposit(data, account, amount, key, currency)


@app.command()
def shares(
    account: Account,
    symbol: Symbol,
    quantity: int,
    data: Data,
    key: Key = 0,
    cost: Annotated[str, typer.Option(help="What they cost in all, decimal text.")] = "0",
) -> None:
    """Bring shares into an account (or out of it: `-- -100`)."""
    from oms.cli import admin_work as work

    work.shares(data, account, symbol, quantity, key=key, cost=cost)


@app.command()
def transfer(
    source: Annotated[str, typer.Argument(help="The account it comes from.")],
    target: Annotated[str, typer.Argument(help="The account it goes to.")],
    amount: Annotated[str, typer.Argument(help="Decimal text; with --symbol a number of shares.")],
    data: Data,
    symbol: Annotated[str | None, typer.Option(help="Shares of it instead of cash.")] = None,
    currency: Currency = None,
    key: Key = 0,
) -> None:
    """Move cash or shares from one account to another."""
    from oms.cli import admin_work as work

    work.transfer(data, source, target, amount, symbol=symbol, currency=currency, key=key)


@app.command()
def bust(
    match_id: Annotated[int, typer.Argument(min=1, help="The trade, as executions say.")],
    data: Data,
) -> None:
    """Take a trade of the day back: money, shares and fees."""
    from oms.cli import admin_work as work

    work.bust(data, match_id)


@app.command()
def limits(
    account: Account,
    data: Data,
    max_order_qty: Count = None,
    max_order_value: Price = None,
    long_limit: Count = None,
    short_limit: Count = None,
) -> None:
    """Change an account's limits; what is not named stays."""
    from oms.cli import admin_work as work

    work.limits(
        data,
        account,
        max_order_qty=max_order_qty,
        max_order_value=max_order_value,
        long_limit=long_limit,
        short_limit=short_limit,
    )


@app.command()
def grant(
    user: Annotated[str, typer.Argument(help="A login.")],
    account: Annotated[str, typer.Argument(help="An account, or `venue` for the venue itself.")],
    rights: Annotated[
        str, typer.Argument(help="enter,cancel,drop_copy,read,admin, several by comma; or none.")
    ],
    data: Data,
) -> None:
    """Set what a login may do with an account.

    It replaces what it might before.
    """
    from oms.cli import admin_work as work

    work.grant(data, user, account, rights)


@app.command()
def phase(
    symbol: Annotated[str, typer.Argument(help="An instrument's symbol, or `all`.")],
    name: Annotated[
        str,
        typer.Argument(
            help="PRE_OPEN, OPENING_AUCTION, CONTINUOUS, VOLATILITY_AUCTION, CLOSING_AUCTION, "
            "HALTED, CANCEL_ONLY or CLOSED."
        ),
    ],
    data: Data,
    seconds: Annotated[
        float, typer.Option("--for", help="Seconds after which a call ends; 0: when told to.")
    ] = 0.0,
) -> None:
    """Move an instrument (or all) to another phase."""
    from oms.cli import admin_work as work

    work.phase(data, symbol, name, seconds)


@app.command()
def bands(
    symbol: Symbol,
    data: Data,
    *,
    static: Annotated[
        int, typer.Option(help="Basis points around the last call's price; 0: no such band.")
    ] = 0,
    dynamic: Annotated[
        int, typer.Option(help="Basis points around the last trade; 0: no such band.")
    ] = 0,
    seconds: Annotated[
        float, typer.Option("--for", help="Seconds of a volatility call; 0: until told.")
    ] = 0.0,
) -> None:
    """Say how far an instrument trades before it pauses."""
    from oms.cli import admin_work as work

    work.bands(data, symbol, static, dynamic, seconds)


@app.command()
def cancel(
    data: Data,
    *,
    user: Annotated[str | None, typer.Option(help="Orders of this login.")] = None,
    account: Annotated[str | None, typer.Option(help="Orders for this account.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Orders of this instrument.")] = None,
    side: Annotated[str | None, typer.Option(help="BUY or SELL.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every order of the venue, if nothing else is named.")
    ] = False,
) -> None:
    """Cancel live orders: those that fit all that is named."""
    from oms.cli import admin_work as work

    work.cancel(data, work.CancelScope(user, account, symbol, side, everything))


@instrument_app.command("add")
def instrument_add(
    symbol: Symbol,
    data: Data,
    reference_price: Price = None,
    tick_size: Price = None,
    lot_size: Count = None,
    price_collar_bps: Bps = None,
    market_collar_bps: Bps = None,
    phase: Annotated[str, typer.Option(help="The phase it begins in.")] = "CONTINUOUS",
    currency: Currency = None,
) -> None:
    """Add an instrument."""
    from oms.cli import admin_work as work

    work.instrument_add(
        data,
        symbol,
        work.InstrumentChange(
            reference_price, tick_size, lot_size, price_collar_bps, market_collar_bps
        ),
        phase,
        currency,
    )


@instrument_app.command("set")
def instrument_set(
    symbol: Symbol,
    data: Data,
    reference_price: Price = None,
    tick_size: Price = None,
    lot_size: Count = None,
    price_collar_bps: Bps = None,
    market_collar_bps: Bps = None,
) -> None:
    """Change an instrument; what is not named stays. The tick only while its book is empty."""
    from oms.cli import admin_work as work

    change = work.InstrumentChange(
        reference_price, tick_size, lot_size, price_collar_bps, market_collar_bps
    )
    work.instrument_set(data, symbol, change)


@fees_app.command("set")
def fees_set(
    schedule: Annotated[int, typer.Argument(min=1, help="Its number; schedules have no holes.")],
    data: Data,
    to: Annotated[str, typer.Option(help="The account that gets the fees.")],
    maker: Annotated[str, typer.Option(help="Basis points of a fill; below 0: a rebate.")] = "0",
    taker: Annotated[str, typer.Option(help="Basis points of a fill.")] = "0",
) -> None:
    """Set the rates of a schedule, for orders from now on."""
    from oms.cli import admin_work as work

    work.fees_set(data, schedule, to, maker=maker, taker=taker)


@fees_app.command("give")
def fees_give(
    account: Account,
    schedule: Annotated[int, typer.Argument(min=0, help="Its number; 0: no fees.")],
    data: Data,
) -> None:
    """Say which schedule an account's orders have from now on."""
    from oms.cli import admin_work as work

    work.fees_give(data, account, schedule)


@participant_app.command("add")
def participant_add(
    name: Annotated[str, typer.Argument(help="The firm's name, up to 16 characters.")], data: Data
) -> None:
    """Add a participant (a firm); prints its number."""
    from oms.cli import admin_work as work

    work.participant_add(data, name)


@account_app.command("add")
def account_add(
    account: Account,
    data: Data,
    participant: Annotated[int, typer.Option(min=1, help="The participant's number.")],
    cash: Annotated[str, typer.Option(help="Decimal text.")] = "0",
    max_order_qty: Annotated[int, typer.Option(min=1)] = 1_000_000,
    max_order_value: Annotated[str, typer.Option(help="Decimal text.")] = "1000000000",
    long_limit: Annotated[int, typer.Option(min=0)] = 1 << 40,
    short_limit: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Add an account of a participant."""
    from oms.cli import admin_work as work
    from oms.config import AccountConfig

    work.account_add(
        data,
        AccountConfig(
            firm=account,
            participant=str(participant),
            cash=cash,
            max_order_qty=max_order_qty,
            max_order_value=max_order_value,
            long_limit=long_limit,
            short_limit=short_limit,
        ),
    )


@user_app.command("add")
def user_add(
    name: Annotated[str, typer.Argument(help="Up to 6 characters; case does not matter.")],
    data: Data,
    *,
    account: Annotated[
        list[str], typer.Option(help="An account it may use; the first is its default.")
    ],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read it from stdin; else one is made up.")
    ] = False,
    cancel_on_disconnect: Annotated[
        bool, typer.Option("--cancel-on-disconnect", help="Its orders go when its login ends.")
    ] = False,
) -> None:
    """Add a login, its session and its rights to accounts.

    All of its accounts are of one participant.
    """
    from oms.cli import admin_work as work

    password = typer.get_text_stream("stdin").readline().strip() if password_stdin else ""
    work.user_add(data, name, account, password, cancel_on_disconnect=cancel_on_disconnect)


@day_app.command("start")
def day_start(
    data: Data,
    date: Annotated[int | None, typer.Option(help="yyyymmdd; today (UTC) if not given.")] = None,
) -> None:
    """Open a trading day; every session's stream restarts at 1."""
    from oms.cli import admin_work as work

    work.day_start(data, date)


@day_app.command("end")
def day_end(data: Data) -> None:
    """Close the trading day; DAY orders expire."""
    from oms.cli import admin_work as work

    work.day_end(data)


@show_app.command("directory")
def show_directory(
    data: Data, *, linearizable: Linearizable = False, as_json: Json = False
) -> None:
    """Instruments, accounts, logins and sessions."""
    from oms.cli import admin_show as show

    show.directory(data, linearizable=linearizable, as_json=as_json)


@show_app.command("account")
def show_account(
    account: Account, data: Data, *, linearizable: Linearizable = False, as_json: Json = False
) -> None:
    """Cash, hold, limits and positions of an account."""
    from oms.cli import admin_show as show

    show.account(data, account, linearizable=linearizable, as_json=as_json)


@show_app.command("risk")
def show_risk(data: Data, *, linearizable: Linearizable = False, as_json: Json = False) -> None:
    """What is stopped, restricted and limited, and the defaults."""
    from oms.cli import admin_show as show

    show.risk(data, linearizable=linearizable, as_json=as_json)


@show_app.command("book")
def show_book(
    symbol: Symbol,
    data: Data,
    *,
    depth: Annotated[int, typer.Option(min=1, max=100)] = 10,
    linearizable: Linearizable = False,
    as_json: Json = False,
) -> None:
    """The best levels of an instrument."""
    from oms.cli import admin_show as show

    show.book(data, symbol, depth, linearizable=linearizable, as_json=as_json)


@show_app.command("orders")
def show_orders(
    user: Annotated[str, typer.Argument(help="A login.")],
    data: Data,
    *,
    linearizable: Linearizable = False,
    as_json: Json = False,
) -> None:
    """A login's live orders."""
    from oms.cli import admin_show as show

    show.orders(data, user, linearizable=linearizable, as_json=as_json)


@show_app.command("totals")
def show_totals(data: Data, *, linearizable: Linearizable = False, as_json: Json = False) -> None:
    """The proof that money and shares are conserved.

    Issued against held; exit code 1 if they differ.
    """
    from oms.cli import admin_show as show

    raise typer.Exit(show.totals(data, linearizable=linearizable, as_json=as_json))
