"""How the measuring programs speak: progress to stderr, figures as a table or one JSON object.

Called by the programs of this folder. Promises: stdout holds nothing but the figures.
"""

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence

Figures = Mapping[str, object]

_STARTED_S = time.monotonic()
_PICKS = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}


def progress(text: str) -> None:
    """One line for whoever waits, with the seconds since the start."""
    print(f"[{time.monotonic() - _STARTED_S:7.1f} s] {text}", file=sys.stderr, flush=True)


def quantiles(values: Sequence[float], digits: int = 1) -> dict[str, float]:
    """p50, p90, p99, p999 and the worst; zeros without values."""
    ordered = sorted(values) or [0.0]
    count = len(ordered)
    return {
        name: round(ordered[max(0, math.ceil(count * share) - 1)], digits)
        for name, share in _PICKS.items()
    }


def show(figures: Figures, *, as_json: bool) -> None:
    """Print the figures: one line of JSON, or a line for each with tables of tables flattened."""
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in _flat("", figures):
        print(f"{name:44} {value}")


def _flat(prefix: str, figures: Figures) -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = []
    for name, value in figures.items():
        if isinstance(value, Mapping) and any(isinstance(item, Mapping) for item in value.values()):
            lines += _flat(f"{prefix}{name}.", value)
        elif isinstance(value, Mapping):
            row = "  ".join(f"{key} {item}" for key, item in value.items())
            lines.append((prefix + name, row))
        else:
            lines.append((prefix + name, value))
    return lines
