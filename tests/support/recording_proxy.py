"""A TCP proxy on loopback that writes what it relays as a pcap file, without any privilege.

Called by the integration tests that let an independent dissector judge our wire traffic. Every
connection appears in the file as a clean conversation of its own: handshake, segments with right
sequence numbers and checksums, farewell. The client's port is the real one, the server's is the
port that the proxy listens on.
"""

import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

SEGMENT_BYTES_MAX: Final = 1448
READ_BYTES_MAX: Final = 1 << 16
POLL_S: Final = 0.2

_FILE_HEADER: Final = struct.Struct("<IHHiIII")  # magic, version 2.4, zone, accuracy, length, link
_PACKET_HEADER: Final = struct.Struct("<IIII")  # seconds, microseconds, bytes kept, bytes
_ETHERNET: Final = bytes.fromhex("02000000000202000000000108" + "00")
_IP: Final = struct.Struct(">BBHHHBBH4s4s")
_TCP: Final = struct.Struct(">HHIIBBHHH")
_PSEUDO: Final = struct.Struct(">4s4sBBH")
_CLIENT_IP: Final = bytes((10, 0, 0, 1))
_SERVER_IP: Final = bytes((10, 0, 0, 2))
_FIN, _SYN, _PSH, _ACK = 0x01, 0x02, 0x08, 0x10


def checksum(data: bytes) -> int:
    """The internet checksum of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class PcapWriter:
    """Writes TCP segments with made-up Ethernet and IP round them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packet_id = 0
        file.write(_FILE_HEADER.pack(0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))

    def segment(self, source: "Side", target: "Side", flags: int, data: bytes = b"") -> None:
        """One segment; SYN and FIN take a place in the sequence like a byte."""
        header = _TCP.pack(
            source.port, target.port, source.seq, target.seq if flags & _ACK else 0, 0x50, flags,
            0xFFFF, 0, 0,
        )  # fmt: skip
        pseudo = _PSEUDO.pack(source.ip, target.ip, 0, 6, len(header) + len(data))
        sum_ = checksum(pseudo + header + data)
        tcp = header[:16] + struct.pack(">H", sum_) + header[18:] + data
        self._packet_id = (self._packet_id + 1) & 0xFFFF
        ip = _IP.pack(
            0x45, 0, 20 + len(tcp), self._packet_id, 0x4000, 64, 6, 0, source.ip, target.ip
        )
        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
        frame = _ETHERNET + ip + tcp
        seconds, rest = divmod(time.time_ns(), 1_000_000_000)
        self._file.write(_PACKET_HEADER.pack(seconds, rest // 1000, len(frame), len(frame)))
        self._file.write(frame)
        taken = len(data) + bool(flags & (_SYN | _FIN))
        source.seq = (source.seq + taken) & 0xFFFF_FFFF


@dataclass(slots=True, eq=False)
class Side:
    """One end of a relayed connection."""

    socket: socket.socket
    ip: bytes
    port: int
    seq: int
    has_ended: bool = False


@dataclass(slots=True, eq=False)
class Relay:
    """A client's connection and ours to the server."""

    client: Side
    server: Side


class RecordingProxy:
    """Listens, relays to `target`, records to `path`. A context manager: leaving it stops it."""

    def __init__(self, target: tuple[str, int], path: Path) -> None:
        self._target = target
        self._file = path.open("wb")
        self._writer = PcapWriter(self._file)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self.open_count = 0  # sockets of relayed connections
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recording-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close every connection and the file."""
        self._is_stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            for key, _ in self._selector.select(POLL_S):
                if key.data is None:
                    self._accept()
                else:
                    relay, source = key.data
                    self._relay(relay, source)
        keys = self._selector.get_map().values()
        for relay in dict.fromkeys(key.data[0] for key in keys if key.data is not None):
            self._end(relay)  # also one whose client has closed and whose server has not yet
        self._listener.close()
        self._selector.close()
        self._file.close()

    def _accept(self) -> None:
        client, peer = self._listener.accept()
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()  # as the server would: the client sees a refused connection
            return
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open_count += 2
        relay = Relay(
            Side(client, _CLIENT_IP, peer[1], 1000), Side(server, _SERVER_IP, self.address[1], 5000)
        )
        self._writer.segment(relay.client, relay.server, _SYN)
        self._writer.segment(relay.server, relay.client, _SYN | _ACK)
        self._writer.segment(relay.client, relay.server, _ACK)
        for side in (relay.client, relay.server):
            self._selector.register(side.socket, selectors.EVENT_READ, (relay, side))

    def _relay(self, relay: Relay, source: Side) -> None:
        target = relay.server if source is relay.client else relay.client
        try:
            data = source.socket.recv(READ_BYTES_MAX)
            if data:
                target.socket.sendall(data)
        except ConnectionError:
            self._end(relay)
            return
        for start in range(0, len(data), SEGMENT_BYTES_MAX):
            piece = data[start : start + SEGMENT_BYTES_MAX]
            self._writer.segment(source, target, _PSH | _ACK, piece)
        if not data:
            self._half_close(relay, source, target)

    def _half_close(self, relay: Relay, source: Side, target: Side) -> None:
        self._writer.segment(source, target, _FIN | _ACK)
        source.has_ended = True
        if target.has_ended:
            self._end(relay)
            return
        self._selector.unregister(source.socket)
        target.socket.shutdown(socket.SHUT_WR)

    def _end(self, relay: Relay) -> None:
        for source, target in ((relay.client, relay.server), (relay.server, relay.client)):
            if not source.has_ended:
                self._writer.segment(source, target, _FIN | _ACK)
                source.has_ended = True
        for side in (relay.client, relay.server):
            if side.socket in self._selector.get_map():
                self._selector.unregister(side.socket)
            side.socket.close()
            self.open_count -= 1
