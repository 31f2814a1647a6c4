"""One authenticated link between two nodes, without its socket: bytes in, messages out.

Called by raft_transport.py. Both ends prove that they hold the cluster key and say who they are
before either accepts a message; then each direction has its own key, and every frame its number
and its MAC. Promises: a frame that was changed, repeated, left out, reordered, or meant for another
connection ends the link (LinkError). Nothing is decoded before its MAC was checked.

Frame, little endian: 0 u32 length of all that follows   4 u64 number (from 1)   12 u64 cluster_id
20 u64 sender's term   28 u32 its trading date   32 body, then 16 bytes MAC: blake2b(key of the
direction, everything before). During the handshake a frame is 0 u32 length   4 u64 number 0
12 body, without MAC; docs/protocols/raft_link.md has the bodies.
"""

import hmac
import struct
from hashlib import blake2b
from typing import Final

from oms import bounds

PROTOCOL_VERSION: Final = 2
KEY_BYTES_MIN: Final = 32
NONCE_BYTES: Final = 16
MAC_BYTES: Final = 16
PROOF_BYTES: Final = 32
HANDSHAKE_BYTES_MAX: Final = 256
FRAME_HEAD: Final = struct.Struct("<IQ")
_NUMBER_BYTES: Final = 8
SEALED_HEAD: Final = struct.Struct("<IQQQI")  # length, number, cluster_id, term, trading date
_SEAL_BYTES: Final = SEALED_HEAD.size - 4 + MAC_BYTES  # what the length counts beside the body
# magic, version, cluster_id, from, to, hash of all members' ids, nonce
_HELLO: Final = struct.Struct("<4sIQ16s16s16s16s")
_HELLO_MAGIC: Final = b"QRFT"
_DIALER: Final = b"quorate raft dialer"
_ACCEPTOR: Final = b"quorate raft acceptor"


class LinkError(Exception):
    """The other end broke the protocol, or is not who it must be. The link is closed."""


class RaftSession:
    """Handshake and sealing of one connection."""

    def __init__(
        self,
        *,
        cluster_id: int,
        key: bytes,
        own_id: str,
        members: frozenset[str],
        dials: str | None,
        nonce: bytes,
    ) -> None:
        """`members` are all nodes, this one included; lower ids dial. `dials` is the node this end
        connects to, None for an accepted connection.
        """
        self._cluster_id = cluster_id
        self._key = key
        self._own_id = own_id
        self._members = members_hash(members)
        lower = frozenset(member for member in members if member < own_id)
        self._allowed = lower if dials is None else frozenset({dials})
        self._dials = dials
        self._nonce = nonce
        self._transcript = b""
        self._hello_sent = b""
        self._seal_key = b""
        self._open_key = b""
        self._sent = 0
        self._received = 0
        self._step = 0
        self.peer_id: str | None = None  # known once the handshake is through

    @property
    def is_open(self) -> bool:
        """Both ends have proved themselves."""
        return self.peer_id is not None

    @property
    def frame_bytes_max(self) -> int:
        """Longest frame this end accepts now."""
        return bounds.RAFT_FRAME_BYTES_MAX if self.is_open else HANDSHAKE_BYTES_MAX

    def start(self) -> bytes:
        """What the dialer sends first."""
        if self._dials is None:
            return b""
        self._hello_sent = self._hello(self._dials)
        return _plain_frame(self._hello_sent)

    def handshake(self, body: bytes) -> bytes:
        """Take the other end's next handshake frame; returns what to send. Raises: LinkError."""
        self._step += 1
        if self._dials is not None:
            return self._dialer_step(body)
        return self._acceptor_step(body)

    def seal(self, body: bytes, *, term: int, trading_date: int) -> tuple[bytes, bytes]:
        """Head and MAC to put round a message."""
        self._sent += 1
        head = SEALED_HEAD.pack(
            _SEAL_BYTES + len(body), self._sent, self._cluster_id, term, trading_date
        )
        mac = blake2b(head, key=self._seal_key, digest_size=MAC_BYTES)
        mac.update(body)
        return head, mac.digest()

    def open(self, frame: memoryview) -> tuple[memoryview, int]:
        """The message in a frame (head included), and its sender's trading date.

        Raises: LinkError.
        """
        if len(frame) < SEALED_HEAD.size + MAC_BYTES:
            raise LinkError("frame shorter than its seal")
        _, number, cluster, _, trading_date = SEALED_HEAD.unpack_from(frame)
        mac = blake2b(frame[:-MAC_BYTES], key=self._open_key, digest_size=MAC_BYTES).digest()
        if not hmac.compare_digest(mac, frame[-MAC_BYTES:]):
            raise LinkError("wrong MAC")
        if number != self._received + 1:
            raise LinkError(f"frame {number} after {self._received}")
        if cluster != self._cluster_id:
            raise LinkError(f"frame of cluster {cluster:016x}, this is {self._cluster_id:016x}")
        self._received = number
        return frame[SEALED_HEAD.size : -MAC_BYTES], trading_date

    # --- inside ---

    def _hello(self, to: str) -> bytes:
        return _HELLO.pack(
            _HELLO_MAGIC, PROTOCOL_VERSION, self._cluster_id, self._own_id.encode(), to.encode(),
            self._members, self._nonce,
        )  # fmt: skip

    def _dialer_step(self, body: bytes) -> bytes:
        """Step 1: the acceptor's hello and proof arrive; the dialer's proof goes out."""
        if self._step != 1 or len(body) != _HELLO.size + PROOF_BYTES:
            raise LinkError("unexpected handshake frame")
        hello, proof = body[: _HELLO.size], body[_HELLO.size :]
        peer = self._check_hello(hello)
        if peer != self._dials:
            raise LinkError(f"dialed {self._dials}, {peer} answers")
        self._transcript = self._hello_sent + hello
        self._check_proof(_ACCEPTOR, proof)
        self._derive(seal=_DIALER, opened=_ACCEPTOR)
        self.peer_id = peer
        return _plain_frame(self._proof(_DIALER))

    def _acceptor_step(self, body: bytes) -> bytes:
        """Step 1: the dialer's hello; answer with ours and a proof. Step 2: its proof."""
        if self._step == 1:
            self._claimed = self._check_hello(body)
            answer = self._hello(self._claimed)
            self._transcript = body + answer
            return _plain_frame(answer + self._proof(_ACCEPTOR))
        if self._step != 2:
            raise LinkError("unexpected handshake frame")
        self._check_proof(_DIALER, body)
        self._derive(seal=_ACCEPTOR, opened=_DIALER)
        self.peer_id = self._claimed
        return b""

    def _check_hello(self, hello: bytes) -> str:
        if len(hello) != _HELLO.size:
            raise LinkError("unexpected handshake frame")
        magic, version, cluster, source, target, members, _ = _HELLO.unpack(hello)
        if magic != _HELLO_MAGIC or version != PROTOCOL_VERSION:
            raise LinkError(f"not this protocol, or version {version}")
        if cluster != self._cluster_id:
            raise LinkError(f"cluster {cluster:016x}, this is {self._cluster_id:016x}")
        if target.rstrip(b"\0") != self._own_id.encode():
            raise LinkError(f"meant for another node than {self._own_id}")
        peer = source.rstrip(b"\0").decode("ascii", "replace")
        if peer not in self._allowed:
            raise LinkError(f"node {peer!r} may not connect here")
        if members != self._members:
            raise LinkError(f"node {peer} has another list of nodes")
        return str(peer)

    def _proof(self, role: bytes) -> bytes:
        return hmac.digest(self._key, b"proof" + role + self._transcript, "sha256")

    def _check_proof(self, role: bytes, proof: bytes) -> None:
        if not hmac.compare_digest(self._proof(role), proof):
            raise LinkError("does not hold the cluster key")

    def _derive(self, *, seal: bytes, opened: bytes) -> None:
        self._seal_key = hmac.digest(self._key, b"frames" + seal + self._transcript, "sha256")
        self._open_key = hmac.digest(self._key, b"frames" + opened + self._transcript, "sha256")


def members_hash(members: frozenset[str]) -> bytes:
    """16 bytes that two nodes have in common if they have the same list of nodes."""
    return blake2b("\n".join(sorted(members)).encode(), digest_size=16).digest()


def _plain_frame(body: bytes) -> bytes:
    return FRAME_HEAD.pack(_NUMBER_BYTES + len(body), 0) + body
