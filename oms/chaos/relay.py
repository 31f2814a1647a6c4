"""TCP relays on loopback that lose, hold, delay and cut what goes through them, when told to.

Called by `oms chaos` and by tests, which put one on each link between a client, a gateway and the
nodes by writing the relay's address into a settings file. One thread carries all links; whatever is
asked of a relay has happened when the call returns. A broken connection is broken as
the network does it: with RST, and with everything that was on its way lost.
"""

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Final, Self, TypeVar

from oms.chaos.relay_flow import Faults, Flow, Way

READ_BYTES_MAX: Final = 1 << 16
HISTORY_BYTES_MAX: Final = 1 << 20  # of one connection, for `repeat`
ANSWER_S: Final = 20.0
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close means RST

_T = TypeVar("_T")


class _Pair:
    """One relayed connection: two sockets, two flows."""

    def __init__(self, relay: "Relay", client: socket.socket, server: socket.socket) -> None:
        self.relay = relay
        self.sockets = (client, server)
        up, down = relay.faults
        self.flows = (Flow(client, server, up), Flow(server, client, down))
        self.history = bytearray()
        for one in self.sockets:
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Relay:
    """One link. Made by `Relays.link`; `address` is what the connecting side is given."""

    def __init__(self, hub: "Relays", target: tuple[str, int], buffer_bytes: int) -> None:
        self._hub = hub
        self.target = target
        self.faults = (Faults(), Faults())
        self.is_cut = False
        self.pairs: dict[_Pair, None] = {}
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if buffer_bytes:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.buffer_bytes = buffer_bytes
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.listener.setblocking(False)
        host, port = self.listener.getsockname()
        self.address = f"{host}:{port}"
        self.history = b""  # what the newest connection sent up
        self.connections = 0  # accepted so far

    def passed(self, way: Way) -> int:
        """Bytes handed over so far."""
        return self.faults[way].passed

    def lost(self, way: Way) -> int:
        """Bytes that were taken in and then lost so far."""
        return self.faults[way].lost

    def waiting(self, way: Way) -> int:
        """Bytes taken in and not passed on yet."""
        return self._hub.do(lambda: sum(pair.flows[way].waiting_bytes for pair in self.pairs))

    @property
    def open_count(self) -> int:
        """Connections that stand now."""
        return self._hub.do(lambda: len(self.pairs))

    def hold(self, way: Way) -> None:
        """Take everything in and pass nothing on."""
        self._set(way, "is_held", value=True)

    def fill(self, way: Way) -> None:
        """Take nothing in: buffers fill up to the sender."""
        self._set(way, "is_full", value=True)

    def release(self, way: Way) -> None:
        """Hold and fill no more."""

        def release() -> None:
            faults = self.faults[way]
            faults.is_held = faults.is_full = False
            self._look()

        self._hub.do(release)

    def delay(self, way: Way, seconds: float) -> None:
        """Pass on what comes from now on so much later."""
        self._hub.do(lambda: setattr(self.faults[way], "delay_s", seconds))

    def drop(self) -> None:
        """Break every connection with what is on its way; new ones are taken."""
        self._hub.do(self._drop)

    def cut(self) -> None:
        """Break every connection and take no new one, until `mend`."""

        def cut() -> None:
            self.is_cut = True
            self._drop()

        self._hub.do(cut)

    def drop_after(self, way: Way, count: int) -> None:
        """Pass on so many bytes more, then `drop`: a message is torn where the test wants it."""
        self._hub.do(lambda: setattr(self.faults[way], "left", count))

    def mend(self) -> None:
        """Nothing is wrong any more."""

        def mend() -> None:
            self.is_cut = False
            for faults in self.faults:
                faults.is_held = faults.is_full = False
                faults.delay_s, faults.left = 0.0, -1
            self._look()

        self._hub.do(mend)

    def repeat(self) -> socket.socket:
        """A second connection to the target that says all that the newest one has said."""
        said = self._hub.do(lambda: self.history)
        again = socket.create_connection(self.target, ANSWER_S)
        again.sendall(said)
        return again

    # ---- in the thread

    def _set(self, way: Way, name: str, *, value: bool) -> None:
        def change() -> None:
            setattr(self.faults[way], name, value)
            self._look()

        self._hub.do(change)

    def _look(self) -> None:
        for pair in list(self.pairs):
            self._hub.move(pair)

    def _drop(self) -> None:
        for pair in list(self.pairs):
            self._hub.break_off(pair)


class Relays:
    """The thread that carries all links. A context manager: leaving it breaks them all."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._orders: deque[Callable[[], None]] = deque()
        self._relays: list[Relay] = []
        self._late: set[_Pair] = set()  # with bytes whose time has not come
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="relays")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        def stop() -> None:
            self._is_stopping = True

        self.do(stop)
        self._thread.join()

    def link(self, target: str, *, buffer_bytes: int = 0) -> Relay:
        """A relay to `target` (host:port); small socket buffers if `buffer_bytes` says so."""
        host, _, port = target.rpartition(":")
        relay = Relay(self, (host, int(port)), buffer_bytes)

        def add() -> None:
            self._relays.append(relay)
            self._selector.register(relay.listener, selectors.EVENT_READ, relay)

        self.do(add)
        return relay

    def mend(self) -> None:
        """Every link works again."""
        for relay in self._relays:
            relay.mend()

    def do(self, order: Callable[[], _T]) -> _T:
        """Have it done between two looks at the sockets. Raises: what it raises."""
        answer: Future[_T] = Future()

        def run() -> None:
            try:
                answer.set_result(order())
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                answer.set_exception(error)

        self._orders.append(run)
        self._wake.send(b"\0")
        return answer.result(ANSWER_S)

    # ---- the thread

    def _run(self) -> None:
        while not self._is_stopping:
            timeout = 0.002 if self._late else None
            for key, mask in self._selector.select(timeout):
                if key.data is None:
                    with contextlib.suppress(BlockingIOError):
                        self._woken.recv(4096)
                elif isinstance(key.data, Relay):
                    self._accept(key.data)
                elif key.data in key.data.relay.pairs:
                    self._serve(key.data, key.fileobj, mask)
            while self._orders:
                self._orders.popleft()()
            for pair in list(self._late):
                self.move(pair)
        for relay in self._relays:
            for pair in list(relay.pairs):
                self.break_off(pair)
            relay.listener.close()
        for one in (self._wake, self._woken):
            one.close()
        self._selector.close()

    def _accept(self, relay: Relay) -> None:
        try:
            client, _ = relay.listener.accept()
        except OSError:  # gone again
            return
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if relay.buffer_bytes:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, relay.buffer_bytes)
        try:
            if relay.is_cut:
                raise ConnectionRefusedError
            server.connect(relay.target)
        except OSError:
            _reset(client)
            server.close()
            return
        relay.connections += 1
        relay.history = b""
        pair = _Pair(relay, client, server)
        relay.pairs[pair] = None
        for one in pair.sockets:
            self._selector.register(one, selectors.EVENT_READ, pair)
        self.move(pair)

    def _serve(self, pair: _Pair, ready: object, mask: int) -> None:
        if mask & selectors.EVENT_READ:
            flow = next(flow for flow in pair.flows if flow.source is ready)
            if flow.is_read():
                self._read(pair, flow)
        self.move(pair)

    def _read(self, pair: _Pair, flow: Flow) -> None:
        try:
            data = flow.source.recv(READ_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
            self._forget(pair.flows[1] if flow is pair.flows[0] else pair.flows[0])
        if not data:
            flow.has_ended = True
            return
        if flow is pair.flows[Way.UP] and len(pair.history) < HISTORY_BYTES_MAX:
            pair.history += data
            pair.relay.history = bytes(pair.history)
        flow.waiting.append((time.monotonic() + flow.faults.delay_s, data))
        flow.waiting_bytes += len(data)

    def _forget(self, flow: Flow) -> None:
        """Its sink is broken: nothing can arrive there any more."""
        flow.faults.lost += flow.waiting_bytes
        flow.waiting.clear()
        flow.waiting_bytes = 0
        flow.has_ended = flow.is_shut = True

    def move(self, pair: _Pair) -> None:
        """Pass on what may go, and look at what is wanted next."""
        if pair not in pair.relay.pairs:
            return
        now = time.monotonic()
        for flow in pair.flows:
            while flow.is_due(now) and self._pass_on(pair, flow):
                pass
            if pair not in pair.relay.pairs:
                return
            if flow.has_ended and not flow.waiting and not flow.is_shut:
                flow.is_shut = True
                with contextlib.suppress(OSError):
                    flow.sink.shutdown(socket.SHUT_WR)
        if all(flow.is_shut for flow in pair.flows):
            self.break_off(pair)
            return
        self._watch(pair, now)

    def _pass_on(self, pair: _Pair, flow: Flow) -> bool:
        """One piece. False: the sink is full, or there is nothing left to do."""
        faults = flow.faults
        due, data = flow.waiting.popleft()
        wanted = data if faults.left < 0 else data[: faults.left]
        try:
            sent = flow.sink.send(wanted) if wanted else 0
        except BlockingIOError:
            flow.waiting.appendleft((due, data))
            return False
        except OSError:
            flow.waiting.appendleft((due, data))
            self._forget(flow)
            return False
        faults.passed += sent
        flow.waiting_bytes -= sent
        if sent < len(data):
            flow.waiting.appendleft((due, data[sent:]))
        if faults.left >= 0:
            faults.left -= sent
            if faults.left == 0:
                faults.left = -1
                self.break_off(pair)
                return False
        return sent == len(data)

    def _watch(self, pair: _Pair, now: float) -> None:
        is_late = False
        for index, one in enumerate(pair.sockets):
            incoming, outgoing = pair.flows[index], pair.flows[1 - index]
            mask = selectors.EVENT_READ if incoming.is_read() else 0
            if outgoing.is_due(now):
                mask |= selectors.EVENT_WRITE
            elif outgoing.waiting and not outgoing.faults.is_held:
                is_late = True
            self._want(one, mask, pair)
        if is_late:
            self._late.add(pair)
        else:
            self._late.discard(pair)

    def _want(self, one: socket.socket, mask: int, pair: _Pair) -> None:
        known = self._selector.get_map().get(one)
        if known is None:
            if mask:
                self._selector.register(one, mask, pair)
        elif not mask:
            self._selector.unregister(one)
        elif known.events != mask:
            self._selector.modify(one, mask, pair)

    def break_off(self, pair: _Pair) -> None:
        """Both ends see a reset, unless they were told of the end before."""
        pair.relay.pairs.pop(pair, None)
        self._late.discard(pair)
        for flow in pair.flows:
            flow.faults.lost += flow.waiting_bytes
        is_clean = all(flow.is_shut and not flow.waiting for flow in pair.flows)
        for one in pair.sockets:
            if one in self._selector.get_map():
                self._selector.unregister(one)
            if is_clean:
                one.close()
            else:
                _reset(one)


def _reset(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    one.close()
