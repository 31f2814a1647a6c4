"""Closed loops against one server: so many requests in flight, one begun for each that ends.

Called by etcd.py. One process, one thread, one select: the client costs the measured servers as
little of their cores as it can, and its own share is reported. What began in the warm-up is not
counted. Units: seconds in, microseconds out.
"""

import select
import time
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from oms.local.venue import LocalVenue
from oms.replay.flow import Flow
from oms.replay.stream import SessionStream
from perf.figures import quantiles
from perf.peers.grpc_wire import CallFailed, Channel, field_bytes

GIVE_UP_S: Final = 30.0
WAIT_S: Final = 0.1


class Measured(msgspec.Struct):
    """One system at one concurrency."""

    per_s: float
    latency_us: dict[str, float]
    client_cpu_share: float | None  # of one core; None: the client is part of the leader


def put_loop(
    channels: Sequence[Channel], messages: Sequence[bytes], concurrency: int, warm_up_s: float,
    seconds: float,
) -> Measured:  # fmt: skip
    """Unary calls, spread evenly over the connections. Raises: CallFailed, OSError."""
    used = channels[:concurrency]
    by_socket = {channel.socket: channel for channel in used}
    began: dict[tuple[int, int], float] = {}  # descriptor, stream
    latencies_us: list[float] = []
    number = 0
    counted_from_s = time.perf_counter() + warm_up_s
    end_s = counted_from_s + seconds
    cpu_s = -1.0

    def begin(channel: Channel) -> None:
        nonlocal number
        stream = channel.call(messages[number % len(messages)])
        if stream is None:
            raise CallFailed("the server's flow control allows less than this concurrency")
        began[channel.socket.fileno(), stream] = time.perf_counter()
        number += 1

    for place in range(concurrency):
        begin(used[place % len(used)])
    for channel in used:
        channel.flush()
    while began:
        full = [channel.socket for channel in used if channel.has_unsent]
        ready, _, _ = select.select(by_socket, full, [], GIVE_UP_S)
        now_s = time.perf_counter()
        if now_s > end_s + GIVE_UP_S:
            raise CallFailed("calls without an answer")
        if cpu_s < 0 and now_s >= counted_from_s:
            cpu_s = time.process_time()
        for sock in ready:
            channel = by_socket[sock]
            for stream, _ in channel.read():
                ended_s = time.perf_counter()
                began_s = began.pop((sock.fileno(), stream))
                if counted_from_s <= began_s and ended_s <= end_s:
                    latencies_us.append((ended_s - began_s) * 1e6)
                if ended_s < end_s:
                    begin(channel)
        for channel in used:
            channel.flush()
    cpu_share = round((time.process_time() - cpu_s) / (time.perf_counter() - counted_from_s), 3)
    return Measured(round(len(latencies_us) / seconds, 1), quantiles(latencies_us), cpu_share)


def put_message(key: bytes, value: bytes) -> bytes:
    """A PutRequest of etcd."""
    return field_bytes(1, key) + field_bytes(2, value)


def order_loop(
    venue: LocalVenue, user: str, password: str, flow: Flow, concurrency: int, warm_up_s: float,
    seconds: float,
) -> Measured:  # fmt: skip
    """Orders over TCP to their acceptances, through one session. Raises: ClientError."""
    # The stream writes what was "recorded" up to a time: messages get their own numbers as times.
    flow.times_ns = np.arange(len(flow.ordinals), dtype=np.int64)
    stream = SessionStream(venue.gateway_addresses[0], user, password, flow)
    try:
        stream.log_in()
        stream.start()
        counted_from_ns = time.monotonic_ns() + round(warm_up_s * 1e9)
        end_ns = counted_from_ns + round(seconds * 1e9)
        cpu_s = -1.0
        while (now_ns := time.monotonic_ns()) < end_ns:
            if cpu_s < 0 and now_ns >= counted_from_ns:
                cpu_s = time.process_time()
            stream.write(stream.tally.done_count + concurrency - 1, now_ns)
            ready, _, _ = select.select([stream.socket], [], [], WAIT_S)
            if ready:
                stream.read(time.monotonic_ns())
            if stream.next_time_ns is None:
                raise CallFailed("more orders were answered than had been prepared")
        cpu_share = round((time.process_time() - cpu_s) / seconds, 3)
        return Measured(*_counted(stream, counted_from_ns, end_ns, seconds), cpu_share)
    finally:
        stream.close()


def _counted(
    stream: SessionStream, from_ns: int, end_ns: int, seconds: float
) -> tuple[float, dict[str, float]]:
    """Rate and latency of orders that were written and answered between the two times."""
    latencies_us: list[float] = []
    marks = iter(stream.marks)
    count, written_ns = next(marks)
    messages = stream.flow.message_of_order
    for message, answered_ns in zip(messages, stream.tally.answered_ns, strict=True):
        if not answered_ns:
            break
        while count <= message:
            count, written_ns = next(marks)
        if written_ns >= from_ns and answered_ns <= end_ns:
            latencies_us.append((answered_ns - written_ns) / 1e3)
    return round(len(latencies_us) / seconds, 1), quantiles(latencies_us)
