"""Random changes of limits and restrictions.

Called by the generator. Promises: limits that random orders reach, some that are odd, most of them
lifted soon, or nothing would trade any more.
"""

from random import Random

import msgspec

from oms.messages import admin_commands as ac
from oms.messages.enums import RiskScope
from oms.reference.state import Venue
from tests.properties import venues

_Sign = tuple[int, int, int, int]
_BASIC = ("max_order_qty", "max_order_value", "long_limit", "short_limit")
_WIDE = {
    "max_order_qty": 100_000, "max_order_value": 10**12, "long_limit": 10**7,
    "short_limit": 10**7,
}  # fmt: skip
_ODD: dict[str, tuple[int, ...]] = {
    "fields": (80, 511, 512, 0xFFFF),
    "defaults": (1, 80, 511, 0xFFFF),
    "options": (2, 255),
    "short_sale": (2, 255),
    "order_rate": (1, 1_000_000, 1_000_001, 0xFFFF_FFFF),
    "cancel_reserve": (1, 0xFFFF_FFFF),
    "rate_window_ns": (-1, 1, 3_600_000_000_000, 3_600_000_000_001, venues.I64_MAX),
    "duplicate_window_ns": (-1, 3_600_000_000_000, 3_600_000_000_001, venues.I64_MAX),
    "max_exposure": (-1, venues.I64_MAX),
    "max_order_qty": (-1, venues.I64_MAX),
    "short_limit": (-1, venues.I64_MAX),
}


def set_risk(rng: Random, sign: _Sign, venue: Venue) -> ac.SetRisk:
    """SET_RISK of anybody, or of nobody."""
    scope = rng.choice((1, 1, 1, 2, 2, 3)) if rng.random() < 0.1 else rng.choice((1, 1, 2))
    allowed = 80 if scope == RiskScope.SESSION else 511
    fields = rng.choice((0, 1 << rng.randint(0, 8), rng.getrandbits(9))) & allowed
    defaults = rng.choice((0, 0, rng.getrandbits(9))) & allowed & ~fields
    scope_id = rng.choice((0, rng.randint(0, len(venue.accounts) + 1)))
    limits = _limits(rng) if rng.random() < 0.5 else _WIDE
    command = ac.SetRisk(
        *sign, scope, scope_id, fields, defaults if scope_id else 0, rng.choice((0, 0, 1)),
        **limits,
    )  # fmt: skip
    if rng.random() < 0.1:
        name = rng.choice(tuple(_ODD))
        return msgspec.structs.replace(command, **{name: rng.choice(_ODD[name])})
    return command


def set_restriction(rng: Random, sign: _Sign, venue: Venue) -> ac.SetRestriction:
    """SET_RESTRICTION, mostly lifting what there is."""
    bits = rng.choice((0, 0, 0, 1, 2, 4, 8, 8, 12, 16, 255))
    instrument = rng.randint(0, len(venue.instruments) + 1)
    account = rng.choice((0, rng.randint(0, len(venue.accounts) + 1)))
    return ac.SetRestriction(*sign, instrument, account, bits, rng.choice((0, 0, 1, 1, 1, 2)))


def _limits(rng: Random) -> dict[str, int]:
    """Limits of SET_RISK that random orders reach; 0 is none."""
    rate = rng.choice((0, 2, 10, 100))
    return {
        "short_sale": rng.choice((0, 1)),
        "max_open_orders": rng.choice((0, 1, 5, 30)),
        "order_rate": rate,
        "cancel_reserve": rng.choice((0, 1, rate - 1)) if rate else 0,
        "rate_window_ns": rng.choice((1, 1_000, 10**6, 10**8)) if rate else 0,
        "duplicate_window_ns": rng.choice((0, 1_000, 10**6, 10**9)),
        "max_exposure": rng.choice((0, 10**7, 10**9, 10**12)),
        **dict(zip(_BASIC, venues.limits(rng), strict=True)),
    }
