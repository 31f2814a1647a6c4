"""The leader's side of snapshot installation: the newest snapshot's file, a piece at a time.

Called by replicator.py for a follower that needs an entry the journal no longer has. Promises: one
piece is on its way to a follower, no more; a file is opened once for a connection, so it is one
file from the first byte to the last whatever happens to its name; what follows a piece is what the
follower says it lacks. A snapshot that does not join this journal is not sent.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from oms import bounds
from oms.replication.errors import Report
from oms.replication.journal import DiskJournal
from oms.replication.port import SnapshotSource
from oms.replication.raft_messages import InstallReply, InstallSnapshot
from oms.replication.raft_transport import RaftTransport, RankedNode

AGAIN_S: Final = 1.0  # a piece without answer is repeated; what failed is begun again
PAUSE_S: Final = 0.2  # after an answer that is no progress
_SAY_AGAIN_S: Final = 10.0


@dataclass(slots=True)
class _Sending:
    term: int
    log_index: int
    log_term: int
    fd: int
    file_bytes: int
    offset: int = 0


class SnapshotSender:
    """Snapshots on their way to followers."""

    def __init__(
        self,
        transport: RaftTransport,
        journal: DiskJournal,
        source: SnapshotSource | None,
        *,
        report: Report,
        on_fatal: Callable[[str, str], NoReturn],
    ) -> None:
        self._transport = transport
        self._journal = journal
        self._source = source
        self._report = report
        self._on_fatal = on_fatal
        self._sendings: dict[str, _Sending] = {}
        self._not_before_s: dict[str, float] = {}
        self._say_again_s = 0.0

    def send(self, peer: RankedNode, now: float, *, term: int) -> None:
        """The next piece, unless one is on its way."""
        if now < self._not_before_s.get(peer.node_id, 0.0):
            return
        sending = self._sendings.get(peer.node_id)
        if sending is None or sending.term != term:
            sending = self._begin(peer.node_id, now, term)
            if sending is None:
                return
        data = self._read(sending)
        message = InstallSnapshot(
            term, sending.log_index, sending.log_term, sending.file_bytes, sending.offset, data
        )
        self._transport.send(peer, message)
        self._not_before_s[peer.node_id] = now + AGAIN_S

    def on_reply(self, peer: RankedNode, reply: InstallReply, now: float) -> None:
        """The follower says where its copy ends."""
        sending = self._sendings.get(peer.node_id)
        if sending is None or reply.log_index != sending.log_index:
            return
        if not reply.is_done and 0 < reply.next_offset < sending.file_bytes:
            is_progress = reply.next_offset > sending.offset
            sending.offset = reply.next_offset
            self._not_before_s[peer.node_id] = now if is_progress else now + PAUSE_S
            return
        self.drop(peer)
        if not reply.is_done:  # the copy was lost, or was not good: begin again
            self._not_before_s[peer.node_id] = now + AGAIN_S

    def drop(self, peer: RankedNode) -> None:
        """`peer` needs no snapshot (any more), or is gone: its copy stays where it ended."""
        self._not_before_s.pop(peer.node_id, None)
        sending = self._sendings.pop(peer.node_id, None)
        if sending is not None:
            os.close(sending.fd)

    def close(self) -> None:
        """Not a leader any more, or the end."""
        for sending in self._sendings.values():
            os.close(sending.fd)
        self._sendings.clear()
        self._not_before_s.clear()

    def _begin(self, peer_id: str, now: float, term: int) -> _Sending | None:
        """Open the newest snapshot; None when there is none that joins this journal."""
        older = self._sendings.pop(peer_id, None)
        if older is not None:
            os.close(older.fd)
        self._not_before_s[peer_id] = now + AGAIN_S
        offer = self._source.newest() if self._source is not None else None
        journal = self._journal
        if offer is None or not journal.base_index <= offer.log_index <= journal.last_index:
            has = f"it has one of {offer.log_index}" if offer is not None else "it has none"
            reason = f"{peer_id} needs a snapshot of {journal.base_index} or later, {has}"
            if now >= self._say_again_s:
                self._say_again_s = now + _SAY_AGAIN_S
                self._report("snapshot_missing", {"peer": peer_id, "reason": reason})
            return None
        try:
            fd = os.open(offer.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None  # removed meanwhile, because there is a newer one
        file_bytes = os.fstat(fd).st_size
        sending = _Sending(term, offer.log_index, journal.term_at(offer.log_index), fd, file_bytes)
        self._sendings[peer_id] = sending
        return sending

    def _read(self, sending: _Sending) -> bytes:
        count = min(bounds.SNAPSHOT_CHUNK_BYTES, sending.file_bytes - sending.offset)
        try:
            data = os.pread(sending.fd, count, sending.offset)
        except OSError as error:
            self._on_fatal("snapshot_io_error", str(error))
        if len(data) != count or not data:
            self._on_fatal("snapshot_damaged", f"snapshot {sending.log_index} became shorter")
        return data
