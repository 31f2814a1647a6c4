"""The closed lists: values are part of the log's format and are only appended."""

import json
from enum import IntEnum, IntFlag
from pathlib import Path

import pytest

from oms.messages import enums
from oms.messages.enums import OUCH_REJECT_CODE, RejectReason

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "records.json"
LISTS: list[type[IntEnum] | type[IntFlag]] = [
    enums.CommandKind, enums.EventKind, enums.Side, enums.OrdType, enums.TimeInForce, enums.Phase,
    enums.Protocol, enums.Entitlement, enums.Policy, enums.EventFlag, enums.CancelReason,
    enums.Liquidity, enums.RejectReason, enums.SessionOption,
    enums.SelfTrade, enums.PostOnly, enums.KillScope, enums.RestatedReason,
    enums.Restriction, enums.LimitOption, enums.RiskScope, enums.RiskField, enums.ShortSale,
    enums.Trigger,
]  # fmt: skip


@pytest.mark.parametrize("kind", LISTS, ids=lambda kind: kind.__name__)
def test_codes_are_those_of_the_golden_file(kind: type[IntEnum] | type[IntFlag]) -> None:
    """A code that changes its meaning would make old logs lie."""
    codes = {member.name: int(member) for member in kind}
    assert codes == json.loads(GOLDEN.read_text())["enums"][kind.__name__]


def test_every_list_is_pinned() -> None:
    """A list that is added later must be pinned here too."""
    defined = {
        name
        for name, value in vars(enums).items()
        if isinstance(value, type) and value.__module__ == enums.__name__
    }
    assert defined == {kind.__name__ for kind in LISTS}


def test_every_order_reject_has_its_ouch_code() -> None:
    """A client on OUCH must be told something for each reason (wire reference 2.5)."""
    order_reasons = {r for r in RejectReason if 0 < r < RejectReason.NOT_ADMIN}
    assert set(OUCH_REJECT_CODE) == order_reasons
    assert all(0 < code <= 0xFFFF for code in OUCH_REJECT_CODE.values())
