"""Findings 1 and 9: real processes, SIGKILL at the moment that hurts most."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.findings.rig import promise
from tests.support.raft_cluster import free_addresses

ROOT = Path(__file__).resolve().parent.parent.parent


class Process:
    """A node_process.py and its folder."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.port = int(free_addresses(["n1"])["n1"].rpartition(":")[2])
        (folder / "hold").touch()

    def start(self) -> None:
        """Start it on what is in its folder."""
        command = [sys.executable, "-m", "tests.findings.node_process"]
        self.process = subprocess.Popen(
            [*command, self.kind, str(self.folder), str(self.port)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.read() == "ready"

    def read(self) -> object:
        """Its next answer."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ask(self, command: str) -> object:
        """One command and its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self.read()

    def kill(self) -> None:
        """SIGKILL; its own children go on."""
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def let_the_snapshot_through(self) -> None:
        """It gets its final name, and the node has not looked at it yet."""
        (self.folder / "hold").unlink(missing_ok=True)
        until(lambda: any(self.folder.glob("dump")) or any(self.folder.glob("*.snapshot")))


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.002)


@pytest.fixture
def process(kind: str, tmp_path: Path) -> Iterator[Process]:
    process = Process(kind, tmp_path)
    try:
        process.start()
        yield process
    finally:
        (tmp_path / "hold").unlink(missing_ok=True)
        if process.process.poll() is None:
            process.kill()


def test_finding_01_a_kill_when_a_snapshot_is_renamed_loses_nothing(process: Process) -> None:
    """The library finds a dump that is older than its journal's end, and drops the journal."""
    assert process.ask("put 20") == 20
    process.ask("snapshot")
    assert process.ask("put 20") == 20
    process.let_the_snapshot_through()
    process.kill()
    process.start()
    state = process.ask("state")
    assert isinstance(state, list)
    promise(
        f"40 were acknowledged, {len(state)} are left", holds=state == [str(n) for n in range(40)]
    )


def test_finding_09_a_killed_node_leaves_its_port_free(process: Process) -> None:
    """The library's forked child goes on holding the sockets of the node that is dead."""
    process.ask("put 20")
    held_by = process.ask("snapshot")
    process.kill()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", process.port))
            sock.listen()
            is_free = True
        except OSError:
            is_free = False
    if not is_free:
        assert isinstance(held_by, int)
        os.kill(held_by, 0)  # it is that child
        process.let_the_snapshot_through()
    promise("the port is free when the node is dead", holds=is_free)
