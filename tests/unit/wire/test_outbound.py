"""Event records to packets: against our golden file and against the independent decoder's view."""

import json
import struct
from pathlib import Path

import pytest

from oms.bounds import EVENT_BYTES
from oms.messages.enums import (
    OUCH_REJECT_CODE,
    EventFlag,
    EventKind,
    OrdType,
    PostOnly,
    RejectReason,
    SelfTrade,
    Side,
    TimeInForce,
)
from oms.messages.event_records import EVENT, OrderTerms
from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m
from oms.wire.appendage import Tag, parse_appendage
from oms.wire.outbound import encode_message, encode_packet

GOLDEN = Path(__file__).parents[2] / "golden" / "ouch.json"
MIDNIGHT_NS = 1_790_000_000_000_000_000
TIME_NS = 34_200_123_456_789
SYMBOLS = {1: b"OAK     ", 2: b"ELEPHANT"}


def record(kind: EventKind, **fields: int | bytes) -> bytes:
    """An event record; what is not named is as in the first example of the golden file."""
    values: dict[str, int | bytes] = {
        "side": Side.BUY, "reason": 0, "flags": EventFlag.LIVE, "session_id": 2, "event_seq": 9,
        "out_seq": 5, "topic_seq": 3, "timestamp_ns": MIDNIGHT_NS + TIME_NS, "account_id": 1,
        "instrument_id": 1, "client_seq": 4, "conn_epoch": 1, "user_ref_num": 7, "order_id": 1001,
        "price": 1_234_500, "qty": 100, "leaves_qty": 100, "orig_user_ref_num": 0,
        "ord_type": OrdType.LIMIT, "time_in_force": TimeInForce.DAY, "display": ord("Y"),
        "capacity": ord("P"), "cl_ord_id": b"ord-1", "firm": b"", "iso": ord("N"),
        "cross_type": ord("N"), "reject_reason": 0,
    }  # fmt: skip
    assert set(fields) <= set(values)
    return EVENT.pack(kind, *(values | fields).values())


def terms(**fields: int) -> bytes:
    """An ORDER_TERMS record."""
    said = OrderTerms(*[0] * len(OrderTerms._fields))._replace(**fields)
    head = record(EventKind.ORDER_TERMS, flags=0, out_seq=0, topic_seq=0)[:72]
    return head + struct.pack("<qIIIBBBxqi4xQ8x", *said)


def at(name: str) -> int:
    """Where an example's record is: the last one."""
    return len(EXAMPLES[name]) - EVENT_BYTES


HAS_TERMS = EventFlag.LIVE | EventFlag.HAS_TERMS
EXAMPLES: dict[str, bytes] = {
    "accepted live": record(EventKind.ORDER_ACCEPTED),
    "accepted dead": record(EventKind.ORDER_ACCEPTED, flags=0),
    "accepted with firm": record(EventKind.ORDER_ACCEPTED, firm=b"A1", side=Side.SELL),
    "accepted FOK": record(EventKind.ORDER_ACCEPTED, time_in_force=TimeInForce.FOK),
    "accepted FOK with firm": record(
        EventKind.ORDER_ACCEPTED, time_in_force=TimeInForce.FOK, firm=b"LIME"
    ),
    "accepted market": record(
        EventKind.ORDER_ACCEPTED,
        ord_type=OrdType.MARKET,
        time_in_force=TimeInForce.IOC,
        price=2_000_000_000,
    ),
    "accepted short": record(EventKind.ORDER_ACCEPTED, side=Side.SELL_SHORT),
    "accepted short exempt": record(EventKind.ORDER_ACCEPTED, side=Side.SELL_SHORT_EXEMPT),
    "accepted full id and symbol": record(
        EventKind.ORDER_ACCEPTED, cl_ord_id=b"12345678901234", instrument_id=2
    ),
    "replaced live": record(EventKind.ORDER_REPLACED, orig_user_ref_num=6),
    "replaced dead with firm": record(
        EventKind.ORDER_REPLACED, orig_user_ref_num=6, flags=0, qty=0, firm=b"A1"
    ),
    "accepted with terms": terms(
        min_qty=20, display_qty=30, self_trade=SelfTrade.CANCEL_OLDEST, expire_ns=60_500_000_000
    )
    + record(EventKind.ORDER_ACCEPTED, flags=HAS_TERMS, time_in_force=TimeInForce.GTT, firm=b"A1"),
    "accepted post-only": terms(post_only=PostOnly.CANCEL)
    + record(EventKind.ORDER_ACCEPTED, flags=HAS_TERMS),
    "replaced with terms": terms(min_qty=20, display_qty=30, self_trade=SelfTrade.DECREMENT)
    + record(EventKind.ORDER_REPLACED, flags=HAS_TERMS, orig_user_ref_num=6),
    "replaced in place": terms(public_id=1002)
    + record(EventKind.ORDER_REPLACED, flags=HAS_TERMS, orig_user_ref_num=6),
    "canceled by user": record(EventKind.ORDER_CANCELED, reason=ord("U"), qty=40),
    "reduced by self-trade prevention": record(
        EventKind.ORDER_CANCELED,
        reason=ord("Q"),
        qty=40,
        cl_ord_id=struct.pack("<qIBB", 1_234_500, 30, ord("A"), SelfTrade.CANCEL_OLDEST),
    ),
    "executed added": record(
        EventKind.ORDER_EXECUTED,
        reason=ord("A"),
        qty=60,
        price=1_234_400,
        cl_ord_id=(501).to_bytes(8, "little"),
    ),
    "restated": record(
        EventKind.ORDER_RESTATED,
        reason=ord("R"),
        qty=40,
        leaves_qty=70,
        cl_ord_id=bytes(16) + (1002).to_bytes(8, "little"),
    ),
    "accepted with a stop price": terms(stop_price=1_234_400, trigger=1)
    + record(EventKind.ORDER_ACCEPTED, flags=HAS_TERMS, ord_type=OrdType.STOP_LIMIT),
    "accepted peg": terms(peg_offset=-100)
    + record(EventKind.ORDER_ACCEPTED, flags=HAS_TERMS, ord_type=OrdType.PEG_MARKET),
    "accepted peg without an offset": record(
        EventKind.ORDER_ACCEPTED, ord_type=OrdType.PEG_MIDPOINT
    ),
    "replaced peg": terms(peg_offset=100)
    + record(
        EventKind.ORDER_REPLACED,
        flags=HAS_TERMS,
        ord_type=OrdType.PEG_PRIMARY,
        orig_user_ref_num=6,
    ),
    "accepted with a trail": terms(stop_price=1_234_400, trail=500)
    + record(EventKind.ORDER_ACCEPTED, flags=HAS_TERMS, ord_type=OrdType.TRAILING_STOP_LIMIT),
    "elected": record(
        EventKind.ORDER_RESTATED,
        reason=ord("E"),
        qty=70,
        leaves_qty=70,
        cl_ord_id=bytes(16) + (1002).to_bytes(8, "little"),
    ),
    "rejected": record(EventKind.ORDER_REJECTED, reason=RejectReason.BAD_QUANTITY),
    "cancel rejected": record(EventKind.CANCEL_REJECTED, reason=RejectReason.ORDER_NOT_CANCELABLE),
    "account query response": record(EventKind.ACCOUNT_QUERY_RESPONSE, user_ref_num=12),
    "system event start": record(EventKind.SYSTEM_EVENT, reason=ord("S")),
    "mass cancel of all": record(EventKind.MASS_CANCEL_ACCEPTED, side=0, instrument_id=0),
    "mass cancel of some": record(EventKind.MASS_CANCEL_ACCEPTED, side=Side.SELL, firm=b"A1"),
    "entry disabled for a firm": record(EventKind.ENTRY_DISABLED, firm=b"A1"),
    "entry enabled for all": record(EventKind.ENTRY_ENABLED),
    "before midnight": record(EventKind.ORDER_CANCELED, reason=ord("U"), timestamp_ns=5),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_packets_are_the_golden_bytes(name: str) -> None:
    """The stream is a pure function of the log, byte for byte, for ever."""
    golden: dict[str, str] = json.loads(GOLDEN.read_text())["packets"]
    assert encode_packet(EXAMPLES[name], at(name), SYMBOLS, MIDNIGHT_NS).hex() == golden[name]


def test_golden_file_has_these_examples_and_no_other() -> None:
    """An example without bytes, or bytes without an example, proves nothing."""
    assert set(json.loads(GOLDEN.read_text())["packets"]) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_packets_are_framed_and_readable_by_the_client(name: str) -> None:
    """Length, type and message agree with the codec that the client uses."""
    packet = encode_packet(b"xx" + EXAMPLES[name], 2 + at(name), SYMBOLS, MIDNIGHT_NS)
    (frame,) = soupbin.FrameSplitter().feed(packet)
    assert frame[0] == soupbin.SEQUENCED
    message = ouch.decode_outbound(frame, 1)
    assert ouch.encode(message) == frame[1:]
    assert encode_message(EXAMPLES[name], at(name), SYMBOLS, MIDNIGHT_NS) == frame[1:]


def test_fields_mean_what_the_record_says() -> None:
    """Hand-checked values of the message with the most fields."""
    message = ouch.decode_outbound(
        encode_message(EXAMPLES["accepted FOK with firm"], 0, SYMBOLS, MIDNIGHT_NS)
    )
    assert message == m.Accepted(
        TIME_NS, 7, ord("B"), 100, b"OAK", 1_234_500, ord("3"), ord("Y"), 1001, ord("P"),
        ord("N"), ord("N"), ord("L"), b"ord-1", b"\x05\x02LIME\x05\x03\x00\x00\x00\x64",
    )  # fmt: skip


def test_an_acceptance_says_again_what_was_asked_for() -> None:
    """A client that comes back must know what its orders are, not only how many shares."""
    name = "accepted with terms"
    message = ouch.decode_outbound(encode_message(EXAMPLES[name], at(name), SYMBOLS, MIDNIGHT_NS))
    assert isinstance(message, m.Accepted)
    assert parse_appendage(message.appendage) == [
        (Tag.FIRM, b"A1"),
        (Tag.MIN_QTY, 20),
        (Tag.MAX_FLOOR, 30),
        (Tag.EXPIRE_TIME, 60),
        (Tag.AIQ_STRATEGY, ord("O")),
    ]


def test_a_restated_order_is_told_its_public_number() -> None:
    """Who reads market data finds the order there under this number and no other."""
    message = ouch.decode_outbound(encode_message(EXAMPLES["restated"], 0, SYMBOLS, MIDNIGHT_NS))
    assert isinstance(message, m.Restated)
    assert (message.user_ref_num, message.reason) == (7, ord("R"))
    assert parse_appendage(message.appendage) == [
        (Tag.SECONDARY_ORD_REF_NUM, 1002),
        (Tag.DISPLAY_QUANTITY, 40),
        (Tag.DISPLAY_PRICE, 1_234_500),
    ]


def test_an_elected_stop_order_is_told_its_place_and_price() -> None:
    """From now on it is in the book under this number, and goes as far as this price."""
    message = ouch.decode_outbound(encode_message(EXAMPLES["elected"], 0, SYMBOLS, MIDNIGHT_NS))
    assert message == m.PriorityUpdate(TIME_NS, 7, 1_234_500, ord("Y"), 1002)


def test_market_price_is_echoed_as_the_markers_value() -> None:
    """Three values mean market on the way in, one on the way out."""
    message = ouch.decode_outbound(
        encode_message(EXAMPLES["accepted market"], 0, SYMBOLS, MIDNIGHT_NS)
    )
    assert isinstance(message, m.Accepted)
    assert message.price == m.PRICE_MARKET


@pytest.mark.parametrize("reason", [r for r in RejectReason if 0 < r < RejectReason.NOT_ADMIN])
def test_every_reason_an_order_can_be_refused_for_has_its_code(reason: RejectReason) -> None:
    """One list of reasons for every protocol; on OUCH each has a code of the specification."""
    message = ouch.decode_outbound(
        encode_message(record(EventKind.ORDER_REJECTED, reason=reason), 0, SYMBOLS, MIDNIGHT_NS)
    )
    assert isinstance(message, m.Rejected)
    assert message.reason == OUCH_REJECT_CODE[reason]
