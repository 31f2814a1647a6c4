"""The everyday procedures of docs/operating.md, typed as they stand there."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.operated_venue import ANSWER_S, SYMBOL, OperatedVenue, operated_venue

pytestmark = [pytest.mark.integration, pytest.mark.timeout(110)]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatedVenue]:
    """One for the file: each procedure leaves it healthy."""
    with operated_venue(tmp_path_factory.mktemp("daily")) as made:
        yield made


def test_looking_and_reading(venue: OperatedVenue, tmp_path: Path) -> None:
    """Nothing changes by being looked at."""
    with venue.unchanged():
        venue.terminal.follow("See whether it is well")
        exported = tmp_path / "log.jsonl"
        venue.terminal.follow("Read the log", {"FILE": str(exported), "N": "3"})
    assert '"log_index":3' in exported.read_text()


def test_fail_over_on_purpose(venue: OperatedVenue) -> None:
    """The named node leads."""
    for node_id in ("n2", "n1"):
        if venue.leader() != node_id:
            with venue.unchanged():
                venue.terminal.follow("Fail over on purpose", {"n2": node_id})
            assert venue.leader() == node_id


def test_everything_is_restarted_without_a_gap(venue: OperatedVenue) -> None:
    """A client that goes on sending sees every order accepted, once."""
    over = threading.Event()
    outcomes: list[object] = []

    def send() -> None:
        with venue.client() as client:
            while not over.is_set():
                order = client.enter(SYMBOL, "BUY", 1, venue.low_price, tif="IOC")
                outcomes.append(order.outcome(timeout=ANSWER_S))
                over.wait(0.01)

    if venue.leader() != "n1":
        venue.terminal.follow("Fail over on purpose", {"n2": "n1"})
    with venue.unchanged():
        sender = threading.Thread(target=send)
        sender.start()
        try:
            venue.terminal.follow("Restart everything without a gap")
        finally:
            over.set()
            sender.join(2 * ANSWER_S)
    assert not sender.is_alive()
    assert outcomes


def test_a_member_and_the_market_are_stopped(venue: OperatedVenue) -> None:
    """Its orders are gone, and nothing else; then it may trade again."""
    before = venue.facts()
    assert before.orders
    venue.terminal.follow("Stop a member, or the market")
    after = venue.facts()
    assert after.orders == []
    assert after.totals == (*before.totals[:2], 0)
    assert after.shares == before.shares
    with venue.unchanged():
        venue.trade_and_cancel()
    for words in ("oms admin cancel", "oms admin cancel --side UP"):
        assert venue.terminal.run(words).returncode == 1


def test_a_day_ends_and_the_next_begins(venue: OperatedVenue) -> None:
    """What is over lies in the archive, and is still one log with the rest."""
    before = venue.facts()
    venue.terminal.follow("End a day, begin the next", {"DATE": "20301231"})
    after = venue.facts()
    assert (after.totals[:2], after.shares) == (before.totals[:2], before.shares)
    venue.check_files()


def test_a_backup_is_made(venue: OperatedVenue, tmp_path: Path) -> None:
    """It is the whole folder, and the venue goes on."""
    with venue.unchanged():
        venue.terminal.follow("Back up the venue", {"BACKUP": str(tmp_path / "backup")})
    for name in ("venue.toml", "genesis.bin", "keys", "n1/journal", "n2/journal", "n3/journal"):
        assert (tmp_path / "backup" / name).exists()


def test_a_venue_is_stopped(venue: OperatedVenue) -> None:
    """And comes back as it was."""
    with venue.unchanged():
        venue.terminal.follow("Stop a venue")
        assert not venue.open().is_running
        venue.terminal.follow("Start a venue")
