"""The independent encoder's vectors: our bytes are theirs, both directions, every message."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m
from oms.wire.appendage import build_appendage, parse_appendage

SHARED = Path(os.environ.get("OMS_SHARED", Path(__file__).parents[4] / "shared"))
VECTORS = SHARED / "data" / "wire_golden.json"
Vector = dict[str, object]

NAMES = {
    "ts": "timestamp_ns",
    "urn": "user_ref_num",
    "orig": "orig_user_ref_num",
    "sym": "symbol",
    "px": "price",
    "tif": "time_in_force",
    "disp": "display",
    "cap": "capacity",
    "cross": "cross_type",
    "clid": "cl_ord_id",
    "ref": "order_id",
    "code": "event",
    "dec": "qty",
    "prevented": "prevented_qty",
    "liq": "liquidity",
    "match": "match_id",
    "next_urn": "next_user_ref_num",
    "ap": "appendage",
}
TEXTS = {"symbol", "firm", "cl_ord_id"}
KINDS: dict[str, dict[str, type[m.Message]]] = {
    "in": {
        "O": m.EnterOrder,
        "U": m.ReplaceRequest,
        "X": m.CancelRequest,
        "M": m.ModifyRequest,
        "C": m.MassCancelRequest,
        "D": m.DisableRequest,
        "E": m.EnableRequest,
        "Q": m.AccountQueryRequest,
    },
    "out": {
        "S": m.SystemEvent,
        "A": m.Accepted,
        "U": m.Replaced,
        "C": m.Canceled,
        "D": m.AiqCanceled,
        "E": m.Executed,
        "B": m.BrokenTrade,
        "J": m.Rejected,
        "P": m.CancelPending,
        "I": m.CancelReject,
        "T": m.PriorityUpdate,
        "M": m.Modified,
        "R": m.Restated,
        "X": m.MassCancelResponse,
        "G": m.DisableResponse,
        "K": m.EnableResponse,
        "Q": m.AccountQueryResponse,
    },
}


def vectors(protocol: str) -> list[Vector]:
    """The vectors of one protocol, or a visible skip."""
    if not VECTORS.exists():
        pytest.skip(f"no {VECTORS}: set OMS_SHARED to the shared folder")
    messages: list[Vector] = json.loads(VECTORS.read_text())["messages"]
    return [v for v in messages if v["protocol"] == protocol]


def converted(vector: Vector) -> m.Message:
    """The vector's fields as our message."""
    raw = bytes.fromhex(str(vector["hex"]))
    values: dict[str, object] = {}
    fields = vector["fields"]
    assert isinstance(fields, dict)
    for key, value in fields.items():
        name = NAMES.get(str(key), str(key))
        if name == "appendage":
            data = bytes.fromhex(value)
            values[name] = data[2:] if data else None
        elif name in TEXTS:
            values[name] = value.encode()
        elif isinstance(value, str):
            values[name] = ord(value)
        else:
            values[name] = value
    kind = KINDS[str(vector["flow"])][chr(raw[0])]
    if kind is m.AiqCanceled:
        values["reason"] = ord("Q")
    return kind(**values)


def ouch_vectors() -> Iterator[tuple[str, bytes, m.Message]]:
    """Flow, bytes and message of every OUCH vector."""
    for vector in vectors("ouch50"):
        yield str(vector["flow"]), bytes.fromhex(str(vector["hex"])), converted(vector)


def test_ouch_encoder_writes_the_golden_bytes() -> None:
    """A client or venue written from the specification must understand us."""
    for _, raw, message in ouch_vectors():
        assert ouch.encode(message).hex() == raw.hex()  # type: ignore[arg-type]


def test_ouch_decoder_reads_the_golden_bytes() -> None:
    """What others write must mean the same to us, at any offset in a frame."""
    for flow, raw, message in ouch_vectors():
        decode = ouch.decode_inbound if flow == "in" else ouch.decode_outbound
        assert decode(raw) == message
        assert decode(b"U" + raw, 1) == message


def test_every_ouch_type_has_a_vector() -> None:
    """The vectors cover the tables, so that the two tests above mean all messages."""
    seen = {(v["flow"], chr(bytes.fromhex(str(v["hex"]))[0])) for v in vectors("ouch50")}
    assert seen == {(flow, letter) for flow, kinds in KINDS.items() for letter in kinds}


def test_appendages_are_read_and_built_again_byte_for_byte() -> None:
    """Optional fields survive both ways, the private ones included."""
    count = 0
    for _, _, message in ouch_vectors():
        data = getattr(message, "appendage", None)
        if data:
            assert build_appendage(parse_appendage(data)) == data
            count += 1
    assert count > 5


def test_soupbin_login_packets_are_the_golden_bytes() -> None:
    """Both versions of the login, and both answers, byte for byte both ways."""
    by_name = {str(v["name"]): v for v in vectors("soupbintcp")}
    for name, request in {
        "login 3.00": soupbin.LoginRequest(b"mm01", b"secret", b"", 1),
        "login 4.1": soupbin.LoginRequest(b"mm01", b"secret", b"20261122A", 42, 5000),
    }.items():
        raw = bytes.fromhex(str(by_name[name]["hex"]))
        assert soupbin.login_request(request) == raw
        assert soupbin.parse_login_request(raw[2:]) == request
    raw = bytes.fromhex(str(by_name["login accepted"]["hex"]))
    assert soupbin.login_accepted(b"20261122A", 42) == raw
    assert soupbin.parse_login_accepted(raw[2:]) == soupbin.LoginAccepted(b"20261122A", 42)
    raw = bytes.fromhex(str(by_name["login rejected"]["hex"]))
    assert soupbin.login_rejected(soupbin.REJECT_NOT_AUTHORIZED) == raw
    assert soupbin.parse_login_rejected(raw[2:]) == soupbin.REJECT_NOT_AUTHORIZED


def test_soupbin_packets_without_payload_are_the_golden_bytes() -> None:
    """Heartbeats, logout and end of session are three bytes each."""
    packets = {
        "server heartbeat": soupbin.SERVER_HEARTBEAT_PACKET,
        "client heartbeat": soupbin.CLIENT_HEARTBEAT_PACKET,
        "logout": soupbin.LOGOUT_PACKET,
        "end of session": soupbin.END_OF_SESSION_PACKET,
    }
    for vector in vectors("soupbintcp"):
        packet = packets.pop(str(vector["name"]), None)
        if packet is not None:
            assert packet.hex() == vector["hex"]
    assert not packets
