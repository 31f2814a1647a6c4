"""Places in a node or a gateway where a test can have the process killed.

Used by `hop_node.py` and `hop_gateway.py`, which wrap parts of the product: the product itself
cannot be told to die. A place is armed by a file in the venue's folder and works once, for the
process that gets there first with a marked order in its hands.
"""

import os
import signal
import sys
from pathlib import Path

MARK = b"DIE HERE"  # ClOrdID of the order that is waited for
NARROW = "narrow-pub"  # a file of this name: nodes have a short queue for each subscriber


def folder() -> Path:
    """The venue's folder, from the process's own settings file."""
    settings = Path(sys.argv[sys.argv.index("--settings") + 1])
    return settings.parent.parent


def place(where: Path, name: str) -> Path:
    """The file that arms a place."""
    return where / f"die-at-{name}"


def reached(name: str, data: bytes) -> None:
    """Die, if this place is armed and the marked order is in `data`."""
    if MARK not in data:
        return
    try:
        place(folder(), name).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
