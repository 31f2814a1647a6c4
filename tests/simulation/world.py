"""Virtual time, and the processes that live in it.

One heap of things to come, in the order of their time, then of their making. A process runs when it
is woken: its step takes no real waiting, and what it costs in virtual time is added to the clock
that the process itself reads. Promises: everything random comes from streams named after the seed;
whatever happens is noted in one running hash, so two runs of a seed can be compared.
"""

import abc
import contextlib
import heapq
import itertools
import random
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Final, TextIO

US: Final = 1_000
MS: Final = 1_000_000
SECOND: Final = 1_000_000_000
_ASK_NS: Final = 2 * MS
_WAKE_NS: Final = 150 * US  # from an event to the turn of who waits for it
NEVER: Final = 1 << 62
START_NS: Final = 100 * SECOND  # monotonic
WALL_NS: Final = 1_790_000_000 * SECOND  # wall time at START_NS

Value = int | str | bytes | bool | None


class Died(BaseException):
    """The process that runs ends here and now; no handler of its own may see to anything."""

    def __init__(self, *, is_power_lost: bool, why: str) -> None:
        super().__init__(why)
        self.is_power_lost = is_power_lost


class World:
    """The clock and the heap."""

    def __init__(self, seed: int, place: str, trace: TextIO | None = None) -> None:
        self.seed = seed
        self._place = place  # a folder whose name is no part of what the seed stands for
        self.now_ns = START_NS
        self.current: Process | None = None
        self.seen: Counter[str] = Counter()  # what happened, by name
        self.faults: list[str] = []  # what must never happen, in words
        self.leaders: dict[Value, str] = {}  # by term
        self.on_said: list[Callable[[str, str], bool]] = []  # process, event; True: it is done
        self._trace = trace
        self._hash = blake2b(digest_size=16)
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    # ---- randomness and the trace

    def stream(self, name: str) -> random.Random:
        """Random numbers of one purpose: other purposes do not disturb them."""
        return random.Random(f"{self.seed}/{name}")

    def note(self, what: str, *values: Value) -> None:
        """Something happened: it is part of what the seed stands for."""
        line = f"{self.now_ns - START_NS} {what} {' '.join(map(repr, values))}\n"
        line = line.replace(self._place, "")
        self._hash.update(line.encode())
        if self._trace is not None:
            self._trace.write(line)

    @property
    def digest(self) -> str:
        """Hash of everything noted so far."""
        return self._hash.hexdigest()

    def happens(self, name: str, event: str) -> None:
        """An instant of this process, for those who wait for it."""
        for hear in list(self.on_said):
            if hear(name, event):
                self.on_said.remove(hear)

    def fault(self, text: str) -> None:
        """The product broke a promise."""
        self.note("broken", text)
        self.faults.append(f"{(self.now_ns - START_NS) / SECOND:.3f} s: {text}")

    # ---- time

    def monotonic_ns(self) -> int:
        """As the process that runs now sees it."""
        return self.now_ns + (self.current.spent_ns if self.current is not None else 0)

    def monotonic_s(self) -> float:
        """The same in seconds."""
        current = self.current
        return (self.now_ns + (current.spent_ns if current is not None else 0)) / SECOND

    def wall_ns(self) -> int:
        """The wall clock of the machine that runs now."""
        skew = self.current.skew_ns if self.current is not None else 0
        return self.monotonic_ns() - START_NS + WALL_NS + skew

    def at(self, when_ns: int, call: Callable[[], None]) -> None:
        """Call it then."""
        heapq.heappush(self._heap, (max(when_ns, self.now_ns), next(self._numbers), call))

    def after(self, delay_ns: int, call: Callable[[], None]) -> None:
        """Call it so much after now, as the process that runs sees now."""
        self.at(self.monotonic_ns() + delay_ns, call)

    def run(self, until_ns: int, is_done: Callable[[], bool] | None = None) -> bool:
        """Let time pass; True if `is_done` (asked now and then) came true before `until_ns`."""
        heap, ask_ns = self._heap, self.now_ns
        while heap and heap[0][0] <= until_ns:
            self.now_ns, _, call = heapq.heappop(heap)
            call()
            if is_done is not None and self.now_ns >= ask_ns:
                ask_ns = self.now_ns + _ASK_NS
                if is_done():
                    return True
        self.now_ns = until_ns
        return False

    @contextlib.contextmanager
    def acting(self, process: "Process") -> Iterator[None]:
        """What is called now is called by this process."""
        before, self.current = self.current, process
        process.spent_ns = 0
        try:
            yield
        finally:
            self.current = before


class Process(abc.ABC):
    """Something that runs, sleeps, and can be killed at any moment."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.life = 0  # counts starts: what belongs to an earlier one is void
        self.is_up = False
        self.spent_ns = 0  # of this step
        self.skew_ns = 0  # of its machine's wall clock
        self.paused_until_ns = 0
        self._busy_until_ns = 0
        self._wake_ns = NEVER
        self._wanted_ns = NEVER
        self._costs = world.stream(f"cost {name}")

    # ---- for whoever plays a part of it

    @abc.abstractmethod
    def begin(self) -> None:
        """Make what runs."""

    @abc.abstractmethod
    def step(self) -> int:
        """One turn; returns when the next one is wanted, if nothing comes before."""

    @abc.abstractmethod
    def died(self, *, is_power_lost: bool) -> None:
        """Everything in memory is gone."""

    # ---- life

    def start(self) -> None:
        """The process begins."""
        assert not self.is_up
        self.life += 1
        self.is_up = True
        self.world.note("start", self.name)
        self.guard(self.begin)
        self.wake()

    def kill(self, *, is_power_lost: bool = False) -> None:
        """The process ends at once."""
        if not self.is_up:
            return
        self.is_up = False
        self._wake_ns = NEVER
        self.paused_until_ns = self._busy_until_ns = 0
        self.world.note("power lost" if is_power_lost else "killed", self.name)
        self.died(is_power_lost=is_power_lost)

    def guard(self, call: Callable[[], None]) -> None:
        """Call it as this process; where it dies, it dies."""
        world = self.world
        before, world.current = world.current, self
        self.spent_ns = 0
        try:
            try:
                call()
            finally:
                world.current = before
        except Died as end:
            self.world.note("died", self.name, str(end))
            self.kill(is_power_lost=end.is_power_lost)
        except Exception as error:  # noqa: BLE001  # the top of a process
            self.world.note("raised", self.name, "".join(traceback.format_exception(error)))
            self.world.fault(f"{self.name} failed: {error!r}")
            self.kill()

    def later(self, delay_ns: int, call: Callable[[], None]) -> None:
        """Call it as this process after a while, if it lives then."""
        life = self.life

        def if_alive() -> None:
            if self.is_up and self.life == life:
                self.guard(call)

        self.world.after(delay_ns, if_alive)

    def pause(self, for_ns: int) -> None:
        """It does not run for a while; its machine does."""
        self.paused_until_ns = max(self.paused_until_ns, self.world.now_ns + for_ns)

    def wake(self, at_ns: int = 0) -> None:
        """Run a step then (or now), unless one is due before."""
        at_ns = max(at_ns, self.world.now_ns + _WAKE_NS, self._busy_until_ns, self.paused_until_ns)
        if self.is_up and at_ns < self._wake_ns:
            self._wake_ns = at_ns
            self.world.at(at_ns, self._run)

    def _run(self) -> None:
        now_ns = self.world.now_ns
        if not self.is_up or self._wake_ns > now_ns:
            return
        self._wake_ns = NEVER
        if now_ns < self.paused_until_ns:
            self.wake()
            return
        life = self.life
        self._wanted_ns = NEVER
        self.guard(self._turn)
        if self._lives(life):
            self._busy_until_ns = now_ns + self.spent_ns + self._costs.randrange(10, 120) * US
            if self._wanted_ns < NEVER:
                self.wake(self._wanted_ns)

    def _turn(self) -> None:
        self._wanted_ns = self.step()

    def _lives(self, life: int) -> bool:
        return self.is_up and self.life == life
