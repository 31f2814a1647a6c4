"""What nodes say to each other: the closed list of Raft messages, and nothing else.

Called by raft_transport.py (bytes to values and back), raft_rules.py. Anything that is not one of
these is refused when it is decoded: no forwarded commands, no membership, no pickle. Snapshots
travel as the bytes of a checked file. docs/protocols/raft_link.md is the table form.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from oms import bounds

_Index = Annotated[int, Meta(ge=0, le=(1 << 62))]
_Command = Annotated[bytes, Meta(min_length=1)]
_Chunk = Annotated[bytes, Meta(min_length=1, max_length=bounds.SNAPSHOT_CHUNK_BYTES)]
_Room = Annotated[int, Meta(ge=0, le=2)]

ROOM: Final = 0  # entries are taken
NO_ROOM: Final = 1  # only what may use the reserve is taken
NO_RESERVE: Final = 2  # nothing is taken


class RequestVote(msgspec.Struct, frozen=True, array_like=True, tag=1, forbid_unknown_fields=True):
    """A candidate asks for a vote in `term`."""

    term: _Index
    last_log_index: _Index
    last_log_term: _Index


class Vote(msgspec.Struct, frozen=True, array_like=True, tag=2, forbid_unknown_fields=True):
    """The vote in `term` is given, and on disk."""

    term: _Index


class AppendEntries(
    msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False, forbid_unknown_fields=True
):
    """The leader's entries behind (`prev_index`, `prev_term`); none is a heartbeat."""

    term: _Index
    commit_index: _Index
    prev_index: _Index
    prev_term: _Index
    entries: list[tuple[_Index, _Command]]  # (term, command) of prev_index + 1, + 2, ...
    may_use_reserve: bool = False  # less than a majority has room: all live on their reserves


class AppendReply(
    msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False, forbid_unknown_fields=True
):
    """What a follower holds, on disk, in agreement with the leader of `term`.

    matched: everything up to `index` agrees. Otherwise the entry at `prev_index` did not, and
    `index` is where the leader should try next.
    """

    term: _Index
    matched: bool
    index: _Index
    prev_index: _Index
    room: _Room = ROOM
    may_lead: bool = True  # it would take leadership over


class PreVote(msgspec.Struct, frozen=True, array_like=True, tag=5, forbid_unknown_fields=True):
    """Would you vote for me in `term`? Changes nothing at the one who is asked."""

    term: _Index
    last_log_index: _Index
    last_log_term: _Index


class PreVoteReply(msgspec.Struct, frozen=True, array_like=True, tag=6, forbid_unknown_fields=True):
    """The answer: `term` as it was asked, and the answering node's own term."""

    term: _Index
    granted: bool
    own_term: _Index


class InstallSnapshot(
    msgspec.Struct, frozen=True, array_like=True, tag=7, gc=False, forbid_unknown_fields=True
):
    """A piece of the leader's snapshot file; (`term`, `log_index`, `file_bytes`) names the file."""

    term: _Index
    log_index: _Index
    log_term: _Index  # of the entry at log_index
    file_bytes: _Index
    offset: _Index
    data: _Chunk


class InstallReply(
    msgspec.Struct, frozen=True, array_like=True, tag=8, gc=False, forbid_unknown_fields=True
):
    """Where the follower's copy ends; `is_done`: it holds everything up to `log_index`, on disk."""

    term: _Index
    log_index: _Index
    next_offset: _Index
    is_done: bool


class TimeoutNow(msgspec.Struct, frozen=True, array_like=True, tag=9, forbid_unknown_fields=True):
    """The leader of `term` hands over: campaign at once, without pre-votes."""

    term: _Index


class Current(msgspec.Struct, frozen=True, array_like=True, tag=10, forbid_unknown_fields=True):
    """What was sent came from an older term or date; this is the term, the frame has the date."""

    term: _Index


Message = (
    RequestVote
    | Vote
    | AppendEntries
    | AppendReply
    | PreVote
    | PreVoteReply
    | InstallSnapshot
    | InstallReply
    | TimeoutNow
    | Current
)

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """One message as MessagePack."""
    return _ENCODER.encode(message)


def decode(data: bytes | bytearray | memoryview) -> Message:
    """One message. Raises: msgspec.DecodeError, also for anything not in the list."""
    message: Message = _DECODER.decode(data)
    return message
