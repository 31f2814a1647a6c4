"""Ports: free ones are free, and a listener is told from a stranger on the same port."""

import os
import socket

from oms.local import ports


def test_free_ports_are_distinct_and_can_be_bound() -> None:
    """Every process of a new venue gets its own."""
    chosen = ports.free_ports(20)
    assert len(set(chosen)) == 20
    for port in chosen:
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_port_in_use_is_not_free() -> None:
    """Another program on this machine keeps its port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_only_the_process_that_listens_counts() -> None:
    """A venue must not take a stranger's answer for its own gateway's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ports.is_listening(os.getpid(), port)
        assert not ports.is_listening(os.getppid(), port)
    assert not ports.is_listening(os.getpid(), port)
    assert not ports.is_listening(0, port)


def test_connected_socket_is_no_listener() -> None:
    """Only a listening socket accepts."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert not ports.is_listening(os.getpid(), client.getsockname()[1])
