"""The configuration that the documents tell people to copy."""

from pathlib import Path

from oms.config import VenueConfig, load
from oms.local.genesis import build_genesis
from oms.reference.engine import Engine

EXAMPLE = Path(__file__).parents[3] / "config" / "venue.example.toml"


def test_the_example_becomes_a_genesis_without_a_refusal() -> None:
    """A first try that fails on the file we ship would be our fault."""
    config = load(EXAMPLE, VenueConfig)
    engine = Engine()
    for index, entry in enumerate(build_genesis(config, cluster_id=1, now_ns=10**18), 1):
        engine.apply(index, entry)
    directory = engine.directory()
    assert [view.symbol for view in directory.instruments] == ["ALDER", "BIRCH"]
    assert [view.name for view in directory.users] == ["ADMIN", "ALICE", "BOB"]
    account = engine.account(1)
    assert account is not None
    assert account.cash == 1_000_000_0000
    assert directory.is_day_open
