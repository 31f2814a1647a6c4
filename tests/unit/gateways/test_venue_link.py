"""The link to the venue: windows, resends, order of events, against a fake venue."""

import msgspec

from oms.bounds import EVENT_BYTES, PUSH_COMMANDS_MAX, SESSION_IN_FLIGHT_MAX
from oms.messages.admin_commands import AddInstrument
from oms.messages.commands import Login, NewOrder
from oms.messages.enums import EventFlag, EventKind, Phase
from oms.messages.event_records import unpack_event, unpack_terms
from oms.messages.link import ReplayEvents
from oms.messages.packing import pack_batch
from tests.support.link_venue import (
    SESSION,
    LinkVenue,
    Recorder,
)

NEVER_NS = 1 << 62


def is_blocked(venue: LinkVenue) -> bool:
    """Whether the leader takes nothing."""
    return venue.link.is_blocked


def test_login_opens_a_window_with_the_epoch_of_the_log(venue: LinkVenue) -> None:
    """Commands are numbered within the epoch the log gave, not one the gateway made up."""
    recorder = venue.log_in()
    assert recorder.window is not None
    assert recorder.login is not None
    assert recorder.window.conn_epoch == recorder.login.conn_epoch == 1
    assert recorder.login.trading_date == venue.engine.directory().trading_date


def test_commands_of_one_turn_go_out_in_one_push(venue: LinkVenue) -> None:
    """Batching is what carries 40,000 messages a second."""
    recorder = venue.log_in()
    before = venue.frames_pushed
    venue.enter(recorder, 1, 5)
    venue.enter(recorder, 6, 9)
    venue.run()
    assert venue.frames_pushed == before + 1
    venue.step()
    assert recorder.accepted == list(range(1, 10))


def test_one_push_has_at_most_its_bound_of_commands(venue: LinkVenue) -> None:
    """At the bound one frame, one past it two."""
    recorder = venue.log_in()
    before = venue.frames_pushed
    venue.enter(recorder, 1, PUSH_COMMANDS_MAX)
    venue.run()
    assert venue.frames_pushed == before + 1
    venue.enter(recorder, PUSH_COMMANDS_MAX + 1, 2 * PUSH_COMMANDS_MAX + 1)
    venue.run()
    assert venue.frames_pushed == before + 3


def test_window_is_closed_at_its_bound_and_opens_again(venue: LinkVenue) -> None:
    """Backpressure: at the bound the socket is not read, and nothing read is dropped."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, SESSION_IN_FLIGHT_MAX)
    assert recorder.fullness == []
    venue.enter(recorder, SESSION_IN_FLIGHT_MAX + 1, SESSION_IN_FLIGHT_MAX + 3)
    assert recorder.fullness == [True]
    venue.run()
    assert len(venue.pushed) == SESSION_IN_FLIGHT_MAX
    waiting = venue.pushed
    venue.pushed = []
    for start in range(0, len(waiting), 1024):
        venue.apply(waiting[start : start + 1024])
    assert recorder.fullness == [True, False]
    venue.step()
    assert recorder.accepted == list(range(1, SESSION_IN_FLIGHT_MAX + 4))


def test_new_leader_gets_everything_undecided_once_more_in_order(venue: LinkVenue) -> None:
    """What a dead leader had not committed is not lost; what it had is not done twice."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 3)
    venue.step()
    venue.enter(recorder, 4, 8)
    venue.run()
    venue.apply(venue.pushed[:2], lost=True)  # committed, but the old leader died unheard
    venue.elect("n2")
    resent = [c.client_seq for c in venue.pushed if isinstance(c, NewOrder)]
    assert resent in ([6, 7, 8], [4, 5, 6, 7, 8])
    venue.step()
    assert recorder.accepted == list(range(1, 9))
    assert recorder.out_seqs() == list(range(recorder.out_seqs()[0], recorder.out_seqs()[0] + 8))
    assert recorder.window is not None
    assert not recorder.window.in_flight


def test_nothing_is_pushed_while_nobody_leads(venue: LinkVenue) -> None:
    """Commands wait in their windows; the next leader gets them."""
    recorder = venue.log_in()
    venue.leader = None
    venue.term += 1
    venue.statuses()
    venue.enter(recorder, 1, 4)
    before = venue.frames_pushed
    venue.pass_time(1)
    assert venue.frames_pushed == before
    venue.elect("n3")
    venue.step()
    assert recorder.accepted == [1, 2, 3, 4]


def test_a_lower_term_is_not_believed(venue: LinkVenue) -> None:
    """A leader that wakes up late must not draw commands to itself."""
    recorder = venue.log_in()
    venue.elect("n2")
    venue.term, venue.leader = 1, "n1"
    venue.status("n1")
    venue.term, venue.leader = 2, "n2"
    venue.enter(recorder, 1, 1)
    venue.step()
    assert recorder.accepted == [1]


def test_lost_push_is_resent_after_a_while_without_progress(venue: LinkVenue) -> None:
    """PUSH is a pipe, not a promise."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 3)
    venue.run()
    venue.pushed.clear()
    venue.pass_time(0.4)
    assert venue.pushed == []
    venue.pass_time(0.2)
    venue.step()
    assert recorder.accepted == [1, 2, 3]


def test_gap_is_resent_from_what_the_engine_expects_once(venue: LinkVenue) -> None:
    """Each later command in the pipe reports the same gap: one resend is enough."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 6)
    venue.run()
    del venue.pushed[2]
    kinds = [event.kind for event in venue.step()]
    assert kinds.count(EventKind.GAP) == 3
    resent = [c.client_seq for c in venue.pushed if isinstance(c, NewOrder)]
    assert resent == [3, 4, 5, 6]
    venue.step()
    assert recorder.accepted == [1, 2, 3, 4, 5, 6]


def test_expired_command_is_resent_with_a_new_limit(venue: LinkVenue) -> None:
    """A stall longer than the commands' life costs time, not orders."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 2)
    venue.run()
    venue.clock.now_ns += 3_000_000_000
    assert {event.kind for event in venue.step()} == {EventKind.COMMAND_EXPIRED, EventKind.GAP} or (
        venue.pushed
    )
    venue.step()
    assert recorder.accepted == [1, 2]


def test_a_log_ahead_of_every_clock_is_caught_up_with(venue: LinkVenue) -> None:
    """A leader's clock was half a minute ahead, and the log's time stays: orders are taken."""
    recorder = venue.log_in()
    ahead = pack_batch(venue.clock.wall_ns() + 30_000_000_000, [])
    venue.log_index += 1
    venue.engine.apply(venue.log_index, ahead)
    venue.enter(recorder, 1, 2)
    venue.step()
    venue.step()
    assert recorder.accepted == [1, 2]
    assert venue.log_in(SESSION + 1).window is not None


def test_repeat_of_a_decided_command_frees_the_window(venue: LinkVenue) -> None:
    """ALREADY_APPLIED is an outcome: the gateway must not resend for ever."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 2)
    venue.run()
    venue.pushed += venue.pushed
    kinds = [event.kind for event in venue.step()]
    assert kinds.count(EventKind.ALREADY_APPLIED) == 2
    assert recorder.window is not None
    assert not recorder.window.in_flight
    assert recorder.accepted == [1, 2]


def test_hole_in_the_stream_is_filled_before_anything_later(venue: LinkVenue) -> None:
    """A PUB drop is repaired by number, and the session never sees events out of turn."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 1)
    venue.run()
    venue.apply(venue.pushed, lost=True)
    venue.pushed.clear()
    venue.enter(recorder, 2, 2)
    venue.step()
    assert recorder.accepted == [1, 2]
    assert recorder.out_seqs() == sorted(recorder.out_seqs())


def test_terms_reach_the_session_with_their_order_however_frames_are_cut(
    venue: LinkVenue,
) -> None:
    """An acceptance is sent with what its order asks for, which the record before it says."""
    seen: list[int] = []

    class Reader(Recorder):
        def deliver(self, data: bytes, offset: int, out_seq: int) -> None:
            super().deliver(data, offset, out_seq)
            assert unpack_event(data, offset).flags & EventFlag.HAS_TERMS
            seen.append(unpack_terms(data, offset - EVENT_BYTES).display_qty)

    recorder = Reader()
    venue.link.login(SESSION, recorder)
    venue.step()
    for number in (1, 2):
        shown = msgspec.structs.replace(venue.order(recorder, number), display_qty=number)
        assert recorder.window is not None
        venue.link.submit(recorder.window, [shown])
        venue.run()
        first_seq = venue.engine.event_seq + 1
        data = venue.apply([venue.pushed.pop()], lost=True)
        parts = [data] if number == 1 else [data[:EVENT_BYTES], data[EVENT_BYTES:]]
        for part in parts:
            venue.publish(first_seq, part)
            first_seq += len(part) // EVENT_BYTES
    assert seen == [1, 2]


def test_lost_tail_is_seen_from_the_leaders_status(venue: LinkVenue) -> None:
    """The last frame before silence may be the one that was lost."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 1)
    venue.step(lost=True)
    assert recorder.accepted == []
    venue.status("n1")
    venue.pass_time(0.15)
    assert recorder.accepted == [1]


def test_new_leaders_first_status_fills_the_tail_at_once(venue: LinkVenue) -> None:
    """What the dead leader had committed and not published must not wait for a timer."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 1)
    venue.step(lost=True)
    venue.elect("n2")
    assert recorder.accepted == [1]


def test_lost_tail_is_seen_from_a_followers_status_after_a_moment(venue: LinkVenue) -> None:
    """When the leader has died, the followers know what it did not publish."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 1)
    venue.step(lost=True)
    venue.down.add("n1")
    venue.status("n2")
    venue.pass_time(0.7)
    assert recorder.accepted == [1]


def test_replay_is_asked_elsewhere_when_a_node_refuses(venue: LinkVenue) -> None:
    """Any node can serve a replay; one that cannot must not stop the stream."""
    recorder = venue.log_in()
    venue.refusing.add("n1")
    venue.down.add("n2")
    venue.enter(recorder, 1, 1)
    venue.step(lost=True)
    venue.status("n1")
    venue.run()
    venue.pass_time(1)
    assert recorder.accepted == [1]


def test_replay_from_a_node_that_has_not_the_events_is_asked_elsewhere(venue: LinkVenue) -> None:
    """A follower behind answers with nothing: that fills no hole."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 1)
    venue.lagging.update({"n1", "n2"})
    venue.step(lost=True)
    venue.status("n1")
    venue.pass_time(0.5)
    assert recorder.accepted == [1]


def test_hole_larger_than_a_replay_is_filled_piece_by_piece(venue: LinkVenue) -> None:
    """One request at a time, each from where the one before ended."""
    recorder = venue.log_in()
    venue.requests.clear()
    venue.enter(recorder, 1, 150)
    venue.run()
    venue.apply(venue.pushed, lost=True)
    venue.pushed.clear()
    venue.enter(recorder, 151, 152)
    venue.step()
    assert recorder.accepted == list(range(1, 153))
    asked = [r.from_event_seq for _, r in venue.requests if isinstance(r, ReplayEvents)]
    assert len(asked) > 2
    assert asked == sorted(set(asked))


def test_frames_that_come_while_a_hole_is_filled_ask_for_nothing_more(venue: LinkVenue) -> None:
    """Hundreds of frames behind one hole must not be hundreds of requests."""
    recorder = venue.log_in()
    venue.requests.clear()
    venue.enter(recorder, 1, 1)
    venue.run()
    venue.apply(venue.pushed, lost=True)
    venue.pushed.clear()
    venue.down.update({"n1", "n2", "n3"})
    for number in range(2, 20):
        venue.enter(recorder, number, number)
        venue.step()
    assert len([r for _, r in venue.requests if isinstance(r, ReplayEvents)]) == 1
    venue.down.clear()
    venue.pass_time(0.6)
    assert recorder.accepted == list(range(1, 20))


def test_repeated_frames_are_dropped(venue: LinkVenue) -> None:
    """A new leader publishes its last entries again."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 3)
    first_seq = venue.engine.event_seq + 1
    venue.run()
    data = venue.apply(venue.pushed)
    venue.publish(first_seq, data)
    venue.publish(1, venue.events)
    assert recorder.accepted == [1, 2, 3]


def test_blocked_push_is_kept_and_sent_later(venue: LinkVenue) -> None:
    """A leader that does not read costs time, not commands."""
    recorder = venue.log_in()
    venue.is_full = True
    venue.enter(recorder, 1, 3)
    venue.run()
    assert is_blocked(venue)
    venue.is_full = False
    venue.pass_time(0.1)
    assert not is_blocked(venue)
    venue.step()
    assert recorder.accepted == [1, 2, 3]


def test_blocked_link_piles_up_no_copies(venue: LinkVenue) -> None:
    """A leader that takes nothing for an hour must not cost the gateway its memory."""
    recorder = venue.log_in()
    venue.is_full = True
    venue.enter(recorder, 1, 600)
    venue.pass_time(10)
    assert len(venue.link._courier.outbox) < 600
    venue.is_full = False
    venue.pass_time(0.1)
    assert len(venue.pushed) <= 2 * 600
    venue.step()
    venue.pass_time(5)
    venue.step()
    assert recorder.accepted == list(range(1, 601))


def test_directory_is_read_again_before_later_events(venue: LinkVenue) -> None:
    """An event may name an instrument that was added a moment ago."""
    recorder = venue.log_in()
    venue.apply([Login(1, 4711, 1)])
    added = AddInstrument(1, 1, 1, NEVER_NS, 3, b"YEW", 1, 100, 10_000, 0, 500, Phase.CONTINUOUS)
    venue.down.update({"n1", "n2", "n3"})
    venue.apply([added])
    venue.enter(recorder, 1, 1)
    venue.step()
    assert venue.link.directory is not None
    assert b"YEW" not in venue.link.directory.instruments
    assert recorder.accepted == []
    venue.down.clear()
    venue.statuses()
    venue.pass_time(1)
    assert venue.link.directory.instruments[b"YEW"] == 3
    assert recorder.accepted == [1]


def test_session_replay_comes_in_pieces_from_any_node(venue: LinkVenue) -> None:
    """A reconnecting client gets its whole stream, also when the first node asked is silent."""
    recorder = venue.log_in()
    venue.enter(recorder, 1, 200)
    venue.step()
    venue.down.add("n1")
    pieces: list[bytes] = []
    assert recorder.login is not None
    venue.link.replay_session(SESSION, 2, recorder.login.trading_date, pieces.append)
    venue.run()
    assert pieces == []
    venue.pass_time(0.6)
    assert len(pieces) == 1


def test_status_of_another_cluster_is_ignored(venue: LinkVenue) -> None:
    """A wrong address in the settings must not mix two venues."""
    assert venue.link.directory is not None
    other = LinkVenue()
    other.link._cluster_id = 1
    other.statuses()
    assert other.link.directory is None
    assert "status_of_another_cluster" in other.log_text.getvalue()


def test_unreadable_publication_is_logged_and_survived(venue: LinkVenue) -> None:
    """A node of another version must not take the gateway down."""
    venue.link.on_publication("n1", [b"status|", b"short"])
    venue.link.on_publication("n1", [b"status|", b"\x01\x01" + bytes(22) + b"\xc1"])
    assert venue.log_text.getvalue().count("publication_unreadable") == 2
