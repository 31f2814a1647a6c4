"""Every ZeroMQ socket of the venue is made here, with every option written out.

Called by the node, the gateways, the client's feed reader and the command line. Promises:
closing never waits (LINGER 0), every queue has a bound from `oms/bounds.py`, every socket but the
in-process one is CURVE, and nothing a peer can send makes a process take unbounded memory.

The context may be a plain `zmq.Context` or a `zmq.asyncio.Context`; the socket is of its kind.
Addresses are "host:port". A publication is two frames: topic, then header and body.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

import zmq

from oms import bounds

RECONNECT_MS: Final = 50
CONNECT_TIMEOUT_MS: Final = 1_000
HANDSHAKE_MS: Final = 5_000
HEARTBEAT_MS: Final = 1_000
HEARTBEAT_TIMEOUT_MS: Final = 5_000
BACKLOG: Final = 512
ZAP_ADDRESS: Final = "inproc://zeromq.zap.01"
SUBSCRIPTION_BYTES_MAX: Final = 4_096  # what a subscriber may send in one frame
REPLY_BYTES_MAX: Final = 64 << 20

# As plain integers: arithmetic on the library's flag enums costs microseconds, once per message.
NOW: Final = int(zmq.NOBLOCK)
NOW_MORE: Final = int(zmq.NOBLOCK) | int(zmq.SNDMORE)
READABLE: Final = int(zmq.POLLIN)
READABLE_OR_BROKEN: Final = int(zmq.POLLIN) | int(zmq.POLLERR)
WRITABLE: Final = int(zmq.POLLOUT)

DOMAIN_PULL: Final = "pull"
DOMAIN_PUB: Final = "pub"
DOMAIN_FEED: Final = "feed"
DOMAIN_ROUTER: Final = "router"

Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]
_S = TypeVar("_S", bound=Socket)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair, Z85 (40 characters each)."""

    public: bytes
    secret: bytes


def _endpoint(address: str) -> str:
    return f"tcp://{address}"


def _make(context: "zmq.Context[_S]", kind: int, *, send: int, receive: int, frame_max: int) -> _S:
    """The options every socket shares. Units: queue bounds in messages, `frame_max` in bytes."""
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, send)
    socket.setsockopt(zmq.RCVHWM, receive)
    socket.setsockopt(zmq.MAXMSGSIZE, frame_max)
    socket.setsockopt(zmq.IPV6, 0)
    socket.setsockopt(zmq.BACKLOG, BACKLOG)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 0)  # no back-off: a new leader must be reached at once
    socket.setsockopt(zmq.CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 5)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 5)
    return socket


def _serve(socket: Socket, address: str, domain: str, pair: KeyPair) -> None:
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, pair.secret)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, pair.public)
    socket.setsockopt(zmq.ZAP_DOMAIN, domain.encode())
    # Without this a socket whose ZAP handler is missing would admit everybody.
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    socket.bind(_endpoint(address))


def _connect(socket: Socket, address: str, *, pair: KeyPair, server_public: bytes) -> None:
    socket.setsockopt(zmq.CURVE_SERVERKEY, server_public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, pair.secret)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, pair.public)
    socket.connect(_endpoint(address))


def context() -> Context:
    """The process' context: one IO thread, which is plenty below a gigabyte a second."""
    return zmq.Context(io_threads=1)


# ---- a node's sockets


def zap(context: "zmq.Context[_S]") -> _S:
    """REP of the ZAP handler; bind it before any server socket of the context."""
    socket = _make(context, zmq.REP, send=1_024, receive=1_024, frame_max=SUBSCRIPTION_BYTES_MAX)
    socket.bind(ZAP_ADDRESS)
    return socket


def pull(context: "zmq.Context[_S]", address: str, pair: KeyPair) -> _S:
    """Where gateways push commands. Unread frames wait in the gateways' PUSH."""
    socket = _make(
        context,
        zmq.PULL,
        send=1,
        receive=bounds.PULL_HWM,
        frame_max=bounds.PUSH_BYTES_MAX,
    )
    _serve(socket, address, DOMAIN_PULL, pair)
    return socket


def pub(context: "zmq.Context[_S]", address: str, pair: KeyPair) -> _S:
    """Engine stream and status. A slow subscriber loses frames and repairs by number."""
    socket = _make(
        context,
        zmq.PUB,
        send=bounds.ENGINE_HWM,
        receive=bounds.PUB_HWM,
        frame_max=SUBSCRIPTION_BYTES_MAX,
    )
    _serve(socket, address, DOMAIN_PUB, pair)
    return socket


def feed(context: "zmq.Context[_S]", address: str, pair: KeyPair) -> _S:
    """Executions and market data. Every subscription is seen, repeated ones too (VERBOSER), so
    that each newcomer gets the topic's last number at once.
    """
    socket = _make(
        context,
        zmq.XPUB,
        send=bounds.PUB_HWM,
        receive=bounds.PUB_HWM,
        frame_max=SUBSCRIPTION_BYTES_MAX,
    )
    socket.setsockopt(zmq.XPUB_VERBOSER, 1)
    _serve(socket, address, DOMAIN_FEED, pair)
    return socket


def router(context: "zmq.Context[_S]", address: str, pair: KeyPair) -> _S:
    """Requests: status, directory, replay, submit. A reply that cannot go is an error we see
    (MANDATORY), counted by the caller.
    """
    socket = _make(
        context,
        zmq.ROUTER,
        send=bounds.REPLIES_HWM,
        receive=1_024,
        frame_max=bounds.REQUEST_BYTES_MAX,
    )
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    _serve(socket, address, DOMAIN_ROUTER, pair)
    return socket


# ---- the other ends


def push(context: "zmq.Context[_S]", address: str, *, pair: KeyPair, server_public: bytes) -> _S:
    """A gateway's way to one node. IMMEDIATE: nothing queues up for a peer that is not there."""
    socket = _make(
        context, zmq.PUSH, send=bounds.PUSH_HWM, receive=1, frame_max=SUBSCRIPTION_BYTES_MAX
    )
    socket.setsockopt(zmq.IMMEDIATE, 1)
    _connect(socket, address, pair=pair, server_public=server_public)
    return socket


def subscriber(
    context: "zmq.Context[_S]",
    address: str,
    *,
    pair: KeyPair,
    server_public: bytes,
    subscriptions: tuple[bytes, ...] = (),
) -> _S:
    """SUB to one node's `pub` or `feed`."""
    socket = _make(
        context, zmq.SUB, send=bounds.PUB_HWM, receive=bounds.PUB_HWM, frame_max=REPLY_BYTES_MAX
    )
    for subscription in subscriptions:
        socket.setsockopt(zmq.SUBSCRIBE, subscription)
    _connect(socket, address, pair=pair, server_public=server_public)
    return socket


def dealer(context: "zmq.Context[_S]", address: str, *, pair: KeyPair, server_public: bytes) -> _S:
    """Requests to one node's ROUTER: [request_id, body]; replies [request_id, code, body]."""
    socket = _make(context, zmq.DEALER, send=1_024, receive=1_024, frame_max=REPLY_BYTES_MAX)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    _connect(socket, address, pair=pair, server_public=server_public)
    return socket
