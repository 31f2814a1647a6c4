"""What a replay measured, as JSON for machines and as text for people.

Called by the runner and the verb. Plain data. The JSON keys are a contract with whoever compares
runs: they are not renamed, and nothing is added to them.
"""

import msgspec


class NodeState(msgspec.Struct, frozen=True):
    """Where one node stands at the end. All nodes of a sound venue agree."""

    id: str
    log_index: int
    digest: str


class AckLatency(msgspec.Struct, frozen=True):
    """Order to acceptance as the client saw it. Units: microseconds, rounded up."""

    p50: int
    p90: int
    p99: int
    p999: int
    max: int


class ReplayReport(msgspec.Struct, frozen=True):
    """The figures of a whole run, all repeats together."""

    messages: int  # orders and cancels sent
    orders: int  # accepted
    cancels: int  # sent, reductions included
    trades: int
    volume: int  # shares traded
    orders_per_s: float  # accepted orders over the whole time, first write to last outcome
    ack_us: AckLatency
    executions_known: int
    executions_exact: int
    nodes: list[NodeState]


class ReplayResult(msgspec.Struct, frozen=True):
    """The report, and what decides whether the run was sound."""

    report: ReplayReport
    duration_s: float
    reject_reasons: dict[int, int]  # OUCH code -> orders
    exact_of_repeat: list[int]
    known_of_repeat: int

    @property
    def is_converged(self) -> bool:
        """Whether all nodes (that were asked) have one digest at one index."""
        nodes = self.report.nodes
        return len({(node.log_index, node.digest) for node in nodes}) <= 1


def to_json(report: ReplayReport) -> str:
    """One line of JSON."""
    return msgspec.json.encode(report).decode()


def to_text(result: ReplayResult, reject_text: dict[int, str]) -> list[str]:
    """Lines for a terminal."""
    report = result.report
    ack = report.ack_us
    share = report.executions_exact / report.executions_known if report.executions_known else 1.0
    sent = f"{report.messages:,} messages: {report.orders:,} orders accepted"
    slow = f"p99 {ack.p99:,} us, p99.9 {ack.p999:,} us, max {ack.max:,} us"
    exact = f"{report.executions_exact:,} of {report.executions_known:,} known ones"
    lines = [
        f"sent        {sent}, {report.cancels:,} cancels",
        f"traded      {report.trades:,} trades, {report.volume:,} shares",
        f"rate        {report.orders_per_s:,.0f} accepted orders/s over {result.duration_s:.1f} s",
        f"acceptance  p50 {ack.p50:,} us, p90 {ack.p90:,} us, {slow}",
        f"executions  {exact} reproduced exactly ({share:.2%})",
    ]
    lines += [
        f"rejected    {count:,} orders: {reject_text[code]}"
        for code, count in sorted(result.reject_reasons.items())
    ]
    lines += [
        f"node {node.id:<6} log index {node.log_index:,}  digest {node.digest}"
        for node in report.nodes
    ]
    if len(report.nodes) > 1:
        verdict = "one digest at one index" if result.is_converged else "THE NODES DIFFER"
        lines.append(f"nodes       {verdict}")
    return lines
