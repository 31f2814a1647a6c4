"""Every decoder against truncated, split, joined and corrupted bytes: ProtocolError or nothing."""

import random
import struct

import pytest

from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m
from oms.wire.appendage import Option, Tag, build_appendage, parse_appendage
from oms.wire.errors import ProtocolError

EXTRAS = build_appendage([Option(Tag.FIRM, b"LIME"), Option(Tag.MIN_QTY, 7), Option(200, 99)])
INBOUND: list[m.Inbound] = [
    m.EnterOrder(1, ord("B"), 100, b"OAK", 990_000, appendage=EXTRAS),
    m.EnterOrder(2, ord("S"), 100, b"OAK", 990_000),
    m.ReplaceRequest(1, 3, 50, 990_100, appendage=EXTRAS),
    m.CancelRequest(1, 0),
    m.CancelRequest(1, 0, appendage=EXTRAS),
    m.ModifyRequest(1, ord("S"), 3),
    m.MassCancelRequest(9, b"LIME", b"OAK", appendage=EXTRAS),
    m.DisableRequest(10, b"LIME"),
    m.EnableRequest(11, b"LIME"),
    m.AccountQueryRequest(),
    m.AccountQueryRequest(b""),
]
OUTBOUND: list[m.Outbound] = [
    m.SystemEvent(1, ord("S")),
    m.Accepted(1, 2, 66, 3, b"OAK", 4, 48, 89, 5, 80, 78, 78, 76, b"ID", EXTRAS),
    m.Replaced(1, 2, 3, 66, 3, b"OAK", 4, 48, 89, 5, 80, 78, 78, 76, b"ID"),
    m.Canceled(1, 2, 3, 85),
    m.AiqCanceled(1, 2, 3, 81, 4, 5, 65, 68),
    m.Executed(1, 2, 3, 4, 65, 5),
    m.BrokenTrade(1, 2, 3, 69, b"ID"),
    m.Rejected(1, 2, 3, b"ID"),
    m.Rejected(1, 2, 3, b"ID", EXTRAS),
    m.CancelPending(1, 2),
    m.CancelReject(1, 2),
    m.PriorityUpdate(1, 2, 3, 89, 4),
    m.Modified(1, 2, 83, 3),
    m.Restated(1, 2, 82, EXTRAS),
    m.MassCancelResponse(1, 2, b"LIME", b"OAK"),
    m.DisableResponse(1, 2, b"LIME"),
    m.EnableResponse(1, 2, b"LIME"),
    m.AccountQueryResponse(1, 2),
]
LOGINS = [
    soupbin.LoginRequest(b"mm01", b"secret", b"20261122", 1),
    soupbin.LoginRequest(b"mm01", b"secret", b"", 42, 5000),
]


def packets() -> list[bytes]:
    """One packet of every kind a client sends."""
    return [
        *(soupbin.login_request(login) for login in LOGINS),
        soupbin.CLIENT_HEARTBEAT_PACKET,
        soupbin.pack(soupbin.DEBUG, b"hello"),
        *(soupbin.unsequenced(ouch.encode(message)) for message in INBOUND),
        soupbin.LOGOUT_PACKET,
    ]


@pytest.mark.parametrize("message", INBOUND, ids=lambda message: type(message).__name__)
def test_inbound_messages_survive_the_round_trip(message: m.Inbound) -> None:
    """What the client encodes is what the gateway reads."""
    assert ouch.decode_inbound(ouch.encode(message)) == message


@pytest.mark.parametrize("message", OUTBOUND, ids=lambda message: type(message).__name__)
def test_outbound_messages_survive_the_round_trip(message: m.Outbound) -> None:
    """What the gateway encodes is what the client reads."""
    assert ouch.decode_outbound(ouch.encode(message)) == message


@pytest.mark.parametrize("message", [*INBOUND, *OUTBOUND], ids=lambda m: type(m).__name__)
def test_truncated_message_is_a_protocol_error(message: m.Inbound | m.Outbound) -> None:
    """A message cut anywhere is never read as another one, but where its end is optional."""
    raw = ouch.encode(message)
    fixed = 1 + struct.calcsize(">" + message.FORMAT)
    decode = ouch.decode_inbound if message in INBOUND else ouch.decode_outbound
    for size in range(len(raw)):
        if size == fixed and message.END == m.END_OPTIONAL:
            continue
        with pytest.raises(ProtocolError):
            decode(raw[:size])


@pytest.mark.parametrize("message", [*INBOUND, *OUTBOUND], ids=lambda m: type(m).__name__)
def test_message_with_bytes_behind_its_end_is_a_protocol_error(
    message: m.Inbound | m.Outbound,
) -> None:
    """Two messages in one packet are not one message."""
    raw = ouch.encode(message)
    decode = ouch.decode_inbound if message in INBOUND else ouch.decode_outbound
    for extra in (b"\x01", raw):
        with pytest.raises(ProtocolError):
            decode(raw + extra)


def test_corrupted_bytes_raise_nothing_but_protocol_error() -> None:
    """Whatever a client sends, only its own connection can suffer."""
    seed = 20261122
    dice = random.Random(seed)
    survivors = 0
    messages = [ouch.encode(message) for message in (*INBOUND, *OUTBOUND)]
    for _ in range(4_000):
        raw = bytearray(dice.choice(messages))
        for _ in range(dice.randint(1, 4)):
            raw[dice.randrange(len(raw))] = dice.randrange(256)
        cut = bytes(raw[: dice.randint(0, len(raw))]) if dice.random() < 0.3 else bytes(raw)
        for decode in (ouch.decode_inbound, ouch.decode_outbound):
            try:
                message = decode(cut)
                parse_appendage(getattr(message, "appendage", None) or b"")
                survivors += 1
            except ProtocolError:
                continue
    assert survivors, f"seed {seed}"


def test_stream_split_at_every_byte_gives_the_same_frames() -> None:
    """TCP cuts where it likes."""
    stream = b"".join(packets())
    whole = list(soupbin.FrameSplitter().feed(stream))
    assert len(whole) == len(packets())
    for cut in range(len(stream) + 1):
        splitter = soupbin.FrameSplitter()
        assert [*splitter.feed(stream[:cut]), *splitter.feed(stream[cut:])] == whole
    splitter = soupbin.FrameSplitter()
    single = [f for i in range(len(stream)) for f in splitter.feed(stream[i : i + 1])]
    assert single == whole
    assert splitter.pending_bytes == 0


def test_frame_bound_is_exact_and_earlier_frames_come_first() -> None:
    """At the bound it passes, one past it is refused, wherever TCP cut the stream."""
    at_bound = soupbin.pack(soupbin.DEBUG, bytes(63))
    beyond = soupbin.pack(soupbin.DEBUG, bytes(64))
    assert len(list(soupbin.FrameSplitter(64).feed(at_bound))) == 1
    frames = soupbin.FrameSplitter(64).feed(at_bound + beyond)
    assert next(frames)[0] == soupbin.DEBUG
    with pytest.raises(ProtocolError) as caught:
        next(frames)
    assert caught.value.offset == len(at_bound)


def test_packet_of_length_zero_is_a_protocol_error() -> None:
    """The length counts the type, so zero cannot be."""
    with pytest.raises(ProtocolError):
        list(soupbin.FrameSplitter().feed(b"\x00\x00"))


@pytest.mark.parametrize("login", LOGINS)
def test_truncated_login_is_a_protocol_error(login: soupbin.LoginRequest) -> None:
    """Only the two lengths of the specification are a login."""
    frame = soupbin.login_request(login)[2:]
    for size in range(len(frame)):
        if size != soupbin.LOGIN_300_BYTES:
            with pytest.raises(ProtocolError):
                soupbin.parse_login_request(frame[:size])


def test_login_numbers_must_be_digits() -> None:
    """A sequence number that cannot be read must not become some number."""
    frame = bytearray(soupbin.login_request(LOGINS[1])[2:])
    for offset, text in ((40, b"x"), (40, b"-"), (40, b" "), (48, b"x")):
        broken = bytes(frame[:offset]) + text + bytes(frame[offset + 1 :])
        if text == b" ":
            soupbin.parse_login_request(broken)
            continue
        with pytest.raises(ProtocolError):
            soupbin.parse_login_request(broken)
    huge = bytes(frame[:27]) + b"9" * 20 + bytes(frame[47:])
    with pytest.raises(ProtocolError):
        soupbin.parse_login_request(huge)


def test_encoders_refuse_what_does_not_fit() -> None:
    """A silently cut symbol would be an order for another instrument."""
    good = m.EnterOrder(1, ord("B"), 100, b"OAK", 990_000)
    for change in ({"symbol": b"NINECHARS"}, {"price": -1}, {"qty": 1 << 32}):
        values = {name: getattr(good, name) for name in good.__struct_fields__} | change
        with pytest.raises(ValueError, match="fit"):
            ouch.encode(m.EnterOrder(**values))
    with pytest.raises(ValueError, match="fit"):
        soupbin.login_request(soupbin.LoginRequest(b"toolong", b"", b"", 1))
    with pytest.raises(ValueError, match="fit"):
        build_appendage([Option(Tag.FIRM, b"FIVE5")])
    with pytest.raises(ValueError, match="fit"):
        build_appendage([Option(Tag.MIN_QTY, 1 << 32)])


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00",
        b"\x05\x02LIM",
        b"\x04\x02LIM",
        b"\x05\x02LIME\x05\x02LIME",
        b"\x02",
        b"\x06\x02LIMEX",
    ],
)
def test_malformed_appendage_is_a_protocol_error(raw: bytes) -> None:
    """Zero length, past the end, a wrong size, a tag that stands twice."""
    with pytest.raises(ProtocolError):
        parse_appendage(raw)


def test_unknown_tags_are_skipped_by_their_length() -> None:
    """A newer client's optional fields must not break an older venue."""
    options = parse_appendage(b"\x03\x63ab\x05\x02LIME")
    assert options == [Option(0x63, b"ab"), Option(Tag.FIRM, b"LIME")]
