"""The work of `oms cluster transfer`: another node leads, without a gap.

Called by `cluster.py`. Exit code 0 when another node leads (or the named one led already), 1 when
the leader refuses, 3 when nobody leads or it is not known what came of the request.
"""

import time
from pathlib import Path
from typing import Final

import msgspec

from oms.config import SettingsError
from oms.local.requests import NoAnswer, NodeRequests, NotTheLeader, RequestRefused
from oms.local.venue import LocalVenue
from oms.messages import link

STATUS_S: Final = 1.0
POLL_S: Final = 0.05
_READ: Final = "docs/operating.md, Fail over on purpose"


class TransferUnknown(SettingsError):
    """Nobody leads, or no answer: who leads now is not known here."""

    exit_code = 3


class Transferred(msgspec.Struct, frozen=True):
    """Who leads now, and who led before."""

    leader_id: str
    term: int
    former_id: str


def transfer(data: Path, to: str | None, timeout_s: float, *, as_json: bool) -> int:
    """Ask the leader to hand over, and wait. Raises: SettingsError, TransferUnknown."""
    venue = LocalVenue.open(data)
    known = [node.node_id for node in venue.nodes]
    if to is not None and to not in known:
        raise _refused(f"the venue has no node {to!r}", f"name one of {', '.join(known)}")
    with NodeRequests(venue.nodes, venue.keys) as requests:
        done = _transfer(requests, to, time.monotonic() + timeout_s)
    if as_json:
        print(msgspec.json.encode(done).decode())
    elif done.leader_id == done.former_id:
        print(f"{done.leader_id} leads already, since term {done.term}")
    else:
        print(f"{done.leader_id} leads, since term {done.term}; before, {done.former_id} did")
    return 0


def _transfer(requests: NodeRequests, to: str | None, deadline: float) -> Transferred:
    while True:
        leader = _leader(requests, deadline)
        if leader.node_id == to:
            return Transferred(leader.node_id, leader.term, leader.node_id)
        try:
            done = requests.ask(
                leader.node_id,
                link.TransferLeadership(to),
                link.LeadershipTransferred,
                max(STATUS_S, deadline - time.monotonic()),
            )
        except NotTheLeader:
            time.sleep(POLL_S)  # it has just fallen: the next look finds the new one
        except RequestRefused as error:
            raise _refused(str(error), "look at `oms cluster status`, then ask again") from error
        except NoAnswer as error:
            raise _unknown(str(error)) from error
        else:
            new = _leader(requests, deadline, min_term=done.term)  # it leads: now it accepts, too
            return Transferred(new.node_id, new.term, leader.node_id)


def _leader(requests: NodeRequests, deadline: float, min_term: int = 0) -> link.Status:
    """Who accepts. Raises: TransferUnknown when nobody did in time."""
    while True:
        answers = requests.ask_all(link.GetStatus(), link.Status, STATUS_S)
        accepting = [
            item
            for item in answers.values()
            if item is not None and item.accepting and item.term >= min_term
        ]
        if accepting:
            return max(accepting, key=lambda item: item.term)
        if time.monotonic() >= deadline:
            raise _unknown("no node accepts orders: there is no leader that could hand over")
        time.sleep(POLL_S)


def _refused(why: str, do: str) -> SettingsError:
    return SettingsError(what="leadership was not handed over", why=why, do=do, read=_READ)


def _unknown(why: str) -> TransferUnknown:
    return TransferUnknown(
        what="it is not known who leads",
        why=why,
        do="look at `oms cluster status`; asking again does no harm",
        read=_READ,
    )
