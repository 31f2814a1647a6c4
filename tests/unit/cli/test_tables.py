"""What `oms status` and `oms cluster status` print about a venue fits a terminal of 80 columns."""

from pathlib import Path
from typing import cast

import msgspec
import pytest

from oms.cli import cluster_work, up
from oms.config import NodeAddress
from oms.local.folder import DataFolder, GatewayAddress, VenueFile
from oms.local.requests import NodeRequests
from oms.local.venue import LocalVenue
from oms.messages import link

WIDTH = 80


def status(node_id: str, role: str) -> link.Status:
    """A node late in a busy day."""
    return link.Status(
        node_id=node_id,
        role=role,
        term=1_234,
        leader_id="n1",
        accepting=role == "leader",
        commit_index=123_456_789,
        applied_index=123_456_789,
        event_seq=1_234_567_890,
        digest="0123456789abcdef",
        timestamp_ns=0,
        trading_date=20260101,
        durability="disk",
        journal_bytes=12_345_678_901,
        pid=4_194_304,
        cluster_id=1,
        clock_skew_ns=-1_234_567_890,
        room="reserve",
        base_index=123_000_000,
        outputs_missing=123_456_789,
    )


class Venue:
    """As much of a venue as the tables need."""

    def __init__(self) -> None:
        nodes = [NodeAddress(f"n{number}", *["h:1"] * 5) for number in (1, 2, 3)]
        venue = VenueFile(1, "0123456789abcdef", nodes, [GatewayAddress("g1", "h:1")])
        self.folder = DataFolder(Path("/venue"), venue)
        self.nodes = nodes
        self.known: dict[str, link.Status | None] = {
            "n1": status("n1", "leader"), "n2": status("n2", "candidate"), "n3": None,
        }  # fmt: skip

    def pids(self) -> dict[str, int | None]:
        """One does not run."""
        return {"n1": 4_194_304, "n2": 4_194_303, "n3": None, "g1": 4_194_302}

    def silence(self, _name: str) -> str:
        """Of the one that does not run."""
        return "not running"

    def ask_all(
        self, request: link.Request, _answer: object, _timeout_s: float, asked: list[str]
    ) -> dict[str, msgspec.Struct | None]:
        """What the nodes say."""
        if isinstance(request, link.GetStatus):
            return {name: self.known[name] for name in asked}
        return {name: link.DigestAt(1, "a" if name == "n1" else "b") for name in asked}


def check(text: str, *words: str) -> None:
    """Narrow enough, and nothing was cut."""
    assert max(len(line.rstrip()) for line in text.splitlines()) <= WIDTH
    for word in words:
        assert word in text


def test_status_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """With the largest numbers of an ordinary year."""
    venue = Venue()
    up._print_table(cast("LocalVenue", venue), venue.known)
    check(capsys.readouterr().out, "0123456789abcdef", "candidate", "123456789", "not running")


def test_cluster_status_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Its reasons are sentences, which a terminal may wrap."""
    venue = cast("LocalVenue", Venue())
    found = cluster_work.look(venue, cast("NodeRequests", venue), cluster_work.Wanted(lag_max=1))
    cluster_work._print(venue, msgspec.structs.replace(found, reasons=[]), as_json=False)
    check(capsys.readouterr().out, "-1,234.6 ms", "reserve", "123000001", "12,345.7 MB")
