"""A feed subscriber as a process of its own, so that a test can stop it with SIGSTOP.

    python -m tests.support.feed_child SETTINGS OUT

SETTINGS is a JSON file (`Settings`); every message becomes a line of OUT. It ends when the last
message of each topic was read, known by its quantity.
"""

import sys
from pathlib import Path

import msgspec

from oms.client.feed import FeedMessage, FeedReader
from oms.config import NodeAddress
from oms.messages.executions import OrderEvent
from oms.messages.market_data import Trade


class Settings(msgspec.Struct):
    """What the test wants."""

    nodes: list[NodeAddress]
    keys: str
    topics: list[str]
    last_qty: int


def marks_the_end(settings: Settings, message: FeedMessage) -> bool:
    """Whether the message is the last one that is wanted of its topic."""
    match message:
        case OrderEvent() | Trade():
            qty = message.last_qty if isinstance(message, OrderEvent) else message.qty
            return qty == settings.last_qty
        case _:
            return False


def main() -> None:
    """Read until the end of every topic."""
    settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings)
    ended: dict[bool, bool] = {}  # by whether it is the topic of an account
    with (
        FeedReader(settings.nodes, Path(settings.keys), settings.topics, from_seq=1) as feed,
        Path(sys.argv[2]).open("w", encoding="utf-8", buffering=1) as out,
    ):
        while len(ended) < len(settings.topics):
            message = feed.next()
            is_execution = isinstance(message, OrderEvent)
            if message is None or is_execution in ended:
                continue
            out.write(f"{message!r}\n")
            if marks_the_end(settings, message):
                ended[is_execution] = True


if __name__ == "__main__":
    main()
