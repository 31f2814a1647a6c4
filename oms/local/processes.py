"""The processes of a venue on this machine: started detached, known by pid file, ended by name.

Called by `venue.py`. A pid file holds the pid together with the process's start time and the
machine's boot id, so that a number that was given to a stranger since is never signaled: the
process is opened (pidfd), compared, and signaled through that descriptor only. Logs are appended
to `<data>/logs/<name>.log`.
"""

import contextlib
import errno
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

import oms

KILL_WAIT_S: Final = 5.0
LOG_TAIL_LINES: Final = 12
LOG_TAIL_BYTES: Final = 16_384
_NO_PROCESS: Final = frozenset({errno.ESRCH, errno.EINVAL, errno.ENOENT})  # or a thread's number
_START_TIME_FIELD: Final = 19  # of /proc/PID/stat, counted behind the command's parenthesis


class PidRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which process it was: start time in clock ticks since boot, boot id of the machine."""

    pid: int
    start_ticks: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class Program:
    """What is started: its name in this venue, its module, its settings file, and where."""

    name: str
    module: str
    settings: Path
    enter: tuple[str, ...] = field(
        default=(), kw_only=True
    )  # a command that runs the rest, in the same process

    def command(self) -> list[str]:
        """The argument vector."""
        return [*self.enter, sys.executable, "-m", self.module, "--settings", str(self.settings)]


class Processes:
    """Starts and ends the programs of one data folder."""

    def __init__(self, run_dir: Path, log_dir: Path) -> None:
        self._run_dir = run_dir
        self._log_dir = log_dir

    def start(self, program: Program) -> int:
        """Start it detached unless it runs already. Returns its pid."""
        running = self.pid(program.name)
        if running is not None:
            return running
        self._run_dir.mkdir(mode=0o700, exist_ok=True)
        self._log_dir.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        command = program.command()
        with _uninterrupted():  # a process without its pid file would be nobody's
            pid = os.posix_spawn(
                command[0],
                command,
                _environment(),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(self.log_file(program.name)), flags, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE],
            )
            self._write(program.name, pid)
        return pid

    def pid(self, name: str) -> int | None:
        """The pid if this very process is alive; a dead child is reaped on the way."""
        record = self._read(name)
        descriptor = None if record is None else _open_living(record)
        if record is None or descriptor is None:
            return None
        os.close(descriptor)
        return record.pid

    def signal(self, name: str, number: signal.Signals) -> bool:
        """Send a signal to this very process. False: it does not run any more."""
        record = self._read(name)
        if record is None:
            return False
        descriptor = _open_living(record)
        if descriptor is None:
            return False
        try:
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def wait_gone(self, name: str, timeout_s: float) -> bool:
        """Wait until this very process is gone."""
        record = self._read(name)
        if record is None:
            return True
        descriptor = _open_living(record)
        if descriptor is None:
            return True
        try:
            is_gone = _ends_within(descriptor, timeout_s)
        finally:
            os.close(descriptor)
        if is_gone:
            _reap(record)
        return is_gone

    def stop(self, names: list[str], grace_s: float) -> list[str]:
        """SIGTERM to all, SIGKILL to those that remain. Returns the names that had to be killed."""
        signaled = [name for name in names if self.signal(name, signal.SIGTERM)]
        deadline = time.monotonic() + grace_s
        stubborn = [
            name for name in signaled if not self.wait_gone(name, deadline - time.monotonic())
        ]
        for name in stubborn:
            self.signal(name, signal.SIGKILL)
        for name in stubborn:
            if not self.wait_gone(name, KILL_WAIT_S):
                msg = f"{name} does not end, not even by SIGKILL: see {self._pid_file(name)}"
                raise TimeoutError(msg)
        for name in names:
            self._pid_file(name).unlink(missing_ok=True)
        return stubborn

    def log_file(self, name: str) -> Path:
        """Where the process's output goes."""
        return self._log_dir / f"{name}.log"

    def log_tail(self, name: str) -> str:
        """The last lines of its log, for an error message."""
        path = self.log_file(name)
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - LOG_TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return f"(there is no {path})"
        return "\n".join(lines[-LOG_TAIL_LINES:]) or f"({path} is empty)"

    def _pid_file(self, name: str) -> Path:
        return self._run_dir / f"{name}.pid"

    def _write(self, name: str, pid: int) -> None:
        ticks = _start_ticks(pid)
        record = PidRecord(pid=pid, start_ticks=-1 if ticks is None else ticks, boot_id=_boot_id())
        path = self._pid_file(name)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(record))
        fresh.replace(path)

    def _read(self, name: str) -> PidRecord | None:
        try:
            return msgspec.json.decode(self._pid_file(name).read_bytes(), type=PidRecord)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None  # a torn file names nobody: better a process left alone than a stranger


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """SIGINT and SIGTERM wait until the block is done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _environment() -> dict[str, str]:
    """Ours, and the tree that this program was imported from when it is not installed."""
    environment = dict(os.environ)
    root = Path(oms.__file__).parent.parent
    if root.name not in {"site-packages", "dist-packages"}:
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{root}{os.pathsep}{known}" if known else str(root)
    return environment


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _start_ticks(pid: int) -> int | None:
    fields = _stat_fields(pid)
    return None if fields is None else int(fields[_START_TIME_FIELD])


def _open_living(record: PidRecord) -> int | None:
    """A descriptor of the process, opened before it is compared: it cannot change under us.

    None when it is gone; a dead child is reaped. A process whose first thread has ended is a
    zombie for /proc, but it lives, and holds its locks and ports, until the last thread has ended.
    """
    try:
        descriptor = os.pidfd_open(record.pid)
    except OSError as error:
        if error.errno in _NO_PROCESS:
            return None
        raise
    is_same = _start_ticks(record.pid) == record.start_ticks and record.boot_id == _boot_id()
    if is_same and not _ends_within(descriptor, 0.0):
        return descriptor
    os.close(descriptor)
    _reap(record)
    return None


def _ends_within(descriptor: int, timeout_s: float) -> bool:
    """Wait for a process's end: that of its last thread."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(max(0.0, timeout_s) * 1000))


def _reap(record: PidRecord) -> None:
    """Collect this very process if it is a dead child of ours."""
    if _start_ticks(record.pid) == record.start_ticks:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(record.pid, os.WNOHANG)
