"""A venue's folder whose nodes hold a long log before they were ever started.

Called by bench_restart.py for logs that would take hours to trade: the seeded flow of
order_flow.py, as entries of so many commands, written by the product's own journal into each node's
folder, the same bytes in all three. What no node made is missing: snapshots and outputs. So a start
has to do all the work there is.
"""

import time
from typing import Final

from oms import bounds
from oms.local.venue import LocalVenue
from oms.messages.packing import pack_batch
from oms.messages.records import BATCH_HEADER
from oms.node.genesis import load_entries
from oms.replication.errors import die
from oms.replication.journal import DiskJournal
from oms.replication.journal_reader import OWN_TYPE
from perf import order_flow

NO_OP: Final = b"\x01"  # the library's own entry
TERM: Final = 1
SEED: Final = 1
SYNC_ENTRIES: Final = 256
ROOM_S: Final = 0.001


def prepare(venue: LocalVenue, commands: int, entry_commands: int) -> int:
    """Write the log of every node; the venue must not run. Returns how many entries."""
    genesis = load_entries(venue.folder.genesis)
    now_ns = BATCH_HEADER.unpack_from(genesis[0])[4]
    flow = order_flow.order_entries(SEED, commands, now_ns, entry_commands)
    entries = [*genesis, pack_batch(now_ns, order_flow.logins()), *flow]
    for node in venue.nodes:
        _write(venue, node.node_id, entries)
    return len(entries)


def _write(venue: LocalVenue, node_id: str, entries: list[bytes]) -> None:
    journal = DiskJournal.open(
        venue.folder.path / node_id / "journal",
        cluster_id=int(venue.folder.venue.cluster_id, 16), node_id=node_id, start_index=0,
        segment_bytes=bounds.JOURNAL_SEGMENT_BYTES,
        memory_bytes_max=bounds.JOURNAL_MEMORY_BYTES_MAX, on_fatal=die,
    )  # fmt: skip
    journal.setCurrentTerm(TERM, None)
    journal.add(NO_OP, 1, 0)  # every log begins with it
    for number, entry in enumerate(entries, start=2):
        while not journal.has_room(len(entry) + 1):
            journal.sync()
            time.sleep(ROOM_S)
        journal.add(OWN_TYPE + entry, number, TERM)
        if number % SYNC_ENTRIES == 0:
            journal.sync()
    journal.sync()
    journal.close()
