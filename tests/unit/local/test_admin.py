"""The administrator's session: one effect per command, whatever happens to the answers."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import msgspec
import pytest

from oms.local.admin import AdminRejected, AdminSession, AdminUnavailable
from oms.local.genesis import build_genesis
from oms.local.requests import NoAnswer, NotTheLeader, RequestRefused
from oms.local.samples import demo_config
from oms.messages import link
from oms.messages.admin_commands import AdminCommand, DepositCash, EndDay, StartDay
from oms.messages.commands import GatewayLost, Login
from oms.messages.enums import EventKind
from oms.messages.event_records import EVENT, Event, unpack_events
from oms.messages.packing import pack_batch
from oms.reference.engine import Engine

NOW_NS = 1_790_000_000_000_000_000

_T = TypeVar("_T", bound=msgspec.Struct)
Fault = Callable[["FakeVenue", bytes], bytes]


@cache
def genesis() -> list[bytes]:
    """Entries of the demo's venue; hashing its passwords takes a while."""
    return build_genesis(demo_config(1), 5, NOW_NS)


class FakeVenue:
    """Three nodes that share one real engine; `faults` decide what becomes of each answer."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.stream: list[Event] = []
        self.leader = "n2"
        self.now_ns = NOW_NS
        self.faults: list[Fault] = []
        self.submitted: list[Login | AdminCommand] = []
        for entry in genesis():
            self.apply(entry)

    def apply(self, entry: bytes) -> list[Event]:
        """Commit one entry."""
        self.engine.apply(self.engine.applied_index + 1, entry)
        events = unpack_events(self.engine.events())
        for event in events:
            if event.kind == EventKind.DAY_STARTED:
                self.stream = []
        self.stream += [event for event in events if event.session_id == 1 and event.out_seq]
        return events

    def submit(self, command: Login | AdminCommand) -> bytes:
        """Apply a command and find its outcome, as a leader does."""
        self.submitted.append(command)
        for event in self.apply(pack_batch(self.now_ns, [command])):
            if event.session_id == 1 and event.kind != EventKind.SYSTEM_EVENT:
                return EVENT.pack(*event)
        raise RequestRefused("no effect: its conn_epoch is not current")

    @property
    def node_ids(self) -> list[str]:
        """The nodes."""
        return ["n1", "n2", "n3"]

    def ask(self, node_id: str, request: link.Request, answer: type[_T], timeout_s: float) -> _T:
        """One question to one node."""
        self.now_ns += 1_000_000
        reply: object
        match request:
            case link.Submit(command):
                if node_id != self.leader:
                    raise NotTheLeader(node_id, self.leader)
                record = self.submit(command)
                reply = link.Outcome(self.faults.pop(0)(self, record) if self.faults else record)
            case link.GetStatus():
                reply = link.Status(
                    node_id, "leader", 1, self.leader, node_id == self.leader, 1, 1, 1, "", 0, 1,
                    "disk", 0, 1, 5,
                )  # fmt: skip
            case link.ReplaySession(_, from_out_seq):
                data = b"".join(EVENT.pack(*event) for event in self.stream[from_out_seq - 1 :])
                reply = link.Records(data, self.engine.applied_index, 1, is_end=True)
            case link.GetDirectory():
                reply = self.engine.directory()
            case _:
                raise RequestRefused("not offered")
        assert isinstance(reply, answer)
        assert timeout_s > 0
        return reply

    def cash(self) -> int:
        """What account 1 has."""
        account = self.engine.account(1)
        assert account is not None
        return account.cash


def session(venue: FakeVenue) -> AdminSession:
    """A session whose sleeping moves the venue's clock."""

    def sleep(seconds: float) -> None:
        venue.now_ns += round(seconds * 1e9)

    return AdminSession(venue, now_ns=lambda: venue.now_ns, sleep=sleep)


def deposit(amount: int) -> DepositCash:
    """Cash for account 1."""
    return DepositCash(0, 0, 0, 0, account_id=1, amount=amount)


def lose(_venue: FakeVenue, _record: bytes) -> bytes:
    """The command is applied, its answer is lost."""
    raise NoAnswer("lost")


def lose_leader(venue: FakeVenue, _record: bytes) -> bytes:
    """The command is applied, then another node leads."""
    venue.leader = "n3"
    raise NotTheLeader("n2", None)


def time_out(_venue: FakeVenue, _record: bytes) -> bytes:
    """The command is applied, the node gave up waiting."""
    raise RequestRefused("not committed in time: the outcome is unknown")


def take_over(venue: FakeVenue, _record: bytes) -> bytes:
    """The command is applied, the answer is lost, another administrator logs in."""
    venue.apply(pack_batch(venue.now_ns, [Login(session_id=1, nonce=99, gateway_id=0)]))
    raise NoAnswer("lost")


def log_out(venue: FakeVenue, _record: bytes) -> bytes:
    """The command is applied, the answer is lost, the session's lease runs out."""
    venue.apply(pack_batch(venue.now_ns, [GatewayLost(gateway_id=0)]))
    raise NoAnswer("lost")


def test_command_is_applied_and_its_outcome_returned() -> None:
    """The plain way, with the leader found through a follower's hint."""
    venue = FakeVenue()
    before = venue.cash()
    event = session(venue).execute(deposit(500))
    assert event.kind == EventKind.ADMIN_APPLIED
    assert venue.cash() == before + 500


@pytest.mark.parametrize("fault", [lose, lose_leader, time_out, take_over, log_out])
def test_command_whose_answer_is_lost_has_one_effect(fault: Fault) -> None:
    """Money that came in twice because an answer was lost is money made up."""
    venue = FakeVenue()
    administrator = session(venue)
    administrator.login()
    before = venue.cash()
    venue.faults = [fault, fault]
    event = administrator.execute(deposit(500))
    assert event.kind == EventKind.ADMIN_APPLIED
    assert venue.cash() == before + 500


def test_every_retry_carries_the_same_number() -> None:
    """The number is what makes a repeat recognizable."""
    venue = FakeVenue()
    administrator = session(venue)
    administrator.execute(deposit(1))
    venue.faults = [lose]
    administrator.execute(deposit(2))
    administrator.execute(deposit(3))
    deposits = [item for item in venue.submitted if isinstance(item, DepositCash)]
    numbers = [(item.client_seq, item.amount) for item in deposits]
    assert numbers == [(1, 1), (2, 2), (2, 2), (3, 3)]


def test_lost_answer_of_a_day_start_is_found_in_the_new_stream() -> None:
    """StartDay restarts the very stream in which its outcome stands."""
    venue = FakeVenue()
    administrator = session(venue)
    administrator.login()
    administrator.execute(EndDay(0, 0, 0, 0))
    venue.apply(pack_batch(venue.now_ns, []))  # the sweep
    directory = venue.engine.directory()
    venue.faults = [lose]
    start = StartDay(0, 0, 0, 0, directory.trading_date + 1, directory.midnight_ns)
    event = administrator.execute(start)
    assert (event.kind, event.out_seq) == (EventKind.ADMIN_APPLIED, 1)
    with pytest.raises(AdminRejected, match="WRONG_DAY"):
        administrator.execute(start)


def test_refused_command_says_why() -> None:
    """A refusal is certain, and not retried."""
    venue = FakeVenue()
    before = venue.cash()
    with pytest.raises(AdminRejected, match="AMOUNT_UNAVAILABLE"):
        session(venue).execute(deposit(-(before + 1)))
    assert venue.cash() == before


def test_lost_refusal_is_still_a_refusal() -> None:
    """ALREADY_APPLIED alone says neither yes nor no: the stream does."""
    venue = FakeVenue()
    administrator = session(venue)
    administrator.login()
    venue.faults = [lose]
    with pytest.raises(AdminRejected, match="AMOUNT_UNAVAILABLE"):
        administrator.execute(deposit(-(venue.cash() + 1)))


def test_superseded_command_that_was_not_applied_is_said_to_be_so() -> None:
    """Another administrator took over before: no effect, and no endless retry."""
    venue = FakeVenue()
    administrator = session(venue)
    administrator.login()
    before = venue.cash()
    venue.apply(pack_batch(venue.now_ns, [Login(session_id=1, nonce=77, gateway_id=0)]))
    with pytest.raises(AdminRejected, match="another administrator"):
        administrator.execute(deposit(500))
    assert venue.cash() == before


def test_session_that_was_logged_out_before_the_command_logs_in_again() -> None:
    """A new leader lets the leases of silent gateways run out; the administrator's is one."""
    venue = FakeVenue()
    administrator = session(venue)
    administrator.execute(deposit(1))
    before = venue.cash()
    venue.apply(pack_batch(venue.now_ns, [GatewayLost(gateway_id=0)]))
    event = administrator.execute(deposit(500))
    assert (event.kind, event.client_seq) == (EventKind.ADMIN_APPLIED, 1)
    assert venue.cash() == before + 500
    assert administrator.execute(deposit(1)).client_seq == 2


def test_reads_are_asked_of_the_leader() -> None:
    """A follower may be behind what was just changed."""
    venue = FakeVenue()
    venue.leader = "n3"
    asked: list[str] = []
    ask = venue.ask

    def note(node_id: str, request: link.Request, answer: type[_T], timeout_s: float) -> _T:
        if not isinstance(request, link.GetStatus):
            asked.append(node_id)
        return ask(node_id, request, answer, timeout_s)

    venue.ask = note
    session(venue).read(link.GetDirectory(), link.Directory)
    assert asked == ["n3"]


def test_expired_attempt_is_sent_again_with_a_new_time() -> None:
    """A command that waited too long has no effect and may be repeated."""
    venue = FakeVenue()
    administrator = session(venue)
    administrator.login()
    before = venue.cash()
    venue.apply(pack_batch(venue.now_ns + 3_000_000_000, []))  # the leader's clock is ahead
    event = administrator.execute(deposit(500))
    assert event.kind == EventKind.ADMIN_APPLIED
    assert venue.cash() == before + 500


def test_without_a_leader_the_answer_is_unknown_not_no() -> None:
    """A time-out is never reported as a failure."""
    venue = FakeVenue()
    administrator = session(venue)
    administrator.login()
    venue.leader = "nobody"
    with pytest.raises(AdminUnavailable, match="may or may not"):
        administrator.execute(deposit(500))
