"""docs/protocols/binary.md is what client authors trust: its tables follow the code."""

import re
from pathlib import Path

from oms import bounds
from oms.messages.enums import OUCH_REJECT_CODE, RejectReason

PAGE = (Path(__file__).parents[3] / "docs" / "protocols" / "binary.md").read_text()


def test_reject_table_is_the_enums_in_their_order() -> None:
    """Every reason an order can be refused for, in the order of the checks, with its code."""
    rows = re.findall(r"^\| 0x([0-9A-F]{2}) \| ([A-Z_]+) \|", PAGE, re.MULTILINE)
    expected = [
        (f"{OUCH_REJECT_CODE[reason]:02X}", reason.name)
        for reason in RejectReason
        if reason in OUCH_REJECT_CODE
    ]
    assert rows == expected


def test_bounds_on_the_page_are_the_bounds() -> None:
    """A number that is written twice is compared."""
    for text in (
        f"{bounds.CONNECTIONS_MAX} connections",
        f"{bounds.SESSION_IN_FLIGHT_MAX:,} commands",
        f"{bounds.PASSWORD_CHECKS_MAX} logins",
        f"{bounds.CLIENT_FRAME_BYTES_MAX:,} bytes",
        f"{bounds.SEND_BUFFER_BYTES_MAX >> 20} MiB",
    ):
        assert text in PAGE, text
