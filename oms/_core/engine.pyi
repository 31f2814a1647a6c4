"""The state machine: a function of the log. The only Python-visible class of the core.

`oms.reference.engine.Engine` has the same methods, and every one of them must answer alike.
"""

from typing import final

from oms.messages.link import AccountView, BookView, Directory, OrderView, Totals

@final
class Engine:
    """Orders, risk, accounts and matching of a whole venue; empty until a genesis entry."""

    def __init__(self) -> None: ...
    def apply(self, log_index: int, entry: bytes) -> int:
        """Apply one committed log entry; never raises on account of its content.

        Returns how many event records `events()` now holds. `log_index` must be above the last
        one applied (else ValueError: a fault of the caller, not of the log).
        """

    def events(self) -> bytes:
        """The event records of the last `apply`, EVENT_BYTES each, copied."""

    @property
    def applied_index(self) -> int: ...
    def skip_to(self, log_index: int) -> None:
        """Note that entries up to `log_index` hold nothing for the engine (Raft's own no-ops)."""

    @property
    def has_genesis(self) -> bool: ...
    @property
    def last_timestamp_ns(self) -> int: ...
    @property
    def event_seq(self) -> int: ...
    @property
    def is_work_pending(self) -> bool:
        """Bounded work is unfinished (the day-end sweep, mass cancels, orders whose time is over):
        the leader proposes an empty entry.
        """

    @property
    def next_due_ns(self) -> int:
        """When the next order expires, by the log's time: the leader proposes an empty entry then
        if nothing else comes (RULES A10). 0: none does.
        """

    @property
    def open_orders(self) -> int:
        """Live orders in the venue."""

    def digest(self) -> int:
        """Chain over what every entry led to (docs/rules.md, Digest). 64 bits."""

    def state_digest(self) -> int:
        """Hash of the canonical state; a full walk. 64 bits."""

    def scrub_digest(self, step: int) -> int:
        """Hash of a slice of the canonical state, in bounded time; `step` turns through all of it.
        64 bits.
        """

    def verify(self) -> None:
        """Walk every structure (tests). Raises: AssertionError with the number of the promise."""

    def snapshot(self) -> bytes:
        """The whole state, versioned and checksummed."""

    def snapshot_beside(self, file: int) -> int:
        """Start a process that writes `snapshot()` as it is now into the open file `file` and ends
        (status 0); its process id. It is short of everything but the state: whatever is applied
        meanwhile does not concern it (docs/adr/0045). Not in the oracle. Raises: OSError when
        there is no room for one.
        """

    def join_pages(self) -> None:
        """When that process has ended: make the large pages whole again that it has split. From
        any thread; a piece of 2 MiB at a time, no longer than a copy of it. Not in the oracle.
        """

    def restore(self, data: bytes) -> None:
        """Replace the state. Raises: ValueError when version, length or checksum is wrong."""

    def directory(self) -> Directory: ...
    def account(self, account_id: int) -> AccountView | None: ...
    def session_orders(self, session_id: int) -> list[OrderView]: ...
    def book(self, instrument_id: int, depth: int) -> BookView | None: ...
    def totals(self) -> Totals: ...
