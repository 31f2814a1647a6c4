"""The page of a run: one file that needs nothing else, light or dark as the reader's screen is.

Called by `oms chaos --report`. Pure: a record in, HTML out. The verdict comes first, then the run
in one picture, then minute by minute with every fault named, and at the end how to have it again.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from oms.chaos.kinds import KINDS, Family
from oms.chaos.record import RunRecord
from oms.chaos.report_charts import STRIP_S, histogram, overview, strip
from oms.chaos.report_style import STYLE
from oms.robots.tally import percentile

_OPEN_MINUTES: Final = 12  # of a longer run the minutes behind these are folded
_FOLD_MINUTES: Final = 10


def page(record: RunRecord) -> str:
    """The whole file."""
    parts = [
        _head(record),
        _tiles(record),
        _overview(record),
        f'<div class="pair">{_failovers(record)}{_kinds(record)}</div>',
        _minutes(record),
        _every_fault(record),
        _again(record),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Quorate chaos, seed {record.seed}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _head(record: RunRecord) -> str:
    if record.broken:
        kind, sign, verdict = "bad", "✕", "A promise was broken"
    elif record.proves_nothing:
        kind, sign, verdict = "weak", "!", "Nothing was broken, and nothing is proved"
    else:
        kind, sign, verdict = "good", "✓", "Nothing lost, nothing duplicated, nothing reordered"
    reasons = "".join(
        f"<li>{escape(reason)}</li>" for reason in [*record.broken, *record.proves_nothing]
    )
    what = "power cuts" if not record.why_no_power else "no power cuts"
    return (
        f'<header><p class="over">Quorate · oms chaos</p>'
        f'<h1><span class="sign {kind}">{sign}</span>{verdict}</h1>'
        f"<p>Three nodes and two gateways traded for {_span(record.trading_s)} while "
        f"{sum(record.faults.values()):,} faults were done to them ({what} included). Every "
        "message that a client sent or was told was recorded, and checked afterwards against the "
        "committed log by a program that shares no code with the venue.</p>"
        + (f"<ul>{reasons}</ul>" if reasons else "")
        + "</header>"
    ).replace("(no power cuts included)", f"(no power cuts: {escape(record.why_no_power)})")


def _tiles(record: RunRecord) -> str:
    shown = [
        ("orders acknowledged", record.acknowledged),
        ("lost", record.lost),
        ("duplicated", record.duplicated),
        ("reordered", record.reordered),
        ("processes killed", record.kills),
        ("power cuts", record.power_cuts),
        ("in doubt at a fault, resolved", record.unknown_resolved),
    ]
    tiles = "".join(
        f'<div class="tile"><b>{value:,}</b><span>{name}</span></div>' for name, value in shown
    )
    return f'<section class="tiles">{tiles}</section>'


def _overview(record: RunRecord) -> str:
    legend = (
        '<p class="legend"><span><i class="key p50"></i>p50</span>'
        '<span><i class="key p99"></i>p99</span>'
        + "".join(
            f'<span><i class="key f-{family.value}"></i>{family.value}</span>' for family in Family
        )
        + "</p>"
    )
    drawing = overview(record.seconds, record.marks, record.trading_s)
    return (
        "<section><h2>The whole run</h2><p>Measured at the clients: from the write of an order to "
        "its acceptance, in the second in which that came. Each tick is a fault.</p>"
        f'{legend}<div class="wide">{drawing}</div></section>'
    )


def _failovers(record: RunRecord) -> str:
    values = record.failover_ms
    if not values:
        none = "<p>No leader was killed while a majority lived.</p>"
        return f"<section><h2>Fail-overs</h2>{none}</section>"
    lines = {"p50": percentile(values, 0.5), "p99": percentile(values, 0.99), "max": max(values)}
    rows = "".join(
        f"<tr><td>{name}</td><td>{value:,.1f} ms</td></tr>" for name, value in lines.items()
    )
    shown = {name: value for name, value in lines.items() if name != "max"}
    return (
        f"<section><h2>Fail-overs: {len(values)}</h2><p>From the end of a leader to the first "
        "order that another one accepted.</p>"
        f'{histogram(values, shown)}<table class="small">{rows}</table></section>'
    )


def _kinds(record: RunRecord) -> str:
    rows = "".join(
        f'<tr><td><i class="key f-{kind.family.value}"></i>{name.value}</td>'
        f"<td>{escape(kind.line)}</td><td>{record.faults[name.value]:,}</td></tr>"
        for name, kind in KINDS.items()
        if name.value in record.faults
    )
    return (
        f"<section><h2>Faults: {sum(record.faults.values()):,}</h2>"
        f'<div class="tall"><table><tr><th>fault</th><th>what is done</th><th>times</th></tr>{rows}'
        "</table></div></section>"
    )


def _minutes(record: RunRecord) -> str:
    count = max(1, -(-len(record.seconds) // STRIP_S))
    strips = [
        f'<h3>{minute}:00</h3><div class="wide">'
        f"{strip(record.seconds, record.marks, minute * STRIP_S)}</div>"
        for minute in range(count)
    ]
    return (
        "<section><h2>Minute by minute</h2><p>A band lasts from the fault until what was ended is "
        "started again; point at it, or at a name, to read what happened.</p>"
        f"{''.join(_folded(strips))}</section>"
    )


def _folded(strips: Sequence[str]) -> list[str]:
    if len(strips) <= _OPEN_MINUTES:
        return list(strips)
    return [
        f"<details{'' if at else ' open'}><summary>Minutes {at} to "
        f"{min(at + _FOLD_MINUTES, len(strips))}</summary>"
        f"{''.join(strips[at : at + _FOLD_MINUTES])}</details>"
        for at in range(0, len(strips), _FOLD_MINUTES)
    ]


def _every_fault(record: RunRecord) -> str:
    rows = "".join(
        f'<tr><td>{number}</td><td>{mark.from_s:,.1f} s</td><td><i class="key f-{mark.family}"></i>'
        f"{mark.name.value}</td><td>{escape(mark.told)}</td></tr>"
        for number, mark in enumerate(record.marks, 1)
    )
    return (
        "<section><h2>Every fault</h2><details><summary>The list</summary>"
        '<table class="list"><tr><th></th><th>at</th><th>fault</th><th>what happened</th></tr>'
        f"{rows}</table></details></section>"
    )


def _again(record: RunRecord) -> str:
    in_flight = record.in_flight
    with_orders = sum(1 for count in in_flight if count)
    facts = [
        ("command", f"<code>{escape(record.command)}</code>"),
        ("seed", f"{record.seed}"),
        ("ended", escape(record.ended)),
        ("machine", escape(record.machine)),
        ("violations of other kinds", f"{record.other_violations:,}"),
        ("instants at which processes were ended", f"{len(in_flight):,}"),
        ("of these with orders in flight", f"{with_orders:,}, {sum(in_flight):,} orders in all"),
        ("networks", escape(record.networks)),
        (
            "disks",
            escape(record.why_no_power)
            or "a file system for each node that forgets what was not synced",
        ),
    ]
    rows = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in facts)
    return (
        "<section><h2>The run</h2>"
        f'<table class="facts">{rows}</table><p>The seed decides which faults come, when, for how '
        "long, and what a disk keeps. The histories and the log are beside this run&rsquo;s "
        "<code>run.json</code>: <code>oms check histories log.raw</code> judges them again.</p>"
        "</section>"
    )


def _span(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
