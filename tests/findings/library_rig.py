"""PySyncObj 0.3.17 as shipped, behind the rig: its state machine, its journal, its dump.

Settings are its defaults but for what a test names; its clock is the rig's, its transport is
replaced by the rig's wires (tests/findings/test_doors.py has the library's own sockets).
"""

import copy
from pathlib import Path
from random import Random

import pytest
from pysyncobj import FAIL_REASON, SyncObj, SyncObjConf, replicated, syncobj
from pysyncobj.node import Node
from pysyncobj.transport import Transport

from tests.findings.rig import LIBRARYS_OWN, HandRig, Options

# Reasons that say: it did not happen. UNKNOWN_OUTCOME says that nobody knows.
NOT_HAPPENED = {
    FAIL_REASON.QUEUE_FULL, FAIL_REASON.MISSING_LEADER, FAIL_REASON.DISCARDED,
    FAIL_REASON.NOT_LEADER, FAIL_REASON.LEADER_CHANGED, FAIL_REASON.REQUEST_DENIED,
}  # fmt: skip
_FOREVER = 10**9


class Wire(Transport):  # type: ignore[misc]  # the library has no type information
    """One node's end of the rig's wires."""

    def __init__(self, rig: "LibraryRig", name: str) -> None:
        super().__init__(None, None, [])
        self.rig = rig
        self.name = name

    def send(self, node: Node, message: dict[str, object]) -> bool:
        """By value, as a socket does."""
        return self.rig.post(self.name, str(node.id), copy.deepcopy(message))


class Register(SyncObj):  # type: ignore[misc]  # the library has no type information
    """A replicated list."""

    def __init__(
        self, name: str, others: list[str], conf: SyncObjConf, wire: Wire, fails: set[str]
    ) -> None:
        self.fails = fails  # set before the library's own: not part of the state
        super().__init__(Node(name), [Node(other) for other in others], conf, transport=wire)
        self.items: list[str] = []

    @replicated  # type: ignore[untyped-decorator]
    def put(self, item: str) -> None:
        """The only command."""
        self.items.append(item)
        if item in self.fails:
            raise RuntimeError("a fault of ours, in the state machine")


class LibraryRig(HandRig):
    """Nodes made of the library's own parts."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, options: Options) -> None:
        super().__init__(folder, patch, options)
        self.nodes: dict[str, Register] = {}
        patch.setattr(syncobj, "monotonicTime", self.clock)
        patch.setattr(syncobj, "random", Random(1))
        patch.setattr(syncobj, "PIPE_NOTIFIER_ENABLED", False)

    def conf(self, name: str) -> SyncObjConf:
        """Its defaults; entries leave at once, dumps when the test says so, in this process."""
        values: dict[str, object] = {}
        if self.options.message_bytes is not None:
            values["appendEntriesBatchSizeBytes"] = self.options.message_bytes
        if self.options.has_short_messages:  # a shorter one would be cut (finding 6)
            values["appendEntriesBatchSizeBytes"] = _command_bytes("x") + 1
        if self.options.chunk_bytes is not None:
            values["logCompactionBatchSize"] = self.options.chunk_bytes
        if self.options.has_snapshots:
            values["fullDumpFile"] = str(self.folder / f"{name}.dump")
        return SyncObjConf(
            autoTick=False,
            appendEntriesUseBatch=False,
            journalFile=str(self.folder / f"{name}.journal"),
            useFork=False,
            logCompactionMinEntries=_FOREVER,
            logCompactionMinTime=_FOREVER,
            **values,
        )

    def _open(self, name: str) -> None:
        others = [other for other in self.options.names if other != name]
        wire = Wire(self, name)
        self.nodes[name] = Register(name, others, self.conf(name), wire, self.fails_applying)

    def _close(self, name: str, *, is_clean: bool) -> None:  # noqa: ARG002
        # Its journal is mapped memory: a killed process leaves the same bytes as a clean stop.
        node = self.nodes.pop(name)
        node.destroy()
        serializer = node._SyncObj__serializer
        files = [sending["file"] for sending in serializer._Serializer__transmissions.values()]
        for file in [*files, serializer._Serializer__incomingTransmissionFile]:
            if file is not None:
                file.close()

    def _tick(self, name: str) -> None:
        self.nodes[name].doTick(0.0)

    def _take(self, source: str, target: str, message: object) -> None:
        self.nodes[target]._SyncObj__transport._onMessageReceived(Node(source), message)

    def _after_raising(self, name: str) -> None:
        """The library's own loop logs what its tick raised, and goes on."""

    def _opened(self, name: str, other: str) -> None:
        self.nodes[name]._SyncObj__transport._onNodeConnected(Node(other))

    def _lost(self, name: str, other: str) -> None:
        self.nodes[name]._SyncObj__transport._onNodeDisconnected(Node(other))

    def put(self, name: str, item: str) -> None:
        def callback(_result: object, reason: int) -> None:
            if reason == FAIL_REASON.SUCCESS:
                self.acknowledged.append(item)
            elif reason in NOT_HAPPENED:
                self.refused.append(item)
            if item in self.fails_acknowledging:
                raise RuntimeError("a fault of ours, in the callback")

        self.nodes[name].put(item, callback=callback)

    def leads(self, name: str) -> bool:
        return bool(self.nodes[name]._isLeader())

    def term(self, name: str) -> int:
        return int(self.nodes[name].raftCurrentTerm)

    def log(self, name: str) -> list[str]:
        return [_item(entry[0]) for entry in self.nodes[name]._SyncObj__raftLog[:]]

    def applied(self, name: str) -> list[str]:
        return list(self.nodes[name].items)

    def begin_compaction(self, name: str) -> None:
        self.nodes[name].forceLogCompaction()
        self.tick(name)

    def compact(self, name: str) -> None:
        self.begin_compaction(name)
        self.tick(name)

    def snapshot_path(self, name: str) -> Path | None:
        path = self.folder / f"{name}.dump"
        return path if path.exists() else None


def _command_bytes(item: str) -> int:
    """How long the library's command for `item` is."""
    return 1 + len(syncobj.pickle.dumps((0, (item,))))


def _item(command: bytes) -> str:
    return str(syncobj.pickle.loads(command[1:])[1][0]) if command[:1] == b"\0" else LIBRARYS_OWN
