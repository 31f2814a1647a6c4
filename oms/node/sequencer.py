"""The leader's queue: puts commands in order, stamps the time, packs entries and proposes them.

Called by ingress and requests (offer), by the loop (run) and by the replica (on_applied). Promises:
a bounded queue whose bound stops the reading of PULL, at most PIPELINE_ENTRIES_MAX entries on their
way, timestamps that only grow. A batch closes when the log has room for the next entry: an
idle venue commits one order at once, a busy one a thousand together.
"""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import msgspec

from oms.bounds import (
    BATCH_COMMANDS_MAX,
    PIPELINE_ENTRIES_MAX,
    PUSH_COMMANDS_MAX,
    SEQUENCER_QUEUE_MAX,
)
from oms.messages.commands import Command, NewOrder, ReplaceOrder
from oms.messages.enums import RejectReason
from oms.messages.packing import pack_batch
from oms.messages.records import BATCH_HEADER
from oms.node.engine import Engine


class Proposals(Protocol):
    """The two verbs of `ReplicatedLog` that the sequencer uses."""

    def propose(self, entry: bytes) -> bool:
        """Append as leader, or not."""

    def pending(self) -> int:
        """Entries on their way."""


def _refused(command: Command) -> Command:
    """What asks for more of the venue's storage gets its outcome, which is that; the rest passes:
    cancels, logins, logouts, and what administrators do.
    """
    if isinstance(command, NewOrder | ReplaceOrder) and not command.refuse_reason:
        return msgspec.structs.replace(command, refuse_reason=int(RejectReason.STORAGE_FULL))
    return command


class Sequencer:
    """Commands in, log entries out; only the leader's is ever used."""

    def __init__(self, engine: Engine, genesis: Sequence[bytes]) -> None:
        self._engine = engine
        self._genesis = genesis
        self._genesis_proposed = 0
        self._queue: deque[Command] = deque()
        self._queue_start = 0  # number of the queue's first command, counted from 0 for ever
        self._tokens: deque[tuple[int, int]] = deque()  # (command number, token of a submit)
        self._flying: deque[tuple[int, list[int]]] = deque()  # (entry timestamp, its tokens)
        self._proof_token = 0  # goes with the next entry, whatever is in it
        self._last_timestamp_ns = 0
        self.is_squeezed = False  # the log lives on its reserve: no new orders
        self._is_refused = False  # the log took nothing at the last try (no room on its disk)

    # ---- in

    @property
    def room(self) -> int:
        """Commands that may still be put in line."""
        return SEQUENCER_QUEUE_MAX - len(self._queue)

    @property
    def has_room(self) -> bool:
        """Another PUSH frame fits; if not, PULL is not read."""
        return self.room >= PUSH_COMMANDS_MAX

    @property
    def queued(self) -> int:
        """Commands that wait for an entry."""
        return len(self._queue)

    def offer(self, commands: Sequence[Command]) -> None:
        """Put a gateway's commands in line; the caller has asked for room."""
        self._queue.extend(commands)

    def offer_own(self, command: Command) -> None:
        """Put the leader's own command in line (GatewayLost)."""
        self._queue.append(command)

    def offer_submit(self, command: Command, token: int) -> None:
        """Put an administrator's command in line; `on_applied` will name its token."""
        self._tokens.append((self._queue_start + len(self._queue), token))
        self._queue.append(command)

    @property
    def proof_token(self) -> int:
        """Token that `offer_proof` left and no entry has taken yet; 0: none."""
        return self._proof_token

    def offer_proof(self, token: int) -> None:
        """Propose an entry from now on, an empty one if need be; `on_applied` names the token."""
        self._proof_token = token

    # ---- out

    @property
    def is_ready(self) -> bool:
        """Something could be proposed at once: the loop must not sleep. Not so after a refusal:
        then the log's own deadlines say when to try again.
        """
        has_work = bool(self._queue) or bool(self._proof_token) or not self.is_genesis_done
        return (has_work or self._engine.is_work_pending) and not self._is_refused

    @property
    def next_due_ns(self) -> int:
        """When an entry is wanted although nothing else comes, log time (RULES A10); 0: never."""
        return self._engine.next_due_ns

    def start_leading(self, entries_applied: int) -> None:
        """A new term: `entries_applied` entries are known to be in the log."""
        self.clear()
        self._genesis_proposed = min(entries_applied, len(self._genesis))

    def clear(self) -> None:
        """Forget what is queued; gateways push it again to whoever leads."""
        self._queue_start += len(self._queue)
        self._queue.clear()
        self._tokens.clear()
        self._flying.clear()
        self._proof_token = 0

    @property
    def is_genesis_done(self) -> bool:
        """Every genesis entry was proposed; commands may follow."""
        return self._genesis_proposed >= len(self._genesis)

    def run(self, log: Proposals, now_ns: int) -> int:
        """Propose while there is something and the log has room. Returns entries proposed."""
        proposed = 0
        self._is_refused = False
        while log.pending() < PIPELINE_ENTRIES_MAX and self._has_work(log, now_ns):
            if not self._propose_next(log, now_ns):
                self._is_refused = True
                break
            proposed += 1
        return proposed

    def _has_work(self, log: Proposals, now_ns: int) -> bool:
        """A genesis entry, commands, reads that want a proof, work or an expiry without them."""
        if self._queue or self._proof_token or not self.is_genesis_done:
            return True
        is_due = 0 < self._engine.next_due_ns <= now_ns
        return (self._engine.is_work_pending or is_due) and log.pending() == 0

    def _propose_next(self, log: Proposals, now_ns: int) -> bool:
        if not self.is_genesis_done:
            is_taken = log.propose(self._genesis[self._genesis_proposed])
            self._genesis_proposed += is_taken
            return is_taken
        return self._propose_batch(log, now_ns)

    def _stamp(self, now_ns: int) -> int:
        """Entry time: the clock, but always above what was stamped or applied before."""
        last = max(self._last_timestamp_ns, self._engine.last_timestamp_ns)
        self._last_timestamp_ns = max(last + 1, now_ns)
        return self._last_timestamp_ns

    def _propose_batch(self, log: Proposals, now_ns: int) -> bool:
        """What is queued, up to a full batch; an empty one when nothing is."""
        count = min(len(self._queue), BATCH_COMMANDS_MAX)
        queue = self._queue
        commands = [queue.popleft() for _ in range(count)]
        packed = [_refused(command) for command in commands] if self.is_squeezed else commands
        timestamp_ns = self._stamp(now_ns)
        if not log.propose(pack_batch(timestamp_ns, packed)):
            queue.extendleft(reversed(commands))
            return False
        self._queue_start += count
        tokens: list[int] = []
        while self._tokens and self._tokens[0][0] < self._queue_start:
            tokens.append(self._tokens.popleft()[1])
        if self._proof_token:
            tokens.append(self._proof_token)
            self._proof_token = 0
        if tokens:
            self._flying.append((timestamp_ns, tokens))
        return True

    # ---- back

    @property
    def has_submits_in_flight(self) -> bool:
        """Some proposed entry carries a submit or a proof."""
        return bool(self._flying)

    def on_applied(self, entry: bytes) -> list[int]:
        """Tokens that this applied entry carries; it is told by its timestamp."""
        timestamp_ns = BATCH_HEADER.unpack_from(entry)[4]
        if self._flying and self._flying[0][0] == timestamp_ns:
            return self._flying.popleft()[1]
        return []
