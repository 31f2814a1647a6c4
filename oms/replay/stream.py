"""One session of a replay: carries a flow's packets out and its stream in, over one socket.

Called by the runner, which waits for it. Login, heartbeats and numbering are the client's own
(`oms.client.connection`); packets go out of one buffer in large slices. At most
REPLAY_IN_FLIGHT_MAX messages are without outcome, and what the venue does not read stays here.
"""

import bisect
import socket
import time
from typing import Final

from oms.bounds import REPLAY_IN_FLIGHT_MAX
from oms.client.connection import Connection, Link
from oms.client.errors import ConnectionLost
from oms.client.requests import QUERY_PACKET
from oms.replay.flow import Flow
from oms.replay.tally import Tally

DIAL_S: Final = 5.0
LOGIN_S: Final = 15.0
READ_BYTES: Final = 1 << 18
SLICE_BYTES: Final = 1 << 16
_QUERY_ANSWER: Final = ord("Q")
_NEXT_URN_OFFSET: Final = 10
_NS: Final = 1_000_000_000


class SessionStream:
    """One login and the flow it is replaying."""

    def __init__(self, address: tuple[str, int], user: str, password: str, flow: Flow) -> None:
        self.flow = flow
        self.tally = Tally(flow, 1)
        self.marks: list[tuple[int, int]] = []  # messages written before this time, and the time
        self._offsets: list[int] = flow.offsets.tolist()
        self._times_ns: list[int] = flow.times_ns.tolist()
        self._connection = Connection(user, password, next_seq=0)
        self._next_urn = 0
        self._sent_bytes = 0
        self._sent_count = 0
        self._view = memoryview(b"")
        try:
            self.socket = socket.create_connection(address, DIAL_S)
        except OSError as error:
            msg = f"cannot connect to {address[0]}:{address[1]}: {error}"
            raise ConnectionLost(msg) from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_in(self) -> None:
        """Log in and ask where the UserRefNums go on. Raises: ClientError, ProtocolError."""
        self.socket.settimeout(LOGIN_S)
        self.socket.sendall(self._connection.login(time.monotonic_ns()))
        while self._connection.link is Link.LOGIN_SENT:
            self.ask_again()
        self.next_urn_from_venue()
        self.socket.setblocking(False)

    def ask_again(self) -> list[bytes]:
        """Block until something was read."""
        try:
            data = self.socket.recv(READ_BYTES)
        except TimeoutError as error:
            msg = f"the venue said nothing for {LOGIN_S} s"
            raise ConnectionLost(msg) from error
        return self._frames(data, time.monotonic_ns())

    def next_urn_from_venue(self) -> None:
        """Write an Account Query and block until it is answered."""
        self.settle(QUERY_PACKET)

    def settle(self, packets: bytes) -> None:
        """Write packets that end in a query, and block until the query is answered."""
        self.socket.settimeout(LOGIN_S)
        self.socket.sendall(packets)
        is_answered = False
        while not is_answered:
            for frame in self.ask_again():
                if frame[1] == _QUERY_ANSWER:
                    end = _NEXT_URN_OFFSET + 4
                    self._next_urn = int.from_bytes(frame[_NEXT_URN_OFFSET:end], "big")
                    is_answered = True
        self.socket.setblocking(False)

    # ---- one run of the flow

    def start(self) -> None:
        """Number the packets from where the session stands, and begin again at the first."""
        self.flow.number_from(self._next_urn)
        self.tally = Tally(self.flow, self._next_urn)
        self.marks = []
        self._sent_bytes = 0
        self._sent_count = 0
        self._view = memoryview(self.flow.buffer)

    @property
    def is_done(self) -> bool:
        """Whether every outcome is there."""
        return self.tally.is_complete

    @property
    def next_time_ns(self) -> int | None:
        """Recorded time of the next message; None when all were written."""
        times = self._times_ns
        return times[self._sent_count] if self._sent_count < len(times) else None

    @property
    def is_blocked(self) -> bool:
        """Whether the bound on messages without outcome keeps it from writing."""
        return self._sent_count - self.tally.done_count >= REPLAY_IN_FLIGHT_MAX

    def write(self, recorded_ns: int | None, now_ns: int) -> bool:
        """Write what was recorded up to `recorded_ns` (None: everything) and is within the bound.
        True when the socket takes no more.

        Raises: ConnectionLost.
        """
        times = self._times_ns
        limit = len(times)
        if recorded_ns is not None:
            limit = bisect.bisect_right(times, recorded_ns, self._sent_count)
        limit = min(limit, self.tally.done_count + REPLAY_IN_FLIGHT_MAX)
        end = self._offsets[limit]
        if self._sent_bytes >= end:
            return False
        try:
            sent = self.socket.send(self._view[self._sent_bytes : end])
        except BlockingIOError:
            return True
        except OSError as error:
            raise ConnectionLost(str(error)) from error
        self._sent_bytes += sent
        self._sent_count = (
            bisect.bisect_right(self._offsets, self._sent_bytes, self._sent_count) - 1
        )
        self.marks.append((self._sent_count, now_ns))
        self._connection.sent(now_ns)
        return self._sent_bytes < end

    def read(self, now_ns: int) -> None:
        """Take in what the socket has. Raises: ConnectionLost, ProtocolError."""
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            raise ConnectionLost(str(error)) from error
        self.tally.take(self._frames(data, now_ns), now_ns)

    def tick(self, now_ns: int) -> None:
        """Heartbeats both ways. Raises: ConnectionLost when the venue is silent."""
        if self._connection.is_silent(now_ns):
            msg = "the venue was silent for 15 s"
            raise ConnectionLost(msg)
        # Between two packets only: a heartbeat must not stand in the middle of one.
        if self._sent_bytes == self._offsets[self._sent_count]:
            heartbeat = self._connection.tick(now_ns)
            if heartbeat:
                self.socket.send(heartbeat)

    def ack_latencies_ns(self) -> list[int]:
        """Write to answer, of every order of this run that was answered."""
        latencies = []
        marks = iter(self.marks)
        count, written_ns = next(marks, (0, 0))
        for message, answered_ns in zip(
            self.flow.message_of_order, self.tally.answered_ns, strict=True
        ):
            if not answered_ns:
                continue
            while count <= message:
                count, written_ns = next(marks)
            latencies.append(answered_ns - written_ns)
        return latencies

    def finish(self) -> None:
        """The next order's UserRefNum comes behind this run's."""
        self._next_urn += self.flow.order_count

    def close(self) -> None:
        """Close the socket; the venue sees a lost connection, which loses nothing."""
        self.socket.close()

    def _frames(self, data: bytes, now_ns: int) -> list[bytes]:
        if not data:
            msg = "the venue closed the connection"
            raise ConnectionLost(msg)
        return self._connection.receive(data, now_ns)
