"""The follower's side of replication: where do this log and the leader's agree?

Called by raft_rules.py for each AppendEntries. Promises: entries that agree are left alone; only an
entry that really conflicts truncates, and never one that is known to be committed (that would mean
the protocol itself was broken: `on_fatal`). What is before the journal's base is in a snapshot of
committed state: it agrees with every leader's log.
"""

from collections.abc import Callable
from typing import NoReturn

from oms.replication.journal import DiskJournal
from oms.replication.raft_messages import AppendEntries


def mismatch(
    journal: DiskJournal,
    commit_index: int,
    message: AppendEntries,
    on_fatal: Callable[[str, str], NoReturn],
) -> int:
    """Where the leader should try instead, 0 when the logs agree at `prev_index`.

    It is pointed past a whole term at a time: going back entry by entry over a long tail of a
    deposed leader would take as many round trips.
    """
    if message.prev_index > journal.last_index:
        return journal.last_index + 1
    if message.prev_index < journal.base_index:
        return 0
    if message.prev_index == 0:
        return 2  # entry 1 is the same everywhere
    if journal.term_at(message.prev_index) == message.prev_term:
        return 0
    if message.prev_index <= commit_index:
        on_fatal("raft_safety", f"committed entry {message.prev_index} differs from the leader's")
    return max(2, commit_index + 1, journal.first_of_term_at(message.prev_index))


def take_entries(
    journal: DiskJournal,
    commit_index: int,
    message: AppendEntries,
    on_fatal: Callable[[str, str], NoReturn],
    *,
    has_room: Callable[[int], bool],
) -> int:
    """Append what is new; returns the index up to which this log now agrees with the leader's
    (short of the message's end when there is no room for an entry of that length).
    """
    index = message.prev_index
    for term, command in message.entries:
        index += 1
        if index <= journal.base_index:
            continue
        is_held = index <= journal.last_index
        if is_held and journal.term_at(index) == term:
            continue
        if index <= commit_index:
            on_fatal("raft_safety", f"committed entry {index} would be replaced")
        if not has_room(len(command)):
            return index - 1
        if is_held:
            journal.truncate_from(index)
        journal.add(command, index, term)
    return index
