"""A venue with any number of live orders, quickly made, and commands for it: what size costs.

Called by perf/bench_size.py. Promises: the same arguments give the same commands; no order of the
filling trades; of the mixed commands half are new orders, half cancel one of the live orders at
random (all of them equally likely), so that the number of live orders stays what it is.
"""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from oms._core import Engine
from oms.bounds import BATCH_COMMANDS_MAX, COMMAND_BYTES, MONEY_MAX
from oms.local.genesis import RULE_VERSION
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import CommandKind, Entitlement, OrdType, Phase, Side, TimeInForce
from oms.messages.packing import pack_batch
from oms.messages.records import BATCH_HEADER, BATCH_MARKER, BATCH_VERSION

PARTIES: Final = 8  # each an account, a user and a session
TICK: Final = 100
MIDDLE: Final = 10_000  # ticks; bids stand below, asks above
DEPTH: Final = 20  # ticks on either side: five orders at a price of a venue of the usual size
START_NS: Final = 1_700_000_000_000_000_000
NEVER: Final = (1 << 63) - 1
FREE: Final = (0, 0, 0, 0)
SIDES: Final = np.array([Side.BUY, Side.SELL], np.uint8)
ORDERS: Final = np.dtype(
    {
        "names": [
            "kind", "side", "ord_type", "tif", "display", "capacity", "session_id", "epoch",
            "client_seq", "not_after", "account_id", "instrument_id", "price", "qty", "urn",
            "expire",
        ],
        "formats": [
            "u1", "u1", "u1", "u1", "u1", "u1", "<u4", "<u4", "<u8", "<i8", "<u4", "<u4", "<i8",
            "<u4", "<u4", "<i8",
        ],
        "offsets": [0, 1, 2, 3, 6, 7, 8, 12, 16, 24, 32, 36, 40, 48, 52, 104],
        "itemsize": COMMAND_BYTES,
    }
)  # fmt: skip
Commands = npt.NDArray[np.void]


class LiveVenue:
    """An engine, and the numbers that its sessions' next commands have."""

    def __init__(
        self,
        *,
        instruments: int,
        orders: int,
        seed: int = 1,
        time_in_force: int = TimeInForce.GTC,
        depth: int = DEPTH,
        is_call: bool = False,
        log: list[bytes] | None = None,
    ) -> None:
        """An engine with `orders` live orders over so many instruments, at up to `depth` prices on
        either side (below MIDDLE). GTD: all end at one moment, START_NS * 3 // 2. `is_call`: they
        are collected, and all overlap; any depth. `log` is given every entry.
        """
        self.engine = Engine()
        self._log = log
        self._time_in_force = time_in_force
        self._depth = depth
        self._middle = 2 * depth if is_call else MIDDLE
        self._is_call = is_call
        self.index = 0
        self._random = np.random.default_rng(seed)
        self._instruments = instruments
        self._client_seq = np.zeros(PARTIES + 1, np.uint64)
        self._urn = np.zeros(PARTIES + 1, np.uint32)
        for entry in _opening(instruments, orders, self._middle, is_call=is_call):
            self.apply(entry)
        filling = self._new_orders(orders)
        self._live = np.stack([filling["session_id"], filling["urn"]], axis=1)
        for entry in entries_of(self._signed(filling), BATCH_COMMANDS_MAX):
            self.apply(entry)
        if self.engine.open_orders != orders:
            raise RuntimeError(f"{self.engine.open_orders} orders are live, {orders} expected")

    def apply(self, entry: bytes) -> int:
        """One more entry."""
        self.index += 1
        if self._log is not None:
            self._log.append(entry)
        return self.engine.apply(self.index, entry)

    def mixed(self, count: int) -> Commands:
        """New orders and cancels in turn, at most `count`; each cancels one of the orders that
        were live before, so there are at most twice as many commands as live orders.
        """
        half = min(count // 2, len(self._live))
        new = self._new_orders(half)
        live = self._live
        victims = self._random.permutation(len(live))[:half]
        gone = live[victims].copy()
        live[victims, 0], live[victims, 1] = new["session_id"], new["urn"]
        commands = np.zeros(half * 2, ORDERS)
        commands[0::2] = new
        cancels = np.zeros(half, ORDERS)
        cancels["kind"] = CommandKind.CANCEL_ORDER
        cancels["session_id"], cancels["urn"] = gone[:, 0], gone[:, 1]
        commands[1::2] = cancels
        return self._signed(commands)

    @property
    def own_bytes(self) -> int:
        """What this object remembers of the live orders."""
        return self._live.nbytes

    def signed(self, command: c.OrderCommand | ac.AdminCommand) -> c.Command:
        """A single command of its session with the number that comes next."""
        self._client_seq[command.session_id] += 1
        seq = int(self._client_seq[command.session_id])
        return msgspec.structs.replace(command, client_seq=seq)

    def sweeping(self, orders: int) -> c.Command:
        """A buy that trades with so many orders of instrument 1 or more, with all if need be."""
        session_id = 1
        self._urn[session_id] += 1
        return self.signed(
            c.NewOrder(
                session_id, 1, 0, NEVER, 0, int(self._urn[session_id]), session_id, 1, Side.BUY,
                OrdType.LIMIT, TimeInForce.IOC, orders * 50, (MIDDLE + DEPTH) * TICK, b"", b"",
                ord("Y"), ord("A"), ord("N"), ord("N"),
            )
        )  # fmt: skip

    def _new_orders(self, count: int) -> Commands:
        random = self._random
        orders = np.zeros(count, ORDERS)
        is_sell = random.integers(0, 2, count)
        is_above = is_sell != self._is_call
        away = random.integers(1, self._depth + 1, count)
        orders["kind"] = CommandKind.NEW_ORDER
        orders["side"] = SIDES[is_sell]
        orders["ord_type"] = OrdType.LIMIT
        orders["tif"] = self._time_in_force
        if self._time_in_force == TimeInForce.GTD:
            orders["expire"] = START_NS * 3 // 2
        orders["display"], orders["capacity"] = ord("Y"), ord("A")
        orders["session_id"] = orders["account_id"] = random.integers(1, PARTIES + 1, count)
        orders["instrument_id"] = random.integers(1, self._instruments + 1, count)
        orders["price"] = (self._middle + np.where(is_above, away, -away)) * TICK
        orders["qty"] = random.integers(1, 100, count)
        for session_id in range(1, PARTIES + 1):
            own = np.flatnonzero(orders["session_id"] == session_id)
            first = int(self._urn[session_id]) + 1
            orders["urn"][own] = np.arange(first, first + len(own), dtype=np.uint32)
            self._urn[session_id] += len(own)
        return orders

    def _signed(self, commands: Commands) -> Commands:
        """With epoch and client_seq, in their order."""
        commands["epoch"] = 1
        commands["not_after"] = NEVER
        for session_id in range(1, PARTIES + 1):
            own = np.flatnonzero(commands["session_id"] == session_id)
            first = int(self._client_seq[session_id]) + 1
            commands["client_seq"][own] = np.arange(first, first + len(own), dtype=np.uint64)
            self._client_seq[session_id] += np.uint64(len(own))
        return commands


def entries_of(commands: Commands, batch: int) -> list[bytes]:
    """Log entries of at most `batch` commands each."""
    data = commands.tobytes()
    step = batch * COMMAND_BYTES
    blocks = [data[at : at + step] for at in range(0, len(data), step)]
    return [
        BATCH_HEADER.pack(
            BATCH_MARKER, BATCH_VERSION, len(block) // COMMAND_BYTES, 0, START_NS, 0, 0
        )
        + block
        for block in blocks
    ]


def _opening(instruments: int, orders: int, middle: int, *, is_call: bool) -> list[bytes]:
    """Genesis and logins: rich accounts, wide limits, a collar that is checked and never met."""
    parties = range(1, PARTIES + 1)
    made: list[c.Command] = [
        ac.AddInstrument(
            *FREE, n, b"S%d" % n, 1, TICK, middle * TICK, 10_000, 500,
            Phase.OPENING_AUCTION if is_call else Phase.CONTINUOUS,
        )
        for n in range(1, instruments + 1)
    ]  # fmt: skip
    made += [ac.AddParticipant(*FREE, n, b"P%d" % n) for n in parties]
    made += [ac.AddAccount(*FREE, n, n, b"A%d" % n, 1 << 40, 1 << 62, 1 << 60, 0) for n in parties]
    made += [ac.AddUser(*FREE, n, n, b"U%d" % n, b"", b"") for n in parties]
    made += [ac.OpenSession(*FREE, n, n, n, 1) for n in parties]
    made += [ac.Grant(*FREE, n, n, Entitlement.ENTER) for n in parties]
    made.append(ac.Grant(*FREE, 1, 0, Entitlement.ADMIN))
    made += [ac.DepositCash(*FREE, n, MONEY_MAX // PARTIES) for n in parties]
    made += [
        ac.DepositShares(*FREE, n, instrument, 1 << 50)
        for n in parties
        for instrument in range(1, instruments + 1)
    ]
    made.append(ac.StartDay(*FREE, 20240102, START_NS))
    genesis = c.Genesis(
        1, RULE_VERSION, len(made), orders + (1 << 16), instruments, PARTIES, PARTIES, PARTIES,
        PARTIES, PARTIES * instruments,
    )  # fmt: skip
    every = [genesis, *made, *[c.Login(n, n, 1) for n in parties]]
    return [pack_batch(START_NS, every[at : at + 1000]) for at in range(0, len(every), 1000)]
