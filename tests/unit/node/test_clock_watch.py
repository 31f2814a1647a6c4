"""The clock watch: who is wrong, who cannot know, and when it is over."""

import pytest

from oms.bounds import CLOCK_SKEW_MAX_NS, STATUS_PERIOD_NS
from oms.node.clock_watch import FRAME_AGE_MAX_NS, FRAMES_KEPT, PATIENCE_NS, ClockWatch

MS = 1_000_000
WALL = 1_790_000_000_000_000_000
DELAY = MS // 2


class Room:
    """One node's watch in a cluster whose clocks can be set, with time that is moved by hand."""

    def __init__(self, **skews_ms: int) -> None:
        self.watch = ClockWatch(len(skews_ms) + 1)
        self.skews = {peer: skew * MS for peer, skew in skews_ms.items()}
        self.own = 0
        self.elapsed = 0

    @property
    def now(self) -> int:
        """Own clock."""
        return WALL + self.elapsed + self.own

    def period(self, *silent: str, delay: int = DELAY, count: int = 1) -> bool:
        """Every peer is heard once, but those that are silent; then a look."""
        for _ in range(count):
            self.elapsed += STATUS_PERIOD_NS
            for peer, skew in self.skews.items():
                if peer not in silent:
                    self.watch.heard(peer, WALL + self.elapsed + skew - delay, self.elapsed)
            self.watch.look(self.now, self.elapsed)
        return self.watch.may_lead


def test_clocks_that_agree_may_lead_as_soon_as_all_are_heard() -> None:
    room = Room(n2=3, n3=-4)
    assert not room.period()
    assert room.period()
    assert abs(room.watch.skew_ns) < 5 * MS


@pytest.mark.parametrize("skew_ms", [-200, 200])
def test_a_clock_that_differs_from_both_others_does_not_lead(skew_ms: int) -> None:
    """A leader that is ahead would expire orders for good."""
    room = Room(n2=0, n3=2)
    room.own = skew_ms * MS
    assert not room.period(count=3 * PATIENCE_NS // STATUS_PERIOD_NS)
    assert abs(room.watch.skew_ns - skew_ms * MS) < 5 * MS


def test_the_one_that_is_right_leads_although_a_peer_is_wrong() -> None:
    room = Room(n2=200, n3=0)
    assert room.period(count=2)
    assert abs(room.watch.skew_ns) < MS


@pytest.mark.parametrize("silent", [(), ("n3",), ("n2", "n3")])
def test_who_cannot_know_leads_after_a_while(silent: tuple[str, ...]) -> None:
    """Two nodes that differ, or three that all do: nobody knows who is right."""
    room = Room(n2=200, n3=400)
    assert not room.period(*silent, count=1)
    assert room.period(*silent, count=PATIENCE_NS // STATUS_PERIOD_NS + 1)


@pytest.mark.parametrize("step_ms", [-200, 200])
def test_a_step_of_the_own_clock_shows_at_once_and_so_does_its_end(step_ms: int) -> None:
    """Before another entry is stamped: the frames of the last seconds are still right."""
    room = Room(n2=0, n3=0)
    assert room.period(count=FRAMES_KEPT)
    assert not room.watch.has_stepped(room.now, room.elapsed)
    room.own = step_ms * MS
    assert room.watch.has_stepped(room.now, room.elapsed)
    assert not room.watch.look(room.now, room.elapsed)
    room.own = 0
    assert room.watch.look(room.now, room.elapsed)


def test_late_frames_are_no_skew() -> None:
    """A busy peer or wire delays most frames; the fastest of them counts."""
    room = Room(n2=0, n3=0)
    assert room.period(count=2)
    assert room.period(delay=300 * MS, count=FRAMES_KEPT - 2)
    assert abs(room.watch.skew_ns) < MS


def test_at_the_bound_nobody_goes_to_and_fro() -> None:
    room = Room(n2=0, n3=0)
    assert room.period(count=2)
    room.own = CLOCK_SKEW_MAX_NS + MS
    assert not room.period()
    room.own = CLOCK_SKEW_MAX_NS - MS
    assert not room.period()
    room.own = CLOCK_SKEW_MAX_NS // 2
    assert room.period()


def test_what_dead_peers_said_is_forgotten() -> None:
    """With one other node left nobody knows who is right, and the venue must go on."""
    room = Room(n2=0, n3=0)
    room.own = 200 * MS
    assert not room.period(count=10)
    assert room.period("n3", count=FRAME_AGE_MAX_NS // STATUS_PERIOD_NS + 1)


def test_of_five_the_three_that_agree_are_right() -> None:
    room = Room(n2=0, n3=5, n4=-5, n5=900)
    assert room.period(count=2)
    room.own = 850 * MS
    assert not room.period()
    assert Room(n2=0).watch.may_lead is False
    two = Room(n2=500)
    assert two.period(count=20)
