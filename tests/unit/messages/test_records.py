"""The log's format: every command record and the event record, byte for byte.

Where each field lies is written down here a second time, by hand, from the layout comments; the
golden file pins the result. A change of either is a change of the log's format and needs a version.
"""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from oms.bounds import BATCH_COMMANDS_MAX, COMMAND_BYTES, EVENT_BYTES
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages import event_records, records
from oms.messages.enums import CommandKind, EventKind
from oms.messages.packing import pack_batch

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "records.json"
SIGN = (0x01020304, 0x05060708, 0x1112131415161718, -2)
HEAD = {
    "session_id": (8, 4), "conn_epoch": (12, 4), "client_seq": (16, 8), "not_after_ns": (24, 8),
}  # fmt: skip
ORDER = {
    "side": (1, 1), "ord_type": (2, 1), "time_in_force": (3, 1), "policy": (4, 2),
    "display": (6, 1), "capacity": (7, 1), "account_id": (32, 4), "instrument_id": (36, 4),
    "price": (40, 8), "order_qty": (48, 4), "user_ref_num": (52, 4), "orig_user_ref_num": (56, 4),
    "iso": (60, 1), "cross_type": (61, 1), "refuse_reason": (62, 1), "cl_ord_id": (64, 24),
    "firm": (88, 4), **HEAD,
}  # fmt: skip
ENTRY = {
    "min_qty": (92, 4), "display_qty": (96, 4), "expire_ns": (104, 8), "self_trade": (126, 1),
    "post_only": (127, 1), "trail": (100, 4), "stop_price": (112, 8), "peg_offset": (120, 4),
    "trigger": (124, 1),
    **ORDER,
}  # fmt: skip
INSTRUMENT = {
    "instrument_id": (32, 4), "lot_size": (36, 4), "tick_size": (40, 8),
    "reference_price": (48, 8), "price_collar_bps": (56, 4), "market_collar_bps": (60, 4),
    "phase": (64, 1), "price_scale": (65, 1), "currency_id": (66, 1), "symbol": (72, 8), **HEAD,
}  # fmt: skip
ACCOUNT = {
    "account_id": (32, 4), "participant_id": (36, 4), "firm": (40, 4), "max_order_qty": (48, 8),
    "max_order_value": (56, 8), "long_limit": (64, 8), "short_limit": (72, 8), **HEAD,
}  # fmt: skip
DEPOSIT = {
    "account_id": (32, 4), "instrument_id": (36, 4), "amount": (40, 8), "key": (48, 8),
    "currency_id": (60, 4), "cost": (64, 8), **HEAD,
}  # fmt: skip
MAXIMA = (
    "records_following", "orders_max", "instruments_max", "participants_max", "accounts_max",
    "users_max", "sessions_max", "positions_max", "duplicates_max", "trades_max",
    "currencies_max",
)  # fmt: skip
LAYOUTS: dict[CommandKind, dict[str, tuple[int, int]]] = {
    CommandKind.NEW_ORDER: ENTRY,
    CommandKind.REPLACE_ORDER: ENTRY,
    CommandKind.CANCEL_ORDER: ORDER,
    CommandKind.ACCOUNT_QUERY: HEAD,
    CommandKind.REFUSED_REQUEST: ORDER,
    CommandKind.LOGIN: {
        "session_id": (8, 4), "nonce": (32, 8), "gateway_id": (40, 8), "not_after_ns": (24, 8),
    },
    CommandKind.LOGOUT: {"session_id": (8, 4), "conn_epoch": (12, 4)},
    CommandKind.GATEWAY_LOST: {"gateway_id": (40, 8)},
    CommandKind.GENESIS: {"cluster_id": (32, 8), "rule_version": (40, 4)}
    | {name: (44 + 4 * n, 4) for n, name in enumerate(MAXIMA)},
    CommandKind.ADD_INSTRUMENT: INSTRUMENT,
    CommandKind.ADD_PARTICIPANT: {"participant_id": (32, 4), "name": (40, 16), **HEAD},
    CommandKind.ADD_ACCOUNT: ACCOUNT,
    CommandKind.ADD_USER: {
        "user_id": (32, 4), "participant_id": (36, 4), "name": (40, 16), "salt": (56, 16),
        "key_hash": (72, 32), **HEAD,
    },
    CommandKind.OPEN_SESSION: {
        "opened_session_id": (32, 4), "user_id": (36, 4), "default_account_id": (40, 4),
        "protocol": (44, 1), "options": (45, 1), **HEAD,
    },
    CommandKind.GRANT: {
        "user_id": (32, 4), "account_id": (36, 4), "entitlements": (40, 4), **HEAD,
    },
    CommandKind.DEPOSIT_CASH: DEPOSIT,
    CommandKind.DEPOSIT_SHARES: DEPOSIT,
    CommandKind.BUST_TRADE: {"match_id": (32, 8), **HEAD},
    CommandKind.ADD_CURRENCY: {
        "currency_id": (32, 4), "code": (36, 4), "rate": (40, 8), **HEAD,
    },
    CommandKind.SET_FEES: {
        "schedule_id": (32, 4), "account_id": (36, 4), "maker_rate": (40, 4),
        "taker_rate": (44, 4), "fee_account_id": (48, 4), **HEAD,
    },
    CommandKind.TRANSFER: {
        "from_account_id": (32, 4), "to_account_id": (56, 4), **DEPOSIT,
    },
    CommandKind.SET_LIMITS: ACCOUNT,
    CommandKind.SET_INSTRUMENT: INSTRUMENT,
    CommandKind.SET_PHASE: {
        "instrument_id": (32, 4), "phase": (36, 1), "call_ns": (40, 8), **HEAD,
    },
    CommandKind.SET_BANDS: {
        "instrument_id": (32, 4), "static_bps": (36, 4), "dynamic_bps": (40, 4),
        "call_ns": (48, 8), **HEAD,
    },
    CommandKind.SET_TICKS: {
        "table_id": (32, 4), "instrument_id": (36, 4), "tick_size": (40, 4),
        "first_row": (44, 1), "name": (48, 8), "rows": (56, 72), **HEAD,
    },
    CommandKind.START_DAY: {"trading_date": (32, 4), "midnight_ns": (40, 8), **HEAD},
    CommandKind.END_DAY: HEAD,
    CommandKind.MASS_CANCEL: ORDER,
    CommandKind.DISABLE_ENTRY: ORDER,
    CommandKind.ENABLE_ENTRY: ORDER,
    CommandKind.SET_KILL: {
        "scope_id": (32, 4), "scope": (36, 1), "is_killed": (37, 1), **HEAD,
    },
    CommandKind.SET_RISK: {
        "scope_id": (32, 4), "scope": (36, 1), "options": (37, 1), "fields": (38, 2),
        "defaults": (40, 2), "short_sale": (42, 1), "max_open_orders": (44, 4),
        "order_rate": (48, 4), "cancel_reserve": (52, 4), "rate_window_ns": (56, 8),
        "duplicate_window_ns": (64, 8), "max_exposure": (72, 8), "max_order_qty": (80, 8),
        "max_order_value": (88, 8), "long_limit": (96, 8), "short_limit": (104, 8), **HEAD,
    },
    CommandKind.SET_RESTRICTION: {
        "instrument_id": (32, 4), "account_id": (36, 4), "restriction": (40, 1),
        "options": (41, 1), **HEAD,
    },
    CommandKind.SET_SELF_TRADE: {
        "account_id": (32, 4), "group": (36, 4), "mode": (40, 1), **HEAD,
    },
    CommandKind.ADMIN_MASS_CANCEL: {
        "side": (1, 1), "of_session_id": (32, 4), "of_account_id": (36, 4),
        "of_instrument_id": (40, 4), **HEAD,
    },
}  # fmt: skip
SPACE_PADDED = {"symbol", (CommandKind.ADD_ACCOUNT, "firm")}

SAMPLES: dict[CommandKind, c.Command] = {
    CommandKind.NEW_ORDER: c.NewOrder(
        *SIGN, 6, 0x21222324, 0x31323334, 0x41424344, 5, 2, 4, 0x51525354, -0x61626364, b"ORDER-1",
        b"FIRM", 0x59, 0x41, 0x4E, 0x4F, 17, 0x71727374, 2, 1,
        0x0102030405060708, 0x75767778, -0x0102030405060708, 1, 0x79, -0x7B,
    ),
    CommandKind.REPLACE_ORDER: c.ReplaceOrder(
        *SIGN, 1, 0x21222324, 0x25262728, 3, 0x51525354, 0x61626364, b"X" * 24, 0x4E, 0x59, 10,
        0x71727374, 3, 2, -5, 0x75767778, 0x0102030405060708, 1, 0x79, 0x7B,
    ),
    CommandKind.CANCEL_ORDER: c.CancelOrder(*SIGN, 4, 0x21222324, 0x51525354),
    CommandKind.ACCOUNT_QUERY: c.AccountQuery(*SIGN),
    CommandKind.REFUSED_REQUEST: c.RefusedRequest(*SIGN, 0x21222324, 1),
    CommandKind.LOGIN: c.Login(0x01020304, 0xF1F2F3F4F5F6F7F8, 0xE1E2E3E4E5E6E7E8),
    CommandKind.LOGOUT: c.Logout(0x01020304, 0x05060708),
    CommandKind.GATEWAY_LOST: c.GatewayLost(0xE1E2E3E4E5E6E7E8),
    CommandKind.GENESIS: c.Genesis(0xD1D2D3D4D5D6D7D8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
    CommandKind.ADD_INSTRUMENT: ac.AddInstrument(
        *SIGN, 7, b"AAPL", 100, 2500, 5_853_300, 1000, 500, 3, 4, 2
    ),
    CommandKind.ADD_PARTICIPANT: ac.AddParticipant(*SIGN, 8, b"BROKER"),
    CommandKind.ADD_ACCOUNT: ac.AddAccount(*SIGN, 9, 8, b"AB", 1, 2, 3, 4),
    CommandKind.ADD_USER: ac.AddUser(*SIGN, 10, 8, b"ALICE", b"S" * 16, b"H" * 32),
    CommandKind.OPEN_SESSION: ac.OpenSession(*SIGN, 11, 10, 9, 1, 1),
    CommandKind.GRANT: ac.Grant(*SIGN, 10, 9, 31),
    CommandKind.DEPOSIT_CASH: ac.DepositCash(*SIGN, 9, -12_345, 0x0102030405060708, 0x21222324),
    CommandKind.DEPOSIT_SHARES: ac.DepositShares(*SIGN, 9, 7, 1 << 40, 5, 1 << 41),
    CommandKind.BUST_TRADE: ac.BustTrade(*SIGN, 0x6162636465666768),
    CommandKind.ADD_CURRENCY: ac.AddCurrency(*SIGN, 2, b"EUR", 0x0102030405060708),
    CommandKind.SET_FEES: ac.SetFees(*SIGN, 7, 0x31323334, -0x11121314, 0x21222324, 9),
    CommandKind.TRANSFER: ac.Transfer(*SIGN, 9, 0x31323334, 7, 1 << 42, 6, 0x41424344),
    CommandKind.SET_LIMITS: ac.SetLimits(*SIGN, 9, (1 << 63) - 1, 6, 7, 8),
    CommandKind.SET_INSTRUMENT: ac.SetInstrument(*SIGN, 7, 10, 100, 5_000_000, 0, 10_000, 3),
    CommandKind.SET_PHASE: ac.SetPhase(*SIGN, 7, 6, 0x0102030405060708),
    CommandKind.SET_BANDS: ac.SetBands(*SIGN, 7, 500, 200, 0x0102030405060708),
    CommandKind.SET_TICKS: ac.SetTicks(
        *SIGN, 7, 0x31323334, 0x21222324, b"EUROPE  ", 3,
        (ac.TickRow(0x41424344, 0x51525354), ac.TickRow(0x61626364, 0x71727374)),
    ),
    CommandKind.START_DAY: ac.StartDay(*SIGN, 20260105, 1_767_571_200_000_000_000),
    CommandKind.END_DAY: ac.EndDay(*SIGN),
    CommandKind.MASS_CANCEL: c.MassCancel(
        *SIGN, 8, 0x21222324, 0x31323334, 0x41424344, 5, b"FIRM", 4
    ),
    CommandKind.DISABLE_ENTRY: c.DisableEntry(*SIGN, 0x21222324, 0x31323334, b"FIRM", 4),
    CommandKind.ENABLE_ENTRY: c.EnableEntry(*SIGN, 0x21222324, 0x31323334, b"FIRM", 4),
    CommandKind.SET_KILL: ac.SetKill(*SIGN, 3, 9, 1),
    CommandKind.SET_RISK: ac.SetRisk(
        *SIGN, 1, 9, 0x1234, 0x41, 1, 1, 0x21222324, 0x31323334, 0x41424344, 1 << 40, 2 << 40,
        3 << 40, 4 << 40, 5 << 40, 6 << 40, 7 << 40,
    ),
    CommandKind.SET_RESTRICTION: ac.SetRestriction(*SIGN, 7, 9, 12, 1),
    CommandKind.SET_SELF_TRADE: ac.SetSelfTrade(*SIGN, 9, 0x21222324, 4),
    CommandKind.ADMIN_MASS_CANCEL: ac.AdminMassCancel(
        *SIGN, 0x21222324, 0x31323334, 0x41424344, 2
    ),
}  # fmt: skip


def by_hand(kind: CommandKind, command: c.Command) -> bytes:
    """The record, composed field by field from the table above."""
    data = bytearray(COMMAND_BYTES)
    data[0] = kind
    for name, value in msgspec.structs.asdict(command).items():
        offset, size = LAYOUTS[kind][name]
        if isinstance(value, tuple):
            data[45] = len(value)  # row_count
            rows = [
                number.to_bytes(4, "little") for row in value for number in (row.price, row.tick)
            ]
            data[offset : offset + 8 * len(value)] = b"".join(rows)
        elif isinstance(value, bytes):
            pads = name in SPACE_PADDED or (kind, name) in SPACE_PADDED
            is_padded = pads and kind != CommandKind.SET_INSTRUMENT
            data[offset : offset + size] = value.ljust(size, b" " if is_padded else b"\0")
        else:
            data[offset : offset + size] = value.to_bytes(size, "little", signed=value < 0)
    return bytes(data)


def test_login_may_have_a_time_limit() -> None:
    """Logs written before there was one have zero there, which means none."""
    limited = c.Login(1, 2, 3, not_after_ns=-5)
    record = pack_batch(0, [limited])[32:]
    assert record == by_hand(CommandKind.LOGIN, limited)
    assert record[24:32] == (-5).to_bytes(8, "little", signed=True)


def test_every_kind_has_a_sample() -> None:
    """A kind that is added later must be pinned here too."""
    assert set(SAMPLES) == set(LAYOUTS) == set(CommandKind)


@pytest.mark.parametrize("kind", CommandKind)
def test_command_record_has_its_documented_layout(kind: CommandKind) -> None:
    """Both engines read these bytes; nobody may move a field."""
    packed = pack_batch(0, [SAMPLES[kind]])
    assert packed[32:] == by_hand(kind, SAMPLES[kind])


def test_commands_equal_the_golden_file() -> None:
    """A log written by this version stays readable."""
    golden = json.loads(GOLDEN.read_text())
    assert golden["version"] == records.BATCH_VERSION
    packed = {kind.name: pack_batch(0, [SAMPLES[kind]])[32:].hex() for kind in CommandKind}
    assert packed == golden["commands"]


def test_batch_header() -> None:
    """32 bytes before the records: marker, version, count, time."""
    samples = list(SAMPLES.values())
    packed = pack_batch(0x0102030405060708, samples)
    count = len(samples).to_bytes(2, "little")
    time = bytes([8, 7, 6, 5, 4, 3, 2, 1])
    assert packed[:32] == b"\x51\x01" + count + bytes(4) + time + bytes(16)
    assert len(packed) == 32 + 128 * len(samples)
    bodies = [packed[start : start + 128] for start in range(32, len(packed), 128)]
    assert bodies == [by_hand(kind, SAMPLES[kind]) for kind in SAMPLES]


def test_batch_at_its_bounds() -> None:
    """Nothing, and as many commands as an entry may hold."""
    assert pack_batch(-1, []) == b"\x51\x01" + bytes(6) + b"\xff" * 8 + bytes(16)
    full = pack_batch(5, [ac.EndDay(*SIGN)] * BATCH_COMMANDS_MAX)
    assert len(full) == 32 + 128 * BATCH_COMMANDS_MAX
    assert int.from_bytes(full[2:4], "little") == BATCH_COMMANDS_MAX


EVENT_OFFSETS = {
    "kind": (0, 1), "side": (1, 1), "reason": (2, 1), "flags": (3, 1), "session_id": (4, 4),
    "event_seq": (8, 8), "out_seq": (16, 8), "topic_seq": (24, 8), "timestamp_ns": (32, 8),
    "account_id": (40, 4), "instrument_id": (44, 4), "client_seq": (48, 8), "conn_epoch": (56, 4),
    "user_ref_num": (60, 4), "order_id": (64, 8), "price": (72, 8), "qty": (80, 4),
    "leaves_qty": (84, 4), "orig_user_ref_num": (88, 4), "ord_type": (92, 1),
    "time_in_force": (93, 1), "display": (94, 1), "capacity": (95, 1), "firm": (120, 4),
    "iso": (124, 1), "cross_type": (125, 1), "reject_reason": (126, 1),
}  # fmt: skip


def test_event_record_has_its_documented_layout() -> None:
    """Each byte of an event belongs to the field that the layout says."""
    data = bytes(range(1, 127)) + b"\0\0"
    event = event_records.unpack_event(data)
    for name, (offset, size) in EVENT_OFFSETS.items():
        value = getattr(event, name)
        raw = value if isinstance(value, bytes) else value.to_bytes(size, "little")
        assert raw == data[offset : offset + size], name
    assert event.cl_ord_id == data[96:120]
    assert event.match_id == int.from_bytes(data[96:104], "little")
    assert event_records.EVENT.pack(*event) == data[:127] + b"\0"


def test_event_view_agrees_with_unpack() -> None:
    """numpy readers and struct readers must see the same numbers."""
    data = bytes(range(1, 127)) + b"\0\0" + bytes(range(200, 80, -1)) + bytes(8)
    rows = np.frombuffer(data, dtype=event_records.EVENT_DTYPE)
    assert event_records.EVENT_DTYPE.itemsize == EVENT_BYTES
    for row, event in zip(rows, event_records.unpack_events(data), strict=True):
        for name in EVENT_OFFSETS:
            value = getattr(event, name)
            seen = row[name]
            is_text = isinstance(value, bytes)
            assert (bytes(seen) == value.rstrip(b"\0")) if is_text else int(seen) == value, name
        assert int(row["match_id"]) == event.match_id


def test_book_top_overlay() -> None:
    """BOOK_TOP uses the same bytes for other numbers."""
    data = bytearray(EVENT_BYTES)
    data[0] = EventKind.BOOK_TOP
    data[64:72] = (1 << 40).to_bytes(8, "little")
    data[72:80] = (99_900).to_bytes(8, "little")
    data[80:88] = (1 << 41).to_bytes(8, "little")
    data[96:104] = (100_100).to_bytes(8, "little")
    assert event_records.unpack_book_top(bytes(data)) == (1 << 40, 99_900, 1 << 41, 100_100)
    row = np.frombuffer(bytes(data), dtype=event_records.EVENT_DTYPE)[0]
    assert [int(row[name]) for name in ("bid_qty", "bid_price", "ask_qty", "ask_price")] == [
        1 << 40, 99_900, 1 << 41, 100_100,
    ]  # fmt: skip
