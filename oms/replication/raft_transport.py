"""PySyncObj's Transport over our own links: framed TCP, authenticated both ways, never blocking.

Called by raft_rules.py from the node's loop. Of each pair of nodes the one with the lower id dials,
so a pair has one connection; a newer authenticated one replaces the older, which is never read
again. Promises: a closed connection is reported the moment the kernel knows; what was not sent by
then is gone and the caller is told; no buffer grows past its bound (the link is dropped instead).
"""

import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec
from pysyncobj.node import Node
from pysyncobj.transport import Transport

from oms import bounds
from oms.config import SettingsError
from oms.replication.errors import Report
from oms.replication.journal_format import NODE_ID_BYTES_MAX
from oms.replication.raft_messages import Message, RequestVote, Vote, decode, encode
from oms.replication.raft_session import (
    FRAME_HEAD,
    KEY_BYTES_MIN,
    NONCE_BYTES,
    LinkError,
    RaftSession,
)
from oms.replication.raft_sockets import dial, has_failed, listen, parse, prepare
from oms.replication.standing import Standing

_RECV_BYTES: Final = 256 << 10
_RECV_TURNS: Final = 8  # reads of one socket before the others get theirs
_RETRY_FIRST_S: Final = 0.02
_RETRY_MAX_S: Final = 0.2
_HANDSHAKE_S: Final = 2.0
_STRANGERS_MAX: Final = 16  # accepted connections that have not proved themselves yet
_LOG_AGAIN_S: Final = 10.0
_LENGTH_BYTES: Final = 4


class RankedNode(Node):  # type: ignore[misc]  # the library has no type information
    """A member of the cluster; hashes by rank, so that sets of nodes have one order everywhere."""

    def __init__(self, node_id: str, rank: int) -> None:
        super().__init__(node_id)
        self.rank = rank

    @property
    def node_id(self) -> str:
        """The member's name."""
        return str(self.id)

    def __eq__(self, other: object) -> bool:
        """Alike by name."""
        return isinstance(other, RankedNode) and self.node_id == other.node_id

    def __hash__(self) -> int:
        """The rank: independent of the process's hash seed."""
        return self.rank


class _Link:
    """One TCP connection and what waits on either side of it."""

    def __init__(self, sock: socket.socket, session: RaftSession, dials: str | None) -> None:
        self.sock = sock
        self.session = session
        self.dials = dials
        self.is_connecting = dials is not None
        self.deadline_s = 0.0  # of the handshake
        self.buffer = bytearray()
        self.unsent: deque[bytes | memoryview] = deque()
        self.unsent_bytes = 0


class RaftTransport(Transport):  # type: ignore[misc]  # the library has no type information
    """All links of one node."""

    def __init__(
        self,
        node: RankedNode,
        peers: list[RankedNode],
        addresses: dict[str, str],
        *,
        cluster_id: int,
        key: bytes,
        clock: Callable[[], float],
        report: Report,
        standing: Standing,
    ) -> None:
        """Bind and listen. Raises: SettingsError (ids, key or address cannot be used)."""
        super().__init__(None, node, peers)
        _check_ids(addresses)
        if len(key) < KEY_BYTES_MIN:
            raise SettingsError(
                what="cannot use the cluster key",
                why=f"it has {len(key)} bytes, {KEY_BYTES_MIN} are needed",
                do="make new keys for all nodes",
                read="docs/operating.md, When something does not start",
            )
        self._node = node
        self._peers = {peer.node_id: peer for peer in peers}
        self._addresses = {name: parse(address) for name, address in addresses.items()}
        self._cluster_id = cluster_id
        self._key = key
        self._clock = clock
        self._report = report
        self._standing = standing
        self._members = frozenset(addresses)
        self._links: dict[str, _Link] = {}  # open ones, by peer
        self._by_fd: dict[int, _Link] = {}  # all of them
        self._retry_at_s = {peer: 0.0 for peer in self._peers if node.node_id < peer}
        self._back_off_s = dict.fromkeys(self._retry_at_s, _RETRY_FIRST_S)
        self._scratch = bytearray(_RECV_BYTES)
        self._is_closed = False
        self._log_again_s = 0.0
        self.refusals: deque[str] = deque(maxlen=64)  # newest last, for status and tests
        self._listener = listen(self._addresses[node.node_id])

    # --- what PySyncObj calls ---

    def send(self, node: RankedNode, message: dict[str, str | int] | Message) -> bool:
        """Queue or send one message; False when there is no link to `node`."""
        link = self._links.get(node.node_id)
        if link is None:
            return False
        if isinstance(message, dict):
            message = _from_library(message)
        body = encode(message)
        standing = self._standing
        head, mac = link.session.seal(body, term=standing.term, trading_date=standing.trading_date)
        self._put(link, (head, body, mac))
        return self._links.get(node.node_id) is link

    def destroy(self) -> None:
        """Close every descriptor; nobody is told."""
        self._is_closed = True
        for link in list(self._by_fd.values()):
            link.sock.close()
        self._by_fd.clear()
        self._links.clear()
        self._listener.close()

    # --- what raft_log.py and raft_rules.py call ---

    def unsent_bytes(self, node: RankedNode) -> int:
        """Bytes that wait for `node`'s socket."""
        link = self._links.get(node.node_id)
        return link.unsent_bytes if link is not None else 0

    def is_connected(self, node: RankedNode) -> bool:
        """Whether both ends of a link to `node` have proved themselves."""
        return node.node_id in self._links

    def fds(self) -> list[tuple[int, bool, bool]]:
        """Descriptors to poll: (fd, want_read, want_write)."""
        result = [(self._listener.fileno(), len(self._by_fd) < self._links_max, False)]
        for fd, link in self._by_fd.items():
            result.append((fd, not link.is_connecting, link.is_connecting or bool(link.unsent)))
        return result

    def on_ready(self, fd: int, *, readable: bool, writable: bool) -> None:
        """Read, write, accept or finish connecting; unknown descriptors are ignored."""
        if self._is_closed:
            return
        if fd == self._listener.fileno():
            self._accept()
            return
        link = self._by_fd.get(fd)
        if link is None:
            return
        if link.is_connecting:
            if readable or writable:
                self._connected(link)
            return
        if writable and link.unsent:
            self._flush(link)
        if readable and self._by_fd.get(fd) is link:
            self._read(link)

    def tick(self) -> None:
        """Dial who should be dialed, give up handshakes that hang."""
        now = self._clock()
        for peer, retry_at_s in self._retry_at_s.items():
            if now >= retry_at_s and not self._is_dialing(peer):
                self._dial(peer, now)
        for link in list(self._by_fd.values()):
            if not link.session.is_open and now >= link.deadline_s:
                self._refuse(link, "handshake took too long")

    def next_deadline_s(self) -> float:
        """When `tick` has something to do, on the caller's clock."""
        deadlines = [at for peer, at in self._retry_at_s.items() if not self._is_dialing(peer)]
        deadlines += [x.deadline_s for x in self._by_fd.values() if not x.session.is_open]
        return min(deadlines, default=float("inf"))

    def drain(self) -> None:
        """Take in what has already arrived, before anybody judges a silence."""
        for fd, link in list(self._by_fd.items()):
            if not link.is_connecting and self._by_fd.get(fd) is link:
                self._read(link)

    # --- connecting ---

    @property
    def _links_max(self) -> int:
        return 2 * len(self._peers) + _STRANGERS_MAX

    def _is_dialing(self, peer: str) -> bool:
        if peer in self._links:
            return True
        return any(link.dials == peer for link in self._by_fd.values())

    def _session(self, dials: str | None) -> RaftSession:
        return RaftSession(
            cluster_id=self._cluster_id,
            key=self._key,
            own_id=self._node.node_id,
            members=self._members,
            dials=dials,
            nonce=os.urandom(NONCE_BYTES),
        )

    def _dial(self, peer: str, now: float) -> None:
        self._retry_at_s[peer] = now + self._back_off_s[peer]
        self._back_off_s[peer] = min(2 * self._back_off_s[peer], _RETRY_MAX_S)
        sock = dial(self._addresses[peer])
        if sock is None:
            return
        link = _Link(sock, self._session(peer), peer)
        link.deadline_s = now + _HANDSHAKE_S
        self._by_fd[sock.fileno()] = link

    def _connected(self, link: _Link) -> None:
        if has_failed(link.sock):
            self._forget(link)
            return
        link.is_connecting = False
        self._put(link, (link.session.start(),))

    def _accept(self) -> None:
        while len(self._by_fd) < self._links_max:
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            prepare(sock)
            link = _Link(sock, self._session(None), None)
            link.deadline_s = self._clock() + _HANDSHAKE_S
            self._by_fd[sock.fileno()] = link

    def _opened(self, link: _Link) -> None:
        """The handshake is through: this link replaces an older one to the same peer."""
        peer_id = link.session.peer_id
        if peer_id is None:
            return
        older = self._links.get(peer_id)
        if older is not None:
            self._close(older, "replaced by a newer connection")
        self._links[peer_id] = link
        if peer_id in self._back_off_s:
            self._back_off_s[peer_id] = _RETRY_FIRST_S
        self._onNodeConnected(self._peers[peer_id])

    # --- reading ---

    def _read(self, link: _Link) -> None:
        for _ in range(_RECV_TURNS):
            try:
                count = link.sock.recv_into(self._scratch)
            except BlockingIOError:
                return
            except OSError as error:
                self._close(link, error.strerror or str(error))
                return
            if not count:
                self._close(link, "closed by the other end")
                return
            link.buffer += memoryview(self._scratch)[:count]
            try:
                self._frames(link)
            except LinkError as error:
                self._refuse(link, str(error))
                return
            if link.sock.fileno() < 0 or count < _RECV_BYTES:
                return

    def _frames(self, link: _Link) -> None:
        buffer, start = link.buffer, 0
        view = memoryview(buffer)
        try:
            while len(buffer) - start >= FRAME_HEAD.size:
                length, number = FRAME_HEAD.unpack_from(buffer, start)
                if not FRAME_HEAD.size - _LENGTH_BYTES <= length <= link.session.frame_bytes_max:
                    raise LinkError(f"frame of {length} bytes")
                end = start + _LENGTH_BYTES + length
                if end > len(buffer):
                    break
                self._frame(link, view[start:end], number)
                start = end
                if link.sock.fileno() < 0:
                    return
        finally:
            view.release()
        del buffer[:start]

    def _frame(self, link: _Link, frame: memoryview, number: int) -> None:
        if not link.session.is_open:
            if number:
                raise LinkError("a sealed frame before the handshake is through")
            answer = link.session.handshake(bytes(frame[FRAME_HEAD.size :]))
            if answer:
                self._put(link, (answer,))
            if link.session.peer_id is not None:
                self._opened(link)
            return
        body, trading_date = link.session.open(frame)
        try:
            message = decode(body)
        except msgspec.DecodeError as error:
            raise LinkError(str(error)) from None
        finally:
            body.release()  # whoever keeps this frame alive must not keep the buffer from shrinking
            frame.release()
        peer_id = link.session.peer_id
        if peer_id is not None and self._links.get(peer_id) is link:
            self._standing.heard(peer_id, trading_date)
            self._onMessageReceived(self._peers[peer_id], message)

    # --- writing ---

    def _put(self, link: _Link, parts: tuple[bytes, ...]) -> None:
        size = sum(map(len, parts))
        if not link.unsent:
            try:
                sent = link.sock.sendmsg(parts)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._close(link, error.strerror or str(error))
                return
            if sent == size:
                return
            for part in parts:
                if sent >= len(part):
                    sent -= len(part)
                else:
                    link.unsent.append(memoryview(part)[sent:])
                    link.unsent_bytes += len(part) - sent
                    sent = 0
            return
        if link.unsent_bytes + size > bounds.RAFT_SEND_BUFFER_BYTES_MAX:
            self._close(link, "the other end does not read")
            return
        link.unsent.extend(parts)
        link.unsent_bytes += size

    def _flush(self, link: _Link) -> None:
        while link.unsent:
            try:
                sent = link.sock.send(link.unsent[0])
            except BlockingIOError:
                return
            except OSError as error:
                self._close(link, error.strerror or str(error))
                return
            link.unsent_bytes -= sent
            part = link.unsent.popleft()
            if sent < len(part):
                link.unsent.appendleft(memoryview(part)[sent:])
                return

    # --- ending ---

    def _refuse(self, link: _Link, reason: str) -> None:
        """The other end is wrong, not merely gone: say so."""
        name = link.session.peer_id or link.dials or "a stranger"
        text, now = f"{name}: {reason}", self._clock()
        if text not in self.refusals or now >= self._log_again_s:
            self._log_again_s = now + _LOG_AGAIN_S  # a peer with a wrong key tries all the time
            self._report("raft_link_refused", {"peer": name, "reason": reason})
        self.refusals.append(text)
        self._close(link, reason)

    def _close(self, link: _Link, reason: str) -> None:
        peer_id = link.session.peer_id
        was_open = peer_id is not None and self._links.get(peer_id) is link
        self._forget(link)
        if was_open and peer_id is not None:
            del self._links[peer_id]
            if peer_id in self._retry_at_s:
                self._retry_at_s[peer_id] = self._clock() + _RETRY_FIRST_S
            self._report("raft_link_lost", {"peer": peer_id, "reason": reason})
            self._onNodeDisconnected(self._peers[peer_id])

    def _forget(self, link: _Link) -> None:
        self._by_fd.pop(link.sock.fileno(), None)
        link.sock.close()
        link.unsent.clear()
        link.unsent_bytes = 0


def _from_library(message: dict[str, str | int]) -> Message:
    """The two messages the library makes itself; anything else must not leave this node."""
    kind, term = message["type"], int(message["term"])
    if kind == "request_vote":
        last = int(message["last_log_index"]), int(message["last_log_term"])
        return RequestVote(term, *last)
    if kind == "response_vote":
        return Vote(term)
    raise LinkError(f"the library tried to send {kind!r}")


def _check_ids(addresses: dict[str, str]) -> None:
    wrong = [n for n in addresses if not n.isascii() or not 0 < len(n) <= NODE_ID_BYTES_MAX]
    if wrong:
        raise SettingsError(
            what="cannot use the list of nodes",
            why=f"{wrong}: an id has 1 to {NODE_ID_BYTES_MAX} ASCII characters",
            do="correct the node file",
            read="docs/operating.md, When something does not start",
        )
