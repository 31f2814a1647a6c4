"""`oms replay`: recorded (or generated) order flow through a venue, and what came of it.

Called by `main.py`. Owns the terminal and the private venue; the work is `oms.replay`. The report
goes to stdout, everything else to stderr. Ctrl-C leaves no process and no file behind.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from oms.client.errors import ClientError
from oms.client.orders import reject_text
from oms.config import SettingsError
from oms.local.samples import replay_config
from oms.local.venue import LocalVenue
from oms.replay import flow, lobster, report, runner, synthetic
from oms.replay.report import NodeState, ReplayResult
from oms.replay.runner import Login
from oms.wire.errors import ProtocolError

EXIT_DIFFERENT: Final = 1
EXIT_INTERRUPTED: Final = 130
ACCOUNT_COUNT: Final = 4
PLAIN_LINE_S: Final = 5.0  # without a terminal: a line every so often
EQUAL_S: Final = 60.0
READ: Final = "docs/client.md, Replaying recorded order flow"


class Source(msgspec.Struct, frozen=True):
    """Where the messages come from: a file, or a seed."""

    file: Path | None
    seed: int | None


class Target(msgspec.Struct, frozen=True):
    """A running venue; None in `address` means a private one."""

    address: tuple[str, int] | None
    logins: list[Login]
    firms: list[str]


class Pace(msgspec.Struct, frozen=True):
    """How often and how fast. `speed` None: as fast as the venue takes it."""

    repeat: int
    sessions: int
    speed: float | None


def replay(source: Source, target: Target, pace: Pace, *, symbol: str, as_json: bool) -> int:
    """Run it; 0 when all nodes agree at the end. Raises: SettingsError."""
    messages = _read(source)
    _raise_on_first_signal()
    try:
        result = _replay(messages, target, pace, symbol)
    except KeyboardInterrupt:
        _say("interrupted; what was started is gone")
        return EXIT_INTERRUPTED
    except (ClientError, ProtocolError) as error:
        raise SettingsError(
            what="the replay was cut off",
            why=str(error),
            do="look at the venue's logs, then run the replay again",
            read=READ,
        ) from error
    if as_json:
        print(report.to_json(result.report))
    else:
        texts = {code: reject_text(code) for code in result.reject_reasons}
        print("\n".join(report.to_text(result, texts)))
    return 0 if result.is_converged else EXIT_DIFFERENT


def parse_target(
    venue: str | None, users: Sequence[str], passwords: Sequence[str], firms: Sequence[str]
) -> Target:
    """The options of a running venue, checked. Raises: SettingsError."""
    if venue is None:
        return Target(None, [], [])
    host, _, port = venue.rpartition(":")
    if not host or not port.isdigit():
        raise _usage(f"--venue is {venue!r}, not HOST:PORT")
    if not users or len(users) != len(passwords):
        raise _usage("--venue needs --user and --password, as many of the one as of the other")
    logins = [Login(user, word) for user, word in zip(users, passwords, strict=True)]
    return Target((host, int(port)), logins, list(firms))


def _read(source: Source) -> lobster.Messages:
    if (source.file is None) == (source.seed is None):
        raise _usage("give either a FILE or --synthetic SEED")
    if source.file is not None:
        return lobster.read(source.file)
    return synthetic.generate(source.seed or 0)


def _replay(messages: lobster.Messages, target: Target, pace: Pace, symbol: str) -> ReplayResult:
    if target.address is not None:
        if len(target.logins) != pace.sessions:
            raise _usage(f"--sessions {pace.sessions} needs as many of --user and --password")
        return _run(messages, target, pace, symbol, venue=None)
    config = replay_config(symbol=symbol, account_count=ACCOUNT_COUNT, session_count=pace.sessions)
    _say("starting a private venue: three nodes and a gateway ...")
    with LocalVenue.temporary(config) as venue:
        logins = [Login(user.name, user.password) for user in config.users]
        firms = [account.firm for account in config.accounts]
        private = Target(venue.gateway_addresses[0], logins, firms)
        return _run(messages, private, pace, symbol, venue=venue)


def _run(
    messages: lobster.Messages,
    target: Target,
    pace: Pace,
    symbol: str,
    *,
    venue: LocalVenue | None,
) -> ReplayResult:
    assert target.address is not None, "decided by the caller"
    flows = flow.build(messages, symbol=symbol, firms=target.firms, session_count=pace.sessions)
    total = pace.repeat * sum(len(one.ordinals) for one in flows)

    def final_nodes() -> list[NodeState]:
        if venue is None:
            return []
        return [
            NodeState(status.node_id, status.applied_index, status.digest)
            for status in venue.wait_equal(EQUAL_S)
        ]

    with _progress(total) as progress:
        return runner.run(
            flows, target.logins, target.address, repeat=pace.repeat, speed=pace.speed,
            progress=progress, final_nodes=final_nodes,
        )  # fmt: skip


@contextlib.contextmanager
def _progress(total: int) -> Iterator[runner.Progress]:
    """A bar with rate and time left; without a terminal a line every five seconds."""
    started = time.monotonic()
    if not sys.stderr.isatty():
        shown = [started]

        def line(done: int) -> None:
            now = time.monotonic()
            if now - shown[0] >= PLAIN_LINE_S:
                shown[0] = now
                rate = done / (now - started)
                left_s = (total - done) / rate if rate else 0.0
                share = f"{done:,} of {total:,} messages"
                _say(f"{share}, {rate:,.0f} messages/s, {left_s:,.0f} s left")

        yield line
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f} messages/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, rate=0.0)

        def move(done: int) -> None:
            rate = done / (time.monotonic() - started)
            bar.update(task, completed=done, rate=rate)

        yield move


def _raise_on_first_signal() -> None:
    """The first Ctrl-C or SIGTERM ends the run; later ones must not cut the clearing up short."""
    seen: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) == 1:
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)


def _usage(why: str) -> SettingsError:
    return SettingsError(
        what="these options do not fit together",
        why=why,
        do="see `oms replay --help`",
        read=READ,
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr)
