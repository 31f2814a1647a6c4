"""The bytes of the Raft link are what docs/protocols/raft_link.md and the golden file say."""

import json
from pathlib import Path

import msgspec
import pytest

from oms.replication.raft_messages import (
    AppendEntries,
    AppendReply,
    Current,
    InstallReply,
    InstallSnapshot,
    Message,
    PreVote,
    PreVoteReply,
    RequestVote,
    TimeoutNow,
    Vote,
    decode,
    encode,
)
from oms.replication.raft_session import FRAME_HEAD, RaftSession

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "raft_link.json").read_text())
MESSAGES: dict[str, Message] = {
    "request vote": RequestVote(7, 1000, 6),
    "vote": Vote(7),
    "heartbeat": AppendEntries(7, 998, 1000, 6, []),
    "entries": AppendEntries(7, 998, 1000, 6, [(6, b"\x20first"), (7, b"\x01")], True),
    "reply, agreed": AppendReply(7, True, 1002, 1000),
    "reply, not agreed, no room, joining": AppendReply(7, False, 990, 1000, 1, False),
    "pre-vote": PreVote(8, 1000, 6),
    "pre-vote reply": PreVoteReply(8, True, 7),
    "piece of a snapshot": InstallSnapshot(7, 900, 5, 600_000, 262_144, b"bytes"),
    "where the copy ends": InstallReply(7, 900, 262_149, False),
    "snapshot is installed": InstallReply(7, 900, 600_000, True),
    "lead now": TimeoutNow(7),
    "what is current": Current(9),
}
MEMBERS = frozenset({"n1", "n2", "n3"})


def session(own: str, dials: str | None) -> RaftSession:
    return RaftSession(
        cluster_id=0x0123_4567_89AB_CDEF,
        key=bytes(range(32)),
        own_id=own,
        members=MEMBERS,
        dials=dials,
        nonce=own.encode() * 8,
    )


def handshake() -> tuple[RaftSession, RaftSession, dict[str, str]]:
    """n1 dials n2."""
    dialer, acceptor = session("n1", "n2"), session("n2", None)
    hello = dialer.start()
    answer = acceptor.handshake(hello[FRAME_HEAD.size :])
    proof = dialer.handshake(answer[FRAME_HEAD.size :])
    assert acceptor.handshake(proof[FRAME_HEAD.size :]) == b""
    return (
        dialer,
        acceptor,
        {"1 dialer": hello.hex(), "2 acceptor": answer.hex(), "3 dialer": proof.hex()},
    )


def test_every_message_has_its_bytes_and_they_are_that_message() -> None:
    assert {name: encode(message).hex() for name, message in MESSAGES.items()} == GOLDEN["messages"]
    decoded = {name: decode(bytes.fromhex(data)) for name, data in GOLDEN["messages"].items()}
    assert decoded == MESSAGES
    assert {type(message) for message in MESSAGES.values()} == set(Message.__args__)


def test_handshake_has_its_bytes() -> None:
    """With this key and these nonces; both ends take it."""
    dialer, acceptor, frames = handshake()
    assert frames == GOLDEN["handshake"]
    assert (dialer.peer_id, acceptor.peer_id) == ("n2", "n1")


def test_sealed_frames_have_their_bytes_and_are_opened_by_the_other_end() -> None:
    """The first frame of each direction after that handshake: term 7, 22 November 2026."""
    dialer, acceptor, _ = handshake()
    frames = {}
    for name, source in (("dialer", dialer), ("acceptor", acceptor)):
        body = encode(MESSAGES["heartbeat"])
        head, mac = source.seal(body, term=7, trading_date=20261122)
        frames[name] = (head + body + mac).hex()
    assert frames == GOLDEN["sealed heartbeat"]
    for name, target in (("dialer", acceptor), ("acceptor", dialer)):
        opened, date = target.open(memoryview(bytes.fromhex(GOLDEN["sealed heartbeat"][name])))
        assert (decode(opened), date) == (MESSAGES["heartbeat"], 20261122)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_truncated_and_longer_messages_are_refused(name: str) -> None:
    """No prefix of a message is one, and nothing may follow it."""
    data = bytes.fromhex(GOLDEN["messages"][name])
    for length in range(len(data)):
        with pytest.raises(msgspec.DecodeError):
            decode(data[:length])
    with pytest.raises(msgspec.DecodeError):
        decode(data + b"\x01")
