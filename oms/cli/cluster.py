"""`oms cluster`: how the nodes stand to each other, who leads, who belongs to them.

Called by `main.py`; the work is in `cluster_*.py`, imported when a verb is called.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="How the nodes stand to each other; another leader; another node.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Option("--data", help="The data folder.", envvar="OMS_DATA")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
LagMax = Annotated[int, typer.Option(min=0, help="Entries a node may be behind.")]


@app.command()
def status(data: Data, *, lag_max: LagMax = 1_000, as_json: Json = False) -> None:
    """Show each node: role, indexes, lag, digest, clock, room.

    Exit code 3 if none accepts orders.
    """
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
    """Say whether the cluster is well: a word, reasons, an exit code.

    0: healthy. 1: digests differ, or a node is fenced. 3: nobody accepts orders. 4: degraded.
    """
    from oms.cli import cluster_work as work

    wanted = work.Wanted(lag_max=lag_max, is_majority_enough=majority)
    wait_s = timeout if exit_when_healthy else 0.0
    raise typer.Exit(work.health(data, wanted, wait_s, as_json=as_json))


@app.command()
def transfer(
    data: Data,
    node: Annotated[
        str | None,
        typer.Argument(metavar="NODE", help="Who is to lead (else the one that is furthest)."),
    ] = None,
    *,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for it.")] = 20.0,
    as_json: Json = False,
) -> None:
    """Let another node lead, without a gap.

    Exit code 1 if the leader refuses, 3 if it is not known who leads.
    """
    from oms.cli import cluster_transfer as work

    raise typer.Exit(work.transfer(data, node, timeout, as_json=as_json))


@app.command()
def replace(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The node that does not come back.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="A name that no node ever had.")],
    data: Data,
) -> None:
    """Put a new, empty node in the place of a lost one.

    The whole venue must be stopped. Interrupted, it is finished by the same command.
    """
    from oms.cli import cluster_replace as work

    raise typer.Exit(work.replace(data, old, new))
