"""What the verbs of `oms admin ticks` do: logged commands SET_TICKS (docs/rules.md, Ticks).

Called by `admin_ticks.py`. Prints one line for what was applied; a refusal or an unknown outcome is
raised (AdminRejected, AdminUnavailable).
"""

from pathlib import Path

from oms.bounds import TICK_ROWS_MAX, TICK_ROWS_SENT_MAX
from oms.cli.admin_work import administrator, applied, names_of, units, wrong
from oms.messages import admin_commands as ac
from oms.messages.link import TickTableView

_UNSIGNED = (0, 0, 0, 0)
_NAME_BYTES = 8


def set_table(data: Path, name: str, rows: list[str]) -> None:
    """A table's rows; more than one record holds go in two commands."""
    said = [_row(text) for text in rows]
    if len(said) > TICK_ROWS_MAX:
        raise wrong(f"{len(said)} rows are too many", f"a table has at most {TICK_ROWS_MAX}")
    with administrator(data) as session:
        tables = names_of(session).directory.tick_tables
        known = {table.name.strip("\0 "): table.table_id for table in tables}
        number = known.get(name, len(tables) + 1)
        for first in range(0, max(len(said), 1), TICK_ROWS_SENT_MAX):
            part = tuple(said[first : first + TICK_ROWS_SENT_MAX])
            command = ac.SetTicks(*_UNSIGNED, number, name=_name(name), first_row=first, rows=part)
            applied(session.execute(command), _said(number, name, rows[: first + len(part)]))


def follow(data: Path, symbol: str, name: str) -> None:
    """The instrument's ticks are those of the table."""
    with administrator(data) as session:
        names = names_of(session)
        number = _table(names.directory.tick_tables, name).table_id
        one = names.instrument(symbol).instrument_id
        event = session.execute(ac.SetTicks(*_UNSIGNED, number, one))
    applied(event, f"{symbol} follows tick table {name}")


def single(data: Path, symbol: str, tick: str) -> None:
    """The instrument has one tick."""
    size = units(tick, "tick")
    with administrator(data) as session:
        one = names_of(session).instrument(symbol).instrument_id
        event = session.execute(ac.SetTicks(*_UNSIGNED, 0, one, size))
    applied(event, f"{symbol} has a tick of {tick}")


def _said(number: int, name: str, rows: list[str]) -> str:
    return f"tick table {number} {name}: {', '.join(rows)}"


def _row(text: str) -> ac.TickRow:
    price, between, tick = text.partition(":")
    if not between:
        raise wrong(f"{text!r} is no row", "a row is PRICE:TICK, as 1.00:0.05")
    return ac.TickRow(units(price, "price"), units(tick, "tick"))


def _name(name: str) -> bytes:
    encoded = name.encode()
    if not name.isascii() or not 0 < len(encoded) <= _NAME_BYTES:
        raise wrong(f"{name!r} is no name of a table", f"it has up to {_NAME_BYTES} letters")
    return encoded


def _table(tables: list[TickTableView], name: str) -> TickTableView:
    found = {table.name.strip("\0 "): table for table in tables}
    if name not in found:
        raise wrong(f"there is no tick table {name!r}", f"there are {', '.join(found) or 'none'}")
    return found[name]
