"""`oms`: the venue's command line. Thin verbs; each imports what it needs when it is called.

Exit codes: 0 done, 1 refused or failed (four lines on stderr say what, why, what to do and where to
read), 2 wrong usage, 3 the outcome is not known (of `chaos`: nothing is proved) or the venue does
not accept orders, 4 (of `cluster health` alone) orders are accepted but something is missing.
docs/operating.md has the table.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from oms.chaos.kinds import help_lines
from oms.cli import admin, cluster, log, snapshot

app = typer.Typer(
    name="oms",
    help="Quorate: a replicated order management system and matching venue."
    " Accepted means committed by a majority.",
    epilog="Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 the outcome is not known, or"
    " orders are not accepted; 4 (cluster health) something is missing. docs/operating.md",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # importing rich for a help text takes longer than the help text
    pretty_exceptions_enable=False,
)
app.add_typer(admin.app, name="admin")
app.add_typer(cluster.app, name="cluster")
app.add_typer(log.app, name="log")
app.add_typer(snapshot.app, name="snapshot")

DataOption = Annotated[
    Path, typer.Option("--data", help="The venue's data folder.", envvar="OMS_DATA")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command()
def up(
    data: DataOption,
    config: Annotated[
        Path | None,
        typer.Option(help="Venue configuration (TOML) for the first start; then the log has it."),
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, max=7, help="How many nodes a new venue has.")] = 3,
) -> None:
    """Start the venue in a data folder; make it at the first start.

    What runs already goes on; exit code 1 if a node or gateway does not start.
    """
    from oms.cli import up as verb

    verb.up(data, config, nodes)


@app.command()
def status(data: DataOption, *, as_json: JsonOption = False) -> None:
    """Show every process: role, log index, digest.

    Exit code 3 if no node accepts orders.
    """
    from oms.cli import up as verb

    raise typer.Exit(verb.status(data, as_json=as_json))


@app.command()
def down(
    data: DataOption,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Nodes or gateways (else all).")
    ] = None,
    *,
    now: Annotated[
        bool, typer.Option("--now", help="SIGKILL at once: safe, and what a hanging node needs.")
    ] = False,
) -> None:
    """Stop the venue, or some of its processes; all state stays."""
    from oms.cli import up as verb

    verb.down(data, names or [], is_now=now)


@app.command()
def demo(
    *,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="End after so long (else Ctrl-C ends it).")
    ] = None,
    kill_leader_every: Annotated[
        float | None, typer.Option(min=5, help="Kill the leader every so many seconds.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides instruments, prices, robots.")] = 1,
    rate: Annotated[float, typer.Option(min=1, help="Orders a second, all robots.")] = 800,
    as_json: JsonOption = False,
) -> None:
    """Run a venue with robot traders; press k to kill its leader.

    Exit code 1 if anything was lost, duplicated or differs afterwards.
    """
    from oms.cli import demo as verb

    raise typer.Exit(
        verb.demo(
            seconds=seconds,
            kill_leader_every=kill_leader_every,
            seed=seed,
            rate=rate,
            as_json=as_json,
        )
    )


@app.command()
def replay(
    file: Annotated[
        Path | None, typer.Argument(help="LOBSTER message file, .csv or .csv.xz.")
    ] = None,
    *,
    synthetic: Annotated[
        int | None, typer.Option(metavar="SEED", help="Generated order flow instead of a file.")
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(min=0.001, help="Times the recorded pace (else as fast as it goes)."),
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Run the flow so many times.")] = 1,
    sessions: Annotated[int, typer.Option(min=1, max=64, help="Split it over sessions.")] = 1,
    venue: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="A running venue's gateway (else a private one)."),
    ] = None,
    user: Annotated[
        list[str] | None, typer.Option(help="With --venue: one for each session.")
    ] = None,
    password: Annotated[
        list[str] | None, typer.Option(help="With --venue: one for each user.")
    ] = None,
    firm: Annotated[
        list[str] | None, typer.Option(help="With --venue: accounts to enter for.")
    ] = None,
    symbol: Annotated[str, typer.Option(help="The instrument.")] = "AAPL",
    as_json: JsonOption = False,
) -> None:
    """Send recorded order flow through a venue, and report."""
    from oms.cli import replay as verb

    target = verb.parse_target(venue, user or [], password or [], firm or [])
    source = verb.Source(file, synthetic)
    pace = verb.Pace(repeat, sessions, speed)
    raise typer.Exit(verb.replay(source, target, pace, symbol=symbol, as_json=as_json))


@app.command()
def check(
    histories: Annotated[
        list[Path],
        typer.Argument(metavar="HISTORIES...", help="Clients' histories, or folders of them."),
    ],
    log: Annotated[
        Path,
        typer.Argument(
            metavar="LOG",
            help="Data folder of the venue, or of a node; or a file of `oms log export --raw`.",
        ),
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Hold what clients were told against the log, message by message.

    Exit code 1 if anything was lost, duplicated, reordered or cannot be.
    """
    from oms.cli import check as verb

    raise typer.Exit(verb.check(histories, log, as_json=as_json))


@app.command(epilog=f"Faults:\n\n\b\n{help_lines()}")
def chaos(
    *,
    minutes: Annotated[float, typer.Option(min=0.05, help="Trade and break for so long.")] = 3,
    rounds: Annotated[
        int, typer.Option(min=0, help="Not for a time: every fault so often, power cuts twice.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Decides which faults come, and their numbers.")] = 1,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only faults of this name; may be given again."),
    ] = None,
    rate: Annotated[float, typer.Option(min=1, help="Orders a second, all robots.")] = 200,
    save: Annotated[
        Path | None,
        typer.Option(help="New folder for the clients' histories and the log [chaos-SEED]."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a page about the run: a new file."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Kill, freeze, cut off and unplug a venue while robots trade.

    Exit code 1 if anything was lost, duplicated or reordered, 3 if the run proves nothing: fewer
    than 1,000 orders a minute acknowledged, or none in flight at the kills.
    """
    from oms.cli import chaos as verb

    wish = verb.Wish(
        minutes=minutes,
        rounds=rounds,
        seed=seed,
        only=verb.parse_names(only or []),
        rate=rate,
        save=save,
        report=report,
        as_json=as_json,
    )
    raise typer.Exit(verb.chaos(wish))


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        typer.echo(f"quorate {installed('quorate')}")
    except PackageNotFoundError:
        typer.echo("quorate (running from a source tree that is not installed)")


def main() -> None:
    """Run the command line; a known failure is four lines and an exit code."""
    try:
        app()
    except Exception as error:
        from oms.config import SettingsError

        if not isinstance(error, SettingsError):
            raise
        typer.echo(str(error), err=True)
        sys.exit(getattr(error, "exit_code", 1))


if __name__ == "__main__":
    main()
