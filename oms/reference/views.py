"""What the state looks like from outside: answers to queries.

Called by the engine's query methods. Promises: reads only; lists in order of their ids.
"""

from oms.messages import link
from oms.messages.enums import Side
from oms.reference import currencies
from oms.reference.book import Level, level_qty
from oms.reference.state import DISABLED, I64_MAX, Instrument, Limits, Position, Venue


def text(name: bytes) -> str:
    """A fixed field without its padding."""
    return name.rstrip(b" \0").decode("latin-1")


def directory(venue: Venue) -> link.Directory:
    """Who and what there is."""
    n = venue.numbers
    return link.Directory(
        applied_index=n.applied_index,
        cluster_id=n.cluster_id,
        trading_date=n.trading_date,
        midnight_ns=n.midnight_ns,
        is_day_open=n.is_day_open,
        instruments=[
            link.InstrumentView(
                i.instrument_id, text(i.symbol), i.lot_size, i.tick_size, i.price_scale,
                i.reference_price, i.last_price, i.price_collar_bps, i.market_collar_bps, i.phase,
                i.is_killed, i.restriction, i.currency_id, i.tick_table,
            )
            for i in venue.instruments
        ],
        accounts=[
            link.FirmView(a.account_id, a.participant_id, text(a.firm)) for a in venue.accounts
        ],
        users=[
            link.UserView(
                u.user_id, u.participant_id, text(u.name), u.salt, u.key_hash,
                {
                    account_id: bits & ~DISABLED
                    for (user_id, account_id), bits in venue.grants.items()
                    if user_id == u.user_id and bits
                },
            )
            for u in venue.users
        ],
        sessions=[
            link.SessionView(
                s.session_id, s.user_id, s.protocol, s.default_account_id, s.conn_epoch,
                s.is_logged_in, s.client_seq, s.out_seq, s.last_user_ref_num, s.gateway_id,
                s.is_killed, s.live_orders, _limits(venue.session_limits[s.session_id]),
            )
            for s in venue.sessions
        ],
        is_killed=n.is_killed,
        account_defaults=_limits(venue.account_limits[0]) if venue.capacities else None,
        session_defaults=_limits(venue.session_limits[0]) if venue.capacities else None,
        default_limits=list(venue.default_limits) if venue.capacities else [],
        rule_version=n.rule_version,
        fees=[
            link.FeeView(number, f.maker_rate, f.taker_rate, f.fee_account_id)
            for number, f in enumerate(venue.fees, 1)
        ],
        tick_tables=[
            link.TickTableView(
                number, text(t.name), [row.price for row in t.rows], [row.tick for row in t.rows]
            )
            for number, t in enumerate(venue.tick_tables, 1)
        ],
        currencies=[
            link.CurrencyView(number, text(x.code), x.rate)
            for number, x in enumerate(venue.currencies, 1)
        ],
    )  # fmt: skip


def _limits(x: Limits) -> link.LimitsView:
    return link.LimitsView(
        x.own, x.short_sale, x.max_open_orders, x.max_exposure, x.duplicate_window_ns,
        x.order_rate, x.cancel_reserve, x.rate_window_ns,
    )  # fmt: skip


def account(venue: Venue, account_id: int) -> link.AccountView | None:
    """An account with its positions."""
    a = venue.account(account_id)
    if a is None:
        return None
    positions = [
        _position(venue.instruments[instrument_id - 1], p)
        for (owner_id, instrument_id), p in venue.positions.items()
        if owner_id == account_id
    ]
    first = a.balances[0]
    return link.AccountView(
        a.account_id, first.cash, first.hold, a.max_order_qty, a.max_order_value, a.long_limit,
        a.short_limit, positions, 0, a.is_killed, a.live_orders,
        min(currencies.exposure(venue, a), I64_MAX), _limits(venue.account_limits[account_id]),
        a.fee_schedule, any(b.cash < b.hold for b in a.balances),
        [link.BalanceView(n, b.cash, b.hold) for n, b in enumerate(a.balances, 1)],
    )  # fmt: skip


def _position(i: Instrument, p: Position) -> link.PositionView:
    return link.PositionView(
        i.instrument_id, p.qty, p.open_buy_qty, p.open_sell_qty, p.held_qty, p.cost, p.realised,
        _unrealised(i, p), p.restriction,
    )  # fmt: skip


def _unrealised(instrument: Instrument, position: Position) -> int:
    """What closing at the reference price would bring; 0 while there is none."""
    reference = instrument.reference()
    return reference * position.qty - position.cost if reference else 0


def session_orders(venue: Venue, session_id: int) -> list[link.OrderView]:
    """A session's live orders, oldest order_id first."""
    orders = [order for order in venue.live.values() if order.session_id == session_id]
    return [
        link.OrderView(
            o.order_id, o.session_id, o.user_ref_num, o.account_id, o.instrument_id, o.side,
            o.ord_type, o.time_in_force, o.price, o.leaves, o.cum, o.peak, o.is_hidden,
            o.public_id, o.stop_price, o.peg_offset, o.pegged_price, o.trail,
        )
        for o in sorted(orders, key=lambda order: order.order_id)
    ]  # fmt: skip


def book(venue: Venue, instrument_id: int, depth: int) -> link.BookView | None:
    """The best levels of a book."""
    if venue.instrument(instrument_id) is None:
        return None
    found = venue.book(instrument_id)
    return link.BookView(
        instrument_id,
        [_level(price, level) for price, level in list(found.bids.items())[: max(depth, 0)]],
        [_level(price, level) for price, level in list(found.asks.items())[: max(depth, 0)]],
    )


def _level(price: int, level: Level) -> link.LevelView:
    return link.LevelView(price, level_qty(level), len(level))


def totals(venue: Venue) -> link.Totals:
    """Issued against held: each pair of values must be equal."""
    shares = {i.instrument_id: 0 for i in venue.instruments}
    for (_account_id, instrument_id), position in venue.positions.items():
        shares[instrument_id] += position.qty
    by_currency = [_totals_of(venue, number) for number in range(1, len(venue.currencies) + 1)]
    first = by_currency[0] if by_currency else link.CurrencyTotals(1, 0, 0, 0, 0)
    return link.Totals(
        cash_issued=first.cash_issued,
        cash_total=first.cash_total,
        hold_total=first.hold_total,
        hold_of_orders=first.hold_of_orders,
        currencies=by_currency,
        shares_issued={i.instrument_id: i.shares_issued for i in venue.instruments},
        shares_total=shares,
    )


def _totals_of(venue: Venue, currency_id: int) -> link.CurrencyTotals:
    balances = [a.balances[currency_id - 1] for a in venue.accounts]
    return link.CurrencyTotals(
        currency_id=currency_id,
        cash_issued=venue.currencies[currency_id - 1].issued,
        cash_total=sum(balance.cash for balance in balances),
        hold_total=sum(balance.hold for balance in balances),
        hold_of_orders=sum(
            o.price * o.leaves + o.fee_held
            for o in venue.live.values()
            if o.side == Side.BUY
            and venue.instruments[o.instrument_id - 1].currency_id == currency_id
        ),
    )
