"""The binary session's state table: logins, time-outs, replay joined to live, bad input."""

import hashlib

import pytest

from gateways.admission import DirectoryIndex
from gateways.binary.joiner import HELD_EVENTS_MAX
from gateways.binary.server import is_right_password
from gateways.binary.session import (
    Action,
    CheckPassword,
    Close,
    PauseReading,
    Replay,
    ResumeReading,
    Session,
    StartLogin,
    State,
)
from gateways.courier import LoggedIn
from oms import bounds
from oms.bounds import CLIENT_FRAME_BYTES_MAX, EVENT_BYTES
from oms.local.genesis import hash_password
from oms.messages.commands import NewOrder
from oms.messages.enums import Entitlement, EventKind, Protocol
from oms.messages.event_records import EVENT
from oms.messages.link import Directory, FirmView, InstrumentView, SessionView, UserView
from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m

DATE = 20261122
NAME = b"20261122"
MIDNIGHT_NS = 1_790_000_000_000_000_000
LOGIN_NS = MIDNIGHT_NS + 1_000_000
SALT = bytes(range(16))
S = 1_000_000_000
ORDER = soupbin.unsequenced(ouch.encode(m.EnterOrder(1, ord("B"), 10, b"OAK", 990_000)))
NOT_AFTER_NS = 99


def directory(*, bits: int = Entitlement.ENTER, date: int = DATE) -> DirectoryIndex:
    """A venue with one instrument and one OUCH user, MM01 with the password secret."""
    return DirectoryIndex(
        Directory(
            applied_index=1,
            cluster_id=1,
            trading_date=date,
            midnight_ns=MIDNIGHT_NS,
            is_day_open=True,
            instruments=[InstrumentView(1, "OAK", 1, 100, 4, 0, 0, 0, 500, 3)],
            accounts=[FirmView(1, 1, "A1")],
            users=[UserView(2, 1, "MM01", SALT, hash_password("secret", SALT), {1: bits})],
            sessions=[
                SessionView(1, 1, Protocol.ADMIN, 0, 0, False, 0, 0, 0),
                SessionView(2, 2, Protocol.OUCH, 1, 0, False, 0, 0, 0),
            ],
        )
    )


def login(
    *,
    sequence: int = 1,
    session: bytes = b"",
    timeout_ms: int | None = None,
    user: bytes = b"mm01",
    password: bytes = b"secret",
) -> bytes:
    """A login packet."""
    return soupbin.login_request(
        soupbin.LoginRequest(user, password, session, sequence, timeout_ms)
    )


def logged_in(out_seq: int, *, date: int = DATE) -> LoggedIn:
    """What the log says about the login."""
    return LoggedIn(1, out_seq, LOGIN_NS, date, MIDNIGHT_NS)


def record(out_seq: int, *, timestamp_ns: int = LOGIN_NS - 1) -> bytes:
    """Event `out_seq` of the stream: a cancel whose quantity is its number."""
    return EVENT.pack(
        EventKind.ORDER_CANCELED, 1, ord("U"), 0, 2, 900 + out_seq, out_seq, 1, timestamp_ns, 1, 1,
        0, 0, 7, 3, 990_000, out_seq, 0, 0, 0, 0, 0, 0, b"", b"", 0, 0, 0,
    )  # fmt: skip


def day_start() -> bytes:
    """The first event of a new day's stream."""
    return EVENT.pack(
        EventKind.SYSTEM_EVENT, 0, ord("S"), 0, 2, 5000, 1, 0, LOGIN_NS + S, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, b"", b"", 0, 0, 0,
    )  # fmt: skip


def sent_numbers(actions: list[Action]) -> list[int]:
    """The numbers of the sequenced cancels among the bytes to send."""
    data = b"".join(action for action in actions if isinstance(action, bytes))
    frames = [f for f in soupbin.FrameSplitter().feed(data) if f[0] == soupbin.SEQUENCED]
    messages = [ouch.decode_outbound(frame, 1) for frame in frames]
    return [message.qty for message in messages if isinstance(message, m.Canceled)]


def close_of(actions: list[Action]) -> Close:
    """The close among the actions; it must be the last."""
    assert isinstance(actions[-1], Close), actions
    return actions[-1]


def checked(packet: bytes, *, index: DirectoryIndex | None = None) -> tuple[Session, list[Action]]:
    """A session whose password was right."""
    session = Session(index or directory(), 0)
    actions = session.receive(packet, S, NOT_AFTER_NS)
    assert isinstance(actions[0], CheckPassword)
    return session, session.password_checked(is_right=True, now_ns=S)


def live(*, out_seq: int = 0, packet: bytes | None = None) -> Session:
    """A session that is logged in and has nothing to replay."""
    session, _ = checked(packet or login(sequence=out_seq + 1))
    session.logged_in(logged_in(out_seq), S, NOT_AFTER_NS)
    assert session.state is State.LIVE
    return session


# ---- logging in


@pytest.mark.parametrize("timeout_ms", [None, 5_000])
def test_both_versions_of_the_login_are_taken(timeout_ms: int | None) -> None:
    """3.00 and 4.1 clients exist; both get the 3.00 answer."""
    session, actions = checked(login(timeout_ms=timeout_ms))
    assert actions == [StartLogin(2)]
    actions = session.logged_in(logged_in(0), S, NOT_AFTER_NS)
    assert actions == [soupbin.login_accepted(NAME, 1), ResumeReading()]


def test_password_is_checked_against_the_logs_hash_without_case() -> None:
    """The protocol ignores case; the log never holds a password."""
    credentials = directory().credentials("Mm01", Protocol.OUCH)
    assert credentials.session_id == 2
    assert is_right_password(b"SeCrEt", credentials)
    assert not is_right_password(b"secreT2", credentials)


@pytest.mark.parametrize(
    ("user", "bits"), [(b"nobody", Entitlement.ENTER), (b"mm01", Entitlement.READ), (b"mm01", 0)]
)
def test_unknown_or_unentitled_user_is_not_authorized(user: bytes, bits: int) -> None:
    """The answer is the same as for a wrong password, and takes as long."""
    index = directory(bits=bits)
    assert index.credentials(user.decode(), Protocol.OUCH).session_id == 0
    assert not is_right_password(b"", index.credentials(user.decode(), Protocol.OUCH))
    _, actions = checked(login(user=user), index=index)
    assert actions[0] == soupbin.login_rejected(soupbin.REJECT_NOT_AUTHORIZED)
    assert "unknown user or wrong password" in close_of(actions).reason


def test_wrong_password_is_not_authorized() -> None:
    """`J A`, then the server closes."""
    session = Session(directory(), 0)
    session.receive(login(), S, NOT_AFTER_NS)
    actions = session.password_checked(is_right=False, now_ns=S)
    assert actions[0] == soupbin.login_rejected(soupbin.REJECT_NOT_AUTHORIZED)
    assert session.state is State.CLOSED


@pytest.mark.parametrize("session_name", [b"20261121", b"X"])
def test_another_session_is_not_available(session_name: bytes) -> None:
    """An expired session must not be answered with today's stream."""
    _, actions = checked(login(session=session_name))
    assert actions[0] == soupbin.login_rejected(soupbin.REJECT_NO_SESSION)
    close_of(actions)


def test_session_that_ended_while_logging_in_is_not_available() -> None:
    """The day may change between password and log."""
    session, _ = checked(login(session=NAME))
    actions = session.logged_in(logged_in(0, date=DATE + 1), S, NOT_AFTER_NS)
    assert actions[0] == soupbin.login_rejected(soupbin.REJECT_NO_SESSION)


def test_current_session_may_be_named() -> None:
    """A reconnecting client names the session it was in."""
    assert live(out_seq=4, packet=login(session=NAME, sequence=5)).state is State.LIVE


def test_client_ahead_of_the_venue_is_refused_loudly() -> None:
    """It has seen what we do not have: never clamp (wire reference 8.6)."""
    session, _ = checked(login(sequence=7))
    actions = session.logged_in(logged_in(5), S, NOT_AFTER_NS)
    assert actions[0] == soupbin.login_rejected(soupbin.REJECT_NO_SESSION)
    assert close_of(actions).is_fault


def test_next_number_is_not_ahead() -> None:
    """One past the bound is refused, the bound itself is the normal reconnect."""
    session, _ = checked(login(sequence=6))
    actions = session.logged_in(logged_in(5), S, NOT_AFTER_NS)
    assert actions[0] == soupbin.login_accepted(NAME, 6)
    assert session.state is State.LIVE


def test_sequence_zero_means_only_what_comes_next() -> None:
    """`A` then reports the real start."""
    session, _ = checked(login(sequence=0))
    actions = session.logged_in(logged_in(5), S, NOT_AFTER_NS)
    assert actions[0] == soupbin.login_accepted(NAME, 6)
    assert sent_numbers(session.deliver(record(6), 0, 6)) == [6]


def test_no_login_closes_after_ten_seconds() -> None:
    """A socket without a login holds nothing for long."""
    session = Session(directory(), 0)
    assert session.tick(10 * S - 1) == []
    assert "no login" in close_of(session.tick(10 * S)).reason


def test_login_that_is_not_decided_closes() -> None:
    """During a long outage the client shall try again, perhaps elsewhere."""
    session, _ = checked(login())
    assert session.tick(16 * S - 1) == []
    close_of(session.tick(16 * S))


def test_nothing_but_the_answer_goes_out_before_it() -> None:
    """The first packet from the server is `A` or `J`: no heartbeat before."""
    session, _ = checked(login())
    assert session.tick(5 * S) == []


def test_messages_behind_the_login_are_kept_until_it_is_decided() -> None:
    """Some clients do not wait for the answer; their order is not lost."""
    session, actions = checked(login() + ORDER + soupbin.CLIENT_HEARTBEAT_PACKET)
    assert actions == [StartLogin(2)]
    actions = session.logged_in(logged_in(0), S, NOT_AFTER_NS)
    assert [type(action) for action in actions] == [bytes, NewOrder, ResumeReading]


def test_socket_is_read_while_the_login_is_not_decided_up_to_a_bound() -> None:
    """Who does not read does not see that the client is gone; who reads for ever needs room."""
    session, _ = checked(login())
    packet = soupbin.unsequenced(bytes(1_000))
    size = len(packet) - 2
    for _ in range(bounds.LOGIN_HELD_BYTES_MAX // size):
        assert session.receive(packet, S, NOT_AFTER_NS) == []
    assert session.receive(packet, S, NOT_AFTER_NS) == [PauseReading()]
    assert session.receive(packet, S, NOT_AFTER_NS) == []


def test_malformed_message_behind_the_login_closes() -> None:
    """The same judgement as later."""
    session, _ = checked(login() + soupbin.unsequenced(b"?"))
    actions = session.logged_in(logged_in(0), S, NOT_AFTER_NS)
    assert "malformed" in close_of(actions).reason


def test_login_decided_after_the_client_left_does_nothing() -> None:
    """The link logs such a login out again."""
    session, _ = checked(login())
    session.voided("the client closed the connection")
    assert session.logged_in(logged_in(0), S, NOT_AFTER_NS) == []
    assert session.password_checked(is_right=True, now_ns=S) == []


# ---- input


@pytest.mark.parametrize(
    "packet",
    [
        ORDER,
        soupbin.CLIENT_HEARTBEAT_PACKET,
        soupbin.LOGOUT_PACKET,
        soupbin.login_accepted(b"", 1),
        soupbin.pack(ord("?")),
    ],
)
def test_anything_before_the_login_closes(packet: bytes) -> None:
    """The client speaks first, and only `L`."""
    session = Session(directory(), 0)
    assert close_of(session.receive(packet, S, NOT_AFTER_NS)).is_fault


def test_debug_packets_are_ignored_in_every_state() -> None:
    """`+` is text for people."""
    debug = soupbin.pack(soupbin.DEBUG, b"hello")
    session = Session(directory(), 0)
    assert session.receive(debug, S, NOT_AFTER_NS) == []
    assert live().receive(debug, S, NOT_AFTER_NS) == []


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00",
        (CLIENT_FRAME_BYTES_MAX + 1).to_bytes(2, "big"),
        soupbin.unsequenced(b""),
        soupbin.unsequenced(b"O"),
        soupbin.unsequenced(b"?" + bytes(50)),
        soupbin.pack(soupbin.SEQUENCED, b"x"),
        soupbin.END_OF_SESSION_PACKET,
        login(),
    ],
)
def test_malformed_input_closes_with_a_reason(data: bytes) -> None:
    """Whatever was right before it is still submitted."""
    actions = live().receive(ORDER + data + ORDER, S, NOT_AFTER_NS)
    assert [type(action) for action in actions] == [NewOrder, Close]
    assert close_of(actions).is_fault


def test_commands_are_numbered_from_one_without_gaps() -> None:
    """The engine applies only the next number of the epoch."""
    session = live()
    actions = session.receive(ORDER * 3, S, NOT_AFTER_NS)
    actions += session.receive(ORDER, S, NOT_AFTER_NS)
    assert [a.client_seq for a in actions if isinstance(a, NewOrder)] == [1, 2, 3, 4]
    assert all(isinstance(a, NewOrder) and a.not_after_ns == NOT_AFTER_NS for a in actions)


def test_logout_closes_at_once() -> None:
    """`O` is no fault."""
    actions = live().receive(soupbin.LOGOUT_PACKET + ORDER, S, NOT_AFTER_NS)
    assert [type(action) for action in actions] == [Close]
    assert not close_of(actions).is_fault


# ---- time


def test_heartbeat_after_a_second_of_silence() -> None:
    """With ticks every 100 ms the client hears something every second."""
    session = live()
    assert session.tick(S + 800_000_000) == []
    assert session.tick(2 * S) == [soupbin.SERVER_HEARTBEAT_PACKET]
    session.sent(2 * S)
    assert session.tick(2 * S + 800_000_000) == []


@pytest.mark.parametrize(
    ("timeout_ms", "seconds"), [(None, 15), (5_000, 5), (1, 1), (0, 1), (99_999, 60)]
)
def test_silent_client_is_closed(timeout_ms: int | None, seconds: int) -> None:
    """15 s for 3.00, the client's own time-out for 4.1, clamped to 1 to 60 s."""
    session = live(packet=login(timeout_ms=timeout_ms))
    session.sent((1 + seconds) * S)
    assert session.tick((1 + seconds) * S - 1) == []
    assert "nothing heard" in close_of(session.tick((1 + seconds) * S)).reason


def test_any_byte_counts_as_a_heartbeat() -> None:
    """Also half a packet."""
    session = live()
    session.receive(b"\x00", 15 * S, NOT_AFTER_NS)
    session.sent(20 * S)
    assert session.tick(20 * S) == []


def test_client_is_not_silent_while_nobody_reads() -> None:
    """Backpressure must not look like a dead client."""
    session = live()
    session.reading_paused(is_paused=True, now_ns=2 * S)
    session.sent(40 * S)
    assert session.tick(40 * S) == []
    session.reading_paused(is_paused=False, now_ns=40 * S)
    session.sent(54 * S)
    assert session.tick(54 * S) == []
    close_of(session.tick(55 * S))


# ---- events


def test_live_events_are_sent_in_order_and_once() -> None:
    """SoupBinTCP's implicit number is the out_seq."""
    session = live()
    assert sent_numbers(session.deliver(record(1), 0, 1)) == [1]
    assert session.deliver(record(1), 0, 1) == []
    assert sent_numbers(session.deliver(b"x" + record(2), 1, 2)) == [2]


def test_hole_in_the_stream_closes_instead_of_skipping() -> None:
    """A client must never count a packet as another one's number."""
    session = live()
    assert close_of(session.deliver(record(2), 0, 2)).is_fault


def test_replay_joins_the_live_stream_without_a_seam() -> None:
    """Pieces, overlap and events that come meanwhile: each number once, in order."""
    session, _ = checked(login(sequence=3))
    actions = session.logged_in(logged_in(6), S, NOT_AFTER_NS)
    assert actions[0] == soupbin.login_accepted(NAME, 3)
    assert actions[1] == Replay(2, 3, DATE)
    assert session.deliver(record(7), 0, 7) == []
    actions = session.replayed(record(3) + record(4))
    assert sent_numbers(actions) == [3, 4]
    assert actions[-1] == Replay(2, 5, DATE)
    assert session.deliver(record(8), 0, 8) == []
    actions = session.replayed(record(5) + record(6) + record(7))
    assert sent_numbers(actions) == [5, 6, 7, 8]
    assert session.state is State.LIVE
    assert sent_numbers(session.deliver(record(9), 0, 9)) == [9]


def test_orders_are_taken_while_the_replay_goes_on() -> None:
    """A long replay does not keep a client from canceling."""
    session, _ = checked(login())
    session.logged_in(logged_in(6), S, NOT_AFTER_NS)
    actions = session.receive(ORDER, S, NOT_AFTER_NS)
    assert [type(action) for action in actions] == [NewOrder]


def test_live_events_during_a_replay_are_bounded_and_none_is_lost() -> None:
    """One past the bound they are forgotten, and fetched with the replay instead."""
    session, _ = checked(login())
    session.logged_in(logged_in(1), S, NOT_AFTER_NS)
    last = HELD_EVENTS_MAX + 2
    for number in range(2, last + 2):
        assert session.deliver(record(number), 0, number) == []
    stream = b"".join(record(number) for number in range(1, last + 1))
    numbers: list[int] = []
    for start in range(0, len(stream), 4000 * EVENT_BYTES):
        numbers += sent_numbers(session.replayed(stream[start : start + 4000 * EVENT_BYTES]))
    assert numbers == list(range(1, last + 2))
    assert session.state is State.LIVE


def test_replay_of_another_day_closes() -> None:
    """The day may change between login and replay: those numbers are another stream's."""
    session, _ = checked(login())
    session.logged_in(logged_in(2), S, NOT_AFTER_NS)
    actions = session.replayed(record(1, timestamp_ns=LOGIN_NS + 1))
    assert close_of(actions).is_fault


def test_new_day_ends_the_session() -> None:
    """`Z`: nothing more in this session, ever; the next login gets the new one."""
    session = live()
    actions = session.deliver(day_start(), 0, 1)
    assert actions[0] == soupbin.END_OF_SESSION_PACKET
    assert "day" in close_of(actions).reason


def test_voided_login_closes_without_end_of_session() -> None:
    """A takeover ends the connection, not the session."""
    actions = live().voided("taken over by another login")
    assert [type(action) for action in actions] == [Close]


def test_closed_session_does_nothing() -> None:
    """Late calls from link, pool or timer find it closed."""
    session = live()
    session.voided("over")
    assert session.voided("over") == []
    assert session.deliver(record(1), 0, 1) == []
    assert session.replayed(record(1)) == []
    assert session.tick(99 * S) == []


def test_new_directory_is_used_at_once() -> None:
    """An instrument added a moment ago can be traded on connections that stand."""
    session = live()
    index = directory()
    index.instruments[b"YEW"] = 2
    session.use_directory(index)
    packet = soupbin.unsequenced(ouch.encode(m.EnterOrder(1, ord("B"), 10, b"YEW", 990_000)))
    (command,) = session.receive(packet, S, NOT_AFTER_NS)
    assert isinstance(command, NewOrder)
    assert command.instrument_id == 2


def test_hash_is_the_documented_scrypt() -> None:
    """Genesis and gateway must agree on one formula."""
    expected = hashlib.scrypt(b"SECRET", salt=SALT, n=4096, r=8, p=1, dklen=32)
    assert hash_password("secret", SALT) == expected
