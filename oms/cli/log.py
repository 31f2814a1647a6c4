"""`oms log`: what a node has written down, read without the node.

Called by `main.py`; the work is in `log_work.py`, imported when a verb is called.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Read, check and export a node's log; nothing is changed, and the node may run. Skip an"
    " entry that kills nodes.",
    short_help="Read, check and export a node's log.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Option("--data", help="The data folder.", envvar="OMS_DATA")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines instead of text.")]


@app.command()
def inspect(
    data: Data,
    *,
    node: Annotated[str | None, typer.Option(help="Whose log (else the first node's).")] = None,
    index: Annotated[
        int | None, typer.Option(min=1, help="One entry, with every command in it.")
    ] = None,
    from_index: Annotated[
        int | None, typer.Option("--from", min=1, help="The first entry (else the last few).")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many entries.")] = 20,
    records: Annotated[bool, typer.Option("--records", help="Show every command.")] = False,
    as_json: Json = False,
) -> None:
    """Print entries: index, term, time, commands by kind.

    Archive and journal are one log. Exit code 1 if it is damaged.
    """
    from oms.cli import log_work as work

    span = work.Span(from_index, count) if index is None else work.Span(index, 1)
    has_records = records or index is not None
    raise typer.Exit(work.inspect(data, node, span, has_records=has_records, as_json=as_json))


@app.command()
def verify(
    data: Data,
    *,
    node: Annotated[str | None, typer.Option(help="Whose log (else every node's).")] = None,
    as_json: Json = False,
) -> None:
    """Check every byte, replay the log, compare what was made of it.

    Archive and journal are one log. Exit code 1 if anything is not as it was written.
    """
    from oms.cli import log_work as work

    raise typer.Exit(work.verify(data, node, as_json=as_json))


@app.command()
def export(
    data: Data,
    *,
    out: Annotated[Path, typer.Option(help="A new file, or `-` for stdout.")],
    node: Annotated[str | None, typer.Option(help="Whose log (else the first node's).")] = None,
    from_index: Annotated[
        int | None, typer.Option("--from", min=1, help="The first log index (else all there is).")
    ] = None,
    to_index: Annotated[
        int | None, typer.Option("--to", min=1, help="The last log index (else the end).")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="The batches as they are, one behind the other.")
    ] = False,
) -> None:
    """Write a range as JSON lines, or as raw batches.

    Archive and journal are one log.
    """
    from oms.cli import log_work as work

    raise typer.Exit(work.export(data, node, out, work.Range(from_index, to_index), is_raw=raw))


@app.command()
def skip(
    data: Data,
    *,
    index: Annotated[int, typer.Option(min=1, help="The log index that the nodes' report names.")],
    entry_hash: Annotated[str, typer.Option("--hash", help="The hash that it names.")],
    reason: Annotated[str, typer.Option(help="Why, for those who read the order later.")] = "",
) -> None:
    """Order a stopped venue to leave out an entry that kills nodes."""
    from oms.cli import log_skip as work

    raise typer.Exit(work.skip(data, index, entry_hash, reason))
