"""What all histories of a user say together, over days."""

from oms.check.evidence import Day, Evidence, Written
from oms.wire import ouch
from oms.wire import ouch_messages as m


def test_a_day_without_a_login_goes_on_from_the_one_before() -> None:
    """What was under way at midnight is entered on a day of which its client never hears; an order
    that stands there was sent by somebody all the same."""
    evidence = Evidence("ANN")
    first = evidence.days[b"20260921"] = Day()
    evidence.days[b"20260923"] = Day()
    order = m.EnterOrder(7, m.SIDE_BUY, 100, b"OAK     ", 1_000_000)
    first.note_sent(ouch.encode(order), 5, Written())
    unheard = evidence.day_of(b"20260922")
    sent = unheard.sent_as(7)
    assert sent is not None
    assert sent.first_ns == 5
    assert evidence.day_of(b"20260921") is first
    assert evidence.day_of(b"20260920").sent_as(7) is None
