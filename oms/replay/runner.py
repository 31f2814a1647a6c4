"""Runs a replay: flows into sessions, outcomes into a report.

Called by the verb `oms replay` and by tests. One thread, one `select`. Before a repeat, what the
one before left in the book is canceled, so that each starts from an empty book; these cancels are
in the time but not in the counts. It ends when every outcome is there: no message is unanswered.
"""

import select
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from oms.bounds import CLIENT_HEARTBEAT_NS
from oms.client.latency import LatencyHistogram
from oms.replay.flow import Flow, cancel_all
from oms.replay.report import AckLatency, NodeState, ReplayReport, ReplayResult
from oms.replay.stream import SessionStream
from oms.replay.tally import count_exact, count_trades

WAIT_S: Final = 0.1
GATHER_S: Final = 0.000_5
CANCEL_SLICE: Final = 1_000  # leftovers canceled between two queries
_NS: Final = 1_000_000_000


class Login(msgspec.Struct, frozen=True):
    """Who replays one flow."""

    user: str
    password: str


Progress = Callable[[int], None]  # messages certainly processed so far, all repeats


class _Counts:
    """Sums over the repeats."""

    def __init__(self) -> None:
        self.histogram = LatencyHistogram()
        self.accepted = 0
        self.trades = 0
        self.volume = 0
        self.exact: list[int] = []
        self.reject_reasons: dict[int, int] = {}

    def add(self, streams: Sequence[SessionStream]) -> None:
        """Take in one finished repeat."""
        exact = 0
        for stream in streams:
            tally = stream.tally
            executions = tally.executions()
            trades, volume = count_trades(executions)
            self.accepted += tally.accepted_count
            self.trades += trades
            self.volume += volume
            exact += count_exact(stream.flow.known, executions)
            self.histogram.record_all(stream.ack_latencies_ns())
            for reason, count in tally.reject_reasons.items():
                self.reject_reasons[reason] = self.reject_reasons.get(reason, 0) + count
        self.exact.append(exact)


def run(
    flows: Sequence[Flow],
    logins: Sequence[Login],
    address: tuple[str, int],
    *,
    repeat: int = 1,
    speed: float | None = None,
    progress: Progress | None = None,
    final_nodes: Callable[[], list[NodeState]] = list,
) -> ReplayResult:
    """Replay the flows, one per login. Raises: ClientError, ProtocolError."""
    streams: list[SessionStream] = []
    counts = _Counts()
    try:
        for flow, login in zip(flows, logins, strict=True):
            streams.append(SessionStream(address, login.user, login.password, flow))
            streams[-1].log_in()
        started_ns = ended_ns = time.monotonic_ns()
        done_before = 0
        for number in range(repeat):
            if number:
                for stream in streams:
                    _clear_book(stream)
            run_once(streams, speed=speed, progress=progress, done_before=done_before)
            ended_ns = time.monotonic_ns()
            counts.add(streams)
            done_before += sum(len(flow.ordinals) for flow in flows)
    finally:
        for stream in streams:
            stream.close()
    return _result(flows, counts, (ended_ns - started_ns) / _NS, final_nodes())


def _result(
    flows: Sequence[Flow], counts: _Counts, duration_s: float, nodes: list[NodeState]
) -> ReplayResult:
    repeats = len(counts.exact)
    known = sum(len(flow.known) for flow in flows)
    report = ReplayReport(
        messages=repeats * sum(flow.message_count for flow in flows),
        orders=counts.accepted,
        cancels=repeats * sum(flow.cancel_count for flow in flows),
        trades=counts.trades,
        volume=counts.volume,
        orders_per_s=round(counts.accepted / duration_s, 1) if duration_s else 0.0,
        ack_us=AckLatency(**counts.histogram.summary_us()),
        executions_known=known * repeats,
        executions_exact=sum(counts.exact),
        nodes=nodes,
    )
    return ReplayResult(
        report=report,
        duration_s=duration_s,
        reject_reasons=counts.reject_reasons,
        exact_of_repeat=counts.exact,
        known_of_repeat=known,
    )


def _clear_book(stream: SessionStream) -> None:
    """Cancel what the last repeat left, in slices that the venue answers one by one."""
    resting = stream.tally.resting_urns()
    for start in range(0, len(resting), CANCEL_SLICE):
        stream.settle(cancel_all(resting[start : start + CANCEL_SLICE]))


def run_once(
    streams: Sequence[SessionStream],
    *,
    speed: float | None = None,
    progress: Progress | None = None,
    done_before: int = 0,
) -> int:
    """Every flow once, until all outcomes are there; returns when it began.

    With `speed` a message is due when its recorded time has come, whatever became of earlier ones.
    Raises: ClientError, ProtocolError.
    """
    by_socket = {stream.socket: stream for stream in streams}
    for stream in streams:
        stream.start()
    started_ns = time.monotonic_ns()
    first_ns = min(int(stream.flow.times_ns[0]) for stream in streams)
    ticked_ns = started_ns
    while not all(stream.is_done for stream in streams):
        now_ns = time.monotonic_ns()
        recorded_ns = None
        if speed is not None:
            recorded_ns = first_ns + int((now_ns - started_ns) * speed)
        full = [stream.socket for stream in streams if stream.write(recorded_ns, now_ns)]
        # Not epoll: it rounds waits up to a whole millisecond, and messages are due between.
        wait_s = _wait_s(streams, recorded_ns, speed)
        readable, _, _ = select.select(by_socket, full, (), wait_s)
        if readable:
            now_ns = time.monotonic_ns()
            for ready in readable:
                by_socket[ready].read(now_ns)
        if now_ns - ticked_ns >= CLIENT_HEARTBEAT_NS // 4:
            ticked_ns = now_ns
            for stream in streams:
                stream.tick(now_ns)
            if progress is not None:
                progress(done_before + sum(stream.tally.done_count for stream in streams))
    for stream in streams:
        stream.finish()
    return started_ns


def _wait_s(
    streams: Sequence[SessionStream], recorded_ns: int | None, speed: float | None
) -> float:
    """How long nothing can become due, at most WAIT_S."""
    if recorded_ns is None or speed is None:
        return WAIT_S
    due = [stream.next_time_ns for stream in streams]
    waits = [(time_ns - recorded_ns) / speed / _NS for time_ns in due if time_ns is not None]
    return max(0.0, min([WAIT_S, *waits]))
