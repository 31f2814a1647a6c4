"""The state machine as the node sees it, and which one this process runs.

Called by the composition root. `core` is the product; `reference` is the oracle, for tests of the
node and for shadows: the same rules and the same digests, many times slower.
"""

from typing import Protocol

from oms.config import SettingsError
from oms.messages.link import AccountView, BookView, Directory, OrderView, Totals


class Engine(Protocol):
    """What `oms/_core/engine.pyi` promises, as far as a node needs it."""

    def apply(self, log_index: int, entry: bytes) -> int:
        """Apply one entry; how many event records `events()` now holds."""

    def events(self) -> bytes:
        """Event records of the last `apply`."""

    @property
    def applied_index(self) -> int:
        """Last log index applied or skipped."""

    def skip_to(self, log_index: int) -> None:
        """Note entries that are the log's own."""

    @property
    def has_genesis(self) -> bool:
        """A genesis record was applied."""

    @property
    def last_timestamp_ns(self) -> int:
        """Log time."""

    @property
    def event_seq(self) -> int:
        """Number of the last event."""

    @property
    def is_work_pending(self) -> bool:
        """Bounded work is unfinished."""

    @property
    def next_due_ns(self) -> int:
        """When the next order expires, log time; 0: none does."""

    @property
    def open_orders(self) -> int:
        """Live orders in the venue."""

    def digest(self) -> int:
        """Chain over every entry and its events."""

    def state_digest(self) -> int:
        """Hash of the canonical state; a full walk, for comparisons off the path of orders."""

    def scrub_digest(self, step: int) -> int:
        """Hash of a slice of the canonical state, in bounded time; `step` turns through it."""

    def snapshot(self) -> bytes:
        """The whole state."""

    def restore(self, data: bytes) -> None:
        """Replace the state. Raises: ValueError."""

    def directory(self) -> Directory:
        """Who and what there is."""

    def account(self, account_id: int) -> AccountView | None:
        """One account."""

    def session_orders(self, session_id: int) -> list[OrderView]:
        """Live orders of a session."""

    def book(self, instrument_id: int, depth: int) -> BookView | None:
        """Best levels of a book."""

    def totals(self) -> Totals:
        """Issued against held."""


def make_engine(kind: str) -> Engine:
    """An empty engine of the kind that the settings name. Raises: SettingsError."""
    if kind == "core":
        from oms._core.engine import Engine as CoreEngine  # noqa: PLC0415  one of the two is loaded

        return CoreEngine()
    if kind == "reference":
        from oms.reference.engine import Engine as ReferenceEngine  # noqa: PLC0415

        return ReferenceEngine()
    raise SettingsError(
        what=f"there is no engine {kind!r}",
        why="the setting `engine` names neither of the two",
        do='write engine = "core", or "reference" for tests',
        read="docs/operating.md, When something does not start",
    )
