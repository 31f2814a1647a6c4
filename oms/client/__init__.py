"""The client: `AsyncClient` for asyncio, `Client` for scripts, `FeedReader` for the feeds.

The names are looked up when asked for, so that whoever needs one of them pays for that one alone.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oms.client.aio import AsyncClient, AsyncOrder
    from oms.client.blocking import BlockingOrder, Client
    from oms.client.feed import FeedReader

__all__ = ["AsyncClient", "AsyncOrder", "BlockingOrder", "Client", "FeedReader"]

_HOMES = {
    "AsyncClient": "aio",
    "AsyncOrder": "aio",
    "BlockingOrder": "blocking",
    "Client": "blocking",
    "FeedReader": "feed",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    import importlib  # noqa: PLC0415 - see above

    return getattr(importlib.import_module(f"oms.client.{home}"), name)
