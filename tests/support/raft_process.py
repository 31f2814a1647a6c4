"""One replica of the log as a process of its own, for tests that kill it.

Run as `python -m tests.support.raft_process NODE ADDRESSES FOLDER`. While it leads it proposes
numbered entries as fast as the pipeline takes them. It appends to files in FOLDER what happened:
`NODE.acked` (own proposals that were committed), `NODE.<start>.applied` (all that was handed out,
one line an entry) and `NODE.status`. SIGUSR1: propose no more. SIGTERM: stop cleanly.
"""

import json
import os
import select
import signal
import sys
from pathlib import Path

from oms.replication.port import LogStatus
from oms.replication.raft_log import RaftLog
from tests.support.raft_cluster import CLUSTER_ID, KEY

PIPELINE = 8


class Process:
    """The loop of a node, with nothing but the log in it."""

    def __init__(self, name: str, addresses: dict[str, str], folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.is_proposing = True
        self.is_running = True
        self.proposed = 0
        self.own: set[bytes] = set()
        start = len(list(folder.glob(f"{name}.*.applied")))
        self.acked = os.open(folder / f"{name}.acked", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.applied = os.open(folder / f"{name}.{start}.applied", os.O_WRONLY | os.O_CREAT)
        self.start = start
        self.log = RaftLog(
            name,
            addresses,
            CLUSTER_ID,
            KEY,
            folder / name,
            on_commit=self.on_commit,
            on_skip=lambda index: self.on_commit(index, 0, b"-"),
            on_role_change=self.on_role_change,
            segment_bytes=1 << 20,
        )
        signal.signal(signal.SIGUSR1, self.stop_proposing)
        signal.signal(signal.SIGTERM, self.stop)

    def on_commit(self, index: int, term: int, entry: bytes) -> None:
        """Note the entry; acknowledge it if it is ours."""
        os.write(self.applied, b"%d %d %s\n" % (index, term, entry))
        if entry in self.own:
            self.own.remove(entry)
            os.write(self.acked, entry + b"\n")

    def on_role_change(self, status: LogStatus) -> None:
        """Tell the test who leads; rewritten aside so that it is never read half."""
        aside = self.folder / f"{self.name}.aside"
        aside.write_text(json.dumps({"leads": status.is_accepting, "term": status.term}))
        aside.rename(self.folder / f"{self.name}.status")

    def stop_proposing(self, _signal: int, _frame: object) -> None:
        """SIGUSR1."""
        self.is_proposing = False

    def stop(self, _signal: int, _frame: object) -> None:
        """SIGTERM."""
        self.is_running = False

    def propose(self) -> None:
        """Keep the pipeline full."""
        while self.is_proposing and self.log.pending() < PIPELINE:
            entry = b"%s/%d/%d" % (self.name.encode(), self.start, self.proposed)
            if not self.log.propose(entry):
                return
            self.proposed += 1
            self.own.add(entry)

    def run(self) -> None:
        """Poll, tick, propose."""
        while self.is_running:
            self.propose()
            self.log.tick()
            poller = select.poll()
            for fd, want_read, want_write in self.log.fds():
                events = (select.POLLIN if want_read else 0) | (select.POLLOUT if want_write else 0)
                poller.register(fd, events)
            for fd, events in poller.poll(self.log.next_deadline_s() * 1000):
                readable, writable = bool(events & ~select.POLLOUT), bool(events & select.POLLOUT)
                self.log.on_ready(fd, readable=readable, writable=writable)
            self.log.tick()
        self.log.close()


if __name__ == "__main__":
    Process(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])).run()
