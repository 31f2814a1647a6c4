"""fdatasync's own time: alone on the quiet disk, beside a load, and inside a process.

Called by the measuring programs, because every acknowledged order has waited for a sync on each of
two nodes: without the disk's own figure from the same run a latency says little. The probe does
what a journal does: it syncs a few KiB that were written into blocks which exist already.
"""

import os
import threading
import time
from pathlib import Path
from typing import Final, Self

from oms.client.latency import LatencyHistogram

SYNC_BYTES: Final = 4_096
SYNC_FILE_BYTES: Final = 4 << 20
SYNCS_ALONE: Final = 300
SYNC_EVERY_S: Final = 0.05


class SyncProbe:
    """A file of its own on the disk that is measured; `with` runs it beside a load."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / "sync_probe", os.O_RDWR | os.O_CREAT, 0o600)
        os.write(self._fd, bytes(SYNC_FILE_BYTES))
        os.fsync(self._fd)
        self._offset = 0
        self._stop = threading.Event()
        self.alone = LatencyHistogram()
        self.loaded = LatencyHistogram()
        self._thread = threading.Thread(target=self._run)

    def measure_alone(self, count: int = SYNCS_ALONE) -> None:
        """Before the load."""
        for _ in range(count):
            self._sync(self.alone)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()
        self.close()

    def close(self) -> None:
        """Give the file back; `with` does it too."""
        os.close(self._fd)

    def _run(self) -> None:
        while not self._stop.wait(SYNC_EVERY_S):
            self._sync(self.loaded)

    def _sync(self, histogram: LatencyHistogram) -> None:
        os.pwrite(self._fd, os.urandom(SYNC_BYTES), self._offset)
        self._offset = (self._offset + SYNC_BYTES) % SYNC_FILE_BYTES
        before_ns = time.perf_counter_ns()
        os.fdatasync(self._fd)
        histogram.record(time.perf_counter_ns() - before_ns)


def sync_alone(folder: Path, count: int = SYNCS_ALONE) -> dict[str, int]:
    """Summary in microseconds of that many syncs, one after the other, with nothing beside."""
    probe = SyncProbe(folder)
    probe.measure_alone(count)
    probe.close()
    (folder / "sync_probe").unlink()
    return probe.alone.summary_us()


def time_own_syncs() -> list[float]:
    """From now on every os.fdatasync of this process adds its microseconds to the list."""
    durations_us: list[float] = []
    real = os.fdatasync

    def timed(fd: int) -> None:
        start = time.perf_counter()
        real(fd)
        durations_us.append((time.perf_counter() - start) * 1e6)

    setattr(os, "fdatasync", timed)  # noqa: B010  # mypy has a wider type for the real one
    return durations_us
