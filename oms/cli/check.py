"""The work of `oms check`: prints what the checker found.

Called by `main.py`. Exit code 1 when there is a violation.
"""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from oms.check import log_source
from oms.check.history import HistoryError
from oms.check.judge import check as judge
from oms.check.judge import none_skipped
from oms.check.verdict import Kind, Verdict
from oms.check.witness import IsSkipped
from oms.config import SettingsError
from oms.node import skip_orders
from oms.node.skip_orders import WrongSkipOrder
from oms.replication.errors import JournalDamagedError

_READ = "docs/checking.md"
_MEANINGS = {
    Kind.LOST: "told to a client and not in the log, or left out of what it was told",
    Kind.DUPLICATED: "told or executed more often than it happened",
    Kind.REORDERED: "told, or in the log, in an order that cannot be",
    Kind.CONTRADICTED: "the venue says two different things",
    Kind.IMPOSSIBLE: "no order can have such a life",
    Kind.INVENTED: "in the log, and nobody sent it",
    Kind.UNBALANCED: "money or shares from nowhere",
}


def check(histories: list[Path], log: Path, *, as_json: bool) -> int:
    """Judge and print; 1 on a violation. Raises: SettingsError."""
    gc.disable()  # millions of messages, and no cycles: collecting would only walk over them
    try:
        log = log_source.choose(log)
        verdict = judge(histories, log, is_skipped=_skipped_by(log))
    except (HistoryError, JournalDamagedError, WrongSkipOrder, OSError) as error:
        raise SettingsError(
            what="nothing was checked",
            why=str(error),
            do="name histories that are whole, and the folder of a node whose log is",
            read=_READ,
        ) from error
    finally:
        gc.enable()
    if as_json:
        print(msgspec.json.encode(verdict).decode())
    else:
        print("\n".join(_text(verdict)))
        for example in verdict.examples:
            print(f"  {example}", file=sys.stderr)
    return 0 if verdict.is_clean else 1


def _skipped_by(log: Path) -> IsSkipped:
    """The orders to leave entries out that a node's folder has."""
    if not log.is_dir():
        return none_skipped
    orders = skip_orders.load(log)
    return lambda log_index, batch: skip_orders.find(orders, log_index, batch) is not None


def _text(verdict: Verdict) -> Iterator[str]:
    yield (
        f"{verdict.histories} histories of {verdict.sessions} sessions: {verdict.operations:,} "
        f"messages sent, {verdict.acknowledged:,} orders acknowledged, {verdict.messages:,} "
        "messages told"
    )
    yield (
        f"log: {verdict.entries:,} entries, {verdict.commands:,} commands; replayed and compared "
        f"in {verdict.seconds:.1f} s"
    )
    if verdict.unanswered:
        yield (
            f"{verdict.unanswered:,} orders without an answer, of which the log has an outcome of "
            f"{verdict.unknown_resolved:,}"
        )
    if verdict.unread:
        yield f"{verdict.unread:,} messages that their clients did not read to the end"
    if verdict.incomplete:
        yield f"{verdict.incomplete} histories end without a word: what they do not say is open"
    if verdict.other_clocks:
        yield f"{verdict.other_clocks} histories of other clocks: their times were not compared"
    for kind in Kind:
        number = verdict.count(kind)
        yield f"{number:>8,} {kind.value:<13} {_MEANINGS[kind] if number else ''}".rstrip()
    yield "clean" if verdict.is_clean else f"{verdict.violations:,} violations"
