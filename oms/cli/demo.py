"""`oms demo`: a whole venue with robot traders, gone without a trace at the end.

Called by `main.py`. Owns the terminal: what runs where, the live line, the key `k`, Ctrl-C; the
work is `oms.robots.demo`.
"""

import asyncio
import json
import os
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvloop

from oms.client.errors import ClientError
from oms.config import VenueConfig
from oms.local.samples import GUEST, demo_config
from oms.local.venue import LocalVenue, StartCanceled, VenueError
from oms.robots.auditor import AuditError
from oms.robots.demo import Demo, Ending, Line, Plan

EXIT_UNCLEAN: Final = 1
EXIT_INTERRUPTED: Final = 130
WIDE_COLUMNS: Final = 120  # below, the live line uses short words
PLAIN_LINE_S: Final = 5.0  # without a terminal: a line every so often


def demo(
    *,
    seconds: float | None,
    kill_leader_every: float | None,
    seed: int,
    rate: float,
    as_json: bool,
) -> int:
    """Run it; 0 when nothing was lost or duplicated. Raises: SettingsError."""
    plan = Plan(seconds=seconds, kill_leader_every=kill_leader_every, seed=seed, rate=rate)
    config = demo_config(seed)
    interrupts = Interrupts()
    try:
        _say("starting three nodes and a gateway ...")
        with LocalVenue.temporary(config, is_canceled=interrupts.is_set) as venue:
            _introduce(venue, config)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                run, ending = runner.run(_run(venue, config, plan, interrupts))
    except (ClientError, AuditError) as error:
        raise _cut_off(error) from error
    except ExceptionGroup as group:
        known, _ = group.split(ClientError)
        if known is None:
            raise
        raise _cut_off(known.exceptions[0]) from group
    except StartCanceled:
        _say("interrupted; every process and file is gone")
        return EXIT_INTERRUPTED
    report = run.report(ending)
    is_clean = run.is_clean(ending)
    if as_json:
        print(json.dumps(report))
    else:
        _summarize(report, is_clean=is_clean)
    return 0 if is_clean else EXIT_UNCLEAN


def _cut_off(error: Exception) -> VenueError:
    return VenueError(
        what="the demo was cut off, so nothing is proved",
        why=str(error),
        do="run it again with a lower --rate; a machine under load may be too slow",
        read="docs/operating.md, The demo",
    )


async def _run(
    venue: LocalVenue, config: VenueConfig, plan: Plan, interrupts: "Interrupts"
) -> tuple[Demo, Ending]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    interrupts.redirect(lambda: loop.call_soon_threadsafe(stop.set))
    run = Demo(venue, config, plan)
    screen = Screen()
    keyboard = Keyboard({"k": run.kill_leader, "q": stop.set})
    try:
        keyboard.open(loop)
        ending = await run.run(stop, screen.show)
    finally:
        interrupts.redirect(lambda: None)  # the loop it would call into is about to end
        keyboard.close(loop)
        screen.close()
    return run, ending


class Interrupts:
    """Ctrl-C and SIGTERM are noted, never raised: nothing is cut in the middle.

    Python's own handlers stay installed all the time. The event loop's would fall back to the
    system's default at its end, and a signal in that instant would leave everything behind.
    """

    def __init__(self) -> None:
        self._count = 0
        self._action: Callable[[], object] | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def is_set(self) -> bool:
        """Whether there was one."""
        return self._count > 0

    def redirect(self, action: Callable[[], object]) -> None:
        """Do this at the next, or now if there was one already."""
        self._action = action
        if self._count:
            action()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._action is not None:
            self._action()


class Screen:
    """The live line: rewritten in place on a terminal, now and then otherwise."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._shown = 0.0

    def show(self, line: Line) -> None:
        """Show how it stands."""
        now = time.monotonic()
        if not self._is_terminal and now - self._shown < PLAIN_LINE_S:
            return
        self._shown = now
        if self._is_terminal:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
            text = _wide(line) if columns >= WIDE_COLUMNS else _narrow(line)
            sys.stderr.write(f"\r\x1b[K{text[: columns - 1]}")
            sys.stderr.flush()
        else:
            _say(_wide(line))

    def close(self) -> None:
        """Leave the last line standing."""
        if self._is_terminal:
            sys.stderr.write("\n")


def _wide(line: Line) -> str:
    return (
        f"{line.seconds:5.0f} s  lost {line.lost}  duplicated {line.duplicated}"
        f"  orders {line.orders:,}  trades {line.trades:,}"
        f"  p50 {line.p50_us / 1000:.2f} ms  p99 {line.p99_us / 1000:.2f} ms"
        f"  leader {line.leader or '--'}  log {line.log_index:,}  kills {line.kills}"
    )


def _narrow(line: Line) -> str:
    return (
        f"{line.seconds:.0f}s lost {line.lost} dup {line.duplicated}"
        f" orders {line.orders:,} trades {line.trades:,}"
        f" p50/99 {line.p50_us / 1000:.1f}/{line.p99_us / 1000:.1f} ms"
        f" {line.leader or '--'} log {line.log_index:,}"
    )


class Keyboard:
    """Single keys, without Enter; the terminal is as it was after `close`."""

    def __init__(self, actions: dict[str, Callable[[], None]]) -> None:
        self._actions = actions
        self._fd = -1
        self._saved: list[int | list[bytes | int]] = []

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen, if there is a terminal and we are in its foreground."""
        if not sys.stdin.isatty() or os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
            return
        self._fd = sys.stdin.fileno()
        self._saved = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)
        loop.add_reader(self._fd, self._read)
        _say("keys: k kills the leader with SIGKILL (it comes back after 3 s), q or Ctrl-C ends")

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop listening and restore the terminal."""
        if self._fd >= 0:
            loop.remove_reader(self._fd)
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)
            self._fd = -1

    def _read(self) -> None:
        for key in os.read(self._fd, 64).decode(errors="replace").lower():
            action = self._actions.get(key)
            if action is not None:
                action()


def _introduce(venue: LocalVenue, config: VenueConfig) -> None:
    pids = venue.pids()
    for node in venue.nodes:
        _say(f"  {node.node_id}  pid {pids[node.node_id]}  router {node.router}  feed {node.feed}")
    host, port = venue.gateway_addresses[0]
    _say(f"  g1  pid {pids['g1']}  binary gateway (SoupBinTCP, OUCH 5.0) {host}:{port}")
    _say(f"  files in {venue.folder.path}, removed at the end")
    guest = next(user for user in config.users if user.name == GUEST)
    symbol = config.instruments[0]
    _say(f"connect to {host}:{port} as user {guest.name}, password {guest.password}:")
    _say("  from oms.client.blocking import Client")
    _say(
        f'  Client.connect([("{host}", {port})], "{guest.name}", "{guest.password}")'
        f'.enter("{symbol.symbol}", "BUY", 100, "{symbol.reference_price}").outcome(2)'
    )


def _summarize(report: dict[str, object], *, is_clean: bool) -> None:
    _say("what the robots wrote down, against the streams that all three nodes replay:")
    for name, value in report.items():
        if name != "examples" or value:
            text = json.dumps(value) if isinstance(value, (list, dict)) else str(value)
            _say(f"  {name:18}{text}")
    _say("nothing lost, nothing duplicated" if is_clean else "NOT CLEAN: see the numbers above")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
