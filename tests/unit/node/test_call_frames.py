"""What subscribers are told of a call: the words of CALL_STATE and CALL_TRADE."""

from oms.bounds import EVENT_BYTES
from oms.client.feed import decode
from oms.messages.enums import Phase
from oms.messages.event_records import unpack_event
from oms.messages.market_data import BookTop, CallState, CallTrade, PhaseChange
from oms.node.feed_frames import to_frame
from oms.reference.engine import Engine
from tests.scenarios.play import Player

CALL = """
admin phase AAPL OPENING_AUCTION
alice buy 100 AAPL @ 10.00 #1
bob sell 60 AAPL @ 10.00 #1
"""
END = "admin phase AAPL CONTINUOUS\n"


def _public(text: str) -> list[object]:
    """The messages on the instrument's topic of the last entry."""
    engine = Engine()
    Player(engine).play(text)
    data = engine.events()
    starts = range(0, len(data), EVENT_BYTES)
    return [
        decode(to_frame(data, at, "AAPL")) for at in starts if unpack_event(data, at).kind >= 32
    ]


def test_what_would_trade_is_said_in_words() -> None:
    """A surplus without its side would be no help."""
    (state,) = _public(CALL)
    assert isinstance(state, CallState)
    assert (state.symbol, state.phase) == ("AAPL", Phase.OPENING_AUCTION.name)
    assert (state.price, state.volume) == (100_000, 60)
    assert (state.imbalance, state.imbalance_side) == (40, "BUY")


def test_a_call_is_one_trade_to_the_public() -> None:
    """The executions add up to it; each of them would tell who stood where."""
    trade, top, phase = _public(CALL + END)
    assert isinstance(trade, CallTrade)
    assert (trade.price, trade.volume, trade.match_id) == (100_000, 60, 2)
    assert isinstance(top, BookTop)
    assert top.bid_qty == 40
    assert isinstance(phase, PhaseChange)
    assert phase.phase == Phase.CONTINUOUS.name
