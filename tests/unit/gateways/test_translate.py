"""From OUCH to commands: every field, every appendage, and what is refused (in the log)."""

import msgspec
import pytest

from gateways.binary.translate import EXTRAS_KEPT_MAX, Translator
from oms.messages.commands import (
    AccountQuery,
    CancelOrder,
    Command,
    DisableEntry,
    EnableEntry,
    MassCancel,
    NewOrder,
    OrderCommand,
    RefusedRequest,
    ReplaceOrder,
)
from oms.messages.enums import (
    OUCH_POLICY,
    OrdType,
    PostOnly,
    RejectReason,
    SelfTrade,
    Side,
    TimeInForce,
    Trigger,
)
from oms.messages.packing import pack_batch
from oms.wire import ouch
from oms.wire import ouch_messages as m
from oms.wire.appendage import Option, Tag, build_appendage
from oms.wire.errors import ProtocolError

NOT_OFFERED = RejectReason.NOT_OFFERED
BAD_TYPE = RejectReason.BAD_ORDER_TYPE
NONE = RejectReason.NONE


def translate(message: m.Inbound, *, rule_version: int = 2) -> OrderCommand:
    """The command for one message of a session with default account 1."""
    translator = Translator(
        session_id=2,
        conn_epoch=3,
        default_account_id=1,
        accounts={b"A1": 1, b"A2": 2},
        instruments={b"OAK": 1, b"ELM": 2},
        rule_version=rule_version,
    )
    command = translator.translate(b"U" + ouch.encode(message), 1, 4, 5)
    as_pushed = msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=Command)
    assert as_pushed == command  # the leader's decoder takes it
    assert pack_batch(1, [command])
    return command


def order(**changes: int | bytes) -> NewOrder:
    """The command for a limit order with these fields changed."""
    fields: dict[str, int | bytes] = {
        "user_ref_num": 7,
        "side": ord("B"),
        "qty": 100,
        "symbol": b"OAK",
        "price": 990_000,
    }
    command = translate(m.EnterOrder(**(fields | changes)))  # type: ignore[arg-type]
    assert isinstance(command, NewOrder)
    return command


def with_tag(tag: int, value: int | bytes, **changes: int | bytes) -> NewOrder:
    """The command for an order with one optional field."""
    return order(appendage=build_appendage([Option(tag, value)]), **changes)


def test_enter_becomes_a_new_order_field_by_field() -> None:
    """Nothing is lost or swapped between wire and log."""
    command = order(
        side=ord("T"), cl_ord_id=b"id", appendage=build_appendage([Option(Tag.FIRM, b"A2")])
    )
    assert command == NewOrder(
        session_id=2,
        conn_epoch=3,
        client_seq=4,
        not_after_ns=5,
        policy=OUCH_POLICY,
        user_ref_num=7,
        account_id=2,
        instrument_id=1,
        side=Side.SELL_SHORT,
        ord_type=OrdType.LIMIT,
        time_in_force=TimeInForce.DAY,
        order_qty=100,
        price=990_000,
        cl_ord_id=b"id",
        firm=b"A2",
        display=ord("Y"),
        capacity=ord("P"),
        iso=ord("N"),
        cross_type=ord("N"),
        refuse_reason=NONE,
    )


@pytest.mark.parametrize(
    ("letter", "side"),
    [
        ("B", Side.BUY),
        ("S", Side.SELL),
        ("T", Side.SELL_SHORT),
        ("E", Side.SELL_SHORT_EXEMPT),
        ("x", 0),
    ],
)
def test_sides(letter: str, side: int) -> None:
    """An unknown side goes to the log as no side, and is refused there."""
    assert order(side=ord(letter)).side == side


@pytest.mark.parametrize(
    ("letter", "tif", "reason"),
    [
        ("0", TimeInForce.DAY, NONE),
        ("3", TimeInForce.IOC, NONE),
        ("5", 0, NOT_OFFERED),
        ("6", TimeInForce.GTT, NONE),
        ("E", 0, NOT_OFFERED),
        ("9", 0, BAD_TYPE),
        ("\0", 0, BAD_TYPE),
    ],
)
def test_times_in_force(letter: str, tif: int, reason: RejectReason) -> None:
    """Known ones are not offered, unknown ones are no order type; both are refused in the log."""
    command = order(time_in_force=ord(letter))
    assert (command.time_in_force, command.refuse_reason) == (tif, reason)


def test_fok_is_ioc_with_the_whole_quantity_as_minimum() -> None:
    """OUCH has no FOK of its own."""
    command = with_tag(Tag.MIN_QTY, 100, time_in_force=m.TIF_IOC)
    assert command.time_in_force == TimeInForce.FOK
    assert command.refuse_reason == NONE
    assert with_tag(Tag.MIN_QTY, 0, time_in_force=m.TIF_IOC).time_in_force == TimeInForce.IOC


def test_minimum_quantity_goes_into_the_log() -> None:
    """What is not the whole of an IOC is a minimum, for any time in force and for a replace."""
    command = with_tag(Tag.MIN_QTY, 99, time_in_force=m.TIF_IOC)
    assert (command.time_in_force, command.min_qty) == (TimeInForce.IOC, 99)
    command = with_tag(Tag.MIN_QTY, 100, time_in_force=m.TIF_DAY)
    assert (command.time_in_force, command.min_qty) == (TimeInForce.DAY, 100)
    assert command.refuse_reason == NONE
    replace = translate(m.ReplaceRequest(7, 8, 50, 1, appendage=b"\x05\x03\x00\x00\x00\x32"))
    assert isinstance(replace, ReplaceOrder)
    assert (replace.min_qty, replace.refuse_reason) == (50, NONE)


@pytest.mark.parametrize(
    ("letter", "mode"),
    [
        ("*", 0),
        ("W", SelfTrade.CANCEL_NEWEST),
        ("O", SelfTrade.CANCEL_OLDEST),
        ("D", SelfTrade.DECREMENT),
    ],
)
def test_self_trade_strategies(letter: str, mode: int) -> None:
    """The letters of the specification that this venue has a mode for."""
    command = with_tag(Tag.AIQ_STRATEGY, ord(letter))
    assert (command.self_trade, command.refuse_reason) == (mode, NONE)


def test_seconds_to_live_go_into_the_log() -> None:
    """The engine adds them to the time of the entry, which no gateway knows."""
    command = with_tag(Tag.EXPIRE_TIME, 60, time_in_force=m.TIF_GTT)
    assert (command.time_in_force, command.expire_ns) == (TimeInForce.GTT, 60_000_000_000)
    assert command.refuse_reason == NONE
    assert with_tag(Tag.EXPIRE_TIME, 60).expire_ns == 60_000_000_000, "refused in the log"


def test_max_floor_is_what_an_iceberg_shows() -> None:
    """0 shows all, as without the field."""
    command = with_tag(Tag.MAX_FLOOR, 10)
    assert (command.display_qty, command.refuse_reason) == (10, NONE)
    assert with_tag(Tag.MAX_FLOOR, 0).display_qty == 0


def test_a_stop_price_makes_a_stop_order() -> None:
    """Without a limit it is a market order that waits; the trigger may be the best price."""
    limited = with_tag(Tag.STOP_PRICE, 1_000_000)
    assert (limited.ord_type, limited.stop_price) == (OrdType.STOP_LIMIT, 1_000_000)
    both = [Option(Tag.STOP_PRICE, 1_000_000), Option(Tag.STOP_TRIGGER, ord("B"))]
    command = order(appendage=build_appendage(both), price=0x7FFF_FFFF)
    assert (command.ord_type, command.trigger) == (OrdType.STOP, Trigger.BEST_PRICE)
    assert with_tag(Tag.STOP_PRICE, (1 << 64) - 1).stop_price == (1 << 63) - 1, "refused in the log"


@pytest.mark.parametrize(
    ("code", "ord_type"),
    [("R", OrdType.PEG_PRIMARY), ("P", OrdType.PEG_MARKET), ("M", OrdType.PEG_MIDPOINT)],
)
def test_a_price_type_makes_a_peg(code: str, ord_type: OrdType) -> None:
    """The offset is signed; the price is the cap, and no market order hides behind it."""
    both = [Option(Tag.PRICE_TYPE, ord(code)), Option(Tag.PEG_OFFSET, -100)]
    command = order(appendage=build_appendage(both), display=ord("N"))
    assert (command.ord_type, command.peg_offset, command.refuse_reason) == (ord_type, -100, NONE)
    uncapped = order(appendage=build_appendage(both), price=0x7FFF_FFFF)
    assert (uncapped.ord_type, uncapped.price) == (ord_type, 0x7FFF_FFFF), "refused in the log"


def test_a_peg_is_replaced_with_another_offset() -> None:
    """The new offset is the record's, 0 like any other; older rules do not read it."""
    appendage = build_appendage([Option(Tag.PEG_OFFSET, 200)])
    command = translate(m.ReplaceRequest(7, 8, 50, 991_000, appendage=appendage))
    assert isinstance(command, ReplaceOrder)
    assert (command.peg_offset, command.refuse_reason) == (200, NONE)


def test_a_trail_makes_a_trailing_stop() -> None:
    """With a limit or without, and without a stop price: the venue has one to begin with."""
    limited = with_tag(Tag.STOP_TRAIL, 1_000)
    assert (limited.ord_type, limited.trail) == (OrdType.TRAILING_STOP_LIMIT, 1_000)
    appendage = build_appendage([Option(Tag.STOP_TRAIL, 1_000)])
    command = order(appendage=appendage, price=0x7FFF_FFFF)
    assert (command.ord_type, command.stop_price) == (OrdType.TRAILING_STOP, 0)
    replace = translate(m.ReplaceRequest(7, 8, 50, 0x7FFF_FFFF, appendage=appendage))
    assert isinstance(replace, ReplaceOrder)
    assert (replace.trail, replace.stop_price, replace.refuse_reason) == (1_000, 0, NONE)


def test_a_peg_does_not_trail() -> None:
    """Both are told to the log as they were asked for, and refused there."""
    both = [Option(Tag.PRICE_TYPE, ord("M")), Option(Tag.STOP_TRAIL, 1_000)]
    command = order(appendage=build_appendage(both), display=ord("N"))
    assert (command.ord_type, command.trail) == (OrdType.PEG_MIDPOINT, 1_000)


def test_a_stop_order_is_replaced_without_a_limit() -> None:
    """Stop price 0 leaves the one it has; without the field a market price is no replace."""
    appendage = build_appendage([Option(Tag.STOP_PRICE, 0)])
    command = translate(m.ReplaceRequest(7, 8, 50, 0x7FFF_FFFF, appendage=appendage))
    assert isinstance(command, ReplaceOrder)
    assert (command.stop_price, command.refuse_reason) == (0, NONE)


def test_post_only_is_canceled_when_it_would_trade() -> None:
    """The wire has one kind of post-only."""
    command = with_tag(Tag.POST_ONLY, ord("P"))
    assert (command.post_only, command.refuse_reason) == (PostOnly.CANCEL, NONE)


@pytest.mark.parametrize(
    ("price", "ord_type", "logged"),
    [
        (990_000, OrdType.LIMIT, 990_000),
        (0, OrdType.LIMIT, 0),
        (0x7FFF_FFFF, OrdType.MARKET, 0x7FFF_FFFF),
        (2_000_000_000, OrdType.MARKET, 2_000_000_000),
        ((1 << 64) - 1, OrdType.MARKET, 0x7FFF_FFFF),
        ((1 << 64) - 2, OrdType.LIMIT, (1 << 63) - 1),
        (1 << 63, OrdType.LIMIT, (1 << 63) - 1),
        ((1 << 63) - 1, OrdType.LIMIT, (1 << 63) - 1),
    ],
)
def test_prices(price: int, ord_type: OrdType, logged: int) -> None:
    """Three values mean market; what no record can hold is logged as too high a price."""
    command = order(price=price)
    assert (command.ord_type, command.price, command.refuse_reason) == (ord_type, logged, NONE)


def test_unknown_symbol_and_firm_are_id_zero() -> None:
    """Unknown names are refused by a logged outcome, not by the gateway."""
    assert order(symbol=b"YEW").instrument_id == 0
    assert with_tag(Tag.FIRM, b"ZZZZ").account_id == 0
    assert with_tag(Tag.FIRM, b"").account_id == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"display": ord("A")},
        {"display": ord("Z")},
        {"iso": ord("Y")},
        {"cross_type": ord("H")},
        {"cross_type": ord("O"), "time_in_force": m.TIF_IOC},
        {"capacity": ord("x")},
    ],
)
def test_fixed_fields_that_ask_for_something_not_offered(changes: dict[str, int]) -> None:
    """Ignoring a wish would be worse than refusing it."""
    assert order(**changes).refuse_reason == NOT_OFFERED


@pytest.mark.parametrize(("letter", "tif"), [("O", 7), ("C", 8)])
def test_cross_types_are_orders_for_a_call(letter: str, tif: int) -> None:
    """A client that wants the opening or closing price alone says so by the cross type."""
    command = order(cross_type=ord(letter))
    assert (command.time_in_force, command.refuse_reason) == (tif, 0)
    assert command.cross_type == ord(letter)


def test_hidden_orders_pass_where_the_venue_can_hide_them() -> None:
    """A venue of older rules would show them to everybody: there they are refused."""
    enter = m.EnterOrder(7, ord("B"), 100, b"OAK", 991_000, display=ord("N"))
    replace = m.ReplaceRequest(7, 8, 50, 991_000, display=ord("N"))
    for message in (enter, replace):
        for rule_version, reason in ((2, NONE), (1, NOT_OFFERED)):
            command = translate(message, rule_version=rule_version)
            assert isinstance(command, NewOrder | ReplaceOrder)
            assert (command.display, command.refuse_reason) == (ord("N"), reason)


@pytest.mark.parametrize("capacity", "APRO")
def test_all_capacities_are_taken(capacity: str) -> None:
    """Capacity is information, echoed and otherwise without effect."""
    assert order(capacity=ord(capacity)).refuse_reason == NONE


TAGS: list[tuple[int, int | bytes, RejectReason]] = [
    (Tag.SECONDARY_ORD_REF_NUM, 5, NONE),  # not of this message: skipped
    (Tag.CUSTOMER_TYPE, ord("R"), NONE),
    (Tag.CUSTOMER_TYPE, ord("N"), NONE),
    (Tag.CUSTOMER_TYPE, ord(" "), NONE),
    (Tag.CUSTOMER_TYPE, ord("x"), NOT_OFFERED),
    (Tag.MAX_FLOOR, 0, NONE),
    (Tag.PRICE_TYPE, ord("L"), NONE),
    (Tag.PRICE_TYPE, ord("P"), NONE),
    (Tag.PRICE_TYPE, ord("m"), NOT_OFFERED),
    (Tag.PEG_OFFSET, 0, NONE),
    (Tag.PEG_OFFSET, -1, BAD_TYPE),
    (Tag.DISCRETION_PRICE, 0, NONE),
    (Tag.DISCRETION_PRICE, 5, NOT_OFFERED),
    (Tag.DISCRETION_PRICE_TYPE, ord("L"), NONE),
    (Tag.DISCRETION_PRICE_TYPE, ord("R"), NOT_OFFERED),
    (Tag.DISCRETION_PEG_OFFSET, 0, NONE),
    (Tag.DISCRETION_PEG_OFFSET, 1, NOT_OFFERED),
    (Tag.POST_ONLY, ord("N"), NONE),
    (Tag.POST_ONLY, ord("x"), NOT_OFFERED),
    (Tag.RANDOM_RESERVES, 0, NONE),
    (Tag.RANDOM_RESERVES, 1, NOT_OFFERED),
    (Tag.ROUTE, b"", NONE),
    (Tag.ROUTE, b"ABCD", NOT_OFFERED),
    (Tag.EXPIRE_TIME, 0, NONE),
    (Tag.TRADE_NOW, ord("N"), NONE),
    (Tag.TRADE_NOW, ord("Y"), NOT_OFFERED),
    (Tag.HANDLE_INST, ord(" "), NONE),
    (Tag.HANDLE_INST, ord("I"), NOT_OFFERED),
    (Tag.BBO_WEIGHT_INDICATOR, ord("0"), NONE),  # outbound only: skipped
    (Tag.DISPLAY_QUANTITY, 1, NONE),  # outbound only: skipped
    (Tag.DISPLAY_PRICE, 1, NONE),  # outbound only: skipped
    (Tag.GROUP_ID, 0, NONE),
    (Tag.GROUP_ID, 1, NOT_OFFERED),
    (Tag.SHARES_LOCATED, ord("Y"), NONE),
    (Tag.LOCATE_BROKER, b"ABCD", NONE),
    (Tag.SIDE, ord("B"), NOT_OFFERED),
    (Tag.USER_REF_IDX, 0, NONE),
    (Tag.USER_REF_IDX, 1, NOT_OFFERED),
    (Tag.AIQ_STRATEGY, ord("*"), NONE),
    (Tag.AIQ_STRATEGY, ord("Y"), NOT_OFFERED),
    (Tag.AIQ_GROUP_ID, b"", NONE),
    (Tag.AIQ_GROUP_ID, b"G1", NOT_OFFERED),
    (Tag.STOP_PRICE, 1_000_000, NONE),
    (Tag.STOP_TRIGGER, ord("L"), NONE),
    (Tag.STOP_TRIGGER, ord("x"), BAD_TYPE),
    (Tag.STOP_TRAIL, 1_000, NONE),
    (99, b"unknown", NONE),
    (250, b"private", NONE),
]


@pytest.mark.parametrize(("tag", "value", "reason"), TAGS)
def test_every_optional_field(tag: int, value: int | bytes, reason: RejectReason) -> None:
    """At its neutral value it passes; asking for more is refused; unknown ones are skipped."""
    assert with_tag(tag, value).refuse_reason == reason


def test_every_tag_is_tested() -> None:
    """A new tag must be decided upon."""
    decided = {tag for tag, _, _ in TAGS} | {Tag.FIRM, Tag.MIN_QTY}
    assert set(Tag) <= decided


def test_first_wish_that_is_refused_gives_the_reason() -> None:
    """One outcome, whatever else is asked for."""
    appendage = build_appendage([Option(Tag.GROUP_ID, 1), Option(Tag.STOP_TRIGGER, 1)])
    assert order(appendage=appendage, time_in_force=ord("9")).refuse_reason == NOT_OFFERED


def test_replace_becomes_a_replace_order() -> None:
    """The chain's names and the total quantity go to the log as sent."""
    command = translate(m.ReplaceRequest(7, 8, 50, 991_000, cl_ord_id=b"new"))
    assert command == ReplaceOrder(
        2, 3, 4, 5, OUCH_POLICY, 7, 8, TimeInForce.DAY, 50, 991_000, b"new", ord("Y"), ord("N"), 0
    )


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (m.ReplaceRequest(7, 8, 50, 1, time_in_force=m.TIF_IOC), NONE),
        (m.ReplaceRequest(7, 8, 50, 1, time_in_force=ord("5")), NOT_OFFERED),
        (m.ReplaceRequest(7, 8, 50, 1, time_in_force=ord("x")), BAD_TYPE),
        (m.ReplaceRequest(7, 8, 50, m.PRICE_MARKET), BAD_TYPE),
        (m.ReplaceRequest(7, 8, 50, (1 << 64) - 1), BAD_TYPE),
        (m.ReplaceRequest(7, 8, 50, (1 << 64) - 2), NONE),
        (m.ReplaceRequest(7, 8, 50, 1, display=ord("A")), NOT_OFFERED),
        (m.ReplaceRequest(7, 8, 50, 1, iso=ord("Y")), NOT_OFFERED),
        (m.ReplaceRequest(7, 8, 50, 1, appendage=b"\x05\x02A2  "), NONE),
    ],
)
def test_replaces_that_are_refused(message: m.ReplaceRequest, reason: RejectReason) -> None:
    """A replace is no way round what Enter refuses."""
    command = translate(message)
    assert isinstance(command, ReplaceOrder)
    assert command.refuse_reason == reason


def test_cancel_and_query() -> None:
    """The two smallest messages."""
    assert translate(m.CancelRequest(7, 50)) == CancelOrder(2, 3, 4, 5, OUCH_POLICY, 7, 50)
    assert translate(m.AccountQueryRequest()) == AccountQuery(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (0, 0, 0, NONE)),
        ({"firm": b"A2"}, (2, 0, 0, NONE)),
        ({"symbol": b"ELM"}, (0, 2, 0, NONE)),
        ({"firm": b"A1", "symbol": b"OAK", "appendage": b"\x02\x1bT"}, (1, 1, 5, NONE)),
        ({"appendage": b"\x02\x1bS"}, (0, 0, 2, NONE)),
        ({"appendage": b"\x02\x1bx"}, (0, 0, 0, RejectReason.BAD_SIDE)),
        ({"appendage": b"\x02\x1c\x01"}, (0, 0, 0, NOT_OFFERED)),
        ({"firm": b"A9"}, (0, 0, 0, RejectReason.NOT_ENTITLED)),
        ({"symbol": b"FIG"}, (0, 0, 0, RejectReason.UNKNOWN_INSTRUMENT)),
    ],
)
def test_mass_cancel_of_an_unknown_name_is_no_mass_cancel_of_everything(
    changes: dict[str, bytes], expected: tuple[int, int, int, int]
) -> None:
    """0 fits all orders in the command; a misspelt symbol must not."""
    command = translate(m.MassCancelRequest(8, **changes))
    assert isinstance(command, MassCancel)
    assert (command.user_ref_num, command.firm) == (8, changes.get("firm", b""))
    found = (command.account_id, command.instrument_id, command.side, command.refuse_reason)
    assert found == expected


@pytest.mark.parametrize(
    ("firm", "appendage", "account_id", "reason"),
    [
        (b"", b"", 0, NONE),
        (b"A2", b"", 2, NONE),
        (b"A9", b"", 0, RejectReason.NOT_ENTITLED),
        (b"", b"\x02\x1c\x01", 0, NOT_OFFERED),
    ],
)
def test_entry_is_not_stopped_for_all_because_a_firm_is_unknown(
    firm: bytes, appendage: bytes, account_id: int, reason: RejectReason
) -> None:
    """0 is every account in the command; a misspelt firm must not be."""
    expected = (2, 3, 4, 5, 9, account_id, firm, reason)
    assert translate(m.DisableRequest(9, firm, appendage)) == DisableEntry(*expected)
    assert translate(m.EnableRequest(9, firm, appendage)) == EnableEntry(*expected)


@pytest.mark.parametrize(
    ("message", "user_ref_num"),
    [
        (m.ModifyRequest(7, ord("S"), 10), 7),
        (m.CancelRequest(7, 0, b"\x02\x1c\x01"), 7),
        (m.AccountQueryRequest(b"\x02\x1c\x01"), 0),
    ],
)
def test_what_is_not_offered_is_a_logged_refusal(message: m.Inbound, user_ref_num: int) -> None:
    """The client hears no, with a number and a time, like for any order."""
    assert translate(message) == RefusedRequest(2, 3, 4, 5, user_ref_num, NOT_OFFERED)


@pytest.mark.parametrize(
    "message",
    [
        m.EnterOrder(1, 66, 1, b"OAK", 1, appendage=b"\x09\x02"),
        m.ReplaceRequest(1, 2, 1, 1, appendage=b"\x00"),
        m.CancelRequest(1, 0, b"\x01"),
        m.ModifyRequest(1, 83, 1, b"\x01"),
        m.AccountQueryRequest(b"\x01"),
        m.MassCancelRequest(1, appendage=b"\x01"),
    ],
)
def test_malformed_appendage_is_a_protocol_error(message: m.Inbound) -> None:
    """Bytes that are no message close the connection."""
    with pytest.raises(ProtocolError):
        translate(message)


def test_remembered_appendages_are_bounded() -> None:
    """A client that sends a new appendage each time takes no memory for it."""
    translator = Translator(
        session_id=2, conn_epoch=3, default_account_id=1, accounts={}, instruments={},
        rule_version=2,
    )  # fmt: skip
    for number in range(EXTRAS_KEPT_MAX + 2):
        appendage = build_appendage([Option(Tag.MIN_QTY, number)])
        message = m.EnterOrder(1, 66, 1, b"OAK", 1, appendage=appendage)
        translator.translate(ouch.encode(message), 0, 1, 1)
        assert len(translator._extras) <= EXTRAS_KEPT_MAX
