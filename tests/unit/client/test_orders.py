"""What the client says of an order."""

from oms.client.orders import reject_text
from oms.messages.enums import OUCH_REJECT_CODE, RejectReason


def test_a_reject_names_every_reason_of_its_code() -> None:
    """OUCH has one code for several reasons: naming one of them alone would often be wrong."""
    for reason, code in OUCH_REJECT_CODE.items():
        assert reason.name in reject_text(code)
    assert reject_text(OUCH_REJECT_CODE[RejectReason.STORAGE_FULL]) == (
        "CAPACITY or STORAGE_FULL or OPEN_ORDERS_LIMIT (code 0x0A)"
    )


def test_a_code_of_another_venue_is_shown_as_it_came() -> None:
    """A client may be newer or older than its venue."""
    assert reject_text(0xEE) == "unknown reason (code 0xEE)"
