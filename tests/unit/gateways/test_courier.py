"""Shares of the windows: many busy sessions together never fill the pipe beyond its bound."""

from gateways.courier import LONE_RESEND_NS, Courier, Window
from oms.bounds import (
    GATEWAY_IN_FLIGHT_MAX,
    RESEND_AFTER_NS,
    SESSION_IN_FLIGHT_MAX,
    SESSION_IN_FLIGHT_MIN,
)
from oms.messages.commands import CancelOrder
from tests.support.link_venue import Recorder


def busy_courier(sessions: int, commands: int) -> tuple[Courier, list[Recorder]]:
    """Windows of some sessions with so many commands each."""
    courier = Courier()
    courier.is_led = True
    recorders = [Recorder() for _ in range(sessions)]
    for number, recorder in enumerate(recorders, start=1):
        window = Window(number, 1, number, recorder, 0)
        recorder.window = window
        courier.open(window)
        for seq in range(1, commands + 1):
            courier.submit(window, CancelOrder(number, 1, seq, 0, 0, 1, 0), 0)
    return courier, recorders


def test_few_busy_sessions_have_the_whole_window() -> None:
    """Four sessions at full speed share the gateway's bound and lose nothing."""
    courier, _ = busy_courier(4, 1)
    courier.tick(0, 0)
    assert courier.share == SESSION_IN_FLIGHT_MAX


def test_many_busy_sessions_share_the_bound() -> None:
    """The leader works a full pipe off before its commands expire."""
    courier, _ = busy_courier(8, 1)
    courier.tick(0, 0)
    assert courier.share == GATEWAY_IN_FLIGHT_MAX // 8


def test_every_session_keeps_a_share() -> None:
    """However many are busy, nobody stands still."""
    courier, _ = busy_courier(400, 1)
    courier.tick(0, 0)
    assert courier.share == SESSION_IN_FLIGHT_MIN


def test_smaller_share_takes_nothing_back_and_drains() -> None:
    """What is in flight stays; the next is sent when the window is below its new share."""
    courier, recorders = busy_courier(8, 3_000)
    courier.tick(0, 0)
    assert courier.share == 2_048
    window = recorders[0].window
    assert window is not None
    courier.submit(window, CancelOrder(1, 1, 3_001, 0, 0, 1, 0), 0)
    assert recorders[0].fullness == [True]
    assert courier.acknowledge(window, 900, 0, 0)
    assert (len(window.in_flight), len(window.waiting)) == (2_100, 1)
    assert courier.acknowledge(window, 1_000, 0, 0)
    assert (len(window.in_flight), len(window.waiting)) == (2_001, 0)
    assert recorders[0].fullness == [True]
    assert courier.acknowledge(window, 2_000, 0, 0)
    assert recorders[0].fullness == [True, False]
    assert not courier.acknowledge(window, 3_002, 0, 0)


def test_session_that_waits_behind_others_is_not_resent_early() -> None:
    """Resending what still stands in the pipe would only make the pipe longer."""
    courier, recorders = busy_courier(2, 2)
    first = recorders[0].window
    assert first is not None
    assert courier.acknowledge(first, 1, RESEND_AFTER_NS, 0)
    assert courier.tick(RESEND_AFTER_NS + 1, 0) == 0
    assert courier.acknowledge(first, 2, LONE_RESEND_NS, 0)
    assert courier.tick(LONE_RESEND_NS + 1, 0) == 1


def test_silence_of_all_is_resent_after_the_short_time() -> None:
    """A pipe that broke is noticed in half a second."""
    courier, _ = busy_courier(2, 2)
    assert courier.tick(RESEND_AFTER_NS, 0) == 2
    assert courier.tick(RESEND_AFTER_NS + 1, 0) == 0
