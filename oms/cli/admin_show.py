"""`oms admin show`: tables (or JSON) of what the leader's state holds.

Called by `admin.py`. Amounts are printed as decimal text; JSON keeps the integers (10^-4 units).
"""

import json
from pathlib import Path

import msgspec
from rich.table import Table

from oms.cli.admin_risk_work import limits_rows, restriction_names
from oms.cli.admin_work import administrator, names_of
from oms.cli.tables import print_tables, table
from oms.local.decimals import currency_rate_text, to_text
from oms.messages import link
from oms.messages.enums import Entitlement, OrdType, Phase, Protocol, Side, TimeInForce

_PEGS = frozenset((OrdType.PEG_PRIMARY, OrdType.PEG_MARKET, OrdType.PEG_MIDPOINT))


def directory(data: Path, *, linearizable: bool, as_json: bool) -> None:
    """Who and what there is; never a salt or a hash."""
    with administrator(data) as session:
        found = session.read(link.GetDirectory(linearizable=linearizable), link.Directory)
    if as_json:
        users = [msgspec.structs.replace(user, salt=b"", key_hash=b"") for user in found.users]
        _print_json(msgspec.structs.replace(found, users=users))
        return
    state = "open" if found.is_day_open else "closed"
    instruments = table(
        f"day {found.trading_date}, {state}; log index {found.applied_index}",
        (
            "instrument",
            "phase",
            "last",
            "reference",
            "tick",
            "lot",
            "collar",
            "market collar",
            "in",
        ),
    )
    codes = currency_names(found)
    tables = {view.table_id: view.name.strip("\0 ") for view in found.tick_tables}
    for item in found.instruments:
        instruments.add_row(
            item.symbol.strip("\0 "),
            Phase(item.phase).name,
            to_text(item.last_price),
            to_text(item.reference_price),
            tables.get(item.tick_table) or to_text(item.tick_size),
            str(item.lot_size),
            f"{item.price_collar_bps} bps",
            f"{item.market_collar_bps} bps",
            codes[item.currency_id],
        )
    firms = {item.account_id: item.firm.strip("\0 ") for item in found.accounts}
    accounts = table("", ("account", "number", "participant"))
    for account_view in found.accounts:
        accounts.add_row(
            firms[account_view.account_id],
            str(account_view.account_id),
            str(account_view.participant_id),
        )
    users_table = table("", ("user", "session", "protocol", "logged in", "stream", "rights"))
    sessions = {item.user_id: item for item in found.sessions}
    for user in found.users:
        rights = ", ".join(
            f"{firms.get(number, 'venue')}: {_rights(bits)}"
            for number, bits in sorted(user.entitlements.items())
        )
        own = sessions.get(user.user_id)
        users_table.add_row(
            user.name.strip("\0 "),
            "-" if own is None else str(own.session_id),
            "-" if own is None else Protocol(own.protocol).name,
            "-" if own is None else ("yes" if own.is_logged_in else "no"),
            "-" if own is None else str(own.out_seq),
            rights,
        )
    fees = table("", ("fee schedule", "maker", "taker", "goes to"))
    for schedule in found.fees:
        rates = (schedule.maker_rate, schedule.taker_rate)
        shown = (f"{to_text(rate * 10, 1)} bps" for rate in rates)
        fees.add_row(str(schedule.schedule_id), *shown, firms[schedule.fee_account_id])
    currencies = table("", ("currency", "number", "rate"))
    for money in found.currencies:
        currencies.add_row(
            money.code or "-", str(money.currency_id), currency_rate_text(money.rate)
        )
    ticks = table("", ("tick table", "number", "from price: tick"))
    for view in found.tick_tables:
        rows = zip(view.prices, view.ticks, strict=True)
        shown_rows = ", ".join(f"{to_text(price)}: {to_text(tick)}" for price, tick in rows)
        ticks.add_row(tables[view.table_id], str(view.table_id), shown_rows)
    optional = [*([fees] if found.fees else []), *([currencies] if any(codes.values()) else [])]
    optional += [ticks] if found.tick_tables else []
    print_tables(instruments, accounts, users_table, *optional)


def currency_names(found: link.Directory) -> dict[int, str]:
    """Codes by number; the first currency may have none."""
    return {item.currency_id: item.code for item in found.currencies}


def account(data: Path, firm: str, *, linearizable: bool, as_json: bool) -> None:
    """One account."""
    with administrator(data) as session:
        names = names_of(session)
        account_id = names.account(firm).account_id
        request = link.GetAccount(account_id, linearizable=linearizable)
        found = session.read(request, link.AccountView)
    if as_json:
        _print_json(found)
        return
    symbols = {i.instrument_id: i.symbol.strip("\0 ") for i in names.directory.instruments}
    codes = currency_names(names.directory)
    settled = {i.instrument_id: codes[i.currency_id] for i in names.directory.instruments}
    columns = ("max value", "max quantity", "long", "short")
    schedule = f", fee schedule {found.fee_schedule}" if found.fee_schedule else ""
    schedule += ", OVERDRAWN" if found.is_overdrawn else ""
    money = table(
        f"account {firm} at log index {found.applied_index}{schedule}",
        ("currency", "cash", "hold", "free"),
    )
    for balance in found.balances:
        amounts = (balance.cash, balance.hold, balance.cash - balance.hold)
        money.add_row(codes[balance.currency_id] or "-", *(to_text(amount) for amount in amounts))
    limits = table("", columns)
    limits.add_row(
        to_text(found.max_order_value),
        f"{found.max_order_qty:,}",
        f"{found.long_limit:,}",
        f"{found.short_limit:,}",
    )
    positions = table("", ("instrument", "position", "open buys", "open sells", "held"))
    profit = table("", ("instrument", "cost", "average", "realised", "unrealised", "in"))
    for item in found.positions:
        profit.add_row(
            symbols[item.instrument_id],
            to_text(item.cost),
            to_text(item.cost // item.qty) if item.qty else "-",
            to_text(item.realised),
            to_text(item.unrealised),
            settled[item.instrument_id] or "-",
        )
        positions.add_row(
            symbols[item.instrument_id],
            f"{item.qty:,}",
            f"{item.open_buy_qty:,}",
            f"{item.open_sell_qty:,}",
            f"{item.held_qty:,}",
        )
    print_tables(money, limits, positions, profit, _limits(found))


def _limits(found: link.AccountView) -> Table:
    """The limits of `set-risk`, and whether they follow the default."""
    killed = ", new orders refused" if found.is_killed else ""
    live = f"{found.live_orders:,} live orders of {to_text(found.exposure)}{killed}"
    made = table(live, ("limit", "value", "from"), left=3)
    for row in limits_rows(found.limits) if found.limits else ():
        made.add_row(*row)
    return made


def risk(data: Path, *, linearizable: bool, as_json: bool) -> None:
    """Kill switches, restrictions of instruments, limits of sessions, and the defaults."""
    with administrator(data) as session:
        found = session.read(link.GetDirectory(linearizable=linearizable), link.Directory)
    if as_json:
        _print_json(msgspec.structs.replace(found, users=[]))
        return
    users = {user.user_id: user.name.strip("\0 ") for user in found.users}
    stopped = table(
        f"log index {found.applied_index}; new orders of the venue are "
        + ("refused" if found.is_killed else "let in"),
        ("instrument", "new orders", "restriction"),
        left=3,
    )
    for item in found.instruments:
        said = ", ".join(restriction_names(item.restriction))
        stopped.add_row(item.symbol.strip("\0 "), _entry(is_killed=item.is_killed), said)
    limits = table("", ("of", "new orders", "limit", "value", "from"), left=5)
    for name, view in (("accounts", found.account_defaults), ("users", found.session_defaults)):
        for row in _set_rows(view):
            limits.add_row(f"all {name}", "", *row[:2], "")
    for own in found.sessions:
        for row in _set_rows(own.limits):
            limits.add_row(users[own.user_id], _entry(is_killed=own.is_killed), *row)
    print_tables(stopped, limits)


def _entry(*, is_killed: bool) -> str:
    return "refused" if is_killed else "let in"


def _set_rows(limits: link.LimitsView | None) -> list[tuple[str, str, str]]:
    """Those of the limits that are set, or one line that says that none is."""
    rows = limits_rows(limits) if limits else []
    return [row for row in rows if row[1] not in {"none", "allowed"}] or [("none", "", "")]


def book(data: Path, symbol: str, depth: int, *, linearizable: bool, as_json: bool) -> None:
    """The best levels."""
    with administrator(data) as session:
        instrument_id = names_of(session).instrument(symbol).instrument_id
        request = link.GetBook(instrument_id, depth, linearizable=linearizable)
        found = session.read(request, link.BookView)
    if as_json:
        _print_json(found)
        return
    made = table(
        f"{symbol} at log index {found.applied_index}",
        ("orders", "bid size", "bid", "offer", "offer size", "orders"),
    )
    for row in range(max(len(found.bids), len(found.asks))):
        bid = found.bids[row] if row < len(found.bids) else None
        ask = found.asks[row] if row < len(found.asks) else None
        made.add_row(
            "" if bid is None else str(bid.order_count),
            "" if bid is None else f"{bid.qty:,}",
            "" if bid is None else to_text(bid.price),
            "" if ask is None else to_text(ask.price),
            "" if ask is None else f"{ask.qty:,}",
            "" if ask is None else str(ask.order_count),
        )
    print_tables(made)


def orders(data: Path, user: str, *, linearizable: bool, as_json: bool) -> None:
    """A login's live orders."""
    with administrator(data) as session:
        names = names_of(session)
        session_id = names.session(user).session_id
        request = link.GetOpenOrders(session_id, linearizable=linearizable)
        found = session.read(request, link.Orders)
    if as_json:
        _print_json(found)
        return
    symbols = {i.instrument_id: i.symbol.strip("\0 ") for i in names.directory.instruments}
    made = table(
        f"live orders of {user} at log index {found.applied_index}",
        ("order", "UserRefNum", "instrument", "side", "type", "price", "open", "executed"),
    )
    for order in found.orders:
        made.add_row(
            str(order.order_id),
            str(order.user_ref_num),
            symbols[order.instrument_id],
            Side(order.side).name,
            _kind(order),
            to_text(order.price) + _waits(order),
            f"{order.leaves_qty:,}",
            f"{order.cum_qty:,}",
        )
    print_tables(made)


def _kind(order: link.OrderView) -> str:
    """Type, time in force, and what of the order shows."""
    kind = f"{OrdType(order.ord_type).name} {TimeInForce(order.time_in_force).name}"
    if order.is_hidden:
        return f"{kind} hidden"
    return f"{kind} shows {order.display_qty:,}" if order.display_qty else kind


def totals(data: Path, *, linearizable: bool, as_json: bool) -> int:
    """Issued against held; 1 when they differ."""
    with administrator(data) as session:
        found = session.read(link.GetTotals(linearizable=linearizable), link.Totals)
        directory = names_of(session).directory
    symbols = {item.instrument_id: item.symbol.strip("\0 ") for item in directory.instruments}
    codes = currency_names(directory)
    rows: list[tuple[str, int, int]] = []
    for money in found.currencies:
        which = f" {codes[money.currency_id]}".rstrip()
        rows += [
            (f"cash{which}", money.cash_issued, money.cash_total),
            (f"holds{which}, and holds of live orders", money.hold_total, money.hold_of_orders),
        ]
    numbers = sorted(found.shares_issued.keys() | found.shares_total.keys())
    shares = [
        (symbols[n], found.shares_issued.get(n, 0), found.shares_total.get(n, 0)) for n in numbers
    ]
    if as_json:
        _print_json(found)
    else:
        columns = ("what", "issued", "held", "difference")
        made = table(f"at log index {found.applied_index}", columns)
        for name, issued, held in rows:
            made.add_row(name, to_text(issued), to_text(held), to_text(issued - held))
        for name, issued, held in shares:
            made.add_row(name, f"{issued:,}", f"{held:,}", f"{issued - held:,}")
        print_tables(made)
    return int(any(issued != held for _, issued, held in rows + shares))


def _rights(bits: int) -> str:
    return "+".join(right.name.lower() for right in Entitlement if bits & right and right.name)


def _print_json(found: msgspec.Struct) -> None:
    print(json.dumps(_plain(found), indent=2))


def _plain(value: object) -> object:
    """Structs by field name: the array form is for the wire, not for people."""
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return value


def _waits(order: link.OrderView) -> str:
    """What a stop order waits for; where a peg stands, and how far from what it follows."""
    if order.ord_type in _PEGS:
        sign = "+" if order.peg_offset > 0 else ""  # a minus comes by itself
        away = f" {sign}{to_text(order.peg_offset)}" if order.peg_offset else ""
        stands = f"at {to_text(order.pegged_price)}" if order.pegged_price else "suspended"
        return f" pegged{away} {stands}"
    if not order.stop_price:
        return ""
    trails = f" trail {to_text(order.trail)}" if order.trail else ""
    return f" stop {to_text(order.stop_price)}{trails}"
