"""Reads LOBSTER message files: recorded order flow of one instrument, `.csv` or `.csv.xz`.

Called by the runner. A line is `time,type,order id,size,price,direction`: seconds after midnight,
1 new, 2 reduction, 3 deletion, 4 visible execution, 5 hidden execution, 6 auction, 7 halt; price in
10^-4, direction of the resting order (1 buy, -1 sell). Nothing is guessed: a line that is not of
this form is refused with its number.
"""

import lzma
from enum import IntEnum, unique
from pathlib import Path
from typing import Final, TextIO

import numpy as np
import numpy.typing as npt

from oms.config import SettingsError

FIELDS: Final = 6
NS_DIGITS: Final = 9
MESSAGES_MAX: Final = 50_000_000  # what is kept in memory; beyond, the file is refused
_PRINTED_MAX: Final = 60


@unique
class Kind(IntEnum):
    """Type of a line."""

    NEW = 1
    REDUCE = 2
    DELETE = 3
    EXECUTE = 4
    EXECUTE_HIDDEN = 5
    AUCTION = 6
    HALT = 7


MESSAGE: Final = np.dtype(
    [
        ("time_ns", "<i8"),  # after midnight
        ("kind", "u1"),
        ("direction", "i1"),
        ("size", "<u4"),
        ("order_id", "<i8"),
        ("price", "<i8"),
    ]
)
Messages = npt.NDArray[np.void]  # of MESSAGE


def read(path: Path) -> Messages:
    """The whole file. Raises: SettingsError naming the line that cannot be read."""
    opener = lzma.open if path.suffix == ".xz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig") as file:
            return parse(file, str(path))
    except (OSError, lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise _refusal(str(path), str(error)) from error


def parse(file: TextIO, name: str) -> Messages:
    """The lines of an open file. Raises: SettingsError."""
    rows: list[tuple[int, int, int, int, int, int]] = []
    for number, line in enumerate(file, start=1):
        fields = line.rstrip().split(",")
        if fields == [""]:
            continue
        try:
            time_s, kind, order_id, size, price, direction = fields
            whole, _, fraction = time_s.partition(".")
            nanoseconds = int(fraction[:NS_DIGITS].ljust(NS_DIGITS, "0")) if fraction else 0
            row = (
                int(whole) * 10**NS_DIGITS + nanoseconds,
                Kind(int(kind)),
                int(direction),
                int(size),
                int(order_id),
                int(price),
            )
        except ValueError as error:
            why = f"line {number} is {line.rstrip()[:_PRINTED_MAX]!r}: {error}"
            raise _refusal(name, why) from error
        rows.append(row)
        if len(rows) > MESSAGES_MAX:
            raise _refusal(name, f"it has more than {MESSAGES_MAX} lines")
    if not rows:
        raise _refusal(name, "it has no messages")
    try:
        return np.array(rows, dtype=MESSAGE)
    except OverflowError as error:
        raise _refusal(name, f"a number does not fit its field: {error}") from error


def _refusal(name: str, why: str) -> SettingsError:
    return SettingsError(
        what=f"cannot replay {name}",
        why=why,
        do="give a LOBSTER message file (.csv or .csv.xz), or --synthetic SEED",
        read="docs/client.md, Replaying recorded order flow",
    )
