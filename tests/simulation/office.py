"""Who asks the nodes themselves: readers that want the truth, and the administrator who rolls days.

Each is a process with a DEALER to the nodes' ROUTER sockets. A reader asks its node linearizable
questions, whether it leads or not, and keeps what was answered with what anybody had been told when
it asked: the judge says whether that answer could be given. The administrator ends the day and
begins the next; it looks at the venue before each step, so it goes on where a lost answer left it.
"""

import random
from abc import abstractmethod
from collections.abc import Callable, Generator, Mapping
from typing import Final, NamedTuple

import msgspec
import zmq

from oms.local.genesis import ADMIN_SESSION_ID, trading_day
from oms.local.requests import ANSWER
from oms.messages import link
from oms.messages.admin_commands import AdminCommand, EndDay, SetPhase, StartDay
from oms.messages.commands import Login
from oms.messages.enums import EventKind, Phase
from oms.messages.event_records import unpack_event
from oms.transport.sockets import NOW
from tests.simulation.seams import Seams
from tests.simulation.traders import Tape
from tests.simulation.world import MS, SECOND, WALL_NS, Process
from tests.simulation.zmq_sockets import Connecting

READS_S: Final = 4.0  # of one reader, a second
_ANSWER_NS: Final = 700 * MS
_LOOK_NS: Final = 20 * MS
_LATE_NS: Final = 300 * SECOND  # no clock here is so wrong
_DAY_NS: Final = 86_400 * SECOND
_MESSAGES_MAX: Final = 1_024
_REPLY_FRAMES: Final = 3  # number, what it is, body
_DEPTH: Final = 3
_OWN: Final = (ADMIN_SESSION_ID, 0, 0, 0)

Answer = link.Totals | link.BookView | link.AccountView | link.Orders
Turns = Generator[int, None, bytes]  # yields until when it waits; an answer's body, empty: none
_KINDS: Final[dict[type[link.Read], type[Answer]]] = {
    link.GetTotals: link.Totals,
    link.GetBook: link.BookView,
    link.GetAccount: link.AccountView,
    link.GetOpenOrders: link.Orders,
}


class Read(NamedTuple):
    """A question that was answered, and what was known when it was asked. Shape: the node; the
    clients' tapes with the number of messages on each; how many reads had been answered.
    """

    node: str
    request: link.Read
    tapes: list[tuple[Tape, int]]
    reads: int
    answer: Answer


class Asker(Process):
    """A process that asks nodes, one question at a time."""

    def __init__(self, seams: Seams, name: str, routers: Mapping[str, str]) -> None:
        super().__init__(seams.world, name)
        self.seams = seams
        self.draw: random.Random = seams.world.stream(name)
        self.is_idle = False  # nothing new is begun any more
        self._routers = dict(routers)
        self._sockets: dict[str, Connecting] = {}
        self._numbers = 0
        self._script: Generator[int, None, None] = self.work()

    def begin(self) -> None:
        """Connect to every node."""
        fabric = self.seams.fabric
        self._sockets = {
            node: Connecting(fabric, address, _MESSAGES_MAX, _MESSAGES_MAX)
            for node, address in self._routers.items()
        }

    def step(self) -> int:
        """As far as it gets."""
        return next(self._script)

    @abstractmethod
    def work(self) -> Generator[int, None, None]:
        """What it does, without end; yields until when it waits."""

    def died(self, *, is_power_lost: bool) -> None:
        """It never is killed."""
        self.seams.forget(self, is_power_lost=is_power_lost)

    def rest(self, for_ns: int) -> Generator[int, None, None]:
        """Do nothing for so long."""
        until_ns = self.world.now_ns + for_ns
        while self.world.now_ns < until_ns:
            yield until_ns

    def ask(self, node: str, request: link.Request) -> Turns:
        """The body of its answer; empty: none in time, a refusal, or another one leads."""
        self._numbers += 1
        number, socket = self._numbers.to_bytes(8, "little"), self._sockets[node]
        until_ns = self.world.now_ns + _ANSWER_NS
        try:
            socket.send_multipart([number, msgspec.msgpack.encode(request)], NOW)
        except zmq.Again:
            return b""
        while self.world.now_ns < until_ns:
            yield until_ns
            while socket.inbox:
                frames = socket.recv_multipart(NOW)
                if len(frames) == _REPLY_FRAMES and frames[0] == number:
                    return frames[2] if frames[1] == ANSWER else b""
        return b""


class Reader(Asker):
    """Asks one node."""

    def __init__(
        self, seams: Seams, node: str, router: str, told: Callable[[], list[tuple[Tape, int]]],
        reads: list[Read],
    ) -> None:  # fmt: skip
        super().__init__(seams, f"reader of {node}", {node: router})
        self._node = node
        self._told = told
        self._reads = reads  # of all readers, as they were answered

    def work(self) -> Generator[int, None, None]:
        """One question after the other."""
        while True:
            yield from self.rest(int(self.draw.expovariate(READS_S) * SECOND))
            if self.is_idle:
                continue
            request = self._request()
            told, reads = self._told(), len(self._reads)
            body = yield from self.ask(self._node, request)
            if body:
                answer = msgspec.msgpack.decode(body, type=_KINDS[type(request)])
                self._reads.append(Read(self._node, request, told, reads, answer))
                self.world.seen["linearizable read"] += 1
                self.world.note("read", self._node, answer.applied_index)

    def _request(self) -> link.Read:
        which = self.draw.randrange(4)
        number = self.draw.randrange(1, 3)
        if which == 0:
            return link.GetTotals(linearizable=True)
        if which == 1:
            return link.GetBook(number, _DEPTH, linearizable=True)
        if which == 2:
            return link.GetAccount(1 + number, linearizable=True)
        return link.GetOpenOrders(ADMIN_SESSION_ID + number, linearizable=True)


class Administrator(Asker):
    """Ends a day and begins the next when it is told to."""

    def __init__(self, seams: Seams, routers: Mapping[str, str]) -> None:
        super().__init__(seams, "administrator", routers)
        self._days = 0  # rolled, the one under way included
        self.is_rolling = False
        self._nodes = list(routers)

    def roll(self) -> None:
        """The next day is wanted, unless one is being begun."""
        if not self.is_rolling and not self.is_idle:
            self.is_rolling = True
            self._days += 1
            self.wake()

    def work(self) -> Generator[int, None, None]:
        """Look, do the next step, look again."""
        while True:
            yield from self.rest(_LOOK_NS)
            if not self.is_rolling:
                continue
            node = self._nodes[0]
            body = yield from self.ask(node, link.GetDirectory(linearizable=True))
            if not body:
                self._nodes.append(self._nodes.pop(0))  # another one leads, or is there
                continue
            command = self._next_step(msgspec.msgpack.decode(body, type=link.Directory))
            if command is None:
                self.is_rolling = False
                self.world.seen["day rolled"] += 1
                self.world.note("day rolled", self._days)
                continue
            yield from self._submit(node, command)

    def _next_step(self, directory: link.Directory) -> AdminCommand | None:
        wanted, _ = trading_day(WALL_NS + self._days * _DAY_NS)
        if directory.trading_date < wanted:
            if directory.is_day_open:
                return EndDay(*_OWN)
            # The clocks go on as they are: the new day's times count from the first midnight.
            return StartDay(*_OWN, wanted, directory.midnight_ns)
        if any(item.phase != Phase.CONTINUOUS for item in directory.instruments):
            return SetPhase(*_OWN, 0, Phase.CONTINUOUS)
        return None

    def _submit(self, node: str, command: AdminCommand) -> Generator[int, None, None]:
        """Under a login of its own, so that what is lost can simply be done again."""
        login = Login(ADMIN_SESSION_ID, self.draw.getrandbits(62) + 1, 0)
        body = yield from self.ask(node, link.Submit(login))
        if not body:
            return
        event = unpack_event(msgspec.msgpack.decode(body, type=link.Outcome).record)
        if event.kind == EventKind.SESSION_LOGGED_IN:
            signed = msgspec.structs.replace(
                command,
                conn_epoch=event.conn_epoch,
                client_seq=1,
                not_after_ns=self.world.wall_ns() + _LATE_NS,
            )
            yield from self.ask(node, link.Submit(signed))
