"""Fixtures of the node's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.node_replica import OneReplica


@pytest.fixture
def one(tmp_path: Path) -> Iterator[OneReplica]:
    """A replica that does not lead yet."""
    made = OneReplica(tmp_path)
    yield made
    made.close()


@pytest.fixture
def leader(one: OneReplica) -> OneReplica:
    """The same, leading."""
    one.lead()
    return one
