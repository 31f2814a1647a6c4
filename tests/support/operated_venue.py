"""A venue with orders in it, an operator's terminal, and what must be as before afterwards.

Used by tests/integration/test_procedures_*.py: one venue for each file, healthy before and after
each procedure.
"""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from oms.client.blocking import Client
from oms.local.processes import Processes
from oms.local.samples import GUEST, demo_config
from oms.local.venue import LocalVenue
from oms.messages import link
from tests.support.procedures import Terminal

ANSWER_S: Final = 20.0
SYMBOL: Final = "ALDER"
RESTING: Final = 3


class Facts(NamedTuple):
    """What clients own: money, shares, live orders."""

    totals: tuple[int, int, int]
    shares: dict[int, int]
    accounts: list[tuple[int, int, int]]
    orders: list[link.OrderView]


class OperatedVenue:
    """See the module's header."""

    def __init__(self, folder: Path, *, node_module: str = "oms.node.main") -> None:
        self.data = folder / "venue"
        self._config = demo_config(1)
        self._password = next(u.password for u in self._config.users if u.name == GUEST)
        reference = next(i.reference_price for i in self._config.instruments if i.symbol == SYMBOL)
        self.low_price = f"{Decimal(reference) * 9 / 10:.2f}"  # within the collar, below all others
        self.terminal = Terminal(folder, self.data, node_module=node_module)
        LocalVenue.format(self.data, self._config)

    def open(self) -> LocalVenue:
        """The venue as its folder says now."""
        return LocalVenue.open(self.data)

    def begin(self) -> None:
        """Healthy, with orders in the book."""
        self.terminal.follow("Start a venue")
        self.trade()

    def trade(self) -> None:
        """Some orders come to rest, one is canceled."""
        with self.client() as client:
            orders = [client.enter(SYMBOL, "BUY", 1, self.low_price) for _ in range(RESTING + 1)]
            for order in orders:
                order.outcome(timeout=ANSWER_S)
            client.session.cancel(orders[-1])
            client.query_account()

    def trade_and_cancel(self) -> None:
        """An order that leaves nothing behind."""
        with self.client() as client:
            order = client.enter(SYMBOL, "BUY", 1, self.low_price)
            order.outcome(timeout=ANSWER_S)
            client.session.cancel(order)
            client.query_account()

    def client(self) -> Client:
        """The guest, logged in."""
        return Client.connect(self.open().gateway_addresses, GUEST, self._password)

    def facts(self) -> Facts:
        """Read from the leader, once a majority has confirmed that it leads."""
        venue = self.open()
        requests = venue.requests()
        try:
            leader = str(venue.leader())
            totals = requests.ask(leader, link.GetTotals(linearizable=True), link.Totals, ANSWER_S)
            directory = requests.ask(leader, link.GetDirectory(), link.Directory, ANSWER_S)
            views = [
                requests.ask(leader, link.GetAccount(item.account_id), link.AccountView, ANSWER_S)
                for item in directory.accounts
            ]
            orders = [
                order
                for session in directory.sessions
                for order in requests.ask(
                    leader, link.GetOpenOrders(session.session_id), link.Orders, ANSWER_S
                ).orders
            ]
        finally:
            venue.close()
        return Facts(
            (totals.cash_issued, totals.cash_total, totals.hold_total),
            totals.shares_total,
            [(view.account_id, view.cash, view.hold) for view in views],
            orders,
        )

    def leader(self) -> str:
        """Who accepts."""
        venue = self.open()
        try:
            return str(venue.leader())
        finally:
            venue.close()

    def strike(self, name: str, sent: signal.Signals = signal.SIGKILL) -> None:
        """Kill or pause a node."""
        venue = self.open()
        assert venue.kill(name, sent)
        assert sent != signal.SIGKILL or venue.wait_gone(name, ANSWER_S)

    def wait_accepting(self, *, without: str) -> None:
        """Until another node than this one accepts."""
        venue = self.open()
        try:
            wait_for(lambda: venue.leader() not in {None, without})
        finally:
            venue.close()

    @contextmanager
    def unchanged(self) -> Iterator[Facts]:
        """Afterwards everything is as before, all nodes agree, and orders are accepted."""
        before = self.facts()
        yield before
        healthy = self.terminal.run("oms cluster health --exit-when-healthy --lag-max 0")
        assert healthy.returncode == 0, healthy.stdout
        assert self.facts() == before
        self.trade()

    def check_files(self) -> None:
        """Logs, outputs and snapshots of all nodes are as written, and of one history. The nodes
        run, so they may be read at different lengths: then once more.
        """

        def are_alike() -> bool:
            done = self.terminal.run("oms log verify --json")
            assert done.returncode == 0, done.stdout
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            return len({(line["last_index"], line["digest"]) for line in lines}) == 1

        wait_for(are_alike)

    def end(self) -> None:
        """No process is left."""
        names = {path.stem for path in (self.data / "run").glob("*.pid")}
        Processes(self.data / "run", self.data / "logs").stop(sorted(names), 10)


@contextmanager
def operated_venue(folder: Path, *, node_module: str = "oms.node.main") -> Iterator[OperatedVenue]:
    """A venue that was begun, and is ended whatever happens."""
    made = OperatedVenue(folder, node_module=node_module)
    try:
        made.begin()
        yield made
    finally:
        made.end()


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Until it is so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
