"""`oms snapshot`: the states that nodes start from.

Called by `main.py`; the work is in `snapshot_work.py`, imported when a verb is called.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="List, check, make and restore snapshots.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Option("--data", help="The data folder.", envvar="OMS_DATA")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines instead of text.")]
Node = Annotated[str | None, typer.Option(help="Whose snapshots (else every node's).")]


@app.command("list")
def list_snapshots(data: Data, *, node: Node = None, as_json: Json = False) -> None:
    """Show every snapshot: log index, time, size, digest.

    Exit code 1 if one is damaged.
    """
    from oms.cli import snapshot_work as work

    raise typer.Exit(work.show(data, node, as_json=as_json))


@app.command()
def verify(
    data: Data,
    *,
    node: Node = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Replay the log as well, and compare whole states.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Restore every snapshot into an engine; compare its digest.

    Exit code 1 if one is not what it says.
    """
    from oms.cli import snapshot_work as work

    raise typer.Exit(work.verify(data, node, is_replayed=replay, as_json=as_json))


@app.command()
def create(
    data: Data,
    *,
    node: Annotated[str | None, typer.Option(help="Who makes it (else a follower).")] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait for it.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Have a running node write one now, and wait for it.

    Exit code 3 if it is not known whether it did.
    """
    from oms.cli import snapshot_work as work

    raise typer.Exit(work.create(data, node, timeout, as_json=as_json))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="From another node or a backup.")],
    data: Data,
    *,
    node: Annotated[str, typer.Option(help="The stopped node that is to start from it.")],
    as_json: Json = False,
) -> None:
    """Let a stopped node's next start begin from this snapshot."""
    from oms.cli import snapshot_work as work

    raise typer.Exit(work.restore(data, node, file, as_json=as_json))
