"""Pre-votes: a working leader is not disturbed, a lost one is replaced without waiting."""

from oms.replication.elections import EARLY_FOR_S, STAGGER_S, YIELD_S, Election, LogEnd

END = LogEnd(term=3, log_index=10)
NEVER_S = 1e9


def grants(election: Election, asker: str, end: LogEnd, now: float = 0.0) -> bool:
    return election.grants(now, asker=asker, asker_end=end, own_end=END)


def test_majority_of_grants_is_needed_and_counted_once() -> None:
    election = Election("n1", majority=3)
    assert not election.ask(0.0, 5)
    assert not election.granted("n2", 5)
    assert not election.granted("n2", 5)
    assert election.granted("n3", 5)
    assert not election.granted("n4", 5)


def test_grants_of_another_round_do_not_count() -> None:
    election = Election("n1", majority=2)
    assert not election.granted("n2", 5)
    election.ask(0.0, 6)
    assert not election.granted("n2", 5)
    assert election.granted("n2", 6)


def test_single_node_elects_itself() -> None:
    assert Election("n1", majority=1).ask(0.0, 1)


def test_node_with_an_older_log_is_not_encouraged() -> None:
    """It could not be elected, and the attempt would only cost a term."""
    election = Election("n1", majority=2)
    assert not grants(election, "n2", LogEnd(3, 9))
    assert not grants(election, "n2", LogEnd(2, 99))
    assert grants(election, "n2", END)
    assert grants(election, "n2", LogEnd(4, 1))


def test_of_two_equals_that_ask_at_once_the_lower_id_goes_first() -> None:
    """Otherwise both are encouraged, both vote for themselves, and a time-out is lost."""
    low, high = Election("n1", majority=2), Election("n2", majority=2)
    low.ask(0.0, 4)
    high.ask(0.0, 4)
    assert not grants(low, "n2", END)
    assert grants(high, "n1", END)
    assert not high.granted("n1", 4)
    assert low.granted("n2", 4)


def test_higher_id_with_the_longer_log_goes_first() -> None:
    low = Election("n1", majority=2)
    low.ask(0.0, 4)
    assert grants(low, "n2", LogEnd(3, 11))


def test_refusal_of_an_equal_does_not_last() -> None:
    low = Election("n1", majority=2)
    low.ask(0.0, 4)
    assert grants(low, "n2", END, now=YIELD_S)


def test_lost_leader_is_replaced_at_once_in_the_order_of_the_survivors() -> None:
    first, second = Election("n1", majority=2), Election("n2", majority=2)
    for place, election in enumerate((first, second)):
        election.leader_lost(7.0, place=place)
    assert first.is_due(7.0, NEVER_S)
    assert not second.is_due(7.0, NEVER_S)
    assert second.is_due(7.0 + STAGGER_S, NEVER_S)


def test_early_attempts_are_repeated_for_a_while_only() -> None:
    """The other survivor may not have noticed yet; after that the time-outs rule."""
    election = Election("n1", majority=2)
    election.leader_lost(0.0, place=0)
    now, attempts = 0.0, 0
    while election.attempt_at_s is not None:
        now = election.attempt_at_s
        assert now < EARLY_FOR_S
        election.ask(now, 2)
        attempts += 1
    assert 10 <= attempts <= 40
    assert not election.is_due(now + 1, NEVER_S)
    assert election.is_due(now + 1, now)


def test_encouraged_node_is_left_alone_for_a_moment() -> None:
    election = Election("n2", majority=2)
    election.leader_lost(0.0, place=1)
    assert grants(election, "n1", END, now=0.005)
    assert not election.is_due(STAGGER_S, NEVER_S)
    assert election.is_due(0.005 + YIELD_S, NEVER_S)


def test_heard_leader_ends_the_wish() -> None:
    election = Election("n1", majority=2)
    election.leader_lost(0.0, place=0)
    election.ask(0.0, 2)
    election.settle()
    assert election.attempt_at_s is None
    assert not election.granted("n2", 2)
