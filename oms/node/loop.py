"""The single thread: poll, read, propose, tick the log, publish; it blocks and never spins.

Called by the composition root. The order within a turn is fixed: what came in, then the log (which
applies what is committed), then what goes out, then the clock's chores. Everything on the path of
an order runs here and nowhere else, so nothing in the node needs a lock.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import zmq

from oms.bounds import HAND_OVER_NS, PIPELINE_ENTRIES_MAX, STATUS_PERIOD_NS, TOPIC_HEARTBEAT_NS
from oms.messages import link
from oms.messages.commands import GatewayLost
from oms.node.clock import Clock
from oms.node.clock_watch import ClockWatch
from oms.node.digests import DigestWatch
from oms.node.egress import Egress
from oms.node.event_index import CHUNK_RECORDS, EventIndex
from oms.node.event_log import EventLog
from oms.node.feed import Feed
from oms.node.ingress import Ingress
from oms.node.leases import Leases
from oms.node.outputs_fetch import OutputsFetch
from oms.node.polling import Handler, Polling
from oms.node.replica import Replica
from oms.node.requests import Requests
from oms.node.sequencer import Sequencer
from oms.node.snapshots import Snapshots
from oms.node.status import StatusReader
from oms.node.trading_days import TradingDays
from oms.node.wakeup import Wakeup
from oms.process_log import Log
from oms.replication.port import ROOM_AMPLE, ROOM_RESERVE, LogStatus, ReplicatedLog
from oms.transport import topics
from oms.transport.keys import ZapHandler
from oms.transport.sockets import NOW, Socket
from oms.wire import frames

HINT_EVERY_NS: Final = 10_000_000  # status frames that answer pushes to a follower
REPUBLISHED_ENTRIES_MAX: Final = 1_024  # a new leader further behind than this first catches up
_NS_PER_MS: Final = 1_000_000

_decode_status = msgspec.msgpack.Decoder(link.Status).decode


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything the loop turns; made by the composition root."""

    log: ReplicatedLog
    replica: Replica
    event_log: EventLog
    index: EventIndex
    sequencer: Sequencer
    leases: Leases
    digests: DigestWatch
    clock_watch: ClockWatch
    ingress: Ingress
    egress: Egress
    feed: Feed
    requests: Requests
    status: StatusReader
    days: TradingDays
    snapshots: Snapshots
    fetch: OutputsFetch | None  # while outputs are missing
    zap: ZapHandler
    peers: Sequence[Socket]  # the other nodes' `status|`
    wakeup: Wakeup
    clock: Clock
    say: Log
    genesis_entries: int  # entries of a genesis that must be applied first; 0 after a snapshot


class Loop:
    """Runs one node until it is asked to stop."""

    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self._polling = Polling()
        self._is_reading_pull = False
        self._status: LogStatus = parts.status.standing.log  # as of the last turn
        self._is_fenced = False
        self._status_due_ns = 0
        self._heartbeat_due_ns = 0
        self._hinted_ns = 0
        self._polling.watch(parts.wakeup.read_fd, lambda _now: parts.wakeup.clear())
        self._polling.watch(parts.zap.socket, lambda _now: parts.zap.on_readable())
        self._polling.watch(parts.requests.socket, parts.requests.on_readable)
        self._polling.watch(parts.feed.socket, lambda _now: parts.feed.on_readable())
        for peer in parts.peers:
            self._polling.watch(peer, partial(self._read_peer, peer))
        self._fetch = parts.fetch
        if parts.fetch is not None:
            for other in parts.fetch.peers:
                self._polling.watch(other.socket, partial(parts.fetch.on_readable, other))
        parts.snapshots.wake_by(parts.wakeup.write_fd)
        parts.log.set_may_lead(parts.clock_watch.may_lead)

    def run(self) -> None:
        """Turn until a stop is wanted; a leader then hands over first, so that nobody waits."""
        while not self._p.wakeup.is_end_wanted:
            self._turn()
        if self._status.role == "leader" and not self._is_fenced:
            self._hand_over()

    def _hand_over(self) -> None:
        parts = self._p
        refusal = parts.log.transfer(None)
        if refusal:
            parts.say.info("not_handed_over", reason=refusal)
            return
        until_ns = parts.clock.monotonic_ns() + HAND_OVER_NS
        while self._status.role == "leader" and parts.clock.monotonic_ns() < until_ns:
            self._turn()
            if self._is_fenced or not parts.log.status().is_transferring:
                return

    # ---- one turn

    def _turn(self) -> None:
        parts = self._p
        self._polling.watch_log([] if self._is_fenced else parts.log.fds())
        self._poll_pull()
        ready = self._polling.wait(self._sleep_ms())
        now_ns = parts.clock.monotonic_ns()
        self._dispatch(ready, now_ns)
        if not self._is_fenced:
            if self._is_reading_pull:
                self._read_pull(now_ns)
            self._propose()
            parts.log.tick()
            self._note_role(now_ns)
            if parts.requests.transfers:
                parts.requests.transfers.run(parts.log, self._status, now_ns)
        if parts.egress.is_leading:
            parts.egress.flush(parts.clock.now_ns())
        if parts.requests.has_waiting:
            parts.requests.answer_waiting(now_ns)
        if parts.index.lag >= CHUNK_RECORDS:
            parts.index.catch_up()
        self._chores(now_ns)

    def _sleep_ms(self) -> int:
        """How long nothing needs doing; whole milliseconds, rounded up, so as not to spin."""
        parts = self._p
        if parts.feed.has_heartbeats or self._can_propose():
            return 0
        due_ns = self._status_due_ns - parts.clock.monotonic_ns()
        if not self._is_fenced:
            due_ns = min(due_ns, int(parts.log.next_deadline_s() * 1e9))
        expiry_ns = parts.sequencer.next_due_ns
        if expiry_ns and self._status.is_accepting:
            left_ns = expiry_ns - parts.clock.now_ns()
            due_ns = min(due_ns, left_ns) if left_ns > 0 else due_ns
        return max(0, math.ceil(due_ns / _NS_PER_MS))

    def _can_propose(self) -> bool:
        parts = self._p
        return (
            self._status.is_accepting
            and not self._is_fenced
            and parts.clock_watch.may_lead
            and parts.sequencer.is_ready
            and parts.log.pending() < PIPELINE_ENTRIES_MAX
        )

    def _propose(self) -> None:
        """Stamp and propose, but never by a clock that is known to be wrong."""
        parts = self._p
        if not self._status.is_accepting:
            return
        now_ns = parts.clock.now_ns()
        if parts.clock_watch.has_stepped(now_ns, parts.clock.monotonic_ns()):
            self._look_at_clock()
        if parts.clock_watch.may_lead:
            parts.sequencer.run(parts.log, now_ns)

    def _look_at_clock(self) -> None:
        parts, watch = self._p, self._p.clock_watch
        before = watch.may_lead
        may_lead = watch.look(parts.clock.now_ns(), parts.clock.monotonic_ns())
        if may_lead != before and not self._is_fenced:
            parts.log.set_may_lead(may_lead)
            self._status_due_ns = 0
            parts.say.info("clock", may_lead=may_lead, skew_ms=watch.skew_ns // _NS_PER_MS)

    def _dispatch(
        self, ready: list[tuple[Handler | None, Socket | int, bool, bool]], now_ns: int
    ) -> None:
        for handler, source, is_readable, is_writable in ready:
            if handler is not None:
                handler(now_ns)
            elif isinstance(source, int) and not self._is_fenced:
                self._p.log.on_ready(source, readable=is_readable, writable=is_writable)

    def _poll_pull(self) -> None:
        """Poll PULL only while it will be read, or the poll would return for nothing, for ever."""
        if self._status.role == "leader" and not self._is_fenced:
            wanted = self._is_open() and self._p.sequencer.has_room
        else:
            wanted = True
        if wanted == self._is_reading_pull:
            return
        self._is_reading_pull = wanted
        if wanted:
            self._polling.watch(self._p.ingress.socket, self._read_pull_away)
        else:
            self._polling.unwatch(self._p.ingress.socket)

    # ---- in

    @property
    def _has_genesis(self) -> bool:
        """A snapshot from within the genesis would lose the rest of it."""
        return self._p.replica.entries_applied >= self._p.genesis_entries

    def _is_open(self) -> bool:
        """Commands may come: this node leads, its log accepts, the genesis is applied."""
        return self._status.is_accepting and not self._is_fenced and self._has_genesis

    def _read_pull(self, now_ns: int) -> None:
        if self._is_open():
            self._p.ingress.drain(now_ns)

    def _read_pull_away(self, now_ns: int) -> None:
        if self._status.role == "leader" and not self._is_fenced:
            return  # `_read_pull` takes it in this turn
        if self._p.ingress.read_away() and now_ns - self._hinted_ns >= HINT_EVERY_NS:
            self._hinted_ns = now_ns
            self._status_due_ns = 0

    def _read_peer(self, socket: Socket, _now_ns: int) -> None:
        while True:
            try:
                topic, frame = socket.recv_multipart(NOW)
            except zmq.Again:
                return
            if topic == topics.STATUS and not self._is_fenced:
                status = _decode_status(frames.unpack(frame)[1])
                watch, monotonic_ns = self._p.clock_watch, self._p.clock.monotonic_ns()
                watch.heard(status.node_id, status.timestamp_ns, monotonic_ns)
                self._compare(status)

    # ---- roles

    def _note_role(self, now_ns: int) -> None:
        parts = self._p
        before, status = self._status, parts.log.status()
        self._status = parts.status.standing.log = status
        is_changed = (
            status.role != before.role
            or status.term != before.term
            or status.leader_id != before.leader_id
            or status.is_accepting != before.is_accepting
        )
        if is_changed:
            self._change_role(before, status, now_ns)
        if status.room != before.room:
            self._change_room(status.room)
        if status.role == "leader" and not parts.egress.is_leading:
            self._publish_when_caught_up(status)
        is_open, standing = self._is_open(), parts.status.standing
        # Both are compared: a change of role closes the requests before the status says so.
        if (parts.requests.is_accepting, standing.is_accepting) != (is_open, is_open):
            parts.requests.is_accepting = standing.is_accepting = is_open
            self._status_due_ns = 0

    def _change_role(self, before: LogStatus, status: LogStatus, now_ns: int) -> None:
        parts = self._p
        self._status_due_ns = 0
        if before.is_accepting:
            parts.sequencer.clear()
            parts.requests.stop_accepting()
        if parts.egress.is_leading and (status.role != "leader" or status.term != before.term):
            parts.egress.follow()
        if status.is_accepting:
            parts.sequencer.start_leading(parts.replica.entries_applied)
            parts.index.catch_up()
            parts.leases.restart(parts.replica.gateways(), now_ns)
        parts.say.info(
            "role",
            role=status.role,
            term=status.term,
            leader=status.leader_id,
            accepting=status.is_accepting,
            commit_index=status.commit_index,
        )

    def _change_room(self, room: str) -> None:
        parts = self._p
        parts.sequencer.is_squeezed = room == ROOM_RESERVE
        self._status_due_ns = 0
        say = parts.say.info if room == ROOM_AMPLE else parts.say.error
        say("room", room=room, journal_bytes=self._status.journal_bytes)

    def _publish_when_caught_up(self, status: LogStatus) -> None:
        """A leader publishes from the start, unless it has a restart's replay before it."""
        behind = status.last_index - status.applied_index
        if status.is_accepting or behind <= REPUBLISHED_ENTRIES_MAX:
            self._p.egress.lead(status.term)

    def _compare(self, peer: link.Status) -> None:
        digests, say = self._p.digests, self._p.say
        if not digests.compare(peer):
            return
        part, log_index = digests.difference(peer.node_id)
        say.error("digest_differs", peer=peer.node_id, part=part, log_index=log_index)
        if digests.must_fence:
            say.error("fenced", reason="a majority of the cluster has another state")
            self._fence()

    def _fence(self) -> None:
        """Leave the group: no vote, no lead, no events; status goes on, for whoever looks."""
        parts = self._p
        self._is_fenced = True
        parts.egress.follow()
        parts.requests.stop_accepting()
        parts.requests.transfers.refuse_all("this node is fenced")
        parts.sequencer.clear()
        parts.status.standing.is_fenced = True
        parts.status.standing.is_accepting = False
        parts.log.close()
        self._status_due_ns = 0

    # ---- chores

    def _chores(self, now_ns: int) -> None:
        parts = self._p
        if parts.feed.has_heartbeats:
            parts.egress.send_heartbeats(parts.clock.now_ns())
        if self._fetch is not None and self._fetch.is_over:
            self._end_fetch(self._fetch)
        if now_ns < self._status_due_ns:
            return
        self._status_due_ns = now_ns + STATUS_PERIOD_NS
        self._look_at_clock()
        if self._fetch is not None:
            self._fetch.run(now_ns)
        parts.egress.publish_status(parts.status.status())
        parts.event_log.flush()
        parts.event_log.allocate()
        parts.log.set_storage_ok(parts.event_log.has_room)
        parts.log.note_trading_date(parts.days.trading_date)
        parts.requests.answer_waiting(now_ns)
        if now_ns >= self._heartbeat_due_ns:
            self._heartbeat_due_ns = now_ns + TOPIC_HEARTBEAT_NS
            parts.feed.start_heartbeats()
        if self._is_open():
            for gateway_id in parts.leases.expired(now_ns, is_reading=self._is_reading_pull):
                parts.say.warning("gateway_lost", gateway_id=gateway_id)
                parts.sequencer.offer_own(GatewayLost(gateway_id))
        self._take_snapshots()

    def _end_fetch(self, fetch: OutputsFetch) -> None:
        """The outputs are all there: from now on they are replayed to whoever asks."""
        for peer in fetch.peers:
            self._polling.unwatch(peer.socket)
        fetch.close()
        self._fetch = None
        self._p.index.restart()

    def _take_snapshots(self) -> None:
        parts = self._p
        if self._is_fenced:
            parts.requests.refuse_snapshots("this node is fenced: its state is not to be kept")
            return
        made = parts.snapshots.finish()
        if made is not None:
            parts.requests.answer_snapshot(made)
        parts.days.archive_log(parts.log)
        if self._status.room != ROOM_AMPLE:
            parts.requests.refuse_snapshots("the disk is full: what is left is the log's")
            return
        if parts.snapshots.is_eve_waiting and not parts.snapshots.is_writing:
            parts.snapshots.start()
        if parts.requests.is_snapshot_wanted and parts.event_log.missing:
            parts.requests.refuse_snapshots("outputs are being fetched; ask again")
        if parts.requests.is_snapshot_wanted and not self._has_genesis:
            parts.requests.refuse_snapshots("the genesis is not applied yet; ask again")
        is_wanted = parts.requests.is_snapshot_wanted and not parts.snapshots.is_writing
        if is_wanted or parts.snapshots.is_due(is_leading=self._status.role == "leader"):
            parts.requests.snapshot_started()
            parts.snapshots.start()
