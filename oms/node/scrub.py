"""The state itself, hashed at fixed log indexes and compared among the nodes (RULES A17).

Called by the replica. The chain digest covers what entries said; a bit that flipped in memory, or a
snapshot restored to something else, shows there only once it decides an outcome. Promises: the
same indexes on every node, because they follow from the log alone; bounded work, or none.
"""

from oms.bounds import SCRUB_ORDERS_MAX
from oms.node.digests import DigestWatch
from oms.node.engine import Engine
from oms.process_log import Log


class Scrub:
    """Hashes the state when it is told to, and remembers the last one."""

    def __init__(self, engine: Engine, digests: DigestWatch, say: Log) -> None:
        self._engine = engine
        self._digests = digests
        self._say = say
        self.log_index = 0  # of the last one; 0: none since the start
        self.state_digest = 0

    def run(self, log_index: int) -> None:
        """Hash the state at `log_index`, unless the walk would stop the loop for too long."""
        open_orders = self._engine.open_orders
        if open_orders > SCRUB_ORDERS_MAX:
            self._say.warning("scrub_left_out", log_index=log_index, open_orders=open_orders)
            return
        self.log_index, self.state_digest = log_index, self._engine.state_digest()
        self._digests.note_state(log_index, self.state_digest)
