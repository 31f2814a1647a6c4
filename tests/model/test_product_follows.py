"""The model is the product: every step of small graphs, and random walks, done by both.

The product's side is the real VenueLink, Courier, EventOrder, Connection, Session and Joiner of two
gateways and the oracle's engine; `Mirror` compares after every step.
"""

from collections.abc import Callable
from random import Random

import pytest

from gateways.courier import Courier
from gateways.event_order import EventOrder
from oms.bounds import EVENT_BYTES
from oms.reference import sessions
from oms.reference.state import Session, Venue
from tests.model.exactly_once import ORDERS, WITH_CANCEL
from tests.model.state import Budget, Item, Rules
from tests.model.walks import Walker

pytestmark = pytest.mark.model

PAIR = (Item.ENTER, Item.QUERY)
EVERYTHING = Budget(1, (1, 1), 1, 1, 1, 1, 1)
SEED = 20_261_122


def cover(items: tuple[Item, ...], budget: Budget) -> None:
    """Every step of the graph, in both."""
    walker = Walker(Rules(items=items, budget=budget, is_reduced=False), Random(SEED))
    walker.cover()
    print(f"{walker.walked:,} different steps in {sum(walker.counts.values()):,}")


@pytest.mark.parametrize(
    ("items", "budget"),
    [
        (ORDERS, Budget()),
        (ORDERS, Budget(expiry=1)),
        (ORDERS, Budget(pipe_loss=1)),
        (PAIR, Budget(early_resend=1)),
        (PAIR, Budget(lease=1)),
        (PAIR, Budget(leader_crash=1)),
    ],
)
def test_product_takes_every_step_of_a_small_graph(items: tuple[Item, ...], budget: Budget) -> None:
    """What was proved of the model is worth as much as the two are alike."""
    cover(items, budget)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    "budget",
    [Budget(lease=1), Budget(gateway_crash=(1, 0)), Budget(disconnect=1), Budget(leader_crash=1)],
    ids=lambda budget: str(tuple(budget)),
)
def test_product_takes_every_step_of_a_larger_graph(budget: Budget) -> None:
    """The same with three commands: some minutes."""
    cover(ORDERS, budget)


@pytest.mark.parametrize("is_eager", [False, True])
def test_product_follows_random_walks_through_all_faults(*, is_eager: bool) -> None:
    """Combinations of faults that no small graph has."""
    rules = Rules(items=WITH_CANCEL, budget=EVERYTHING, is_reduced=False, is_eager=is_eager)
    walker = Walker(rules, Random(SEED))
    walker.wander(150)
    print(f"seed={SEED} {dict(walker.counts)}")
    assert len(walker.counts) == 18, "a kind of step was never taken"


# ---- the comparison can fail


def _ignore_gaps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Courier, "resend_from", lambda *_args: False)


def _forget_the_way_to_a_new_leader(patch: pytest.MonkeyPatch) -> None:
    def led_by(courier: Courier, *, somebody: bool, now_ns: int, not_after_ns: int) -> None:
        del now_ns, not_after_ns
        courier.is_led = somebody

    patch.setattr(Courier, "led_by", led_by)


def _keep_old_limits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("gateways.courier._replace", lambda command, **_changes: command)


def _skip_holes(patch: pytest.MonkeyPatch) -> None:
    def offer(order: EventOrder, first_seq: int, data: bytes) -> list[bytes]:
        order.next_seq = first_seq + len(data) // EVENT_BYTES
        return [data]

    patch.setattr(EventOrder, "offer", offer)


def _take_any_epoch(patch: pytest.MonkeyPatch) -> None:
    real = sessions.admit

    def admit(*args: object) -> object:
        venue, events, head, timestamp_ns = args
        assert isinstance(venue, Venue)
        session = venue.session(head.session_id)  # type: ignore[attr-defined]
        if isinstance(session, Session):
            head = head._replace(conn_epoch=session.conn_epoch)  # type: ignore[attr-defined]
        return real(venue, events, head, timestamp_ns)  # type: ignore[arg-type]

    patch.setattr(sessions, "admit", admit)


@pytest.mark.parametrize(
    "mistake",
    [
        _ignore_gaps,
        _forget_the_way_to_a_new_leader,
        _keep_old_limits,
        _skip_holes,
        _take_any_epoch,
    ],
)
def test_difference_between_model_and_product_is_noticed(
    mistake: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comparison that cannot fail compares nothing."""
    mistake(monkeypatch)
    rules = Rules(items=ORDERS, budget=EVERYTHING, is_reduced=False)
    with pytest.raises((AssertionError, KeyError, ValueError, IndexError)):
        Walker(rules, Random(SEED)).wander(400)
