"""An asyncio event loop in virtual time, and its TCP connections.

One for each gateway and each client. It has what their code calls and nothing else: callbacks,
timers, tasks, readers of memory sockets, servers and connections. A killed process leaves its loop
behind as it stood.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Final, TypeVar, TypeVarTuple, Unpack, cast

from tests.simulation.network import End, Item, Network
from tests.simulation.world import NEVER, SECOND, Process
from tests.simulation.zmq_sockets import Fabric

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_WRITE_HIGH_BYTES: Final = 64 << 10
_TIMER_IS_OFF: Final = "_timer_handle_cancelled"  # asyncio's timers call it
_KERNEL_BYTES: Final = 256 << 10  # taken without a word; what is beyond waits in the transport
_PATIENCE_NS: Final = 20 * SECOND


class Wire(asyncio.Transport):
    """One TCP connection, for a protocol."""

    def __init__(self, end: End, protocol: asyncio.BaseProtocol, peer: str) -> None:
        super().__init__({"peername": peer})
        self._end = end
        self._process = end.process
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._unread: deque[bytes] = deque()
        self._is_reading = True
        self._is_closing = False
        self._is_told = False
        self._high_bytes = _WRITE_HIGH_BYTES
        self._is_paused = False
        end.take, end.on_closed, end.on_room = self._take, self._lost, self._room
        protocol.connection_made(self)
        end.peer.resume()

    # ---- what the protocol calls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Put it under way."""
        if self._is_closing or self._is_told:
            return
        self._end.send((bytes(data),))
        if self.get_write_buffer_size() > self._high_bytes and not self._is_paused:
            self._is_paused = True
            cast("asyncio.Protocol", self._protocol).pause_writing()

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel did not take."""
        return max(0, self._end.bytes_under_way - _KERNEL_BYTES)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When the protocol is told to stop."""
        del low
        self._high_bytes = _WRITE_HIGH_BYTES if high is None else high

    def close(self) -> None:
        """What was written still goes."""
        if not self._is_closing:
            self._is_closing = True
            self._end.close()
            self._loop.call_soon(self._tell, None)

    def abort(self) -> None:
        """At once."""
        self.close()

    def is_closing(self) -> bool:
        """Whether it was closed here."""
        return self._is_closing

    def pause_reading(self) -> None:
        """Take nothing in."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Go on."""
        self._is_reading = True
        self._loop.call_soon(self._read)
        self._end.peer.resume()

    # ---- the network

    def _take(self, item: Item) -> bool:
        if not self._is_reading and len(self._unread) > 4:
            return False
        self._unread.append(item[0])
        self._soon(self._read)
        return True

    def _lost(self, reason: str) -> None:
        error = None if reason.startswith("closed") else ConnectionResetError(reason)
        self._soon(lambda: self._tell(error))

    def _room(self) -> None:
        if self._is_paused and self.get_write_buffer_size() < self._high_bytes // 4:
            self._is_paused = False
            self._soon(cast("asyncio.Protocol", self._protocol).resume_writing)

    def _soon(self, call: Callable[[], None]) -> None:
        self._loop.call_soon(call)
        self._process.wake()

    def _read(self) -> None:
        while self._unread and self._is_reading and not self._is_closing:
            data = self._unread.popleft()
            if isinstance(self._protocol, asyncio.BufferedProtocol):
                while data:
                    buffer = memoryview(self._protocol.get_buffer(len(data)))
                    piece = data[: len(buffer)]
                    buffer[: len(piece)] = piece
                    self._protocol.buffer_updated(len(piece))
                    data = data[len(piece) :]
            else:
                cast("asyncio.Protocol", self._protocol).data_received(data)

    def _tell(self, error: Exception | None) -> None:
        self._read()
        if not self._is_told:
            self._is_told = self._is_closing = True
            self._protocol.connection_lost(error)


class Door:
    """A listening server, as `create_server` returns it."""

    def __init__(self, network: Network, port: int) -> None:
        self._network = network
        self.port = port
        self.sockets = [self]

    def getsockname(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    def close(self) -> None:
        """Nobody can connect any more."""
        self._network.forget(self.port)


class VirtualLoop:
    """See the module's header."""

    def __init__(self, process: Process, network: Network, fabric: Fabric) -> None:
        self.face = cast("asyncio.AbstractEventLoop", self)  # as far as anybody here calls it
        self.process = process
        self._network = network
        setattr(self, _TIMER_IS_OFF, lambda _handle: None)  # it is passed over when its time comes
        self._fabric = fabric
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._timer_count = 0
        self._readers: dict[int, Callable[[], object]] = {}

    # ---- what drives it

    def turn(self) -> int:
        """Everything that is due; when the next turn is wanted."""
        world = self.process.world
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self.face)
        try:
            while self._timers and self._timers[0][0] <= world.now_ns:
                timer = heapq.heappop(self._timers)[2]
                if not timer.cancelled():
                    self._ready.append(timer)
            for fd, call in list(self._readers.items()):
                socket = self._fabric.sockets.get(fd)
                if socket is not None and socket.has_news:
                    socket.has_news = False
                    call()
            for _ in range(len(self._ready)):
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(before)
        if self._ready:
            return world.now_ns
        return self._timers[0][0] if self._timers else NEVER

    def run_as(self, call: Callable[[], None]) -> None:
        """Call something as if from a callback of this loop."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self.face)
        try:
            call()
        finally:
            asyncio._set_running_loop(before)

    # ---- what asyncio's own parts call

    def time(self) -> float:
        """Seconds."""
        return self.process.world.monotonic_s()

    def get_debug(self) -> bool:
        """Never."""
        return False

    def is_running(self) -> bool:
        """Always, for whoever asks."""
        return True

    def is_closed(self) -> bool:
        """Whether the process is gone."""
        return not self.process.is_up

    def call_soon(
        self,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """In the next turn."""
        handle = asyncio.Handle(callback, args, self.face, context)
        self._ready.append(handle)
        self.process.wake()
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """After so many seconds."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """At that time."""
        handle = asyncio.TimerHandle(when, callback, args, self.face, context)
        self._timer_count += 1
        when_ns = int(when * SECOND) + 1  # never before
        heapq.heappush(self._timers, (when_ns, self._timer_count, handle))
        self.process.wake(when_ns)
        return handle

    def create_future(self) -> "asyncio.Future[_T]":
        """As usual."""
        return asyncio.Future(loop=self.face)

    def create_task(
        self,
        coro: Generator[object, None, _T] | Coroutine[object, object, _T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> "asyncio.Task[_T]":
        """As usual."""
        return asyncio.Task(
            cast("Coroutine[object, object, _T]", coro), loop=self.face, name=name, context=context
        )

    def call_exception_handler(self, context: dict[str, object]) -> None:
        """Something has raised that nobody waits for: a fault, while anybody is there."""
        if self.process.is_up and asyncio._get_running_loop() is self.face:
            error = context.get("exception")
            self.process.world.fault(f"{self.process.name}: {context.get('message')}: {error!r}")

    # ---- what the product calls

    def add_reader(self, fd: int, callback: Callable[[], object]) -> None:
        """Call it when the socket has something new."""
        self._readers[fd] = callback
        self.process.wake()

    def remove_reader(self, fd: int) -> bool:
        """Not any more."""
        return self._readers.pop(fd, None) is not None

    def add_signal_handler(self, sig: int, callback: Callable[[], object]) -> None:
        """Nobody sends signals here."""

    def run_in_executor(
        self, executor: object, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> "asyncio.Future[_T]":
        """The result comes a few milliseconds later."""
        del executor
        future: asyncio.Future[_T] = self.create_future()

        def done() -> None:
            if not future.cancelled():
                future.set_result(func(*args))

        self.call_later(0.008, done)
        return future

    async def create_server(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, *, backlog: int
    ) -> Door:
        """Take connections. Raises: OSError."""
        del host, backlog

        def arrived(end: End) -> None:
            peer = end.peer.process.name
            self.call_soon(lambda: Wire(end, factory(), peer))

        if not self._network.listen(port, self.process, arrived):
            raise OSError("the address is in use")
        return Door(self._network, port)

    async def create_connection(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> tuple[Wire, asyncio.BaseProtocol]:
        """Connect. Raises: OSError."""
        waiter: asyncio.Future[End | None] = self.create_future()

        def opened(end: End) -> None:
            if waiter.done():
                end.close()
            else:
                waiter.set_result(end)

        def failed() -> None:
            if not waiter.done():
                waiter.set_result(None)

        self._network.connect(
            self.process, port, opened, failed, patience_ns=_PATIENCE_NS, has_heartbeat=False
        )
        end = await waiter
        if end is None:
            raise ConnectionRefusedError(f"{host}:{port}")
        protocol = factory()
        return Wire(end, protocol, f"{host}:{port}"), protocol
