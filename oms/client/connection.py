"""The client's side of one SoupBinTCP session, over any number of TCP connections; no IO.

Called by `session.py` (orders on top of it) and by `oms.replay` (which brings its own, faster
book-keeping). Bytes in, sequenced frames out; `login`, `send` and `tick` return the bytes to
write. It promises: the sequence number is counted here and nowhere else, a login after a lost
connection asks for exactly the next message, and a server that is silent for `silent_ns` is
noticed: the protocol has it say something every second.

Time is an argument: `now_ns`, monotonic.
"""

from enum import IntEnum, unique
from typing import Final

from oms.bounds import CLIENT_HEARTBEAT_NS, SERVER_SILENT_NS
from oms.client.errors import LoginRejected
from oms.wire import soupbin
from oms.wire.errors import ProtocolError

_SEQUENCED: Final = soupbin.SEQUENCED


@unique
class Link(IntEnum):
    """State of the TCP connection, as this session sees it."""

    DOWN = 0
    LOGIN_SENT = 1
    UP = 2
    ENDED = 3  # the venue said: nothing will ever follow in this session


class Connection:
    """Login, heartbeats and numbering. Shape: one per session, for its whole life."""

    def __init__(
        self,
        user: str,
        password: str,
        *,
        session: bytes = b"",
        next_seq: int = 1,
        silent_ns: int = SERVER_SILENT_NS,
    ) -> None:
        self._user = user.encode("ascii")
        self._password = password.encode("ascii")
        self.session = session
        self.next_seq = next_seq  # number of the next sequenced message to come
        self.link = Link.DOWN
        self._splitter = soupbin.FrameSplitter()
        self._silent_ns = silent_ns
        self._sent_ns = 0
        self._heard_ns = 0

    def renewed(self, session: bytes, next_seq: int) -> "Connection":
        """Another one for the same user, logged out."""
        other = Connection("", "", session=session, next_seq=next_seq, silent_ns=self._silent_ns)
        other._user, other._password = self._user, self._password
        return other

    def login(self, now_ns: int) -> bytes:
        """A fresh TCP connection stands: the login to write, asking for the next message."""
        self._splitter = soupbin.FrameSplitter()
        self.link = Link.LOGIN_SENT
        self._sent_ns = self._heard_ns = now_ns
        return soupbin.login_request(
            soupbin.LoginRequest(
                user=self._user,
                password=self._password,
                session=self.session,
                sequence=self.next_seq,
            )
        )

    def lost(self) -> None:
        """The TCP connection is gone."""
        if self.link is not Link.ENDED:
            self.link = Link.DOWN

    def sent(self, now_ns: int) -> None:
        """Something was written, which counts as a heartbeat."""
        self._sent_ns = now_ns

    def receive(self, data: bytes, now_ns: int) -> list[bytes]:
        """The sequenced frames in `data`, each with its leading `S`, in order.

        Raises: ProtocolError (close the connection), LoginRejected.
        """
        self._heard_ns = now_ns
        frames = []
        for frame in self._splitter.feed(data):
            if frame[0] == _SEQUENCED and self.link is Link.UP:
                frames.append(frame)
            else:
                self._receive_other(frame)
        self.next_seq += len(frames)
        return frames

    def tick(self, now_ns: int) -> bytes:
        """A heartbeat when one is due, else nothing."""
        if self.link is Link.UP and now_ns - self._sent_ns >= CLIENT_HEARTBEAT_NS:
            self._sent_ns = now_ns
            return soupbin.CLIENT_HEARTBEAT_PACKET
        return b""

    def is_silent(self, now_ns: int) -> bool:
        """Whether the server has said nothing, or not answered a login, for too long."""
        return self.link is not Link.DOWN and now_ns - self._heard_ns >= self._silent_ns

    def _receive_other(self, frame: bytes) -> None:
        packet_type = frame[0]
        if packet_type in (soupbin.SERVER_HEARTBEAT, soupbin.DEBUG):
            return
        if packet_type == soupbin.LOGIN_ACCEPTED and self.link is Link.LOGIN_SENT:
            accepted = soupbin.parse_login_accepted(frame)
            if self.next_seq not in (0, accepted.sequence):
                reason = f"asked for message {self.next_seq}, offered {accepted.sequence}"
                raise ProtocolError(11, reason)
            self.session = accepted.session
            self.next_seq = accepted.sequence
            self.link = Link.UP
        elif packet_type == soupbin.LOGIN_REJECTED and self.link is Link.LOGIN_SENT:
            self.link = Link.DOWN
            raise LoginRejected(soupbin.parse_login_rejected(frame))
        elif packet_type == soupbin.END_OF_SESSION and self.link is Link.UP:
            self.link = Link.ENDED
        else:
            state = self.link.name
            raise ProtocolError(0, f"packet {chr(packet_type)!r} is not allowed in state {state}")
