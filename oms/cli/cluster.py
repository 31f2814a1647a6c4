"""`oms cluster`: how the nodes stand to each other.

Called by `main.py`; the work is in `cluster_work.py`, imported when a verb is called.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="How the nodes stand to each other, and whether that is well.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Option("--data", help="The data folder.", envvar="OMS_DATA")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
LagMax = Annotated[int, typer.Option(min=0, help="Entries a node may be behind.")]


@app.command()
def status(data: Data, *, lag_max: LagMax = 1_000, as_json: Json = False) -> None:
    """Show each node: role, term, indexes, lag, digest, journal; exit code 3 if none accepts."""
    from oms.cli import cluster_work as work

    raise typer.Exit(work.status(data, lag_max, as_json=as_json))


@app.command()
def health(
    data: Data,
    *,
    lag_max: LagMax = 1_000,
    majority: Annotated[
        bool, typer.Option("--majority", help="A majority that is well is enough.")
    ] = False,
    exit_when_healthy: Annotated[
        bool, typer.Option("--exit-when-healthy", help="Wait until it is.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Exit code 0: healthy. 1: digests differ. 3: nobody accepts orders. 4: degraded."""
    from oms.cli import cluster_work as work

    wanted = work.Wanted(lag_max=lag_max, is_majority_enough=majority)
    wait_s = timeout if exit_when_healthy else 0.0
    raise typer.Exit(work.health(data, wanted, wait_s, as_json=as_json))
