"""The link to the venue: logins, takeover, logouts and the lease, against a fake venue."""

from oms.messages.admin_commands import EndDay
from oms.messages.commands import GatewayLost, Login, Logout
from oms.messages.enums import EventKind
from tests.support.link_venue import (
    GATEWAY_ID,
    NOW_NS,
    SESSION,
    LinkVenue,
    Recorder,
    start_day,
)

NEVER_NS = 1 << 62


def test_second_login_takes_over(venue: LinkVenue) -> None:
    """One live connection per session: the old one is told, and its commands have no effect."""
    first = venue.log_in()
    second = venue.log_in()
    assert first.void_reasons == ["taken over by another login"]
    assert second.window is not None
    assert second.window.conn_epoch == 2
    venue.enter(second, 1, 1)
    venue.step()
    assert second.accepted == [1]
    assert first.accepted == []


def test_login_through_another_gateway_takes_over(venue: LinkVenue) -> None:
    """Two gateways may run; the log decides who has the session."""
    recorder = venue.log_in()
    venue.apply([Login(SESSION, 999, 12345)])
    assert recorder.void_reasons == ["taken over by another login"]


def test_repeated_login_copy_changes_nothing(venue: LinkVenue) -> None:
    """A login is resent like everything else; the second copy finds the first."""
    recorder = Recorder()
    venue.link.login(SESSION, recorder)
    venue.run()
    venue.pushed += venue.pushed
    venue.step()
    assert recorder.void_reasons == []
    assert recorder.window is not None


def test_lost_login_is_resent(venue: LinkVenue) -> None:
    """A login in the pipe of a leader that died reaches the next one."""
    recorder = Recorder()
    venue.link.login(SESSION, recorder)
    venue.run()
    venue.elect("n2")
    venue.step()
    assert recorder.window is not None


def test_login_that_came_too_late_is_pushed_again_with_a_new_limit(venue: LinkVenue) -> None:
    """A stall costs the one who waits some time, and nobody his connection."""
    recorder = Recorder()
    venue.link.login(SESSION, recorder)
    venue.run()
    venue.clock.now_ns += 3_000_000_000
    assert [event.kind for event in venue.step()] == [EventKind.COMMAND_EXPIRED]
    venue.pass_time(0.6)
    venue.step()
    assert recorder.window is not None


def test_late_copy_of_a_login_does_not_end_the_connection_in_use(venue: LinkVenue) -> None:
    """It may come from a leader that slept, long after its client went elsewhere."""
    given_up = venue.link.login(SESSION, Recorder())
    venue.run()
    late = venue.pushed
    venue.pushed = []
    venue.link.abandon(given_up)
    recorder = venue.log_in()
    venue.enter(recorder, 1, 2)
    venue.run()
    venue.clock.now_ns += 3_000_000_000
    venue.apply(late)
    assert recorder.void_reasons == []
    venue.pass_time(1)
    venue.step()
    assert recorder.accepted == [1, 2]


def test_login_waiting_for_a_leader_goes_to_it_in_time(venue: LinkVenue) -> None:
    """A new leader gets a limit that counts from its election, not from the login."""
    recorder = Recorder()
    venue.link.login(SESSION, recorder)
    venue.run()
    venue.clock.now_ns += 3_000_000_000
    venue.elect("n2")
    venue.step()
    assert recorder.window is not None


def test_logout_waits_for_the_last_outcome(venue: LinkVenue) -> None:
    """What a client had sent before it left is still seen through."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 2)
    assert recorder.window is not None
    venue.link.leave(recorder.window)
    venue.run()
    assert not any(isinstance(c, Logout) for c in venue.pushed)
    venue.step()
    assert any(isinstance(c, Logout) for c in venue.pushed)
    kinds = [event.kind for event in venue.step()]
    assert kinds == [EventKind.SESSION_LOGGED_OUT]


def test_abandoned_login_is_logged_out(venue: LinkVenue) -> None:
    """A client that left before its login was decided holds no session."""
    recorder = Recorder()
    nonce = venue.link.login(SESSION, recorder)
    venue.run()
    venue.link.abandon(nonce)
    venue.step()
    assert recorder.window is None
    assert [event.kind for event in venue.step()] == [EventKind.SESSION_LOGGED_OUT]


def test_logout_that_has_no_event_is_let_go(venue: LinkVenue) -> None:
    """A void logout answers nothing; it must not be pushed for ever."""
    recorder = venue.log_in()
    assert recorder.window is not None
    venue.link.leave(recorder.window)
    venue.run()
    for _ in range(40):
        venue.pushed.clear()
        venue.pass_time(0.6)
    assert venue.pushed == []


def test_lease_is_kept_by_empty_pushes(venue: LinkVenue) -> None:
    """A silent gateway would be taken for dead, and its sessions logged out."""
    before = venue.frames_pushed
    venue.pass_time(2)
    assert 9 <= venue.frames_pushed - before <= 21


def test_lease_that_ran_out_voids_the_sessions_of_this_gateway(venue: LinkVenue) -> None:
    """After a long stop the gateway learns from the log that its connections are over."""
    recorder = venue.log_in()
    venue.apply([GatewayLost(GATEWAY_ID)])
    assert recorder.void_reasons == ["the venue logged the session out"]
    assert venue.log_in().void_reasons == []


def test_new_day_reaches_sessions_and_later_logins(venue: LinkVenue) -> None:
    """The stream restarts at 1 under a new session name and another midnight."""
    recorder = venue.log_in()
    assert recorder.login is not None
    venue.apply([Login(1, 4711, 1)])
    date = recorder.login.trading_date + 1
    venue.apply([EndDay(1, 1, 1, NEVER_NS)])
    venue.apply([])  # an entry for the sweep
    venue.apply([start_day(1, 1, 2, date)])
    venue.run()
    system_events = [
        (seq, chr(event.reason))
        for seq, event in recorder.events
        if event.kind == EventKind.SYSTEM_EVENT
    ]
    assert system_events == [(2, "E"), (1, "S")]
    again = venue.log_in()
    assert again.login is not None
    assert (again.login.trading_date, again.login.out_seq) == (date, 1)
    assert again.login.midnight_ns == NOW_NS
