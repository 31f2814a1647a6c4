"""Topic names: each way, and nothing else is one."""

import pytest

from oms.transport import topics
from oms.transport.topics import Executions, MarketData


@pytest.mark.parametrize("account_id", [1, 42, 4096])
def test_an_accounts_topic_reads_back(account_id: int) -> None:
    assert topics.parse(topics.executions(account_id)) == Executions(account_id)


@pytest.mark.parametrize("symbol", ["A", "OAK", "BRK.B", "ABCDEFGH"])
def test_an_instruments_topic_reads_back(symbol: str) -> None:
    assert topics.parse(topics.market_data(symbol)) == MarketData(symbol)


@pytest.mark.parametrize(
    "topic",
    [
        b"",
        b"|",
        b"status|",
        b"engine|",
        b"exec.|",
        b"exec.1",
        b"exec.01|",
        b"exec.-1|",
        b"exec.1|x",
        b"md.|",
        b"md.A",
        b"md.A|B|",
        b"md.\xff|",
        b"md." + b"A" * 64 + b"|",
    ],
)
def test_anything_else_is_no_numbered_topic(topic: bytes) -> None:
    with pytest.raises(ValueError, match="not a numbered topic"):
        topics.parse(topic)


def test_no_topic_is_a_prefix_of_another() -> None:
    """ZeroMQ filters by prefix: a reader of account 1 must not get account 10."""
    assert not topics.executions(10).startswith(topics.executions(1))
    assert not topics.market_data("AB").startswith(topics.market_data("A"))
