"""Command records as names and values, for people who read the log.

Called by `oms log inspect` and `export`. Pure. Promises: any 128 bytes have an answer (a kind that
is not known is shown as bytes); what is 0 or empty is left out; a password's salt and hash are
never shown. Must never be used to decide anything: the engine reads the layouts itself.
"""

import struct
from enum import IntEnum
from typing import Final

import msgspec

from oms.bounds import BATCH_HEADER_BYTES, COMMAND_BYTES, TICK_ROWS_SENT_MAX
from oms.messages import records as r
from oms.messages.enums import (
    CommandKind,
    OrdType,
    Phase,
    Protocol,
    RejectReason,
    Side,
    TimeInForce,
)

Value = int | str

_HEAD: Final = (
    "kind", "side", "ord_type", "time_in_force", "policy", "display", "capacity", "session_id",
    "conn_epoch", "client_seq", "not_after_ns",
)  # fmt: skip
_ORDER: Final = (
    "account_id", "instrument_id", "price", "order_qty", "user_ref_num", "orig_user_ref_num",
    "iso", "cross_type", "refuse_reason", "cl_ord_id", "firm",
)  # fmt: skip
_ENTRY: Final = (
    *_ORDER, "min_qty", "display_qty", "trail", "expire_ns", "stop_price", "peg_offset", "trigger",
    "self_trade", "post_only",
)  # fmt: skip
_LOGIN: Final = ("nonce", "gateway_id")
_GENESIS: Final = (
    "cluster_id", "rule_version", "records_following", "orders_max", "instruments_max",
    "participants_max", "accounts_max", "users_max", "sessions_max", "positions_max",
    "duplicates_max", "trades_max", "currencies_max",
)  # fmt: skip
_INSTRUMENT: Final = (
    "instrument_id", "lot_size", "tick_size", "reference_price", "price_collar_bps",
    "market_collar_bps", "phase", "price_scale", "currency_id", "symbol",
)  # fmt: skip
_ACCOUNT: Final = (
    "account_id", "participant_id", "firm", "max_order_qty", "max_order_value", "long_limit",
    "short_limit",
)  # fmt: skip
_USER: Final = ("user_id", "participant_id", "name", "salt", "key_hash")
_SESSION: Final = ("opened_session_id", "user_id", "default_account_id", "protocol", "options")
_MASS_CANCEL: Final = ("of_session_id", "of_account_id", "of_instrument_id")
_RISK: Final = (
    "scope_id", "scope", "options", "fields", "defaults", "short_sale", "max_open_orders",
    "order_rate", "cancel_reserve", "rate_window_ns", "duplicate_window_ns", "max_exposure",
    "max_order_qty", "max_order_value", "long_limit", "short_limit",
)  # fmt: skip
_DEPOSIT: Final = (
    "account_id", "instrument_id", "amount", "key", "to_account_id", "currency_id", "cost",
)  # fmt: skip
_TICKS: Final = (
    "table_id", "instrument_id", "tick_size", "first_row", "row_count", "name",
    *("rows",) * (2 * TICK_ROWS_SENT_MAX),
)  # fmt: skip
_TRANSFER: Final = ("from_account_id", *_DEPOSIT[1:])

_K = CommandKind
_LAYOUTS: Final = {
    _K.NEW_ORDER: (r.ENTRY, _ENTRY),
    _K.REPLACE_ORDER: (r.ENTRY, _ENTRY),
    _K.CANCEL_ORDER: (r.ORDER, _ORDER),
    _K.ACCOUNT_QUERY: (r.EMPTY, ()),
    _K.REFUSED_REQUEST: (r.ORDER, _ORDER),
    _K.MASS_CANCEL: (r.ORDER, _ORDER),
    _K.DISABLE_ENTRY: (r.ORDER, _ORDER),
    _K.ENABLE_ENTRY: (r.ORDER, _ORDER),
    _K.LOGIN: (r.LOGIN, _LOGIN),
    _K.LOGOUT: (r.EMPTY, ()),
    _K.GATEWAY_LOST: (r.LOGIN, _LOGIN),
    _K.GENESIS: (r.GENESIS, _GENESIS),
    _K.ADD_INSTRUMENT: (r.INSTRUMENT, _INSTRUMENT),
    _K.ADD_PARTICIPANT: (r.PARTICIPANT, ("participant_id", "name")),
    _K.ADD_ACCOUNT: (r.ACCOUNT, _ACCOUNT),
    _K.ADD_USER: (r.USER, _USER),
    _K.OPEN_SESSION: (r.SESSION, _SESSION),
    _K.GRANT: (r.GRANT, ("user_id", "account_id", "entitlements")),
    _K.DEPOSIT_CASH: (r.DEPOSIT, _DEPOSIT),
    _K.DEPOSIT_SHARES: (r.DEPOSIT, _DEPOSIT),
    _K.SET_LIMITS: (r.ACCOUNT, _ACCOUNT),
    _K.SET_INSTRUMENT: (r.INSTRUMENT, _INSTRUMENT),
    _K.SET_PHASE: (r.PHASE, ("instrument_id", "phase", "call_ns")),
    _K.SET_BANDS: (r.BANDS, ("instrument_id", "static_bps", "dynamic_bps", "call_ns")),
    _K.SET_TICKS: (r.TICKS, _TICKS),
    _K.START_DAY: (r.DAY, ("trading_date", "midnight_ns")),
    _K.END_DAY: (r.EMPTY, ()),
    _K.SET_SELF_TRADE: (r.SELF_TRADE, ("account_id", "group", "mode")),
    _K.SET_KILL: (r.KILL, ("scope_id", "scope", "is_killed")),
    _K.SET_RISK: (r.RISK, _RISK),
    _K.SET_RESTRICTION: (
        r.RESTRICTION,
        ("instrument_id", "account_id", "restriction", "options"),
    ),
    _K.ADD_CURRENCY: (r.CURRENCY, ("currency_id", "code", "rate")),
    _K.SET_FEES: (
        r.FEES,
        ("schedule_id", "account_id", "maker_rate", "taker_rate", "fee_account_id"),
    ),
    _K.BUST_TRADE: (r.BUST, ("match_id",)),
    _K.TRANSFER: (r.DEPOSIT, _TRANSFER),
    _K.ADMIN_MASS_CANCEL: (r.MASS_CANCEL, _MASS_CANCEL),
}
_ENUMS: Final[dict[str, type[IntEnum]]] = {
    "side": Side,
    "ord_type": OrdType,
    "time_in_force": TimeInForce,
    "phase": Phase,
    "protocol": Protocol,
    "refuse_reason": RejectReason,
}
_CHARACTERS: Final = frozenset({"display", "capacity", "iso", "cross_type"})
_HIDDEN: Final = frozenset({"salt", "key_hash"})
_UNSAID: Final = frozenset({"kind", "row_count"})
_PRINTABLE: Final = range(0x21, 0x7F)


class CommandText(msgspec.Struct, frozen=True):
    """One command of an entry."""

    kind: str
    fields: dict[str, Value]


class BatchText(msgspec.Struct, frozen=True):
    """A log entry's header, and how many commands of each kind it holds."""

    timestamp_ns: int
    command_count: int
    kinds: dict[str, int]


def batch_summary(batch: bytes) -> BatchText:
    """Time and kinds of an entry. Raises: ValueError when it is none."""
    count, timestamp_ns = _check(batch)
    kinds: dict[str, int] = {}
    for offset in range(BATCH_HEADER_BYTES, len(batch), COMMAND_BYTES):
        name = _kind_name(batch[offset])
        kinds[name] = kinds.get(name, 0) + 1
    return BatchText(timestamp_ns, count, kinds)


def batch_commands(batch: bytes) -> list[CommandText]:
    """Every command of an entry. Raises: ValueError when it is none."""
    _check(batch)
    return [
        command_fields(batch[offset : offset + COMMAND_BYTES])
        for offset in range(BATCH_HEADER_BYTES, len(batch), COMMAND_BYTES)
    ]


def command_fields(record: bytes) -> CommandText:
    """One command record; prices and money in 10^-4 units, as in the log."""
    name = _kind_name(record[0])
    if record[0] not in _LAYOUTS:
        return CommandText(name, {"bytes": record.hex()})
    layout, body = _LAYOUTS[CommandKind(record[0])]
    fields: dict[str, Value] = {}
    for key, value in zip((*_HEAD, *body), layout.unpack(record), strict=True):
        if key not in _UNSAID and (value.strip(b"\0 ") if isinstance(value, bytes) else value):
            fields[key] = _text(key, value)
    if "rows" in fields:
        fields["rows"] = _rows(layout.unpack(record)[-2 * TICK_ROWS_SENT_MAX :])
    return CommandText(name, fields)


def _rows(values: tuple[int, ...]) -> str:
    """Tick rows, without the empty places behind them; the first one's price may be 0."""
    pairs = zip(values[0::2], values[1::2], strict=True)
    return ", ".join(f"{price}:{tick}" for price, tick in pairs if price or tick)


def _check(batch: bytes) -> tuple[int, int]:
    """Count and time of a batch whose length and marker are right."""
    try:
        marker, version, count, _, timestamp_ns, *_rest = r.BATCH_HEADER.unpack_from(batch)
    except struct.error as error:
        raise ValueError(f"{len(batch)} bytes are shorter than a header") from error
    if (marker, version) != (r.BATCH_MARKER, r.BATCH_VERSION):
        raise ValueError(f"marker {marker:#x}, version {version}: not an entry of ours")
    if len(batch) != BATCH_HEADER_BYTES + count * COMMAND_BYTES:
        raise ValueError(f"{len(batch)} bytes do not hold {count} commands")
    return count, timestamp_ns


def _kind_name(number: int) -> str:
    return CommandKind(number).name if number in _LAYOUTS else f"KIND_{number}"


def _text(key: str, value: int | bytes) -> Value:
    if key in _HIDDEN:
        return "(hidden)"
    if isinstance(value, bytes):
        return value.rstrip(b"\0 ").decode("latin-1")
    if key in _CHARACTERS and value in _PRINTABLE:
        return chr(value)
    if key == "cluster_id":
        return f"{value:016x}"
    kind = _ENUMS.get(key)
    if kind is not None and value in [item.value for item in kind]:
        return kind(value).name
    return value
