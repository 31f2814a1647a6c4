"""Is the cluster well? Judged from what its nodes say of themselves; no sockets here.

Called by `oms cluster status` and `health`. Digests are compared at one log index that every
answering node has applied: under load no two nodes stand at the same one.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Final

import msgspec

from oms.bounds import CLOCK_SKEW_MAX_NS
from oms.messages.link import Status

FENCED: Final = "fenced"
ROOM_LOW: Final = "low"
ROOM_RESERVE: Final = "reserve"
LAG_MAX: Final = 1_000  # entries behind the leader that are nothing to worry about


class Verdict(IntEnum):
    """The worst that is so; the values are exit codes (docs/operating.md)."""

    HEALTHY = 0
    DIFFERENT = 1  # two nodes computed different things: keep every folder
    NOT_ACCEPTING = 3  # nobody accepts orders now
    DEGRADED = 4  # orders are accepted, and something is missing


class NodeHealth(msgspec.Struct, frozen=True):
    """One node as a line of `oms cluster status`; `status` is None when it does not answer."""

    node_id: str
    status: Status | None
    lag: int | None  # entries behind the leader's commit index, None when that is not known
    digest: str  # equal, different, unknown
    complaint: str = ""


class Health(msgspec.Struct, frozen=True):
    """What to tell an operator."""

    verdict: Verdict
    reasons: list[str]
    leader_id: str | None
    compared_at: int  # log index of the digests, 0 when none were compared
    nodes: list[NodeHealth]


def index_to_compare(statuses: Mapping[str, Status | None]) -> int:
    """The highest log index that every answering node has applied; 0 when fewer than two answer."""
    indexes = [status.applied_index for status in statuses.values() if status is not None]
    return min(indexes) if len(indexes) > 1 else 0


def judge(
    statuses: Mapping[str, Status | None],
    digests: Mapping[str, str],
    *,
    compared_at: int,
    lag_max: int = LAG_MAX,
    is_majority_enough: bool = False,
) -> Health:
    """`digests` are those at log index `compared_at`, of the nodes that could tell."""
    answering = {node_id: item for node_id, item in statuses.items() if item is not None}
    leader = _leader(list(answering.values()))
    right = _right_digest(digests, None if leader is None else leader.node_id)
    nodes = [
        _judge_node(node_id, statuses[node_id], leader, digests.get(node_id), right, lag_max)
        for node_id in statuses
    ]
    complaints = [f"{node.node_id}: {node.complaint}" for node in nodes if node.complaint]
    well = sum(1 for node in nodes if not node.complaint)
    is_majority_well = well >= len(nodes) // 2 + 1
    if any(node.digest == "different" for node in nodes) or any(
        item.role == FENCED for item in answering.values()
    ):
        verdict = Verdict.DIFFERENT
    elif leader is None:
        verdict = Verdict.NOT_ACCEPTING
    elif complaints and not (is_majority_enough and is_majority_well):
        verdict = Verdict.DEGRADED
    else:
        verdict = Verdict.HEALTHY
    reasons = complaints if leader is not None else ["no leader accepts orders", *complaints]
    return Health(verdict, reasons, None if leader is None else leader.node_id, compared_at, nodes)


def _leader(statuses: Sequence[Status]) -> Status | None:
    """The node that accepts; of several that say so the one of the highest term."""
    accepting = [status for status in statuses if status.accepting]
    return max(accepting, key=lambda status: status.term, default=None)


def _right_digest(digests: Mapping[str, str], leader_id: str | None) -> str | None:
    """What most say; of a draw, what the leader says."""
    said = list(digests.values())
    if len(said) <= 1:
        return None
    return max(
        sorted(set(said)),
        key=lambda digest: (said.count(digest), digests.get(leader_id or "") == digest),
    )


def _judge_node(
    node_id: str,
    status: Status | None,
    leader: Status | None,
    digest: str | None,
    right: str | None,
    lag_max: int,
) -> NodeHealth:
    if status is None:
        return NodeHealth(node_id, None, None, "unknown", "does not answer")
    if digest is None or right is None:
        agreement = "unknown"
    else:
        agreement = "equal" if digest == right else "different"
    lag = None if leader is None else max(0, leader.commit_index - status.applied_index)
    complaints = list(_own_complaints(status))
    if status.role == FENCED:
        complaints.insert(0, "fenced itself: it differed from a majority")
    elif agreement == "different":
        complaints.insert(0, f"digest {digest}, others have {right}")
    elif leader is not None and status.leader_id not in {leader.node_id, node_id}:
        complaints.insert(0, f"follows {status.leader_id or 'nobody'}, not the leader")
    elif lag is not None and lag > lag_max:
        complaints.insert(0, f"{lag:,} entries behind")
    return NodeHealth(node_id, status, lag, agreement, "; ".join(complaints))


def _own_complaints(status: Status) -> Iterator[str]:
    """What a node says is not right with it."""
    if status.is_joining:
        yield "joining: it has no vote until it has caught up"
    # A node that has just started may not lead either, for a moment: that is no fault.
    elif not status.may_lead and abs(status.clock_skew_ns) > CLOCK_SKEW_MAX_NS // 2:
        side = "ahead of" if status.clock_skew_ns > 0 else "behind"
        text = f"{abs(status.clock_skew_ns) / 1e6:,.0f} ms {side} the others'"
        yield f"its clock is {text}: it does not lead"
    if status.room == ROOM_LOW:
        yield "its disk is full: it has left the quorum"
    elif status.room == ROOM_RESERVE:
        yield "no majority has room on its disk: new orders are refused, cancels pass"
    if status.outputs_missing:
        yield f"{status.outputs_missing:,} outputs are still being fetched from the others"
