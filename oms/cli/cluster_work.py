"""The work of `oms cluster`: asks the nodes, prints what `oms/local/health.py` says of the answers.

Called by `cluster.py`.
"""

import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from rich.table import Table

from oms.cli.tables import print_tables, table
from oms.local.health import Health, Verdict, index_to_compare, judge
from oms.local.requests import NodeRequests
from oms.local.venue import LocalVenue
from oms.messages import link

ANSWER_S: Final = 1.0
POLL_S: Final = 0.2


class Wanted(msgspec.Struct, frozen=True):
    """What counts as healthy."""

    lag_max: int
    is_majority_enough: bool = False


def status(data: Path, lag_max: int, *, as_json: bool) -> int:
    """One look; 0 when orders are accepted, else 3. Raises: SettingsError."""
    venue = LocalVenue.open(data)
    with NodeRequests(venue.nodes, venue.keys) as requests:
        found = look(venue, requests, Wanted(lag_max=lag_max))
    _print(venue, found, as_json=as_json)
    return 0 if found.leader_id is not None else Verdict.NOT_ACCEPTING


def health(data: Path, wanted: Wanted, wait_s: float, *, as_json: bool) -> int:
    """Look, again and again until healthy or `wait_s` is over. Raises: SettingsError."""
    venue = LocalVenue.open(data)
    deadline = time.monotonic() + wait_s
    with NodeRequests(venue.nodes, venue.keys) as requests:
        while True:
            found = look(venue, requests, wanted)
            if found.verdict is Verdict.HEALTHY or time.monotonic() >= deadline:
                break
            time.sleep(POLL_S)
    if as_json:
        _print(venue, found, as_json=True)
    else:
        print(found.verdict.name.lower().replace("_", " "))
        for reason in found.reasons:
            print(f"    {reason}", file=sys.stderr)
    return found.verdict


def look(venue: LocalVenue, requests: NodeRequests, wanted: Wanted) -> Health:
    """Ask every running node where it stands, then all for their digest at one log index."""
    pids = venue.pids()
    running = [node.node_id for node in venue.nodes if pids[node.node_id] is not None]
    answers = requests.ask_all(link.GetStatus(), link.Status, ANSWER_S, running)
    statuses = {node.node_id: answers.get(node.node_id) for node in venue.nodes}
    compared_at = index_to_compare(statuses)
    digests: dict[str, str] = {}
    if compared_at:
        # A status that was read at that very index says it too: the index may be one that a
        # restarted node has from its snapshot, and passes before the question comes.
        digests = {
            node_id: item.digest
            for node_id, item in statuses.items()
            if item is not None and item.applied_index == compared_at
        }
        others = [
            node_id
            for node_id, item in statuses.items()
            if item is not None and node_id not in digests
        ]
        asked = requests.ask_all(link.GetDigest(compared_at), link.DigestAt, ANSWER_S, others)
        digests |= {node_id: item.digest for node_id, item in asked.items() if item is not None}
    return judge(
        statuses,
        digests,
        compared_at=compared_at,
        lag_max=wanted.lag_max,
        is_majority_enough=wanted.is_majority_enough,
    )


def _print(venue: LocalVenue, found: Health, *, as_json: bool) -> None:
    if as_json:
        plain = msgspec.to_builtins(found)
        plain["verdict"] = found.verdict.name.lower()
        print(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode())
        return
    print_tables(_standing(venue, found), _condition(found))
    for reason in found.reasons:
        print(reason)


def _standing(venue: LocalVenue, found: Health) -> Table:
    """How the nodes stand to each other."""
    made = table(
        f"cluster {venue.folder.venue.cluster_id}",
        ("node", "role", "term", "leader", "commit", "applied", "lag", "digests"),
        left=2,
        caption=f"* accepts commands; digests compared at log index {found.compared_at or '-'}",
    )
    for node in found.nodes:
        item = node.status
        if item is None:
            made.add_row(node.node_id, venue.silence(node.node_id))
            continue
        role = "joining" if item.is_joining else item.role
        made.add_row(
            node.node_id,
            f"{role}{' *' if item.accepting else ''}",
            str(item.term),
            item.leader_id or "-",
            str(item.commit_index),
            str(item.applied_index),
            "-" if node.lag is None else str(node.lag),
            node.digest,
        )
    return made


def _condition(found: Health) -> Table:
    """How each node is for itself."""
    made = table(
        "", ("node", "clock", "room", "log from", "journal", "missing outputs", "durability")
    )
    for node in found.nodes:
        item = node.status
        if item is None:
            continue
        made.add_row(
            node.node_id,
            f"{item.clock_skew_ns / 1e6:+,.1f} ms" if item.clock_skew_ns else "-",
            item.room,
            str(item.base_index + 1),
            f"{item.journal_bytes / 1e6:,.1f} MB",
            str(item.outputs_missing),
            item.durability,
        )
    return made
