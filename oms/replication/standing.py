"""What the frames of a node say about it, and what the others' frames said: term and trading date.

Written by raft_core.py (term), the port (date) and the transport (what arrives); pure. Promises:
the date only grows: it is the newest that this node's applied state or any authenticated frame had.
A node whose last frame had an older date is behind: its claims of authority are not followed until
it has learned (it does so from any frame it gets).
"""


class Standing:
    """One node's."""

    def __init__(self) -> None:
        self.term = 0
        self.trading_date = 0  # YYYYMMDD; 0: none known
        self._dates: dict[str, int] = {}  # of each peer's last frame

    def note_date(self, trading_date: int) -> None:
        """This date exists."""
        self.trading_date = max(self.trading_date, trading_date)

    def heard(self, node_id: str, trading_date: int) -> None:
        """A frame of `node_id` had this date."""
        self._dates[node_id] = trading_date
        self.trading_date = max(self.trading_date, trading_date)

    def is_behind(self, node_id: str) -> bool:
        """Whether the last frame of `node_id` had an older date; unheard is current."""
        return self._dates.get(node_id, self.trading_date) < self.trading_date
