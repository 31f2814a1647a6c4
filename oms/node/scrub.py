"""The state itself, hashed slice by slice at fixed log indexes and compared (RULES A17).

Called by the replica. The chain digest covers what entries said; a bit that flipped in memory, or a
snapshot restored to something else, shows there only once it decides an outcome. Promises: the same
slices at the same indexes on every node, because they follow from the log alone; bounded work each
time, however large the venue is; every part of the state comes round again.
"""

from oms.bounds import SCRUB_EVERY_ENTRIES
from oms.node.digests import DigestWatch
from oms.node.engine import Engine


class Scrub:
    """Hashes a slice when it is told to, and remembers the last one."""

    def __init__(self, engine: Engine, digests: DigestWatch) -> None:
        self._engine = engine
        self._digests = digests
        self.log_index = 0  # of the last one; 0: none since the start
        self.state_digest = 0

    def run(self, log_index: int) -> None:
        """Hash the slice that is due at `log_index`."""
        self.log_index = log_index
        self.state_digest = self._engine.scrub_digest(log_index // SCRUB_EVERY_ENTRIES)
        self._digests.note_state(log_index, self.state_digest)
