"""The whole check: histories and a log in, a verdict out.

Called by `oms check`, by whoever runs a venue under faults, and by tests. Reads only.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from oms.check import log_source
from oms.check.evidence import gather
from oms.check.history import find_histories, read_history
from oms.check.order_rules import OrderRules
from oms.check.verdict import Verdict
from oms.check.witness import IsSkipped, Witness


def none_skipped(_log_index: int, _batch: bytes) -> bool:
    """Every entry of the log was applied."""
    return False


def check(histories: Sequence[Path], log: Path, *, is_skipped: IsSkipped = none_skipped) -> Verdict:
    """Judge what clients wrote down (files, or folders of them) by a committed log.

    `is_skipped` knows the entries that operators had left out (`oms log skip`).

    Raises: HistoryError, SettingsError (no log), JournalDamagedError.
    """
    started = time.monotonic()
    verdict = Verdict()
    evidence = gather((read_history(path) for path in find_histories(list(histories))), verdict)
    rules = OrderRules(verdict)
    for _, item in sorted(evidence.items()):
        rules.judge(item)
        verdict.sessions += 1
        verdict.operations += item.sent_count
        verdict.messages += item.message_count
        verdict.acknowledged += sum(len(day.accepted) for day in item.days.values())
    witness = Witness(evidence, verdict)
    witness.hear(log_source.entries(log_source.choose(log)), is_skipped)
    witness.conclude()
    verdict.seconds = round(time.monotonic() - started, 3)
    return verdict
