"""The generator: the same for everybody, and true to a plain price-time book."""

import hashlib

from oms.replay import synthetic
from oms.replay.flow import build
from oms.replay.tally import Tally, count_exact, count_trades
from tests.support.plain_book import PlainBook

DIGEST_OF_SEED_7 = "b0c6fcba3b02b284"


def test_a_seed_gives_the_same_messages_for_ever() -> None:
    """Figures of different people are comparable. A change here needs a line in CHANGELOG."""
    messages = synthetic.generate(7, 2_000)
    assert (messages == synthetic.generate(7, 2_000)).all()
    assert (messages != synthetic.generate(8, 2_000)).any()
    digest = hashlib.sha256(messages.tobytes()).hexdigest()
    assert digest[:16] == DIGEST_OF_SEED_7


def test_every_execution_comes_out_exactly_on_a_plain_book() -> None:
    """The generator keeps price and time, so a venue that does not is found out."""
    (flow,) = build(synthetic.generate(3, 5_000), symbol="ELM", firms=["A", "B"])
    flow.number_from(1)
    tally = Tally(flow, 1)
    tally.take(PlainBook().answer(flow), 1)
    assert tally.is_complete
    assert tally.accepted_count == flow.order_count
    executions = tally.executions()
    assert count_exact(flow.known, executions) == len(flow.known) == count_trades(executions)[0]
    assert len(flow.known) > 100
