"""The drawings of a run's page: inline SVG, colours by class, for the page decides light or dark.

Called by `report_page.py`. Pure. The overview has the whole run in one picture; a strip has one
minute, so that every fault has room for its name however long the run was; the histogram has the
fail-overs. Two measures never share an axis.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Final

from oms.chaos.kinds import Family
from oms.chaos.timeline import Mark, Second

STRIP_S: Final = 60
_WIDTH: Final = 1120
_LEFT: Final = 74
_RIGHT: Final = 10
_PLOT: Final = _WIDTH - _LEFT - _RIGHT
_RATE_HEIGHT: Final = 64
_LATENCY_HEIGHT: Final = 84
_GAP: Final = 20
_NAMES_HEIGHT: Final = 150
_NAME_STEP: Final = 12.5  # between two names beside each other
_OVERVIEW_COLUMNS: Final = 350
_LANE: Final = 16
_HISTOGRAM: Final = (560, 230)
_BARS_MAX: Final = 22
_STEPS: Final = (1, 2, 2.5, 5)

Scale = Callable[[float], float]


def overview(seconds: Sequence[Second], marks: Sequence[Mark], length_s: float) -> str:
    """The whole run: orders a second, latencies, and a lane of ticks for each family of faults."""
    length_s = max(length_s, len(seconds), 1.0)
    width_s = max(1, math.ceil(length_s / _OVERVIEW_COLUMNS))
    bins = [_joined(seconds[at : at + width_s]) for at in range(0, len(seconds), width_s)]
    x = _across(0.0, length_s)
    panels, top = _panels(bins, width_s, x, _unit(length_s))
    families = [family.value for family in Family]
    ticks = [
        f'<rect class="f-{mark.family}" x="{x(mark.from_s) - 1:.1f}" '
        f'y="{top + families.index(mark.family) * _LANE + 2}" width="2.4" height="{_LANE - 5}">'
        f"<title>{_clock(mark.from_s)} {mark.name.value}</title></rect>"
        for mark in marks
    ]
    lanes = [
        f'<text class="label" x="{_LEFT - 8}" y="{top + number * _LANE + 11}" '
        f'text-anchor="end">{family}</text>'
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{top + number * _LANE + 15}" '
        f'y2="{top + number * _LANE + 15}"/>'
        for number, family in enumerate(families)
    ]
    bottom = top + len(families) * _LANE
    axis = _time_axis(x, 0.0, length_s, bottom + 14)
    return _svg(_WIDTH, bottom + 22, [*panels, *lanes, *ticks, *axis], "The whole run")


def strip(seconds: Sequence[Second], marks: Sequence[Mark], from_s: int) -> str:
    """One minute, every fault with its name."""
    to_s = from_s + STRIP_S
    x = _across(from_s, to_s)
    shown = [mark for mark in marks if mark.from_s < to_s and mark.to_s >= from_s]
    begun = [mark for mark in shown if mark.from_s >= from_s]
    height = _RATE_HEIGHT + _GAP + _LATENCY_HEIGHT
    bands = [
        f'<rect class="band f-{mark.family}" x="{x(max(mark.from_s, from_s)):.1f}" y="4" '
        f'width="{max(2.0, x(min(mark.to_s, to_s)) - x(max(mark.from_s, from_s))):.1f}" '
        f'height="{height}"><title>{escape(_sentence(mark))}</title></rect>'
        for mark in shown
    ]
    panels, top = _panels(seconds[from_s:to_s], 1, x, "", from_s=from_s)
    axis = _time_axis(x, from_s, to_s, top + 2)
    names = list(_names(begun, x, top + 10))
    return _svg(
        _WIDTH, top + 10 + _NAMES_HEIGHT, [*bands, *panels, *axis, *names],
        f"{_clock(from_s)} to {_clock(to_s)}",
    )  # fmt: skip


def histogram(values_ms: Sequence[float], lines: dict[str, float]) -> str:
    """How often a fail-over took how long; `lines` are percentiles to be marked."""
    width, height = _HISTOGRAM
    left, bottom, top = 46, height - 40, 30
    most = max(values_ms, default=1.0)
    step = _nice(most / _BARS_MAX)
    count = math.floor(most / step) + 1
    bars = [sum(1 for value in values_ms if value // step == number) for number in range(count)]
    rounded = _round_values(max(*bars, 1))
    slot = (width - left - 22) / count
    y = _down(rounded[-1], bottom - top, top)
    parts = list(_grid(y, rounded, left, width - 22))
    for number, bar in enumerate(bars):
        title = f"{number * step:g} to {(number + 1) * step:g} ms: {bar}"
        parts.append(
            f'<rect class="rate" x="{left + number * slot + 1:.1f}" y="{y(bar):.1f}" '
            f'width="{max(1.0, slot - 2):.1f}" height="{bottom - y(bar):.1f}" rx="2">'
            f"<title>{title}</title></rect>"
        )
    every = math.ceil(count / 8)
    parts += [
        f'<text class="tick" x="{left + number * slot:.1f}" y="{bottom + 15}" '
        f'text-anchor="middle">{number * step:g}</text>'
        for number in range(0, count + 1, every)
    ]
    for row, (name, value) in enumerate(lines.items()):
        at = left + value / step * slot
        side = "end" if at > width * 0.75 else "start"
        shift = -5 if side == "end" else 5
        parts.append(
            f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{8 + row * 14}" y2="{bottom}"/>'
            f'<text class="strong" x="{at + shift:.1f}" y="{16 + row * 14}" '
            f'text-anchor="{side}">{name} {value:,.0f} ms</text>'
        )
    parts.append(
        f'<text class="label" x="{(left + width) / 2:.0f}" y="{height - 6}" '
        'text-anchor="middle">milliseconds without a leader</text>'
    )
    return _svg(width, height, parts, "Fail-overs")


# ---- parts


def _panels(
    bins: Sequence[Second], width_s: int, x: Scale, unit: str, *, from_s: float = 0.0
) -> tuple[list[str], float]:
    """Orders a second above, latencies below; returns where the next thing begins."""
    rates = [item.acknowledged / width_s for item in bins]
    rounded = _round_values(max(rates, default=1.0))
    rate_y = _down(rounded[-1], _RATE_HEIGHT, 4)
    most = max((item.p99_ms for item in bins), default=1.0)
    top = 4 + _RATE_HEIGHT + _GAP
    latency_y = _down_log(most, _LATENCY_HEIGHT, top)
    parts = list(_grid(rate_y, rounded, _LEFT))
    slot = x(from_s + width_s) - x(from_s)
    inset = min(1.0, slot * 0.15)
    for number, rate in enumerate(rates):
        at = from_s + number * width_s
        parts.append(
            f'<rect class="rate" x="{x(at) + inset:.1f}" y="{rate_y(rate):.1f}" '
            f'width="{slot - 2 * inset:.1f}" height="{4 + _RATE_HEIGHT - rate_y(rate):.1f}">'
            f"<title>{_clock(at)} {rate:,.0f} orders/s</title></rect>"
        )
    parts += _grid(latency_y, _decades(most), _LEFT, is_duration=True)
    for share in ("p99", "p50"):
        points = [
            (x(from_s + (number + 0.5) * width_s), latency_y(value))
            for number, item in enumerate(bins)
            if (value := item.p50_ms if share == "p50" else item.p99_ms) > 0
        ]
        parts += _line(points, slot * 1.5, share)
    parts.append(_title("orders a second", 4))
    parts.append(_title(f"latency{unit}: p50, p99 (log scale)", top))
    return parts, top + _LATENCY_HEIGHT + 8


def _title(text: str, y: float) -> str:
    return f'<text class="label halo" x="{_LEFT + 6}" y="{y + 9}">{text}</text>'


def _line(points: Sequence[tuple[float, float]], gap: float, name: str) -> Iterator[str]:
    """A line that is broken where nothing was acknowledged."""
    run: list[tuple[float, float]] = []
    for point in [*points, (math.inf, 0.0)]:
        if run and point[0] - run[-1][0] > gap:
            if len(run) == 1:
                at, y = run[0]
                yield f'<circle class="{name}" cx="{at:.1f}" cy="{y:.1f}" r="2"/>'
            else:
                path = " ".join(f"{at:.1f},{y:.1f}" for at, y in run)
                yield f'<polyline class="line {name}" points="{path}"/>'
            run = []
        run.append(point)


def _names(marks: Sequence[Mark], x: Scale, top: float) -> Iterator[str]:
    """Written downwards from the instant, moved aside where two come close."""
    free = 0.0
    for mark in marks:
        true = x(mark.from_s)
        at = max(true, free)
        free = at + _NAME_STEP
        yield (
            f'<path class="lead f-{mark.family}" d="M{true:.1f},4 V{top + 12:.1f} '
            f'L{at:.1f},{top + 22:.1f}"/>'
            f'<circle class="f-{mark.family}" cx="{at:.1f}" cy="{top + 24:.1f}" r="3.2"/>'
            f'<text class="name" transform="translate({at - 3.5:.1f},{top + 31:.1f}) rotate(90)">'
            f"{mark.name.value}<title>{escape(_sentence(mark))}</title></text>"
        )


def _sentence(mark: Mark) -> str:
    return f"{_clock(mark.from_s)} {mark.name.value}: {mark.told}"


def _grid(
    y: Scale,
    values: Sequence[float],
    left: float,
    right: float = _WIDTH - _RIGHT,
    *,
    is_duration: bool = False,
) -> Iterator[str]:
    for value in values:
        text = _duration(value) if is_duration else f"{value:,.0f}"
        yield (
            f'<line class="grid" x1="{left}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
            f'<text class="tick" x="{left - 8}" y="{y(value) + 3.5:.1f}" '
            f'text-anchor="end">{text}</text>'
        )


def _time_axis(x: Scale, from_s: float, to_s: float, y: float) -> Iterator[str]:
    step = next(
        (step for step in (10, 30, 60, 120, 300, 600, 1800, 3600) if (to_s - from_s) / step <= 14),
        7200,
    )
    at = math.ceil(from_s / step) * step
    while at <= to_s:
        side = "middle" if at < to_s - step / 4 else "end"
        yield (
            f'<text class="tick" x="{x(at):.1f}" y="{y + 8:.1f}" text-anchor="{side}">'
            f"{_clock(at)}</text>"
        )
        at += step


def _svg(width: float, height: float, parts: Sequence[str], name: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(name)}">'
        + "".join(parts)
        + "</svg>"
    )


# ---- scales


def _across(from_s: float, to_s: float) -> Scale:
    return lambda value: _LEFT + (value - from_s) / (to_s - from_s) * _PLOT


def _down(most: float, height: float, top: float) -> Scale:
    return lambda value: top + height * (1 - value / most)


def _down_log(most: float, height: float, top: float) -> Scale:
    decades = _decades(most)
    low, high = math.log10(decades[0]), math.log10(decades[-1])

    def scale(value: float) -> float:
        share = (math.log10(max(value, decades[0])) - low) / (high - low)
        return top + height * (1 - min(1.0, share))

    return scale


def _decades(most: float) -> list[float]:
    """1 ms, 10 ms and so on, at least to 100 ms."""
    return [10.0**power for power in range(max(2, math.ceil(math.log10(max(most, 1.0)))) + 1)]


def _nice(value: float) -> float:
    """The next of 1, 2, 2.5, 5, 10 ... that is not below."""
    power = 10.0 ** math.floor(math.log10(max(value, 1.0)))
    return next((step * power for step in _STEPS if step * power >= value), 10 * power)


def _round_values(most: float) -> list[float]:
    """From 0 to the first that is not below: three or four of them."""
    step = _nice(most / 3)
    return [step * number for number in range(max(1, math.ceil(most / step)) + 1)]


def _joined(seconds: Sequence[Second]) -> Second:
    """Several seconds as one: the typical p50, the worst of the others."""
    told = [item for item in seconds if item.acknowledged] or [Second(0, 0.0, 0.0, 0.0)]
    middle = sorted(item.p50_ms for item in told)[len(told) // 2]
    worst = max(item.p99_ms for item in told)
    total = sum(item.acknowledged for item in seconds)
    return Second(total, middle, worst, max(item.max_ms for item in told))


def _unit(length_s: float) -> str:
    width_s = max(1, math.ceil(length_s / _OVERVIEW_COLUMNS))
    return "" if width_s == 1 else f", of {width_s} seconds the worst"


def _duration(value_ms: float) -> str:
    return f"{value_ms:g} ms" if value_ms < 1000 else f"{value_ms / 1000:g} s"


def _clock(at_s: float) -> str:
    return f"{int(at_s) // 60}:{int(at_s) % 60:02d}"
