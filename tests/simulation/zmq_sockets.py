"""ZeroMQ's sockets in memory: the patterns, bounds and losses of the real ones, without CURVE.

They stand in for what `oms/transport/sockets.py` makes. PUSH and DEALER have nowhere to send to
while nobody is connected (IMMEDIATE) and block at their bound; PUB drops there; ROUTER says that
somebody is gone; whoever connects tries again for ever. What a killed process had not read, and a
part of what it had sent, is gone.
"""

import abc
import itertools
from collections import deque
from dataclasses import dataclass
from typing import Final, cast

import zmq

from oms import bounds
from oms.transport.sockets import NOW, NOW_MORE, RECONNECT_MS, Context, KeyPair, Socket
from tests.simulation.network import End, Item, Network
from tests.simulation.world import MS, Process

NO_LIMIT: Final = 1 << 30
MORE: Final = NOW_MORE & ~NOW
_OVERTAKEN_NS: Final = 20 * MS  # a message waits so long for the one that overtakes it


@dataclass(frozen=True)
class Frame:
    """A received frame with its metadata."""

    bytes: bytes
    user_id: str

    @property
    def buffer(self) -> memoryview:
        """The bytes."""
        return memoryview(self.bytes)

    def get(self, name: str) -> str:
        """Metadata by name."""
        assert name == "User-Id"
        return self.user_id


class MemorySocket(abc.ABC):
    """What all kinds share: an inbox, and a descriptor that says when it has something."""

    def __init__(self, fabric: "Fabric", receive_max: int) -> None:
        self.fabric = fabric
        self.process = fabric.acting
        self.fd = next(fabric.fds)
        self.inbox: deque[tuple[Item, str]] = deque()
        self.ends: dict[End, None] = {}
        self.has_news = False  # something came since the loop looked
        self._receive_max = receive_max
        self._parts: list[bytes] = []
        self._is_full = False
        self.is_closed = False
        fabric.sockets[self.fd] = self

    # ---- the real one's face

    def getsockopt(self, option: int) -> int:
        """The descriptor."""
        assert option == zmq.FD
        return self.fd

    def recv(self, flags: int = 0) -> bytes:
        """A message of one frame."""
        return self.recv_multipart(flags)[0]

    def recv_multipart(self, flags: int = 0, *, copy: bool = True) -> list[bytes]:
        """A message."""
        assert flags & NOW, "a loop must never wait in a socket"
        if not self.inbox:
            raise zmq.Again
        item, user_id = self.inbox.popleft()
        if self._is_full and len(self.inbox) < self._receive_max // 2:
            self._is_full = False
            for end in list(self.ends):
                end.peer.resume()
        if copy:
            return list(item)
        return cast("list[bytes]", [Frame(part, user_id) for part in item])

    def send(self, data: bytes, flags: int = 0) -> None:
        """One frame of a message."""
        assert flags & NOW, "a loop must never wait in a socket"
        self._parts.append(data)
        if not flags & MORE:
            parts, self._parts = self._parts, []
            self.put(tuple(parts))

    def send_multipart(self, parts: list[bytes], flags: int = 0) -> None:
        """A whole message."""
        assert flags & NOW, "a loop must never wait in a socket"
        self.put(tuple(parts))

    def close(self, linger: int = 0) -> None:
        """What is unsent is lost."""
        assert linger == 0
        self.is_closed = True
        for end in list(self.ends):
            end.cut_short(0)
        self.fabric.sockets.pop(self.fd, None)

    # ---- the kinds

    @abc.abstractmethod
    def put(self, item: Item) -> None:
        """Send a message. Raises: zmq.Again."""

    @property
    def is_readable(self) -> bool:
        """There is something to read."""
        return bool(self.inbox)

    @property
    def is_writable(self) -> bool:
        """Never asked."""
        return False

    def take_from(self, end: End, prefix: Item) -> None:
        """Messages of this connection go to the inbox, behind `prefix`."""
        user_id = self.fabric.names[end.peer.process.name]

        def take(item: Item) -> bool:
            if len(self.inbox) >= self._receive_max:
                self._is_full = True
                return False
            self.inbox.append((prefix + item, user_id))
            self.has_news = True
            self.process.wake()
            return True

        end.take = take
        end.resume()
        end.peer.resume()


class Binding(MemorySocket):
    """An end that others connect to."""

    def __init__(self, fabric: "Fabric", address: str, receive_max: int, send_max: int) -> None:
        super().__init__(fabric, receive_max)
        self._send_max = send_max
        self._identities = itertools.count(1)
        self.by_identity: dict[bytes, End] = {}
        self._port = int(address.rpartition(":")[2])
        if not fabric.network.listen(self._port, self.process, self._accept):
            raise zmq.ZMQError(zmq.EADDRINUSE)

    def _accept(self, end: End) -> None:
        identity = next(self._identities).to_bytes(5, "big")
        self.ends[end] = None
        self.by_identity[identity] = end

        def gone(_reason: str) -> None:
            self.ends.pop(end, None)
            self.by_identity.pop(identity, None)

        end.on_closed = gone
        self.take_from(end, self.prefix(identity))

    def prefix(self, identity: bytes) -> Item:
        """What stands before a message of this peer."""
        del identity
        return ()

    def close(self, linger: int = 0) -> None:
        """Nobody can connect any more."""
        super().close(linger)
        self.fabric.network.forget(self._port)


class Pull(Binding):
    """Reads only."""

    def put(self, item: Item) -> None:
        """Never."""
        raise AssertionError(item)


class Pub(Binding):
    """To everybody who subscribed to the first frame's beginning; at the bound it drops."""

    def put(self, item: Item) -> None:
        """Send a copy to each."""
        for end in list(self.ends):
            wanted = self.fabric.subscriptions.get(end.peer, ())
            if any(item[0].startswith(prefix) for prefix in wanted):
                if len(end.under_way) < min(self._send_max, self.fabric.limit):
                    self.fabric.pass_on(end, item)
                else:
                    self.fabric.network.world.seen["publication dropped"] += 1


class Router(Binding):
    """Answers by identity."""

    def prefix(self, identity: bytes) -> Item:
        """Who asks."""
        return (identity,)

    def put(self, item: Item) -> None:
        """Send to whom the first frame names. Raises: zmq.ZMQError."""
        end = self.by_identity.get(item[0])
        if end is None:
            raise zmq.ZMQError(zmq.EHOSTUNREACH)
        if len(end.under_way) >= min(self._send_max, self.fabric.limit):
            raise zmq.Again
        self.fabric.pass_on(end, item[1:])


class Connecting(MemorySocket):
    """An end that connects, and connects again whenever it is lost."""

    def __init__(
        self,
        fabric: "Fabric",
        address: str,
        receive_max: int,
        send_max: int,
        subscriptions: Item = (),
    ) -> None:
        super().__init__(fabric, receive_max)
        self._send_max = send_max
        self._port = int(address.rpartition(":")[2])
        self._subscriptions = subscriptions
        self._end: End | None = None
        self._connect()

    def _connect(self) -> None:
        if not self.is_closed:
            self.fabric.network.connect(self.process, self._port, self._opened, self._again)

    def _again(self) -> None:
        self.process.later(RECONNECT_MS * MS, self._connect)

    def _opened(self, end: End) -> None:
        if self.is_closed:
            end.cut_short(0)
            return
        self._end = end
        self.ends[end] = None
        self.fabric.subscriptions[end] = self._subscriptions

        def gone(_reason: str) -> None:
            self.ends.pop(end, None)
            self.fabric.subscriptions.pop(end, None)
            if self._end is end:
                self._end = None
                self._again()

        end.on_closed = gone
        self.take_from(end, ())

    def put(self, item: Item) -> None:
        """Send. Raises: zmq.Again."""
        end = self._end
        room = min(self._send_max, self.fabric.limit)
        if end is None or end.is_dead or len(end.under_way) >= room:
            raise zmq.Again
        self.fabric.pass_on(end, item)


class Idle(MemorySocket):
    """A socket that nobody ever talks to."""

    def put(self, item: Item) -> None:
        """Never."""
        raise AssertionError(item)


class Fabric:
    """Makes sockets for whichever process acts, as `oms.transport.sockets` does."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.fds = itertools.count(1_000_000)
        self.sockets: dict[int, MemorySocket] = {}
        self.subscriptions: dict[End, Item] = {}
        self.names: dict[str, str] = {}  # process -> the name in its key
        self.limit = NO_LIMIT  # on every queue of messages, besides its own bound
        self.repeats = 0.0  # chance that a message comes twice
        self.swaps = 0.0  # chance that a message comes behind the next one
        self._draw = network.world.stream("messages")
        self._held: dict[End, Item] = {}

    @property
    def acting(self) -> Process:
        """Who makes a socket now."""
        process = self.network.world.current
        assert process is not None
        return process

    def pass_on(self, end: End, item: Item) -> None:
        """Put a message under way; it may be repeated, or overtaken by the next one."""
        if not self.repeats and not self.swaps and not self._held:
            end.send(item)
            return
        held = self._held.pop(end, None)
        if held is None and self._draw.random() < self.swaps:
            self._held[end] = item
            self.network.world.after(_OVERTAKEN_NS, lambda: self._let_go(end))
            return
        end.send(item)
        if self._draw.random() < self.repeats:
            self.network.world.seen["message repeated"] += 1
            end.send(item)
        if held is not None:
            self.network.world.seen["message overtaken"] += 1
            end.send(held)

    def _let_go(self, end: End) -> None:
        held = self._held.pop(end, None)
        if held is not None:
            end.send(held)

    def forget(self, process: Process) -> None:
        """It is gone, with all its sockets."""
        for fd, socket in list(self.sockets.items()):
            if socket.process is process:
                socket.is_closed = True
                del self.sockets[fd]
        self.subscriptions = {
            end: wanted for end, wanted in self.subscriptions.items() if not end.is_dead
        }

    def makers(self) -> dict[str, object]:
        """What takes the place of the functions of that module, by name."""
        return {
            "context": self.context,
            "zap": self.zap,
            "pull": self.pull,
            "pub": self.pub,
            "feed": self.feed,
            "router": self.router,
            "push": self.push,
            "subscriber": self.subscriber,
            "dealer": self.dealer,
        }

    def context(self) -> Context:
        """Nothing is in it."""
        return cast("Context", NoContext())

    def zap(self, _context: Context) -> Socket:
        """Everybody has a good key."""
        return cast("Socket", Idle(self, 1))

    def pull(self, _context: Context, address: str, _pair: KeyPair) -> Socket:
        """As the real one."""
        return cast("Socket", Pull(self, address, bounds.PULL_HWM, 1))

    def pub(self, _context: Context, address: str, _pair: KeyPair) -> Socket:
        """As the real one."""
        return cast("Socket", Pub(self, address, bounds.PUB_HWM, bounds.ENGINE_HWM))

    def feed(self, _context: Context, address: str, _pair: KeyPair) -> Socket:
        """Nobody subscribes."""
        return cast("Socket", Pub(self, address, bounds.PUB_HWM, bounds.PUB_HWM))

    def router(self, _context: Context, address: str, _pair: KeyPair) -> Socket:
        """As the real one."""
        return cast("Socket", Router(self, address, 1_024, bounds.REPLIES_HWM))

    def push(
        self, _context: Context, address: str, *, pair: KeyPair, server_public: bytes
    ) -> Socket:
        """As the real one."""
        del pair, server_public
        return cast("Socket", Connecting(self, address, 1, bounds.PUSH_HWM))

    def subscriber(
        self,
        _context: Context,
        address: str,
        *,
        pair: KeyPair,
        server_public: bytes,
        subscriptions: Item = (),
    ) -> Socket:
        """As the real one."""
        del pair, server_public
        return cast("Socket", Connecting(self, address, bounds.PUB_HWM, 1, subscriptions))

    def dealer(
        self, _context: Context, address: str, *, pair: KeyPair, server_public: bytes
    ) -> Socket:
        """As the real one."""
        del pair, server_public
        return cast("Socket", Connecting(self, address, 1_024, 1_024))


class NoContext:
    """Stands for a context."""

    def term(self) -> None:
        """Nothing is left open."""
