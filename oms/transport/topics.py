"""The PUB topics: what they are called and how a name is read back.

Called by the node's egress, the gateways' venue link and the client's feed reader. Pure. A topic
ends in `|`, so that no topic is a prefix of another (ZeroMQ filters by prefix). On the wire a
publication is two ZeroMQ frames: the topic, then header and body (`oms/wire/frames.py`).

    status|            every node, on `pub` and `feed`
    engine|            the leader, on `pub`: raw event records
    exec.<account_id>| the leader, on `feed`
    md.<symbol>|       the leader, on `feed`
"""

from dataclasses import dataclass
from typing import Final

STATUS: Final = b"status|"
ENGINE: Final = b"engine|"
TOPIC_BYTES_MAX: Final = 32
_EXECUTIONS: Final = b"exec."
_MARKET_DATA: Final = b"md."


@dataclass(frozen=True, slots=True)
class Executions:
    """The topic of one account's executions."""

    account_id: int


@dataclass(frozen=True, slots=True)
class MarketData:
    """The topic of one instrument's market data."""

    symbol: str


def executions(account_id: int) -> bytes:
    """Name of an account's topic."""
    return b"exec.%d|" % account_id


def market_data(symbol: str) -> bytes:
    """Name of an instrument's topic."""
    return _MARKET_DATA + symbol.encode("ascii") + b"|"


def parse(topic: bytes) -> Executions | MarketData:
    """Read a numbered topic's name. Raises: ValueError when it is none."""
    if len(topic) <= TOPIC_BYTES_MAX and topic.endswith(b"|"):
        if topic.startswith(_EXECUTIONS):
            digits = topic[len(_EXECUTIONS) : -1]
            if digits.isdigit() and not digits.startswith(b"0"):
                return Executions(int(digits))
        if topic.startswith(_MARKET_DATA):
            symbol = topic[len(_MARKET_DATA) : -1]
            if symbol.isascii() and symbol and b"|" not in symbol:
                return MarketData(symbol.decode("ascii"))
    msg = f"not a numbered topic: {topic[:TOPIC_BYTES_MAX]!r}"
    raise ValueError(msg)
