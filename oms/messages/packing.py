"""Commands into the bytes of a log entry: one record each, by the layouts of records.py.

Called by the leader's sequencer, by genesis and by tests. Promises: every field of a command has
its place; nothing is judged.
"""

from collections.abc import Callable
from typing import TypeVar

from oms.bounds import BATCH_HEADER_BYTES, COMMAND_BYTES, TICK_ROWS_SENT_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import CommandKind
from oms.messages.records import (
    ACCOUNT,
    BANDS,
    BATCH_HEADER,
    BATCH_MARKER,
    BATCH_VERSION,
    BUST,
    CURRENCY,
    DAY,
    DEPOSIT,
    EMPTY,
    ENTRY,
    FEES,
    GENESIS,
    GRANT,
    INSTRUMENT,
    KILL,
    LOGIN,
    MASS_CANCEL,
    ORDER,
    PARTICIPANT,
    PHASE,
    RESTRICTION,
    RISK,
    SELF_TRADE,
    SESSION,
    TICKS,
    USER,
)

_K = CommandKind


def _new_order(b: bytearray, o: int, m: c.NewOrder) -> None:
    ENTRY.pack_into(
        b, o, 1, m.side, m.ord_type, m.time_in_force, m.policy, m.display, m.capacity,
        m.session_id, m.conn_epoch, m.client_seq, m.not_after_ns, m.account_id, m.instrument_id,
        m.price, m.order_qty, m.user_ref_num, 0, m.iso, m.cross_type, m.refuse_reason,
        m.cl_ord_id, m.firm, m.min_qty, m.display_qty, m.trail, m.expire_ns, m.stop_price,
        m.peg_offset, m.trigger, m.self_trade, m.post_only,
    )  # fmt: skip


def _replace_order(b: bytearray, o: int, m: c.ReplaceOrder) -> None:
    ENTRY.pack_into(
        b, o, 2, 0, 0, m.time_in_force, m.policy, m.display, 0, m.session_id, m.conn_epoch,
        m.client_seq, m.not_after_ns, 0, 0, m.price, m.order_qty, m.user_ref_num,
        m.orig_user_ref_num, m.iso, 0, m.refuse_reason, m.cl_ord_id, b"", m.min_qty,
        m.display_qty, m.trail, m.expire_ns, m.stop_price, m.peg_offset, m.trigger, m.self_trade,
        m.post_only,
    )  # fmt: skip


def _cancel_order(b: bytearray, o: int, m: c.CancelOrder) -> None:
    ORDER.pack_into(
        b, o, 3, 0, 0, 0, m.policy, 0, 0, m.session_id, m.conn_epoch, m.client_seq,
        m.not_after_ns, 0, 0, 0, m.order_qty, m.user_ref_num, 0, 0, 0, 0, b"", b"",
    )  # fmt: skip


def _account_query(b: bytearray, o: int, m: c.AccountQuery) -> None:
    EMPTY.pack_into(b, o, *_head(_K.ACCOUNT_QUERY, m))


def _refused(b: bytearray, o: int, m: c.RefusedRequest) -> None:
    ORDER.pack_into(
        b, o, 5, 0, 0, 0, 0, 0, 0, m.session_id, m.conn_epoch, m.client_seq, m.not_after_ns,
        0, 0, 0, 0, m.user_ref_num, 0, 0, 0, m.refuse_reason, b"", b"",
    )  # fmt: skip


def _mass_cancel(b: bytearray, o: int, m: c.MassCancel) -> None:
    ORDER.pack_into(
        b, o, 6, m.side, 0, 0, m.policy, 0, 0, m.session_id, m.conn_epoch, m.client_seq,
        m.not_after_ns, m.account_id, m.instrument_id, 0, 0, m.user_ref_num, 0, 0, 0,
        m.refuse_reason, b"", m.firm,
    )  # fmt: skip


def _entry(b: bytearray, o: int, m: c.DisableEntry | c.EnableEntry) -> None:
    kind = _K.DISABLE_ENTRY if isinstance(m, c.DisableEntry) else _K.ENABLE_ENTRY
    ORDER.pack_into(
        b, o, kind, 0, 0, 0, 0, 0, 0, m.session_id, m.conn_epoch, m.client_seq, m.not_after_ns,
        m.account_id, 0, 0, 0, m.user_ref_num, 0, 0, 0, m.refuse_reason, b"", m.firm,
    )  # fmt: skip


def _login(b: bytearray, o: int, m: c.Login) -> None:
    LOGIN.pack_into(
        b, o, 16, 0, 0, 0, 0, 0, 0, m.session_id, 0, 0, m.not_after_ns, m.nonce, m.gateway_id
    )


def _logout(b: bytearray, o: int, m: c.Logout) -> None:
    EMPTY.pack_into(b, o, 17, 0, 0, 0, 0, 0, 0, m.session_id, m.conn_epoch, 0, 0)


def _gateway_lost(b: bytearray, o: int, m: c.GatewayLost) -> None:
    LOGIN.pack_into(b, o, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, m.gateway_id)


def _genesis(b: bytearray, o: int, m: c.Genesis) -> None:
    GENESIS.pack_into(
        b, o, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, m.cluster_id, m.rule_version,
        m.records_following, m.orders_max, m.instruments_max, m.participants_max,
        m.accounts_max, m.users_max, m.sessions_max, m.positions_max, m.duplicates_max,
        m.trades_max, m.currencies_max,
    )  # fmt: skip


def _head(
    kind: CommandKind, m: ac.AdminCommand | c.AccountQuery
) -> tuple[int, int, int, int, int, int, int, int, int, int, int]:
    return (kind, 0, 0, 0, 0, 0, 0, m.session_id, m.conn_epoch, m.client_seq, m.not_after_ns)


def _add_instrument(b: bytearray, o: int, m: ac.AddInstrument) -> None:
    INSTRUMENT.pack_into(
        b, o, *_head(_K.ADD_INSTRUMENT, m), m.instrument_id, m.lot_size, m.tick_size,
        m.reference_price, m.price_collar_bps, m.market_collar_bps, m.phase, m.price_scale,
        m.currency_id, m.symbol.ljust(8),
    )  # fmt: skip


def _set_instrument(b: bytearray, o: int, m: ac.SetInstrument) -> None:
    INSTRUMENT.pack_into(
        b, o, *_head(_K.SET_INSTRUMENT, m), m.instrument_id, m.lot_size, m.tick_size,
        m.reference_price, m.price_collar_bps, m.market_collar_bps, 0, 0, m.currency_id, b"",
    )  # fmt: skip


def _add_participant(b: bytearray, o: int, m: ac.AddParticipant) -> None:
    PARTICIPANT.pack_into(b, o, *_head(_K.ADD_PARTICIPANT, m), m.participant_id, m.name)


def _add_account(b: bytearray, o: int, m: ac.AddAccount) -> None:
    ACCOUNT.pack_into(
        b, o, *_head(_K.ADD_ACCOUNT, m), m.account_id, m.participant_id, m.firm.ljust(4),
        m.max_order_qty, m.max_order_value, m.long_limit, m.short_limit,
    )  # fmt: skip


def _set_limits(b: bytearray, o: int, m: ac.SetLimits) -> None:
    ACCOUNT.pack_into(
        b, o, *_head(_K.SET_LIMITS, m), m.account_id, 0, b"", m.max_order_qty,
        m.max_order_value, m.long_limit, m.short_limit,
    )  # fmt: skip


def _add_user(b: bytearray, o: int, m: ac.AddUser) -> None:
    USER.pack_into(
        b, o, *_head(_K.ADD_USER, m), m.user_id, m.participant_id, m.name, m.salt, m.key_hash
    )


def _open_session(b: bytearray, o: int, m: ac.OpenSession) -> None:
    SESSION.pack_into(
        b, o, *_head(_K.OPEN_SESSION, m), m.opened_session_id, m.user_id, m.default_account_id,
        m.protocol, m.options,
    )  # fmt: skip


def _grant(b: bytearray, o: int, m: ac.Grant) -> None:
    GRANT.pack_into(b, o, *_head(_K.GRANT, m), m.user_id, m.account_id, m.entitlements)


def _deposit_cash(b: bytearray, o: int, m: ac.DepositCash) -> None:
    DEPOSIT.pack_into(
        b, o, *_head(_K.DEPOSIT_CASH, m), m.account_id, 0, m.amount, m.key, 0, m.currency_id, 0
    )


def _deposit_shares(b: bytearray, o: int, m: ac.DepositShares) -> None:
    DEPOSIT.pack_into(
        b, o, *_head(_K.DEPOSIT_SHARES, m), m.account_id, m.instrument_id, m.amount, m.key, 0,
        0, m.cost,
    )  # fmt: skip


def _add_currency(b: bytearray, o: int, m: ac.AddCurrency) -> None:
    CURRENCY.pack_into(b, o, *_head(_K.ADD_CURRENCY, m), m.currency_id, m.code, m.rate)


def _set_fees(b: bytearray, o: int, m: ac.SetFees) -> None:
    FEES.pack_into(
        b, o, *_head(_K.SET_FEES, m), m.schedule_id, m.account_id, m.maker_rate, m.taker_rate,
        m.fee_account_id,
    )  # fmt: skip


def _bust_trade(b: bytearray, o: int, m: ac.BustTrade) -> None:
    BUST.pack_into(b, o, *_head(_K.BUST_TRADE, m), m.match_id)


def _transfer(b: bytearray, o: int, m: ac.Transfer) -> None:
    DEPOSIT.pack_into(
        b, o, *_head(_K.TRANSFER, m), m.from_account_id, m.instrument_id, m.amount, m.key,
        m.to_account_id, m.currency_id, 0,
    )  # fmt: skip


def _set_phase(b: bytearray, o: int, m: ac.SetPhase) -> None:
    PHASE.pack_into(b, o, *_head(_K.SET_PHASE, m), m.instrument_id, m.phase, m.call_ns)


def _set_bands(b: bytearray, o: int, m: ac.SetBands) -> None:
    BANDS.pack_into(
        b, o, *_head(_K.SET_BANDS, m), m.instrument_id, m.static_bps, m.dynamic_bps, m.call_ns
    )


def _set_ticks(b: bytearray, o: int, m: ac.SetTicks) -> None:
    flat = [value for row in m.rows for value in (row.price, row.tick)]
    flat += [0] * (2 * TICK_ROWS_SENT_MAX - len(flat))
    TICKS.pack_into(
        b, o, *_head(_K.SET_TICKS, m), m.table_id, m.instrument_id, m.tick_size, m.first_row,
        len(m.rows), m.name.ljust(8), *flat,
    )  # fmt: skip


def _start_day(b: bytearray, o: int, m: ac.StartDay) -> None:
    DAY.pack_into(b, o, *_head(_K.START_DAY, m), m.trading_date, m.midnight_ns)


def _end_day(b: bytearray, o: int, m: ac.EndDay) -> None:
    EMPTY.pack_into(b, o, *_head(_K.END_DAY, m))


def _set_self_trade(b: bytearray, o: int, m: ac.SetSelfTrade) -> None:
    SELF_TRADE.pack_into(b, o, *_head(_K.SET_SELF_TRADE, m), m.account_id, m.group, m.mode)


def _set_kill(b: bytearray, o: int, m: ac.SetKill) -> None:
    KILL.pack_into(b, o, *_head(_K.SET_KILL, m), m.scope_id, m.scope, m.is_killed)


def _set_risk(b: bytearray, o: int, m: ac.SetRisk) -> None:
    RISK.pack_into(
        b, o, *_head(_K.SET_RISK, m), m.scope_id, m.scope, m.options, m.fields, m.defaults,
        m.short_sale, m.max_open_orders, m.order_rate, m.cancel_reserve, m.rate_window_ns,
        m.duplicate_window_ns, m.max_exposure, m.max_order_qty, m.max_order_value, m.long_limit,
        m.short_limit,
    )  # fmt: skip


def _set_restriction(b: bytearray, o: int, m: ac.SetRestriction) -> None:
    RESTRICTION.pack_into(
        b, o, *_head(_K.SET_RESTRICTION, m), m.instrument_id, m.account_id, m.restriction,
        m.options,
    )  # fmt: skip


def _admin_mass_cancel(b: bytearray, o: int, m: ac.AdminMassCancel) -> None:
    MASS_CANCEL.pack_into(
        b, o, _K.ADMIN_MASS_CANCEL, m.side, 0, 0, 0, 0, 0, m.session_id, m.conn_epoch,
        m.client_seq, m.not_after_ns, m.of_session_id, m.of_account_id, m.of_instrument_id,
    )  # fmt: skip


_C = TypeVar("_C")
_PACKERS: dict[type, Callable[[bytearray, int, c.Command], None]] = {}


def _register(kind: type[_C], packer: Callable[[bytearray, int, _C], None]) -> None:
    _PACKERS[kind] = packer  # type: ignore[assignment]


_register(c.NewOrder, _new_order)
_register(c.ReplaceOrder, _replace_order)
_register(c.CancelOrder, _cancel_order)
_register(c.AccountQuery, _account_query)
_register(c.RefusedRequest, _refused)
_register(c.MassCancel, _mass_cancel)
_register(c.DisableEntry, _entry)
_register(c.EnableEntry, _entry)
_register(c.Login, _login)
_register(c.Logout, _logout)
_register(c.GatewayLost, _gateway_lost)
_register(c.Genesis, _genesis)
_register(ac.AddInstrument, _add_instrument)
_register(ac.AddParticipant, _add_participant)
_register(ac.AddAccount, _add_account)
_register(ac.AddUser, _add_user)
_register(ac.OpenSession, _open_session)
_register(ac.Grant, _grant)
_register(ac.DepositCash, _deposit_cash)
_register(ac.DepositShares, _deposit_shares)
_register(ac.SetLimits, _set_limits)
_register(ac.SetInstrument, _set_instrument)
_register(ac.SetPhase, _set_phase)
_register(ac.SetBands, _set_bands)
_register(ac.SetTicks, _set_ticks)
_register(ac.StartDay, _start_day)
_register(ac.EndDay, _end_day)
_register(ac.AdminMassCancel, _admin_mass_cancel)
_register(ac.SetSelfTrade, _set_self_trade)
_register(ac.SetKill, _set_kill)
_register(ac.SetRisk, _set_risk)
_register(ac.SetRestriction, _set_restriction)
_register(ac.AddCurrency, _add_currency)
_register(ac.SetFees, _set_fees)
_register(ac.Transfer, _transfer)
_register(ac.BustTrade, _bust_trade)


def pack_batch(timestamp_ns: int, commands: list[c.Command]) -> bytes:
    """One log entry: the header, then every command's record in order.

    Bounds: at most BATCH_COMMANDS_MAX commands (the caller cuts).
    """
    count = len(commands)
    out = bytearray(BATCH_HEADER_BYTES + count * COMMAND_BYTES)
    BATCH_HEADER.pack_into(out, 0, BATCH_MARKER, BATCH_VERSION, count, 0, timestamp_ns, 0, 0)
    offset = BATCH_HEADER_BYTES
    for command in commands:
        _PACKERS[type(command)](out, offset, command)
        offset += COMMAND_BYTES
    return bytes(out)
