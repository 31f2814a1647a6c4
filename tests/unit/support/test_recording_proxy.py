"""The recording proxy: what it writes is what was said, so that a judge of the file judges us."""

import socket
import struct
import threading
from pathlib import Path

from tests.support.recording_proxy import RecordingProxy, checksum


def echo_once(listener: socket.socket) -> None:
    """Answer one connection with its own bytes."""
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(1 << 16):
            connection.sendall(data)


def segments(path: Path) -> list[tuple[int, int, int, bytes]]:
    """(source port, sequence number, flags, data) of every packet; checks both checksums."""
    raw, at, found = path.read_bytes(), 24, []
    while at < len(raw):
        (length,) = struct.unpack_from("<I", raw, at + 8)
        frame = raw[at + 16 : at + 16 + length]
        at += 16 + length
        ip, tcp = frame[14:34], frame[34:]
        assert checksum(ip) == 0
        assert checksum(ip[12:20] + struct.pack(">BBH", 0, 6, len(tcp)) + tcp) == 0
        port, _, seq = struct.unpack_from(">HHI", tcp)
        found.append((port, seq, tcp[13], tcp[20:]))
    return found


def test_both_directions_are_relayed_and_recorded_in_sequence(tmp_path: Path) -> None:
    """Every byte stands once in the file, at its sequence number, between SYN and FIN."""
    said = bytes(range(256)) * 40
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=echo_once, args=(listener,))
        thread.start()
        path = tmp_path / "said.pcap"
        with (
            RecordingProxy(listener.getsockname(), path) as proxy,
            socket.create_connection(proxy.address) as client,
        ):
            client.sendall(said)
            heard = b""
            while len(heard) < len(said):
                heard += client.recv(1 << 16)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        thread.join()
    assert heard == said
    for is_server in (False, True):
        one_way = [s for s in segments(path) if (s[0] == proxy.address[1]) is is_server]
        expected = one_way[0][1]
        for _, seq, flags, data in one_way:
            assert seq == expected
            expected += len(data) + bool(flags & 0x03)
        assert b"".join(s[3] for s in one_way) == said
        assert one_way[0][2] & 0x02
        assert one_way[-1][2] & 0x01


def test_a_target_that_is_gone_closes_the_client(tmp_path: Path) -> None:
    """A client of a dead gateway must see what it would see without the proxy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = listener.getsockname()
    with (
        RecordingProxy(gone, tmp_path / "said.pcap") as proxy,
        socket.create_connection(proxy.address) as client,
    ):
        assert client.recv(1) == b""


def test_a_client_that_left_first_leaves_no_socket_open(tmp_path: Path) -> None:
    """A half-closed connection at the end is closed like any other: a leak is a failed test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        path = tmp_path / "said.pcap"
        with RecordingProxy(listener.getsockname(), path) as proxy:
            with socket.create_connection(proxy.address):
                server, _ = listener.accept()
            with server:
                assert server.recv(1) == b""  # the client's end has arrived, ours has not left
                proxy.stop()
                assert proxy.open_count == 0
