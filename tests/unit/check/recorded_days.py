"""Days with recorded clients, short ones, for the tests of the checker.

Called by them. Shape: a venue whose clients are logged in, or have traded; answers that
nobody gave; what the checker says.
"""

from pathlib import Path

from oms.check.judge import check
from oms.check.verdict import Kind, Verdict
from oms.local.genesis import ADMIN_SESSION_ID
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.wire import ouch
from oms.wire import ouch_messages as m
from tests.support.recorded_venue import FOREVER_NS, SYMBOL, RecordedClient, RecordedVenue

PRICE = 1_000_000


def opened(folder: Path, names: int = 2) -> RecordedVenue:
    venue = RecordedVenue(folder, names)
    for client in venue.clients:
        client.login()
    return venue


def traded(folder: Path) -> RecordedVenue:
    """Two clients, an order of each kind, some of them executed."""
    venue = opened(folder)
    first, second = venue.clients
    sell = first.enter(m.SIDE_SELL, 100, PRICE)
    venue.step()
    second.enter(m.SIDE_BUY, 60, PRICE, tif=m.TIF_IOC)
    second.enter(m.SIDE_BUY, 10, PRICE - 500)
    venue.step()
    replacement = first.replace(sell, 120, PRICE + 100)
    venue.step()
    first.cancel(replacement)
    venue.step()
    return venue


def verdict_of(venue: RecordedVenue) -> Verdict:
    return check([venue.folder], venue.close())


def found(verdict: Verdict) -> set[Kind]:
    return {kind for kind in Kind if verdict.count(kind)}


def bust(venue: RecordedVenue, match_id: int) -> None:
    """One entry in which the operator takes a trade back."""
    admin = (ADMIN_SESSION_ID, 1, 1, FOREVER_NS)
    login = c.Login(ADMIN_SESSION_ID, 1, 7)
    venue.commit([login, ac.BustTrade(*admin, match_id)])


def change_price(client: RecordedClient) -> None:
    last = bytearray(client.stream[-1])
    last[-9] ^= 1
    client.stream[-1] = bytes(last)


def acceptance(
    urn: int, *, qty: int = 100, price: int = PRICE, order_id: int = 999, terms: bytes = b""
) -> bytes:
    return ouch.encode(
        m.Accepted(
            (1 << 46) + 1_000_000_000, urn, m.SIDE_BUY, qty, SYMBOL, price, m.TIF_DAY,
            m.DISPLAY_VISIBLE, order_id, m.CAPACITY_PRINCIPAL, m.ISO_NO, m.CROSS_CONTINUOUS,
            m.STATE_LIVE, b"", terms,
        )
    )  # fmt: skip


def executed(urn: int, qty: int, price: int = PRICE, match_id: int = 77) -> bytes:
    return ouch.encode(m.Executed((1 << 46) + 2_000_000_000, urn, qty, price, 65, match_id))


def broken(urn: int, match_id: int = 77) -> bytes:
    return ouch.encode(m.BrokenTrade((1 << 46) + 3_000_000_000, urn, match_id, ord("S"), b" " * 14))


def canceled(urn: int, qty: int) -> bytes:
    return ouch.encode(m.Canceled((1 << 46) + 2_000_000_000, urn, qty, ord("U")))
