"""ROUTER: answers gateways, feed readers and administrators (docs/protocols/internal.md).

Called by the loop. Promises: a bounded number of answers a turn, each of bounded size; every
request gets one answer, if only a Refusal; a submit is answered by its committed outcome, by
NotLeader, or by words that say the outcome is unknown and that the same command may be sent again.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import zmq

from oms.bounds import EVENT_BYTES, REQUEST_WAIT_NS, REQUESTS_PER_TURN, REQUESTS_WAITING_MAX
from oms.messages import link
from oms.messages.admin_commands import AdminCommand
from oms.messages.commands import Login
from oms.messages.enums import EventKind
from oms.messages.event_records import Event, unpack_event
from oms.node.queries import Queries
from oms.node.reads import Reads
from oms.node.replies import Asker, Replies
from oms.node.sequencer import Sequencer
from oms.node.transfers import Transfers
from oms.process_log import Log
from oms.transport.keys import Role, role_of
from oms.transport.sockets import NOW, Socket

_OUTCOMES: Final = frozenset(
    {
        EventKind.ADMIN_APPLIED,
        EventKind.ADMIN_REJECTED,
        EventKind.ALREADY_APPLIED,
        EventKind.GAP,
        EventKind.COMMAND_EXPIRED,
    }
)
_REQUEST_FRAMES: Final = 3  # identity, request_id, body

_decode = msgspec.msgpack.Decoder(link.Request).decode


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A submit whose entry is not applied yet."""

    asker: Asker
    command: Login | AdminCommand
    until_ns: int


class Requests:
    """The `router` socket and the requests that cannot be answered at once."""

    def __init__(
        self,
        socket: Socket,
        *,
        queries: Queries,
        sequencer: Sequencer,
        not_leader: Callable[[], link.NotLeader],
        say: Log,
    ) -> None:
        self.socket = socket
        self._replies = Replies(socket, queries)
        self._sequencer = sequencer
        self._not_leader = not_leader
        self._say = say
        self._submitted: dict[int, _Submitted] = {}
        self._tokens = itertools.count(1)
        self._reads = Reads(
            self._replies,
            queries=queries,
            sequencer=sequencer,
            tokens=self._tokens,
            not_leader=not_leader,
        )
        self.transfers = Transfers(self._replies)
        self._snapshot_wanted: list[Asker] = []
        self._snapshot_waiting: list[Asker] = []  # for the one that is being written
        self.is_accepting = False

    @property
    def lost_reply_count(self) -> int:
        """Replies that nobody took."""
        return self._replies.lost_count

    def on_readable(self, now_ns: int) -> None:
        """Answer what is asked, a bounded number."""
        for _ in range(REQUESTS_PER_TURN):
            try:
                parts = self.socket.recv_multipart(NOW, copy=False)
            except zmq.Again:
                return
            if len(parts) != _REQUEST_FRAMES:
                self._say.warning("request_malformed", frames=len(parts))
                continue
            asker = Asker(parts[0].bytes, parts[1].bytes, role_of(str(parts[2].get("User-Id"))))
            try:
                request = _decode(parts[2].buffer)
            except msgspec.DecodeError as error:
                self._replies.refuse(asker, f"not a request: {error}")
                continue
            self._take(asker, request, now_ns)

    def _take(self, asker: Asker, request: link.Request, now_ns: int) -> None:
        if isinstance(request, link.Submit):
            self._submit(asker, request.command, now_ns)
        elif isinstance(request, link.CreateSnapshot):
            self._want_snapshot(asker)
        elif isinstance(request, link.TransferLeadership):
            self._want_transfer(asker, request)
        elif isinstance(request, link.Read) and self._reads.must_wait(request):
            if self._has_place(asker):
                self._reads.take(asker, request, now_ns, is_accepting=self.is_accepting)
        else:
            self._replies.query(asker, request)

    def _has_place(self, asker: Asker) -> bool:
        waiting = len(self._submitted) + len(self._reads)
        waiting += len(self.transfers) + len(self._snapshot_wanted) + len(self._snapshot_waiting)
        if waiting < REQUESTS_WAITING_MAX:
            return True
        self._replies.refuse(asker, f"{REQUESTS_WAITING_MAX} requests are waiting; ask again later")
        return False

    # ---- submit

    def _submit(self, asker: Asker, command: Login | AdminCommand, now_ns: int) -> None:
        if asker.role is not Role.ADMIN:
            self._replies.refuse(asker, f"role {asker.role} may not submit")
        elif not self.is_accepting:
            self._replies.not_leader(asker, self._not_leader())
        elif not self._sequencer.has_room:
            self._replies.refuse(asker, "the sequencer is full; ask again later")
        elif self._has_place(asker):
            token = next(self._tokens)
            self._submitted[token] = _Submitted(asker, command, now_ns + REQUEST_WAIT_NS)
            self._sequencer.offer_submit(command, token)

    def on_submits_applied(self, tokens: list[int], events: bytes) -> None:
        """The entry with these submits is applied: their outcomes are in its events. A token may
        also be one that reads wait for.
        """
        for token in tokens:
            self._reads.on_applied(token)
            submitted = self._submitted.pop(token, None)
            if submitted is None:
                continue  # answered by time-out before
            record = _find_outcome(submitted.command, events)
            if record:
                self._replies.answer(submitted.asker, link.Outcome(record))
            else:
                self._replies.refuse(
                    submitted.asker,
                    "no effect: the session does not exist, or its conn_epoch is not current",
                )

    def stop_accepting(self) -> None:
        """This node does not lead any more; what was submitted may or may not happen."""
        self.is_accepting = False
        leader = self._not_leader()
        for submitted in self._submitted.values():
            self._replies.not_leader(submitted.asker, leader)
        self._submitted.clear()
        self._reads.stop_accepting()

    # ---- leadership

    def _want_transfer(self, asker: Asker, request: link.TransferLeadership) -> None:
        if asker.role is not Role.ADMIN:
            self._replies.refuse(asker, f"role {asker.role} may not say who leads")
        elif self._has_place(asker):
            self.transfers.take(asker, request.to)

    # ---- snapshots

    def _want_snapshot(self, asker: Asker) -> None:
        if asker.role is not Role.ADMIN:
            self._replies.refuse(asker, f"role {asker.role} may not have snapshots made")
        elif self._has_place(asker):
            self._snapshot_wanted.append(asker)

    @property
    def is_snapshot_wanted(self) -> bool:
        """Somebody asked for one that is not begun yet."""
        return bool(self._snapshot_wanted)

    def snapshot_started(self) -> None:
        """What was asked for up to now is answered by the one that was just begun."""
        self._snapshot_waiting += self._snapshot_wanted
        self._snapshot_wanted.clear()

    def answer_snapshot(self, made: link.SnapshotMade | link.Refusal) -> None:
        """The one that was begun is durable, or it failed."""
        for asker in self._snapshot_waiting:
            if isinstance(made, link.SnapshotMade):
                self._replies.answer(asker, made)
            else:
                self._replies.refuse(asker, made.reason)
        self._snapshot_waiting.clear()

    def refuse_snapshots(self, reason: str) -> None:
        """None can be made now."""
        self.snapshot_started()
        self.answer_snapshot(link.Refusal(reason))

    # ---- waiting

    @property
    def has_waiting(self) -> bool:
        """Reads wait for an index."""
        return self._reads.has_waiting

    def answer_waiting(self, now_ns: int) -> None:
        """Answer reads whose index is applied, refuse what has waited too long."""
        self._reads.answer_waiting(now_ns)
        late = [token for token, sub in self._submitted.items() if now_ns > sub.until_ns]
        for token in late:
            self._replies.refuse(
                self._submitted.pop(token).asker,
                "not committed in time: the outcome is unknown; submit the same command again",
            )


def _find_outcome(command: Login | AdminCommand, events: bytes) -> bytes:
    """Record that answers `command` among an entry's events; empty when there is none."""
    for offset in range(0, len(events), EVENT_BYTES):
        event = unpack_event(events, offset)
        if _is_outcome(command, event):
            return events[offset : offset + EVENT_BYTES]
    return b""


def _is_outcome(command: Login | AdminCommand, event: Event) -> bool:
    if event.session_id != command.session_id:
        return False
    if isinstance(command, Login):
        return event.kind == EventKind.SESSION_LOGGED_IN and event.client_seq == command.nonce
    return (
        event.kind in _OUTCOMES
        and event.client_seq == command.client_seq
        and event.conn_epoch == command.conn_epoch
    )
