"""The one class of the core that Python sees: bytes in, events and views out.

Called by the node (apply, events, snapshot), by requests (views) and by tests. Promises: the only
file here that touches Python objects; everything below is `nogil` C and never fails on account of
its input. `engine.pyi` is the contract.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from oms._core.aside cimport BusyPages, busy_pages, join_pages, snapshot_beside
from oms._core.digest cimport state_digest
from oms._core.digest_parties cimport PositionKey, sorted_positions
from oms._core.directory cimport Instrument, User, reference_of
from oms._core.dispatch cimport apply_entry
from oms._core.hash cimport folded
from oms._core.ledger cimport Account, Position
from oms._core.level_walk cimport LevelWalk, level_next, level_start
from oms._core.limit_checks cimport exposure_of
from oms._core.limits cimport Limits
from oms._core.machine cimport wide
from oms._core.order_pool cimport (
    ORDER_HAS_FEES, ORDER_HIDDEN, ORDER_MARKET, ORDER_PEG, ORDER_STOP, Order, public_id_of,
)
from oms._core.peg_list cimport Peg
from oms._core.pegs cimport next_peg_list
from oms._core.records cimport check_layouts
from oms._core.reserve cimport peak_of
from oms._core.restore cimport read_snapshot
from oms._core.scrub cimport scrub_digest
from oms._core.sessions cimport Session
from oms._core.snapshot cimport Writer, write_snapshot
from oms._core.state cimport (
    State, TickTable, grant_of, has_account, has_instrument, state_clear, state_close,
)
from oms._core.stops cimport next_waiting
from oms._core.timers cimport next_due
from oms._core.triggers cimport Stop
from oms._core.types cimport *
from oms._core.walk cimport broken_promise

from oms.messages.link import (
    AccountView, BalanceView, BookView, CurrencyTotals, CurrencyView, Directory, FeeView, FirmView,
    InstrumentView, LevelView, LimitsView, OrderView, PositionView, SessionView,
    TickTableView, Totals, UserView,
)


cdef bytes _bytes_of(const void* data, Py_ssize_t size):
    return PyBytes_FromStringAndSize(<const char*>data, size)


cdef str _text_of(const void* data, Py_ssize_t size):
    """A name without its padding."""
    return _bytes_of(data, size).rstrip(b" \x00").decode("latin-1")


@cython.final
cdef class Engine:
    """Orders, risk, accounts and matching of a whole venue; empty until a genesis entry."""

    cdef State state

    def __cinit__(self):
        check_layouts()
        state_clear(&self.state)

    def __dealloc__(self):
        state_close(&self.state)

    def apply(self, uint64_t log_index, bytes entry not None):
        """Apply one committed log entry; never raises on account of its content."""
        if log_index <= self.state.numbers.applied_index:
            raise ValueError(
                f"log_index {log_index} was applied: {self.state.numbers.applied_index} is the last"
            )
        apply_entry(
            &self.state, log_index, <const uint8_t*>PyBytes_AS_STRING(entry),
            <uint64_t>PyBytes_GET_SIZE(entry),
        )
        return self.state.buffer.count

    def events(self):
        """The event records of the last `apply`, EVENT_BYTES each, copied."""
        return _bytes_of(
            self.state.buffer.events, <Py_ssize_t>(self.state.buffer.count * EVENT_BYTES)
        )

    @property
    def applied_index(self):
        return self.state.numbers.applied_index

    def skip_to(self, uint64_t log_index):
        """Note that entries up to `log_index` hold nothing for the engine."""
        if log_index > self.state.numbers.applied_index:
            self.state.numbers.applied_index = log_index

    @property
    def has_genesis(self):
        return self.state.numbers.has_genesis != 0

    @property
    def last_timestamp_ns(self):
        return self.state.numbers.last_timestamp

    @property
    def event_seq(self):
        return self.state.numbers.event_seq

    @property
    def is_work_pending(self):
        """Bounded work is unfinished: the leader proposes an empty entry."""
        cdef int64_t due_ns = self.next_due_ns
        return (
            self.state.numbers.sweep_slot != 0 or self.state.work.count != 0
            or self.state.calls.count != 0 or self.state.restating.up_to != 0
            or next_waiting(&self.state) != 0 or next_peg_list(&self.state) != 0
            or (due_ns != 0 and due_ns <= self.state.numbers.last_timestamp)
        )

    @property
    def next_due_ns(self):
        """When the next order expires or the next call ends; 0: none does."""
        cdef int64_t order_ns = next_due(&self.state.timers)
        cdef int64_t call_ns = next_due(&self.state.calls.timers)
        return order_ns if order_ns and (call_ns == 0 or order_ns < call_ns) else call_ns

    @property
    def open_orders(self):
        """Live orders in the venue."""
        return self.state.pool.live

    def digest(self):
        """Chain over what every entry led to. 64 bits."""
        return folded(self.state.numbers.lanes)

    def state_digest(self):
        """Hash of the canonical state; a full walk. 64 bits."""
        return state_digest(&self.state)

    def scrub_digest(self, uint64_t step):
        """Hash of a slice of the canonical state, bounded; all of it has its step. 64 bits."""
        return scrub_digest(&self.state, step)

    def verify(self):
        """Walk every structure. Raises: AssertionError with the number of the broken promise."""
        cdef int broken = broken_promise(&self.state)
        if broken:
            raise AssertionError(f"promise {broken} of oms/_core/walk.pxd is broken")

    def snapshot(self):
        """The whole state, versioned and checksummed."""
        cdef Writer writer
        write_snapshot(&writer, &self.state)
        try:
            return _bytes_of(writer.words, <Py_ssize_t>(writer.count * sizeof(uint64_t)))
        finally:
            free(writer.words)

    def snapshot_beside(self, int file):
        """Start a process that writes `snapshot()` as it is now into an open file; its id."""
        cdef int process = snapshot_beside(&self.state, file)
        if process < 0:
            PyErr_SetFromErrno(OSError)
        return process

    def join_pages(self):
        """Make large pages whole again that a process beside this one has split."""
        cdef BusyPages busy = busy_pages(&self.state)
        with nogil:
            join_pages(&busy)

    def restore(self, bytes data not None):
        """Replace the state. Raises: ValueError when it is not a sound snapshot."""
        cdef State fresh
        state_clear(&fresh)
        if not read_snapshot(
            &fresh, <const uint64_t*>PyBytes_AS_STRING(data), <uint64_t>PyBytes_GET_SIZE(data)
        ):
            state_close(&fresh)
            raise ValueError("not a snapshot of this version, or its bytes were changed")
        state_close(&self.state)
        memcpy(&self.state, &fresh, sizeof(State))

    def directory(self):
        """Who and what there is."""
        cdef State* state = &self.state
        cdef uint32_t i
        return Directory(
            applied_index=state.numbers.applied_index,
            cluster_id=state.numbers.cluster_id,
            trading_date=state.numbers.trading_date,
            midnight_ns=state.numbers.midnight_ns,
            is_day_open=state.numbers.is_day_open != 0,
            instruments=[
                _instrument_view(state, i) for i in range(1, state.numbers.instrument_count + 1)
            ],
            accounts=[_firm_view(state, i) for i in range(1, state.numbers.account_count + 1)],
            users=[_user_view(state, i) for i in range(1, state.numbers.user_count + 1)],
            sessions=[
                _session_view(state, i) for i in range(1, state.numbers.session_count + 1)
            ],
            is_killed=state.numbers.is_killed != 0,
            rule_version=state.numbers.rule_version,
            **_default_views(state),
            fees=[
                FeeView(
                    schedule_id=i,
                    maker_rate=state.fees[i].maker_rate,
                    taker_rate=state.fees[i].taker_rate,
                    fee_account_id=state.fees[i].fee_account_id,
                )
                for i in range(1, state.fee_count + 1)
            ],
            tick_tables=[
                _tick_table_view(state, i) for i in range(1, state.tick_table_count + 1)
            ],
            currencies=[
                CurrencyView(
                    currency_id=i,
                    code=_text_of(&state.currencies[i].code, 4),
                    rate=state.currencies[i].rate,
                )
                for i in range(1, state.currency_count + 1)
            ],
        )

    def account(self, uint32_t account_id):
        """An account with its positions by instrument; None: there is none."""
        cdef State* state = &self.state
        cdef const Account* account
        cdef wide exposure
        if not has_account(state, account_id):
            return None
        account = &state.accounts[account_id]
        exposure = exposure_of(state, account_id, 1, 0)
        balances = _balance_views(state, account_id)
        return AccountView(
            account_id=account_id,
            cash=account.cash,
            hold=account.hold,
            max_order_qty=account.max_order_qty,
            max_order_value=account.max_order_value,
            long_limit=account.long_limit,
            short_limit=account.short_limit,
            positions=_position_views(state, account_id),
            is_killed=account.is_killed != 0,
            live_orders=account.live_orders,
            exposure=INT64_MAX if exposure > INT64_MAX else <int64_t>exposure,
            limits=_limits_view(&state.account_limits[account_id]),
            fee_schedule=account.fee_schedule,
            is_overdrawn=any(balance.cash < balance.hold for balance in balances),
            balances=balances,
        )

    def session_orders(self, uint32_t session_id):
        """Live orders of a session, in order_id order."""
        cdef const Order* order
        cdef uint32_t slot
        views = []
        for slot in range(1, self.state.pool.highest + 1):
            order = &self.state.pool.orders[slot]
            if order.leaves and order.session_id == session_id:
                views.append(_order_view(&self.state, slot))
        return sorted(views, key=_by_order_id)

    def book(self, uint32_t instrument_id, uint32_t depth):
        """The best levels of a book; None: there is no such instrument."""
        if not has_instrument(&self.state, instrument_id):
            return None
        return BookView(
            instrument_id=instrument_id,
            bids=_level_views(&self.state, instrument_id, 0, depth),
            asks=_level_views(&self.state, instrument_id, 1, depth),
        )

    def totals(self):
        """The proof that money and shares are conserved."""
        cdef State* state = &self.state
        cdef uint32_t i
        shares_issued = {
            i: state.instruments[i].shares_issued
            for i in range(1, state.numbers.instrument_count + 1)
        }
        shares_total = dict.fromkeys(shares_issued, 0)
        for i in range(1, state.positions.count + 1):
            shares_total[state.positions.positions[i].instrument_id] += (
                state.positions.positions[i].qty
            )
        by_currency = _currency_totals(state)
        first = by_currency[0] if by_currency else CurrencyTotals(1, 0, 0, 0, 0)
        return Totals(
            cash_issued=first.cash_issued,
            cash_total=first.cash_total,
            shares_issued=shares_issued,
            shares_total=shares_total,
            hold_total=first.hold_total,
            hold_of_orders=first.hold_of_orders,
            currencies=by_currency,
        )


cdef list _balance_views(const State* state, uint32_t account_id):
    """What an account has of each currency."""
    cdef uint32_t i
    return [
        BalanceView(
            currency_id=i,
            cash=state.balances[i][account_id].cash,
            hold=state.balances[i][account_id].hold,
        )
        for i in range(1, state.currency_count + 1)
    ]


cdef list _currency_totals(const State* state):
    """Issued against held, currency by currency."""
    cdef const Order* order
    cdef uint32_t currency
    cdef uint32_t i
    held = [0] * (state.currency_count + 1)  # by the live orders
    for i in range(1, state.pool.highest + 1):
        order = &state.pool.orders[i]
        if order.leaves and order.side == SIDE_BUY:
            currency = state.instruments[order.instrument_id].currency_id
            held[currency] += <int64_t>order.price * order.leaves
            if order.flags & ORDER_HAS_FEES:
                held[currency] += state.pool.fees[i].held
    made = []
    for currency in range(1, state.currency_count + 1):
        cash_total = 0
        hold_total = 0
        for i in range(1, state.numbers.account_count + 1):
            cash_total += state.balances[currency][i].cash
            hold_total += state.balances[currency][i].hold
        made.append(
            CurrencyTotals(
                currency_id=currency,
                cash_issued=state.currencies[currency].issued,
                cash_total=cash_total,
                hold_total=hold_total,
                hold_of_orders=held[currency],
            )
        )
    return made


def _by_order_id(view):
    return view.order_id


cdef object _instrument_view(State* state, uint32_t instrument_id):
    cdef const Instrument* instrument = &state.instruments[instrument_id]
    return InstrumentView(
        instrument_id=instrument_id,
        symbol=_text_of(&instrument.symbol, 8),
        lot_size=instrument.lot_size,
        tick_size=instrument.tick_size,
        price_scale=instrument.price_scale,
        reference_price=instrument.reference_price,
        last_price=instrument.last_price,
        price_collar_bps=instrument.price_collar_bps,
        market_collar_bps=instrument.market_collar_bps,
        phase=instrument.phase,
        is_killed=instrument.is_killed != 0,
        restriction=instrument.restriction,
        currency_id=instrument.currency_id,
        tick_table=instrument.tick_table,
    )


cdef object _tick_table_view(State* state, uint32_t table_id):
    cdef const TickTable* table = &state.tick_tables[table_id]
    return TickTableView(
        table_id=table_id,
        name=_text_of(&table.name, 8),
        prices=[table.rows[i].price for i in range(table.row_count)],
        ticks=[table.rows[i].tick for i in range(table.row_count)],
    )


cdef object _firm_view(State* state, uint32_t account_id):
    cdef const Account* account = &state.accounts[account_id]
    return FirmView(
        account_id=account_id,
        participant_id=account.participant_id,
        firm=_text_of(&account.firm, 4),
    )


cdef object _user_view(State* state, uint32_t user_id):
    cdef const User* user = &state.users[user_id]
    cdef uint32_t account_id
    return UserView(
        user_id=user_id,
        participant_id=user.participant_id,
        name=_text_of(user.name, 16),
        salt=_bytes_of(user.salt, 16),
        key_hash=_bytes_of(user.key_hash, 32),
        entitlements={
            account_id: grant_of(state, user_id, account_id)[0] & ~GRANT_DISABLED
            for account_id in range(state.numbers.account_count + 1)
            if grant_of(state, user_id, account_id)[0]
        },
    )


cdef object _session_view(State* state, uint32_t session_id):
    cdef const Session* session = &state.sessions[session_id]
    return SessionView(
        session_id=session_id,
        user_id=session.user_id,
        protocol=session.protocol,
        default_account_id=session.default_account_id,
        conn_epoch=session.conn_epoch,
        is_logged_in=session.is_logged_in != 0,
        client_seq=session.client_seq,
        out_seq=session.out_seq,
        last_user_ref_num=session.last_user_ref_num,
        gateway_id=session.gateway_id,
        is_killed=session.is_killed != 0,
        live_orders=session.live_orders,
        limits=_limits_view(&state.session_limits[session_id]),
    )


cdef object _limits_view(const Limits* limits):
    return LimitsView(
        own=limits.own,
        short_sale=limits.short_sale,
        max_open_orders=limits.max_open_orders,
        max_exposure=limits.max_exposure,
        duplicate_window_ns=limits.duplicate_window_ns,
        order_rate=limits.order_rate,
        cancel_reserve=limits.cancel_reserve,
        rate_window_ns=limits.rate_window_ns,
    )


cdef dict _default_views(const State* state):
    """What accounts and sessions follow; nothing before a genesis."""
    if not state.numbers.has_genesis:
        return {}
    return {
        "account_defaults": _limits_view(&state.account_limits[0]),
        "session_defaults": _limits_view(&state.session_limits[0]),
        "default_limits": [
            state.accounts[0].max_order_qty, state.accounts[0].max_order_value,
            state.accounts[0].long_limit, state.accounts[0].short_limit,
        ],
    }


cdef list _position_views(State* state, uint32_t account_id):
    cdef PositionKey* keys = sorted_positions(state)
    cdef const Position* position
    cdef uint32_t i
    views = []
    try:
        for i in range(state.positions.count):
            position = &state.positions.positions[keys[i].slot]
            if position.account_id == account_id:
                views.append(
                    PositionView(
                        instrument_id=position.instrument_id,
                        qty=position.qty,
                        open_buy_qty=position.open_buys,
                        open_sell_qty=position.open_sells,
                        held_qty=position.held,
                        cost=position.cost,
                        realised=position.realised,
                        unrealised=_unrealised(
                            &state.instruments[position.instrument_id], position
                        ),
                        restriction=position.restriction,
                    )
                )
    finally:
        free(keys)
    return views


cdef object _unrealised(const Instrument* instrument, const Position* position):
    """What closing at the reference price would bring; 0 while there is none."""
    cdef object reference = reference_of(instrument)  # Python's numbers: the product may be large
    cdef object qty = position.qty
    return reference * qty - position.cost if reference else 0


cdef object _order_view(const State* state, uint32_t slot):
    cdef const Order* order = &state.pool.orders[slot]
    cdef const Stop* stop = &state.triggers.stops[slot]
    cdef const Peg* peg = &state.pegs.pegs[slot]
    cdef bint is_stop = order.flags & ORDER_STOP != 0
    cdef bint is_peg = order.flags & ORDER_PEG != 0
    ord_type = TYPE_MARKET if order.flags & ORDER_MARKET else TYPE_LIMIT
    if is_stop:
        ord_type = stop.ord_type
    if is_peg:
        ord_type = peg.ord_type
    return OrderView(
        order_id=order.order_id,
        session_id=order.session_id,
        user_ref_num=order.user_ref_num,
        account_id=order.account_id,
        instrument_id=order.instrument_id,
        side=order.side,
        ord_type=ord_type,
        time_in_force=order.time_in_force,
        price=order.price,
        leaves_qty=order.leaves,
        cum_qty=order.cum,
        display_qty=peak_of(state, slot),
        is_hidden=order.flags & (ORDER_HIDDEN | ORDER_PEG) != 0,
        public_id=public_id_of(&state.pool, order),
        stop_price=stop.price if is_stop else 0,
        trail=stop.trail if is_stop else 0,
        peg_offset=peg.offset if is_peg else 0,
        pegged_price=peg.price if is_peg else 0,
    )


cdef list _level_views(State* state, uint32_t instrument_id, uint32_t side, uint32_t depth):
    cdef LevelWalk walk
    cdef uint32_t level
    cdef uint32_t slot
    cdef uint32_t count
    views = []
    level_start(&walk, &state.levels, &state.instruments[instrument_id].book.ladders[side])
    level = level_next(&walk)
    while level and len(views) < depth:
        count = 0
        slot = state.levels.levels[level].head
        while slot:
            count += 1
            slot = state.pool.orders[slot].next
        views.append(
            LevelView(
                price=state.levels.levels[level].price,
                qty=state.levels.levels[level].qty,
                order_count=count,
            )
        )
        level = level_next(&walk)
    return views
