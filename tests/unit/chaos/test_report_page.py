"""The page of a run: whole, self-contained, and readable however long the run was."""

import re
import time
from html.parser import HTMLParser

import msgspec
import pytest

from oms.chaos.kinds import KINDS, FaultName
from oms.chaos.record import RunRecord
from oms.chaos.report_page import page
from oms.chaos.timeline import Mark, Second, Timeline

VOID = frozenset({"meta", "br", "rect", "circle", "line", "path", "polyline"})


def record(minutes: int = 3, *, gap: bool = False) -> RunRecord:
    """A clean run with a fault every two seconds."""
    names = list(FaultName)
    marks = [
        Mark(names[number % len(names)], number * 2.0, number * 2.0 + 1.5, "n1, <32> in flight")
        for number in range(minutes * 30)
    ]
    silent = Second(0, 0.0, 0.0, 0.0)
    told = silent if gap else Second(200, 5.0, 40.0, 900.0)
    return RunRecord(
        command="oms chaos --seed 7", seed=7, ended="2026-11-22 18:00 UTC", machine="2 cores",
        why_no_power="", networks="a router that loses packets", trading_s=minutes * 60.0,
        acknowledged=minutes * 12_000, lost=0,
        duplicated=0, reordered=0, other_violations=0, unknown_resolved=12, kills=30, power_cuts=9,
        faults={name.value: 2 for name in names}, in_flight=[3, 0, 4],
        failover_ms=[20.0, 45.5, 300.0], broken=[], proves_nothing=[],
        seconds=[told if second % 7 else silent for second in range(minutes * 60)],
        marks=marks,
    )  # fmt: skip


class Balanced(HTMLParser):
    """Every element is closed where it should be; remembers the texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            assert name not in {"src", "href", "srcset"}, f"{tag} fetches {value}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(html: str) -> Balanced:
    """Parsed whole."""
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


def test_the_page_is_one_file_that_fetches_nothing() -> None:
    """It is sent by mail and opened on a plane."""
    html = page(record())
    read(html)
    assert not re.search(r"https?://|@import|url\(|<script|<link|<img", html)


def test_every_fault_is_marked_and_named() -> None:
    """By its own name, in its minute and in the list; what was told of it is escaped."""
    parser = read(page(record()))
    for name in FaultName:
        assert parser.texts.count(name.value) >= 3, name
        assert KINDS[name].line in parser.texts
    assert "n1, <32> in flight" in parser.texts


def test_the_figures_and_the_way_to_have_it_again_are_there() -> None:
    """What a reader asks first, and last."""
    texts = read(page(record())).texts
    assert "Nothing lost, nothing duplicated, nothing reordered" in texts
    for told in (
        "36,000",
        "30",
        "9",
        "12",
        "oms chaos --seed 7",
        "7",
        "45.5 ms",
        "300.0 ms",
        "a router that loses packets",
    ):
        assert told in texts, told


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"broken": ["2 violations"]}, "A promise was broken"),
        ({"proves_nothing": ["too few"]}, "Nothing was broken, and nothing is proved"),
    ],
)
def test_a_run_that_is_no_proof_does_not_look_like_one(
    change: dict[str, list[str]], verdict: str
) -> None:
    """Whoever reads only the first line is told the truth."""
    texts = read(page(msgspec.structs.replace(record(), **change))).texts
    assert verdict in texts
    assert next(iter(change.values()))[0] in texts


def test_a_run_of_two_hours_is_folded_and_bounded() -> None:
    """Its overview has no more columns than a screen; its minutes open ten at a time."""
    html = page(record(120))
    parser = read(html)
    assert sum(text.startswith("Minutes ") for text in parser.texts) == 12
    assert html.count("<details open>") == 1
    overview = html[: html.index("</svg>")]
    assert overview.count('class="rate"') <= 350
    assert len(html) < 10_000_000


@pytest.mark.parametrize("length", [0, 1])
def test_a_run_with_nothing_in_it_can_be_drawn(length: int) -> None:
    """Broken off at once, or without one acknowledgement."""
    empty = msgspec.structs.replace(
        record(1, gap=True), seconds=record(1, gap=True).seconds[:length], marks=[], faults={},
        failover_ms=[], trading_s=float(length),
    )  # fmt: skip
    read(page(empty))
    read(page(msgspec.structs.replace(empty, failover_ms=[0.4])))


def test_a_timeline_knows_when_an_acceptance_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds in which nothing came are not left out, and the tally counts on."""
    now = [1_000_000_000]
    monkeypatch.setattr(time, "perf_counter_ns", lambda: now[0])
    timeline = Timeline()
    timeline.begin()
    for elapsed_ms in range(1, 101):
        timeline.acknowledge(elapsed_ms * 1_000_000)
    now[0] += 2_500_000_000
    timeline.acknowledge(2_000_000_000)
    assert timeline.seconds() == [
        Second(100, 50.0, 99.0, 100.0),
        Second(0, 0.0, 0.0, 0.0),
        Second(1, 2000.0, 2000.0, 2000.0),
    ]
    assert (timeline.acknowledged, timeline.now_s) == (101, 2.5)
