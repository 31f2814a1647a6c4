"""Processes of a venue: only our own are ever signaled, and none is left behind."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from oms.local.processes import PidRecord, Processes, Program


@dataclass(frozen=True, slots=True)
class Script(Program):
    """A program that is a few lines of Python."""

    code: str = ""

    def command(self) -> list[str]:
        """The argument vector."""
        return [sys.executable, "-S", "-E", "-c", self.code]


SLEEPER = "import time\nprint('here', flush=True)\ntime.sleep(60)"
DEAF = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('here', flush=True)\ntime.sleep(60)"
)

FIRST_THREAD_ENDS = (
    "import ctypes, threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    "print('here', flush=True)\nctypes.CDLL(None).pthread_exit(None)"
)


def script(name: str, code: str) -> Script:
    """A named script."""
    return Script(name, "none", Path("none"), code)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes in an empty folder; what a test leaves running is killed."""
    made = Processes(tmp_path / "run", tmp_path / "logs")
    yield made
    for path in (tmp_path / "run").glob("*.pid"):
        made.signal(path.stem, signal.SIGKILL)
        assert made.wait_gone(path.stem, 5)


def wait_for_log(processes: Processes, name: str, text: str) -> None:
    """Wait until the log of a process holds `text`."""
    deadline = time.monotonic() + 10
    while text not in processes.log_tail(name):
        assert time.monotonic() < deadline, processes.log_tail(name)
        time.sleep(0.005)


def test_started_process_has_its_own_session_and_logs_to_its_file(processes: Processes) -> None:
    """Ctrl-C in the terminal must not reach the nodes, and their words must not be lost."""
    pid = processes.start(script("n1", SLEEPER))
    wait_for_log(processes, "n1", "here")
    assert os.getsid(pid) == pid
    assert processes.pid("n1") == pid


def test_starting_twice_starts_once(processes: Processes) -> None:
    """Two processes over one data folder would be two replicas with one identity."""
    assert processes.start(script("n1", SLEEPER)) == processes.start(script("n1", SLEEPER))


def test_stop_ends_with_term_and_removes_the_pid_file(processes: Processes, tmp_path: Path) -> None:
    """The clean way down leaves nothing behind."""
    processes.start(script("n1", SLEEPER))
    assert processes.stop(["n1"], 10) == []
    assert processes.pid("n1") is None
    assert not list((tmp_path / "run").iterdir())


def test_stop_kills_what_ignores_term(processes: Processes) -> None:
    """`oms down` must end also a process that hangs."""
    processes.start(script("n1", DEAF))
    wait_for_log(processes, "n1", "here")
    assert processes.stop(["n1"], 0.05) == ["n1"]
    assert processes.pid("n1") is None


def test_killed_child_counts_as_gone(processes: Processes) -> None:
    """A zombie still has a pid and its start time; it does not run."""
    processes.start(script("n1", SLEEPER))
    assert processes.signal("n1", signal.SIGKILL)
    assert processes.wait_gone("n1", 10)
    assert processes.pid("n1") is None
    assert not processes.signal("n1", signal.SIGTERM)


def test_process_lives_until_its_last_thread_has_ended(processes: Processes) -> None:
    """A killed node's threads end one by one; until then its locks and ports are not free."""
    processes.start(script("n1", FIRST_THREAD_ENDS))
    wait_for_log(processes, "n1", "here")
    pid = processes.pid("n1")
    deadline = time.monotonic() + 10
    while "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert processes.pid("n1") == pid
    assert not processes.wait_gone("n1", 0.05)
    assert processes.signal("n1", signal.SIGKILL)
    assert processes.wait_gone("n1", 10)
    assert processes.pid("n1") is None


@pytest.mark.parametrize("changed", ["start_ticks", "boot_id"])
def test_recycled_pid_is_never_signaled(processes: Processes, tmp_path: Path, changed: str) -> None:
    """After a crash or reboot the number in a pid file may be a stranger's."""
    pid = processes.start(script("n1", SLEEPER))
    path = tmp_path / "run" / "n1.pid"
    record = msgspec.json.decode(path.read_bytes(), type=PidRecord)
    values = msgspec.structs.asdict(record)
    values[changed] = record.start_ticks - 1 if changed == "start_ticks" else "another"
    path.write_bytes(msgspec.json.encode(values))
    assert processes.pid("n1") is None
    assert not processes.signal("n1", signal.SIGKILL)
    assert processes.stop(["n1"], 0) == []
    os.kill(pid, 0)  # it lives
    path.write_bytes(msgspec.json.encode(record))  # so that the fixture can end it


def test_number_of_a_strangers_thread_names_nobody(processes: Processes, tmp_path: Path) -> None:
    """Threads and processes draw from the same numbers."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "n1.pid"
    record = PidRecord(pid=thread.native_id or 0, start_ticks=1, boot_id="any")
    path.write_bytes(msgspec.json.encode(record))
    assert processes.pid("n1") is None
    assert not processes.signal("n1", signal.SIGTERM)
    assert processes.wait_gone("n1", 0)
    path.unlink()
    end.set()
    thread.join()


@pytest.mark.parametrize("content", [b"", b"12", b'{"pid": 1', b'{"pid": "1"}', b"\xff"])
def test_torn_pid_file_names_nobody(processes: Processes, tmp_path: Path, content: bytes) -> None:
    """A half-written file must not turn into some process's number."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "n1.pid").write_bytes(content)
    assert processes.pid("n1") is None
    assert not processes.signal("n1", signal.SIGTERM)
    (tmp_path / "run" / "n1.pid").unlink()


def test_log_tail_gives_the_last_lines_only(processes: Processes, tmp_path: Path) -> None:
    """An error message shows why a process died, not its whole life."""
    (tmp_path / "logs").mkdir()
    processes.log_file("n1").write_text("".join(f"line {n}\n" for n in range(10_000)))
    assert processes.log_tail("n1").splitlines()[-1] == "line 9999"
    assert len(processes.log_tail("n1").splitlines()) == 12
    assert "no" in processes.log_tail("n2")
