"""Whether the installed PySyncObj is the one that was reviewed.

Called by raft_core.py before it starts the library, whose private parts it relies on. There is no
way round it: another version is reviewed first, then its hash is written here (docs/adr/0011).
"""

import hashlib
from pathlib import Path
from typing import Final

from oms.replication.errors import LibraryChangedError

LIBRARY_VERSION: Final = "0.3.17"
LIBRARY_SHA256: Final = "e8bdf06797085d734df86e24ab4802fe87893dff77268565ec036f7ad4a1cfe4"


def check_library(source: Path, version: str) -> None:
    """Compare version and source of the library's main module. Raises: LibraryChangedError."""
    found = hashlib.sha256(source.read_bytes()).hexdigest()
    if version != LIBRARY_VERSION or found != LIBRARY_SHA256:
        raise LibraryChangedError(
            f"PySyncObj {version} with {source.name} {found[:16]} is installed; only "
            f"{LIBRARY_VERSION} with {LIBRARY_SHA256[:16]} was reviewed (docs/adr/0011)"
        )
