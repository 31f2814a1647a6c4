"""A bar for work whose size is known, on stderr: rate and time left.

Called by the verbs that read whole logs. Without a terminal nothing is shown but a line every few
seconds, so that a log of the run stays readable.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

PLAIN_LINE_S: Final = 5.0

OnProgress = Callable[[int, int], None]  # done, of how many


@contextlib.contextmanager
def progress(title: str, unit: str) -> Iterator[OnProgress]:
    """Show one piece of work; the total may come with the first call."""
    started = time.monotonic()

    def rate(done: int) -> float:
        return done / max(time.monotonic() - started, 1e-9)

    if not sys.stderr.isatty():
        shown = [started]

        def line(done: int, total: int) -> None:
            now = time.monotonic()
            if now - shown[0] >= PLAIN_LINE_S:
                shown[0] = now
                left_s = (total - done) / max(rate(done), 1e-9)
                text = f"{title}: {done:,} of {total:,} {unit}, {left_s:,.0f} s left"
                print(text, file=sys.stderr)

        yield line
        return
    columns = (
        TextColumn(title),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]:,.0f} " + f"{unit}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, rate=0.0)

        def move(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, rate=rate(done))

        yield move
