"""Links between nodes: who does not hold the key, or tampers, gets nowhere."""

import itertools

import pytest

from oms.replication.raft_session import (
    FRAME_HEAD,
    MAC_BYTES,
    SEALED_HEAD,
    LinkError,
    RaftSession,
)

KEY = b"k" * 32
NAMES = ("n1", "n2", "n3")


def session(
    own: str, dials: str | None, *, key: bytes = KEY, cluster: int = 7, nonce: int = 0
) -> RaftSession:
    return RaftSession(
        cluster_id=cluster,
        key=key,
        own_id=own,
        members=frozenset(NAMES),
        dials=dials,
        nonce=(own + str(nonce)).encode().ljust(16, b"."),
    )


def body(frame: bytes) -> bytes:
    return frame[FRAME_HEAD.size :]


def connect(dialer: RaftSession, acceptor: RaftSession) -> None:
    answer = acceptor.handshake(body(dialer.start()))
    proof = dialer.handshake(body(answer))
    assert acceptor.handshake(body(proof)) == b""


def pair() -> tuple[RaftSession, RaftSession]:
    dialer, acceptor = session("n1", "n2"), session("n2", None)
    connect(dialer, acceptor)
    return dialer, acceptor


def sealed(source: RaftSession, message: bytes) -> bytes:
    head, mac = source.seal(message, term=3, trading_date=20261122)
    return head + message + mac


def opened(end: RaftSession, frame: bytes) -> bytes:
    message, trading_date = end.open(memoryview(frame))
    assert trading_date == 20261122
    return bytes(message)


def test_both_ends_know_each_other_and_messages_pass_both_ways() -> None:
    dialer, acceptor = pair()
    assert (dialer.peer_id, acceptor.peer_id) == ("n2", "n1")
    for message in (b"a", b"", b"x" * 5000):
        assert opened(acceptor, sealed(dialer, message)) == message
        assert opened(dialer, sealed(acceptor, message)) == message


def test_acceptor_with_another_key_is_refused_before_anything_is_sent_to_it() -> None:
    dialer, acceptor = session("n1", "n2"), session("n2", None, key=b"x" * 32)
    answer = acceptor.handshake(body(dialer.start()))
    with pytest.raises(LinkError, match="cluster key"):
        dialer.handshake(body(answer))
    assert not dialer.is_open


def test_dialer_with_another_key_is_refused() -> None:
    dialer, acceptor = session("n1", "n2", key=b"x" * 32), session("n2", None)
    true_dialer = session("n1", "n2")
    acceptor.handshake(body(dialer.start()))
    true_dialer.start()
    with pytest.raises(LinkError, match="cluster key"):
        acceptor.handshake(b"\0" * 32)
    assert not acceptor.is_open


def test_another_cluster_is_refused() -> None:
    with pytest.raises(LinkError, match="cluster 0000000000000008"):
        session("n2", None).handshake(body(session("n1", "n2", cluster=8).start()))


def test_node_with_another_list_of_nodes_is_refused() -> None:
    """Two lists could have two majorities: a change of nodes that reached one node only."""
    changed = RaftSession(
        cluster_id=7, key=KEY, own_id="n1", members=frozenset({"n1", "n2", "n4"}), dials="n2",
        nonce=b"1" * 16,
    )  # fmt: skip
    with pytest.raises(LinkError, match="another list of nodes"):
        session("n2", None).handshake(body(changed.start()))


def test_frame_of_another_cluster_is_refused_though_its_seal_is_right() -> None:
    """The cluster is in every frame, not only in the greeting."""
    dialer, acceptor = pair()
    dialer._cluster_id = 8
    with pytest.raises(LinkError, match="frame of cluster 0000000000000008"):
        acceptor.open(memoryview(sealed(dialer, b"1")))


@pytest.mark.parametrize("name", ["n2", "n3", "n9"])
def test_node_that_may_not_dial_here_is_refused(name: str) -> None:
    """Only lower ids dial, so a reflected or unknown name is never accepted."""
    dialer = RaftSession(
        cluster_id=7, key=KEY, own_id=name, members=frozenset(NAMES), dials="n2", nonce=b"1" * 16
    )
    with pytest.raises(LinkError, match="may not connect"):
        session("n2", None).handshake(body(dialer.start()))


def test_hello_meant_for_another_node_is_refused() -> None:
    with pytest.raises(LinkError, match="meant for another node"):
        session("n3", None).handshake(body(session("n1", "n2").start()))


def test_recorded_proof_does_not_open_a_second_connection() -> None:
    """The acceptor's nonce is in the proof: what was recorded is worth nothing later."""
    dialer, acceptor = session("n1", "n2"), session("n2", None)
    hello = body(dialer.start())
    proof = body(dialer.handshake(body(acceptor.handshake(hello))))
    later = session("n2", None, nonce=1)
    later.handshake(hello)
    with pytest.raises(LinkError, match="cluster key"):
        later.handshake(proof)


def test_proof_is_not_accepted_from_its_own_sender() -> None:
    """Each role signs differently: an acceptor's proof sent back to it opens nothing."""
    dialer, acceptor = session("n1", "n2"), session("n2", None)
    answer = body(acceptor.handshake(body(dialer.start())))
    with pytest.raises(LinkError):
        acceptor.handshake(answer[-32:])


def test_every_changed_bit_of_a_frame_is_refused() -> None:
    dialer, acceptor = pair()
    frame = sealed(dialer, b"message")
    for bit in range(len(frame) * 8):
        changed = bytearray(frame)
        changed[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(LinkError):
            acceptor.open(memoryview(changed))
    assert opened(acceptor, frame) == b"message"


def test_repeated_lost_and_reordered_frames_are_refused() -> None:
    dialer, acceptor = pair()
    first, second, third = (sealed(dialer, message) for message in (b"1", b"2", b"3"))
    acceptor.open(memoryview(first))
    for frame in (first, third):
        with pytest.raises(LinkError, match="after 1"):
            acceptor.open(memoryview(frame))
    assert opened(acceptor, second) == b"2"


def test_frames_of_one_direction_or_connection_are_worth_nothing_on_another() -> None:
    dialer, _ = pair()
    frame = sealed(dialer, b"1")
    with pytest.raises(LinkError, match="MAC"):
        dialer.open(memoryview(frame))
    other_dialer, other_acceptor = session("n1", "n2", nonce=5), session("n2", None, nonce=6)
    connect(other_dialer, other_acceptor)
    with pytest.raises(LinkError, match="MAC"):
        other_acceptor.open(memoryview(frame))


def test_short_frames_and_handshakes_of_any_length_are_refused() -> None:
    _, acceptor = pair()
    for length in range(SEALED_HEAD.size + MAC_BYTES):
        with pytest.raises(LinkError):
            acceptor.open(memoryview(bytes(length)))
    for length, own in itertools.product(range(0, 200, 7), ("n1", "n2")):
        fresh = session(own, "n2" if own == "n1" else None)
        fresh.start()
        with pytest.raises(LinkError):
            fresh.handshake(bytes(length))
