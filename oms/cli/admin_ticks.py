"""`oms admin ticks`: at which prices an instrument trades.

Called by `admin.py`, which puts these verbs beside its own. The work is in `admin_ticks_work.py`,
imported when a verb is called.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Ticks and tick tables.", no_args_is_help=True, rich_markup_mode=None)

Data = Annotated[Path, typer.Option("--data", help="The data folder.", envvar="OMS_DATA")]
Name = Annotated[str, typer.Argument(help="The table's name, up to eight letters.")]
Symbol = Annotated[str, typer.Argument(help="The instrument.")]


@app.command("table")
def set_table(
    name: Name,
    rows: Annotated[list[str], typer.Argument(help="PRICE:TICK, ascending, the first from 0.")],
    data: Data,
) -> None:
    """Set a table, or add it: 0:0.01 1:0.05 is a cent, from 1.00 on five.

    It counts from now on for every instrument that follows it; no live order is touched.
    """
    from oms.cli import admin_ticks_work as work

    work.set_table(data, name, rows)


@app.command()
def follow(symbol: Symbol, name: Name, data: Data) -> None:
    """Let an instrument follow a table."""
    from oms.cli import admin_ticks_work as work

    work.follow(data, symbol, name)


@app.command()
def single(
    symbol: Symbol, tick: Annotated[str, typer.Argument(help="In currency units.")], data: Data
) -> None:
    """Give an instrument one tick for all prices."""
    from oms.cli import admin_ticks_work as work

    work.single(data, symbol, tick)
