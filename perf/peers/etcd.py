"""A three-node etcd beside this project's log, in one run: rate and latency, and their ratios.

    python perf/peers/etcd.py [--etcd PATH] [--concurrency 1,64,512] [--rounds 5] [--json]

Same machine, same disk (`--folder`), same payload, same number of requests in flight, same promise:
an answer means that a majority has the request in a log that was synced (both by default). Rounds
are interleaved, each on fresh data:

  etcd   Put of `--payload` bytes over gRPC to the leader, from a client of a few frames a call
         (grpc_wire.py), over `--connections` connections
  log    RaftLog.propose of an entry of as many bytes at the leader, without a network in front of
         it (perf/bench_raft.py): replication and disk alone, one entry for one request
  venue  an order over TCP to its acceptance: gateway, sequencer, log, accounts and risk, matching,
         outputs and the way back. A command of an order has 128 bytes in the log, the default

The ratios are ours to etcd's, median over the rounds with the least and the greatest beside it: a
rate above 1 and a latency below 1 are better. Without an etcd binary nothing is measured.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from oms.client.errors import ClientError
from oms.local.samples import replay_config
from oms.local.venue import LocalVenue, VenueError
from oms.replay.flow import Flow, build
from oms.replay.lobster import MESSAGE, Kind
from perf.disk import sync_alone
from perf.figures import Figures, progress, show
from perf.peers.closed_loop import Measured, order_loop, put_loop, put_message
from perf.peers.grpc_wire import CallFailed, Channel, fields

BENCH_RAFT: Final = Path(__file__).resolve().parent.parent / "bench_raft.py"
SYMBOL: Final = "AAPL"
PRICE: Final = 5_850_000
QTY: Final = 100
START_S: Final = 30.0
END_S: Final = 10.0
POLL_S: Final = 0.05
KEYS: Final = 10_000
ORDERS_PER_S_MAX: Final = 100_000  # prepared; at more the run would end early and say so
NAMES: Final = ("n1", "n2", "n3")
MEMBER, LEADER, MEMBER_IN_HEADER = 1, 4, 2  # fields of etcd's StatusResponse

Series = dict[int, Measured]  # by concurrency


class Unavailable(Exception):
    """A system did not start."""


# ---- etcd


class Etcd:
    """Three processes; `with` starts and ends them."""

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        ports = _free_ports(2 * len(NAMES))
        self._peers = dict(zip(NAMES, ports[: len(NAMES)], strict=True))
        self._clients = dict(zip(NAMES, ports[len(NAMES) :], strict=True))
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        cluster = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in self._peers.items())
        for name in NAMES:
            peer = f"http://127.0.0.1:{self._peers[name]}"
            client = f"http://127.0.0.1:{self._clients[name]}"
            with (self._folder / f"{name}.log").open("wb") as log:
                self._processes.append(subprocess.Popen(
                    [self._binary, "--name", name, "--data-dir", str(self._folder / name),
                     "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                     "--listen-client-urls", client, "--advertise-client-urls", client,
                     "--initial-cluster", cluster, "--initial-cluster-state", "new"],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                ))  # fmt: skip
        return self

    def __exit__(self, *_error: object) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def leader(self) -> tuple[str, int]:
        """Where the leader takes requests. Raises: Unavailable."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            for name, port in self._clients.items():
                with contextlib.suppress(OSError, CallFailed):
                    if self._leads(port):
                        return "127.0.0.1", port
                if any(process.poll() is not None for process in self._processes):
                    tail = (self._folder / f"{name}.log").read_text(errors="replace")[-800:]
                    raise Unavailable(f"etcd ended: {tail}")
            time.sleep(POLL_S)
        raise Unavailable(f"etcd has no leader within {START_S:.0f} s")

    def _leads(self, port: int) -> bool:
        channel = Channel(("127.0.0.1", port), "/etcdserverpb.Maintenance/Status")
        try:
            channel.socket.settimeout(1.0)
            channel.call(b"")
            channel.flush()
            while not (ended := channel.read()):
                channel.flush()
        finally:
            channel.close()
        status = fields(ended[0][1])
        header = status.get(MEMBER, b"")
        assert isinstance(header, bytes), "a message is bytes"
        return status.get(LEADER) == fields(header).get(MEMBER_IN_HEADER)


def measure_etcd(options: argparse.Namespace, folder: Path) -> Series:
    """All concurrencies on one fresh cluster. Raises: Unavailable, CallFailed, OSError."""
    value = os.urandom(options.payload)
    messages = [put_message(b"%08d" % number, value) for number in range(KEYS)]
    series = {}
    with Etcd(options.etcd, folder) as etcd:
        address = etcd.leader()
        for concurrency in options.concurrency:
            channels = [
                Channel(address, "/etcdserverpb.KV/Put") for _ in range(options.connections)
            ]
            try:
                for channel in channels:
                    channel.socket.setblocking(False)
                series[concurrency] = put_loop(
                    channels, messages, concurrency, options.warm_up, options.seconds
                )
            finally:
                for channel in channels:
                    channel.close()
    return series


# ---- ours


def measure_log(options: argparse.Namespace, folder: Path) -> Series:
    """The replicated log alone, by bench_raft.py. Raises: Unavailable."""
    series = {}
    for concurrency in options.concurrency:
        done = subprocess.run(
            [sys.executable, str(BENCH_RAFT), "--rate", "0", "--json",
             "--pipeline", str(concurrency), "--entry-bytes", str(options.payload),
             "--seconds", str(options.warm_up + options.seconds), "--folder", str(folder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Unavailable(f"bench_raft.py: {done.stderr[-800:]}")
        figures = json.loads(done.stdout)
        series[concurrency] = Measured(figures["entries_per_s"], figures["commit_us"], None)
    return series


def measure_venue(options: argparse.Namespace, folder: Path) -> Series:
    """Orders over TCP. Raises: VenueError, ClientError, CallFailed."""
    config = replay_config(symbol=SYMBOL)
    user = config.users[0]
    flow = _orders(round((options.warm_up + options.seconds) * ORDERS_PER_S_MAX))
    series = {}
    with LocalVenue.format(folder / "venue", config) as venue:
        venue.start()
        for concurrency in options.concurrency:
            series[concurrency] = order_loop(
                venue, user.name, user.password, flow, concurrency, options.warm_up,
                options.seconds,
            )  # fmt: skip
    return series


def _orders(count: int) -> Flow:
    """Buys and sells at one price in turn: every second one trades, the book stays small."""
    messages = np.zeros(count, MESSAGE)
    messages["kind"] = Kind.NEW
    messages["direction"] = np.where(np.arange(count) % 2 == 0, 1, -1)
    messages["size"] = QTY
    messages["order_id"] = np.arange(count) + 1
    messages["price"] = PRICE
    return build(messages, symbol=SYMBOL, firms=["R01", "R02"])[0]


# ---- rounds


@contextlib.contextmanager
def fresh_folder(options: argparse.Namespace) -> Iterator[Path]:
    """On the disk that is measured; gone afterwards."""
    with tempfile.TemporaryDirectory(dir=options.folder or None) as path:
        yield Path(path)


def measure(options: argparse.Namespace) -> Figures:
    """Every system in every round. Raises: what a system raises."""
    systems: dict[str, Callable[[argparse.Namespace, Path], Series]] = {
        "etcd": measure_etcd, "log": measure_log, "venue": measure_venue,
    }  # fmt: skip
    rounds: dict[str, list[Series]] = {name: [] for name in systems}
    syncs = []
    for number in range(options.rounds):
        with fresh_folder(options) as folder:
            syncs.append(sync_alone(folder))
        for name, run in systems.items():
            with fresh_folder(options) as folder:
                series = run(options, folder)
            rounds[name].append(series)
            told = ", ".join(f"{c}: {one.per_s:.0f}/s" for c, one in series.items())
            progress(f"round {number + 1}/{options.rounds} {name:5} {told}")
    return {
        "payload": options.payload,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "connections_to_etcd": options.connections,
        "fdatasync_alone_us": {str(n): one for n, one in enumerate(syncs, 1)},
        "concurrency": {
            str(concurrency): _compare(rounds, concurrency) for concurrency in options.concurrency
        },
    }


def _compare(rounds: dict[str, list[Series]], concurrency: int) -> Figures:
    at = {name: [series[concurrency] for series in all_] for name, all_ in rounds.items()}
    figures: dict[str, object] = {}
    for name, measured in at.items():
        figures[name] = {
            "per_s": _median([one.per_s for one in measured]),
            "p50_us": _median([one.latency_us["p50"] for one in measured]),
            "p99_us": _median([one.latency_us["p99"] for one in measured]),
            "client_cpu_share": measured[0].client_cpu_share,
        }
    for name in ("log", "venue"):
        pairs = list(zip(at[name], at["etcd"], strict=True))
        figures[f"{name}_to_etcd"] = {
            "rate": _spread([ours.per_s / theirs.per_s for ours, theirs in pairs]),
            **{
                quantile: _spread(
                    [o.latency_us[quantile] / t.latency_us[quantile] for o, t in pairs]
                )
                for quantile in ("p50", "p99")
            },
        }
    return figures


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 1)


def _spread(ratios: list[float]) -> str:
    middle, least, most = statistics.median(ratios), min(ratios), max(ratios)
    return f"{middle:.2f} ({least:.2f}..{most:.2f})"


def _free_ports(count: int) -> list[int]:
    """Loopback ports nobody listens on at the moment, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--etcd", default=shutil.which("etcd"), help="the binary; default: PATH")
    parser.add_argument("--concurrency", default="1,64,512", help="requests in flight, a list")
    parser.add_argument("--payload", type=int, default=128, help="bytes of a value or an entry")
    parser.add_argument("--connections", type=int, default=8, help="to etcd")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="counted, at each concurrency")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds before, not counted")
    parser.add_argument("--folder", default="", help="where the data goes: the disk to measure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.etcd is None or shutil.which(options.etcd) is None:
        print(
            f"skipped: there is no etcd ({options.etcd or 'etcd'} is not an executable file); "
            "install Debian's etcd-server, or unpack it anywhere and say --etcd PATH",
            file=sys.stderr,
        )
        return 0
    options.concurrency = [int(text) for text in options.concurrency.split(",")]
    try:
        figures = measure(options)
    except (CallFailed, ClientError, OSError, Unavailable, VenueError) as error:
        print(f"no figure: {error}", file=sys.stderr)
        return 1
    show(figures, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
