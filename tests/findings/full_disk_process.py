"""A journal on a disk of 12 MiB that fills up, in a process of its own.

Run as `python -m tests.findings.full_disk_process KIND FOLDER`; the disk is a tmpfs that only this
process sees. Prints `cannot mount` where that is not allowed; else, as JSON, how many entries the
journal took until it refused, and how many it says it has when it is opened again. The library's
process does not get so far: it dies of SIGBUS.
"""

import ctypes
import json
import os
import sys
from pathlib import Path

from tests.findings.journals import Bench, LibraryBench, OurBench, stored

ENTRIES_MAX = 2000  # more than the disk holds
ENTRY_BYTES = 8000
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000


def mount_small(folder: Path) -> bool:
    """A small disk under `folder`; False where this is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = _CLONE_NEWNS | (0 if os.geteuid() == 0 else _CLONE_NEWUSER)
    if libc.unshare(flags) or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        return False
    return not libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, b"size=12m")


def main(kind: str, folder: Path) -> None:
    """Fill it."""
    if not mount_small(folder):
        print("cannot mount")
        return
    bench: Bench = OurBench(folder / "j") if kind == "ours" else LibraryBench(folder / "j")
    if isinstance(bench, OurBench):
        bench.segment_bytes = 1 << 20
    bench.open()
    taken = 0
    while taken < ENTRIES_MAX and bench.has_room(ENTRY_BYTES):
        bench.add(stored(taken + 1, size=ENTRY_BYTES))
        taken += 1
    bench.close()
    bench.open()
    print(json.dumps([taken, len(bench.entries())]))
    bench.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
