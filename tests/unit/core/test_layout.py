"""The C side of the vocabulary says what the Python side says: enums, bounds, offsets."""

import re
import struct
from enum import IntEnum, IntFlag
from pathlib import Path

import pytest

from oms import bounds
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages import enums, records
from oms.messages.event_records import EVENT_DTYPE
from oms.messages.packing import pack_batch

CORE = Path(__file__).parents[3] / "oms" / "_core"
SOURCES = ("types.pxd", "records.pxd", "risk_types.pxd")
TYPES = "".join((CORE / name).read_text() for name in SOURCES)
CONSTANT = re.compile(r"^ {4}([A-Z][A-Z0-9_]*) = ([^#\n]+?)(?:  #.*)?$", re.MULTILINE)
FIELD = re.compile(r"^ {4}(u?int\d+)_t (\w+)(?:\[(\d+)\])?(?:  #.*)?$")
CONSTANTS = {name: int(eval(value)) for name, value in CONSTANT.findall(TYPES)}
ENUMS: dict[str, type[IntEnum] | type[IntFlag]] = {
    "COMMAND": enums.CommandKind,
    "EVENT": enums.EventKind,
    "SIDE": enums.Side,
    "TYPE": enums.OrdType,
    "TRIGGER": enums.Trigger,
    "TIF": enums.TimeInForce,
    "PHASE": enums.Phase,
    "PROTOCOL": enums.Protocol,
    "ENTITLED": enums.Entitlement,
    "POLICY": enums.Policy,
    "FLAG": enums.EventFlag,
    "OPTION": enums.SessionOption,
    "SELF_TRADE": enums.SelfTrade,
    "KILL": enums.KillScope,
    "RESTRICTION": enums.Restriction,
    "LIMIT_OPTION": enums.LimitOption,
    "RISK_SCOPE": enums.RiskScope,
    "RISK": enums.RiskField,
    "SHORT_SALE": enums.ShortSale,
    "POST_ONLY": enums.PostOnly,
    "CANCELED": enums.CancelReason,
    "LIQUIDITY": enums.Liquidity,
    "REJECT": enums.RejectReason,
    "RESTATED": enums.RestatedReason,
}
NO_MEMBERS = {"COMMAND_BYTES", "EVENT_BYTES", "ENTITLED_ALL", "OPTION_ALL", "RESTRICTION_ALL",
              "LIMIT_OPTION_ALL"}  # fmt: skip
BOUNDS = [
    "COMMAND_BYTES", "EVENT_BYTES", "BATCH_HEADER_BYTES", "WORK_STEPS_MAX", "OUTCOME_WINDOW",
    "PRICE_MAX", "ORDER_QTY_MAX", "HARD_ORDERS_MAX", "INSTRUMENTS_MAX", "PARTICIPANTS_MAX",
    "ACCOUNTS_MAX", "USERS_MAX", "SESSIONS_MAX", "POSITIONS_MAX", "SCAN_SLOTS_MAX",
    "MASS_CANCELS_MAX", "POSTING_KEYS_MAX", "DUPLICATES_MAX", "ORDER_RATE_MAX",
    "MASS_CANCELS_MAX", "POSTING_KEYS_MAX",
    "TICK_TABLES_MAX", "TICK_ROWS_MAX", "TICK_ROWS_SENT_MAX",
    "FEE_SCHEDULES_MAX", "TRADES_MAX", "FEE_RATE_MAX", "STOPS_MAX", "PEGS_MAX",
]  # fmt: skip


def layout_of(name: str) -> dict[str, tuple[int, int]]:
    """Field -> (offset, bytes) of a C structure, with the alignment C gives."""
    body = re.search(rf"^cdef struct {name}:\n((?: {{4}}.*\n)+)", TYPES, re.MULTILINE)
    assert body is not None
    offsets: dict[str, tuple[int, int]] = {}
    at = 0
    for line in body[1].splitlines():
        field = FIELD.match(line)
        assert field is not None, line
        size = int(re.sub(r"\D", "", field[1])) // 8
        at += -at % size
        whole = size * int(field[3] or 1)
        offsets[field[2]] = (at, whole)
        at += whole
    offsets[""] = (at + -at % 8, 0)
    return offsets


@pytest.mark.parametrize("prefix", ENUMS)
def test_enums_are_the_same(prefix: str) -> None:
    """A code that means two things would be a wrong replica."""
    in_c = {
        name.removeprefix(prefix + "_"): value
        for name, value in CONSTANTS.items()
        if name.startswith(prefix + "_")
        and name not in NO_MEMBERS
        and not (prefix == "RISK" and name.startswith("RISK_SCOPE_"))
    }
    assert in_c == {member.name: member.value for member in ENUMS[prefix]}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_are_the_same(name: str) -> None:
    """What one side accepts, the other must hold."""
    assert CONSTANTS[name] == getattr(bounds, name)


def test_entry_header_is_the_same() -> None:
    """Marker, version and count decide whether an entry is one at all."""
    header = records.BATCH_HEADER.pack(0x51, 1, 0x1234, 5, 6, 7, 8)
    layout = layout_of("BatchHeader")
    assert CONSTANTS["BATCH_MARKER"] == records.BATCH_MARKER
    assert CONSTANTS["BATCH_VERSION"] == records.BATCH_VERSION
    assert value_of(header, layout["count"]) == 0x1234
    assert value_of(header, layout["timestamp_ns"]) == 6
    assert layout[""][0] == bounds.BATCH_HEADER_BYTES


def test_event_fields_are_where_readers_look() -> None:
    """Gateways read events by numpy view; an offset off by one is another order."""
    layout = layout_of("EventRecord")
    book_top = layout_of("BookTopRecord")
    fields = EVENT_DTYPE.fields
    assert fields is not None
    auction = layout_of("AuctionRecord")
    overlays = dict.fromkeys(("bid_qty", "bid_price", "ask_qty", "ask_price"), book_top)
    overlays |= dict.fromkeys(("volume", "imbalance"), auction)
    for name, (kind, offset, *_) in fields.items():
        where = overlays.get(name, layout).get(name)
        if name == "match_id":
            where = auction["match_id"]
            assert where == (layout["cl_ord_id"][0], 8)
        if name == "fee":
            where = (layout["cl_ord_id"][0] + 8, 8)
        if name == "public_id":
            where = (layout["cl_ord_id"][0] + 16, 8)
        assert where == (offset, kind.itemsize), name
    assert layout[""][0] == book_top[""][0] == bounds.EVENT_BYTES


def value_of(record: bytes, where: tuple[int, int]) -> int:
    """The number that stands there."""
    offset, size = where
    return int.from_bytes(record[offset : offset + size], "little")


HEAD = (0x01020304, 0x05060708, 0x090A0B0C0D0E0F10, 0x1112131415161718)
CASES: list[tuple[str, c.Command, list[str]]] = [
    (
        "OrderRecord",
        c.NewOrder(
            *HEAD, 0x2122, 0x31323334, 0x41424344, 0x51525354, 1, 2, 3, 0x61626364, 1 << 40,
            b"abcdefghijklmnopqrstuvwx", b"FIRM", 4, 5, 6, 7, 8, 0x71727374, 9, 10, 1 << 50, 0x61,
            1 << 51, 11, 0x65, 0x66,
        ),
        ["policy", "user_ref_num", "account_id", "instrument_id", "side", "ord_type",
         "time_in_force", "order_qty", "price", "cl_ord_id", "firm", "display", "capacity", "iso",
         "cross_type", "refuse_reason", "min_qty", "self_trade", "post_only", "expire_ns",
         "display_qty", "stop_price", "trigger", "trail", "peg_offset"],
    ),
    (
        "OrderRecord",
        c.ReplaceOrder(
            *HEAD, 1, 2, 3, 4, 5, 6, b"abc", 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
        ),
        ["policy", "orig_user_ref_num", "user_ref_num", "time_in_force", "order_qty", "price",
         "cl_ord_id", "display", "iso", "refuse_reason", "min_qty", "self_trade", "post_only",
         "expire_ns", "display_qty", "stop_price", "trigger", "trail", "peg_offset"],
    ),
    ("LoginRecord", c.Login(1, 2, 3), ["nonce", "gateway_id"]),
    ("LoginRecord", c.GatewayLost(3), ["gateway_id"]),
    (
        "GenesisRecord",
        c.Genesis(*range(1, 13)),
        ["cluster_id", "rule_version", "records_following", "orders_max", "instruments_max",
         "participants_max", "accounts_max", "users_max", "sessions_max", "positions_max",
         "duplicates_max", "trades_max"],
    ),
    (
        "InstrumentRecord",
        ac.AddInstrument(*HEAD, 1, b"SYMBOL12", 2, 3, 4, 5, 6, 7, 8),
        ["instrument_id", "symbol", "lot_size", "tick_size", "reference_price",
         "price_collar_bps", "market_collar_bps", "phase", "price_scale"],
    ),
    (
        "InstrumentRecord",
        ac.SetInstrument(*HEAD, 1, 2, 3, 4, 5, 6),
        ["instrument_id", "lot_size", "tick_size", "reference_price", "price_collar_bps",
         "market_collar_bps"],
    ),
    ("ParticipantRecord", ac.AddParticipant(*HEAD, 1, b"n" * 16), ["participant_id", "name"]),
    (
        "AccountRecord",
        ac.AddAccount(*HEAD, 1, 2, b"FIRM", 3, 4, 5, 6),
        ["account_id", "participant_id", "firm", "max_order_qty", "max_order_value", "long_limit",
         "short_limit"],
    ),
    (
        "AccountRecord",
        ac.SetLimits(*HEAD, 1, 2, 3, 4, 5),
        ["account_id", "max_order_qty", "max_order_value", "long_limit", "short_limit"],
    ),
    (
        "UserRecord",
        ac.AddUser(*HEAD, 1, 2, b"n" * 16, b"s" * 16, b"k" * 32),
        ["user_id", "participant_id", "name", "salt", "key_hash"],
    ),
    (
        "SessionRecord",
        ac.OpenSession(*HEAD, 1, 2, 3, 4, 5),
        ["opened_session_id", "user_id", "default_account_id", "protocol", "options"],
    ),
    (
        "OrderRecord",
        c.MassCancel(*HEAD, 0x2122, 1, 2, 3, 4, b"FIRM", 5),
        ["policy", "user_ref_num", "account_id", "instrument_id", "side", "firm", "refuse_reason"],
    ),
    (
        "MassCancelRecord",
        ac.AdminMassCancel(*HEAD, 1, 2, 3, 4),
        ["of_session_id", "of_account_id", "of_instrument_id", "side"],
    ),
    ("KillRecord", ac.SetKill(*HEAD, 1, 2, 3), ["scope", "scope_id", "is_killed"]),
    (
        "OrderRecord",
        c.DisableEntry(*HEAD, 1, 2, b"FIRM", 3),
        ["user_ref_num", "account_id", "firm", "refuse_reason"],
    ),
    (
        "RiskRecord",
        ac.SetRisk(*HEAD, *range(1, 17)),
        ["scope", "scope_id", "fields", "defaults", "options", "short_sale", "max_open_orders",
         "order_rate", "cancel_reserve", "rate_window_ns", "duplicate_window_ns", "max_exposure",
         "max_order_qty", "max_order_value", "long_limit", "short_limit"],
    ),
    (
        "RestrictionRecord",
        ac.SetRestriction(*HEAD, 1, 2, 3, 4),
        ["instrument_id", "account_id", "restriction", "options"],
    ),
    ("SelfTradeRecord", ac.SetSelfTrade(*HEAD, 1, 2, 3), ["account_id", "group", "mode"]),
    ("GrantRecord", ac.Grant(*HEAD, 1, 2, 3), ["user_id", "account_id", "entitlements"]),
    ("DepositRecord", ac.DepositCash(*HEAD, 1, 2, 3), ["account_id", "amount", "key"]),
    (
        "DepositRecord",
        ac.DepositShares(*HEAD, 1, 2, 3, 4, 5),
        ["account_id", "instrument_id", "amount", "key", "cost"],
    ),
    (
        "DepositRecord",
        ac.Transfer(*HEAD, 1, 2, 3, 4, 5),
        ["to_account_id", "instrument_id", "amount", "key"],
    ),
    (
        "BustRecord",
        ac.BustTrade(*HEAD, 1 << 60),
        ["match_id"],
    ),
    (
        "FeesRecord",
        ac.SetFees(*HEAD, 1, 2, 3, 4, 5),
        ["schedule_id", "account_id", "maker_rate", "taker_rate", "fee_account_id"],
    ),
    ("PhaseRecord", ac.SetPhase(*HEAD, 1, 2, 3), ["instrument_id", "phase", "call_ns"]),
    (
        "BandsRecord", ac.SetBands(*HEAD, 1, 2, 3, 4),
        ["instrument_id", "static_bps", "dynamic_bps", "call_ns"],
    ),
    (
        "TicksRecord", ac.SetTicks(*HEAD, 1, 2, 3, b"TABLE   ", 5, (ac.TickRow(6, 7),)),
        ["table_id", "instrument_id", "tick_size", "first_row", "name"],
    ),
    ("DayRecord", ac.StartDay(*HEAD, 1, 2), ["trading_date", "midnight_ns"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "command", "fields"), CASES)
def test_command_fields_are_where_the_leader_packs_them(
    name: str, command: c.Command, fields: list[str]
) -> None:
    """The log is read by offsets: every value comes out of the field it went into."""
    record = pack_batch(0, [command])[bounds.BATCH_HEADER_BYTES :]
    layout = layout_of(name)
    assert layout[""][0] == bounds.COMMAND_BYTES
    for field in fields:
        sent = getattr(command, field)
        offset, size = layout[field]
        if isinstance(sent, bytes):
            assert record[offset : offset + size].rstrip(b" \0") == sent.rstrip(b" "), field
        else:
            assert value_of(record, (offset, size)) == sent, field


def test_command_header_is_common() -> None:
    """Admission reads session, epoch and sequence before it knows the kind."""
    record = pack_batch(0, [c.AccountQuery(*HEAD)])[bounds.BATCH_HEADER_BYTES :]
    for name in ("CommandRecord", "OrderRecord"):
        layout = layout_of(name)
        read = [
            value_of(record, layout[field])
            for field in ("session_id", "conn_epoch", "client_seq", "not_after_ns")
        ]
        assert read == list(HEAD)
    assert struct.calcsize("<BBBBHBBIIQq") == layout_of("CommandRecord")["body"][0]
