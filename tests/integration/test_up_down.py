"""A venue that stays: `oms up`, orders, `oms down`, `oms up`: everything is still there."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms.client.blocking import Client
from oms.client.orders import OrderState
from oms.local.processes import Processes
from oms.local.venue import LocalVenue

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

ROOT = Path(__file__).resolve().parents[2]


def oms(*arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    done = subprocess.run(
        [sys.executable, "-m", "oms.cli.main", *arguments],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A folder for a venue; whatever still runs over it is ended."""
    path = tmp_path / "venue"
    yield path
    if path.exists():
        names = ["g1", "n1", "n2", "n3"]
        Processes(path / "run", path / "logs").stop(names, 5)


def status(data: Path) -> dict[str, object]:
    """`oms status --json` of a venue that accepts orders."""
    found: dict[str, object] = json.loads(oms("status", "--data", str(data), "--json").stdout)
    return found


def password_of(data: Path, user: str) -> str:
    """The password that `oms up` made up."""
    for line in (data / "first-logins.txt").read_text().splitlines():
        if line.startswith(user):
            return line.split()[1]
    raise LookupError(user)


def test_venue_keeps_its_state_over_down_and_up(data: Path) -> None:
    """Orders, money and sessions are in the log, not in a process."""
    oms("up", "--data", str(data))
    address = LocalVenue.open(data).gateway_addresses
    password = password_of(data, "GUEST")
    with Client.connect(address, "GUEST", password) as client:
        resting = client.enter("ALDER", "BUY", 7, "90.00")
        resting.outcome(5)
    applied = oms("admin", "deposit", "GST", "123.45", "--data", str(data)).stdout
    assert "123.45 into account GST" in applied
    before = show_account(data)
    assert "running already" in oms("up", "--data", str(data)).stdout

    assert "stopped g1, n1, n2, n3" in oms("down", "--data", str(data)).stdout
    assert not any(LocalVenue.open(data).pids().values())
    oms("status", "--data", str(data), expect=3)
    assert "nothing" in oms("down", "--data", str(data)).stdout

    oms("up", "--data", str(data))
    assert status(data)["accepting"] is True
    assert show_account(data) == before
    with Client.connect(address, "GUEST", password) as client:
        again = client.enter("ALDER", "BUY", 8, "90.00")
        again.outcome(5)
        assert again.urn > resting.urn
        assert again.state is OrderState.LIVE
    orders = json.loads(
        oms("admin", "show", "orders", "GUEST", "--json", "--data", str(data)).stdout
    )["orders"]
    assert [order["leaves_qty"] for order in orders] == [7, 8]
    oms("admin", "show", "totals", "--data", str(data))


def show_account(data: Path) -> dict[str, int]:
    """The guest's account as the leader has it."""
    words = ("admin", "show", "account", "GST", "--linearizable", "--json")
    text = oms(*words, "--data", str(data)).stdout
    found: dict[str, int] = json.loads(text)
    assert found.pop("applied_index") > 0  # a start moves it: a new leader's own entry
    return found


def test_admin_goes_on_without_the_leader_and_up_brings_it_back(data: Path) -> None:
    """`up` is what an operator types when something is missing; until then two nodes do."""
    oms("up", "--data", str(data))
    venue = LocalVenue.open(data)
    leader = venue.leader()
    assert leader is not None
    before = show_account(data)["cash"]
    assert venue.kill(leader, signal.SIGKILL)
    oms("admin", "deposit", "GST", "1.5", "--data", str(data))
    assert show_account(data)["cash"] == before + 15_000
    assert venue.pids()[leader] is None
    oms("up", "--data", str(data))
    assert all(venue.pids().values())
    venue.wait_equal()
    venue.stop()


def test_wrong_folders_are_refused_in_four_lines(tmp_path: Path) -> None:
    """What, why, what to do, where to read; and nothing is touched."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    wrong = str(tmp_path / "other")
    for verb in ("up", "status", "down"):
        error = oms(verb, "--data", wrong, expect=1).stderr
        labels = [line.split(":")[0] for line in error.strip().splitlines()]
        assert labels == ["what", "why", "do", "read"]
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["letter.txt"]


def test_port_that_is_taken_is_reported_with_the_log(data: Path) -> None:
    """A start that fails says which process failed and with what last words."""
    oms("up", "--data", str(data))
    oms("down", "--data", str(data))
    host, port = LocalVenue.open(data).gateway_addresses[0]
    with socket.create_server((host, port)):
        error = oms("up", "--data", str(data), expect=1).stderr
    assert "g1 ended" in error
    assert "last lines of" in error
