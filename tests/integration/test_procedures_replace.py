"""A node whose disk or journal is gone is replaced, as docs/operating.md says."""

import shutil
from collections.abc import Iterator

import pytest

from oms.local.venue import LocalVenue, VenueError
from oms.replication.segment_maker import segment_path
from tests.support.node_on_disk import flip
from tests.support.operated_venue import OperatedVenue, operated_venue

pytestmark = [pytest.mark.integration, pytest.mark.timeout(110)]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatedVenue]:
    """One for the file: each procedure leaves it healthy."""
    with operated_venue(tmp_path_factory.mktemp("replace")) as made:
        yield made


def nodes(venue: OperatedVenue) -> list[str]:
    """Who belongs to it."""
    return [node.node_id for node in venue.open().nodes]


def test_a_node_that_lost_its_journal_refuses_and_is_replaced(venue: OperatedVenue) -> None:
    """Whatever else is left of it: begun anew it would deny its votes."""
    with venue.unchanged():
        venue.strike("n1")
        for name in ("journal", "snapshots"):
            shutil.rmtree(venue.data / "n1" / name)
        done = venue.terminal.run("oms up")
        assert done.returncode == 1
        assert "the journal of n1 is gone" in done.stdout
        refused = venue.terminal.run("oms cluster replace n1 n4")
        assert refused.returncode == 1
        assert "the venue runs: g1, n2, n3" in refused.stdout

        venue.terminal.follow("Replace a node")
    assert nodes(venue) == ["n4", "n2", "n3"]
    venue.check_files()


def test_a_node_whose_journal_is_damaged_is_replaced(venue: OperatedVenue) -> None:
    """It refuses to start, the others go on."""
    with venue.unchanged():
        venue.strike("n2")
        segment = segment_path(venue.data / "n2" / "journal", 1)
        flip(segment, len(segment.read_bytes().rstrip(b"\0")) - 40)
        venue.terminal.follow("A journal is damaged", {"n4": "n5"})
    assert nodes(venue) == ["n4", "n5", "n3"]
    venue.check_files()


def test_a_folder_that_is_gone_hides_nobody_else(venue: OperatedVenue) -> None:
    """Its disk is gone while the venue runs: the others are seen, stopped, and started again."""
    with venue.unchanged():
        venue.strike("n3")
        shutil.rmtree(venue.data / "n3")
        looked = venue.terminal.run("oms status")
        assert looked.returncode == 0
        assert "folder gone" in looked.stdout
        done = venue.terminal.run("oms up")
        assert done.returncode == 1
        assert "oms cluster replace n3 NEW" in done.stdout
        venue.terminal.follow("Replace a node", {"n1": "n3", "n4": "n6"})
    assert nodes(venue) == ["n4", "n5", "n6"]
    venue.check_files()


def test_no_second_node_is_replaced_before_the_first_has_a_vote(venue: OperatedVenue) -> None:
    """Two nodes without a vote could elect nobody, ever."""
    with venue.unchanged():
        venue.terminal.run("oms down")
        assert venue.terminal.run("oms cluster replace n6 n7").returncode == 0
        done = venue.terminal.run("oms cluster replace n5 n8")
        assert done.returncode == 1
        assert "no majority could elect" in done.stdout
        # n4 and n7 alone are no majority that votes: nobody may lead.
        running = LocalVenue.open(venue.data)
        running.start_node("n4")
        running.start_node("n7")
        with pytest.raises(VenueError):
            running.wait_equal(1.5)
        assert running.leader() is None
        running.close()
        assert venue.terminal.run("oms up").returncode == 0
    venue.check_files()
