"""Bugs put into the product on purpose, and how many seeds it takes to find each.

`python -m tests.simulation.planted [--seeds N] [--start S] [--only NAME]` prints a table; exit
status 1 if one was not found. A simulation that finds none of these would prove nothing.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Final
from unittest import mock

from gateways.binary.joiner import Joiner, Ready
from gateways.courier import Courier, Window
from gateways.event_order import EventOrder
from oms.messages.commands import OrderCommand
from oms.node.event_file import EventFile
from oms.node.event_log import EventLog
from oms.replication import snapshot_file
from oms.replication.journal import DiskJournal
from oms.replication.journal_writer import JournalWriter
from oms.replication.raft_core import RaftCore
from oms.replication.raft_messages import AppendEntries
from oms.replication.raft_rules import RaftRules
from oms.replication.raft_transport import RankedNode
from oms.replication.vote_file import COPY_OFFSETS, VoteFile, _Copy, _pack
from tests.simulation.simulation import play

_on_append = RaftRules._on_append
_library_vote = RaftCore._library_vote
_replayed = Joiner.replayed
_submit = Courier.submit


def sync_nothing(self: JournalWriter) -> None:
    """The log is not synced."""
    self.is_dirty = False
    self._synced_records = self.records
    self._write_mark()


def store_unsynced(self: VoteFile, term: int, voted_for: str | None) -> None:
    """Term and vote are not synced."""
    self._update += 1
    data = _pack(self._cluster_id, _Copy(self._update, term, voted_for, self._is_joining))
    for offset in COPY_OFFSETS:
        os.pwrite(self._fd, data, offset)
    self.term, self.voted_for = term, voted_for


def count_alone(self: RaftCore) -> None:
    """A leader commits what it has itself."""
    self._SyncObj__raftCommitIndex = self._journal.last_index


def confirm_early(self: RaftRules, node: RankedNode, m: AppendEntries) -> None:
    """A follower confirms before its disk has it."""
    _on_append(self, node, m)
    self._flush_reply()


def vote_again(self: RaftCore, node: RankedNode, term: int, last_index: int, last: int) -> None:
    """A second vote in the same term."""
    self._SyncObj__votedForNodeId = None
    _library_vote(self, node, term, last_index, last)


def vote_for_shorter(self: RaftCore, node: RankedNode, term: int, _index: int, _term: int) -> None:
    """A vote for a log that lacks entries."""
    journal = self._journal
    _library_vote(self, node, term, journal.last_index, journal.end.term)


def forget_vote(_self: DiskJournal) -> None:
    """The vote is forgotten at a restart."""


def hand_on_at_once(self: EventOrder, first_seq: int, data: bytes) -> list[bytes]:
    """Events are handed on as they arrive."""
    last_seq = first_seq + len(data) // 128 - 1
    self.next_seq = max(self.next_seq, last_seq + 1)
    return [data]


def resend_nothing(
    _self: Courier, window: Window, _expected: int, now_ns: int, _not_after_ns: int
) -> None:
    """What was pushed once is never pushed again."""
    window.progress_ns = now_ns


def submit_twice(self: Courier, window: Window, command: OrderCommand, now_ns: int) -> None:
    """A command that has to wait is pushed too."""
    _submit(self, window, command, now_ns)
    if self.outbox and len(window.in_flight) > 1:
        self.outbox.rotate(1)


def join_late(self: Joiner, records: bytes) -> Ready | None:
    """What came while the replay was fetched is left out."""
    self._held.clear()
    return _replayed(self, records)


def nothing(*_args: object) -> None:
    """It is not done."""


_UNSYNCED: Final = SimpleNamespace(
    open=os.open, close=os.close, fsync=nothing, O_RDONLY=os.O_RDONLY, O_DIRECTORY=os.O_DIRECTORY
)
BUGS: Final[dict[str, tuple[object, str, object]]] = {
    "the log is not synced": (JournalWriter, "sync", sync_nothing),
    "the vote is not synced": (VoteFile, "store", store_unsynced),
    "the vote is forgotten at a restart": (DiskJournal, "getVotedForNodeId", forget_vote),
    "a second vote in one term": (RaftCore, "_library_vote", vote_again),
    "a vote for a log that lacks entries": (RaftCore, "_library_vote", vote_for_shorter),
    "committed by the leader alone": (RaftCore, "_count", count_alone),
    "a follower confirms before its sync": (RaftRules, "_on_append", confirm_early),
    "authority of an older term is accepted": (RaftRules, "_is_stale", lambda *_args: False),
    "a snapshot does not sync its outputs": (EventFile, "sync", nothing),
    "a snapshot is not synced": (snapshot_file, "os", _UNSYNCED),
    "outputs behind the snapshot are kept": (EventLog, "truncate", nothing),
    "events are handed on as they arrive": (EventOrder, "offer", hand_on_at_once),
    "nothing is pushed again": (Courier, "_resend", resend_nothing),
    "commands overtake each other": (Courier, "submit", submit_twice),
    "a replay loses what came meanwhile": (Joiner, "replayed", join_late),
}


def seeds_to_find(name: str, start: int, count: int) -> tuple[int, str]:
    """How many seeds it took, and what was seen; 0: not found."""
    owner, attribute, value = BUGS[name]
    for number in range(count):
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch.object(owner, attribute, value))
            try:
                broken = play(start + number).faults
            except AssertionError as error:
                broken = [f"raised {error!r}"]
        if broken:
            return number + 1, broken[0]
    return 0, ""


def main(show: Callable[[str], None] = print) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="tests.simulation.planted", description=__doc__)
    parser.add_argument("--seeds", type=int, default=60, metavar="N", help="tried at most")
    parser.add_argument("--start", type=int, default=1, metavar="S", help="the first one")
    parser.add_argument("--only", choices=list(BUGS), metavar="NAME", help="this one alone")
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(BUGS)
    missed = 0
    show("| planted | seeds | seen as |\n|---|---|---|")
    for name in names:
        count, seen = seeds_to_find(name, arguments.start, arguments.seeds)
        missed += not count
        show(f"| {name} | {count or f'not in {arguments.seeds}'} | {seen} |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
