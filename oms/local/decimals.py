"""Decimal text to the venue's integers and back (RULES B16: 10^-4 of a unit, never a float).

Called where people write amounts: the venue's configuration and the command line. Pure. A text
that does not name a whole number of 10^-4 units is refused, never rounded.
"""

from decimal import Decimal, InvalidOperation
from typing import Final

SCALE: Final = 4
RATE_SCALE: Final = 8
UNIT: Final = 10**SCALE


def to_units(text: str, what: str) -> int:
    """Decimal text as 10^-4 units. Raises: ValueError naming `what` and the text."""
    return _scaled(text, what, SCALE)


def to_currency_rate(text: str, what: str) -> int:
    """What a unit of a currency is worth in the first one, as 10^-8. Raises: as `to_units`."""
    return _scaled(text, what, RATE_SCALE)


def _scaled(text: str, what: str, scale: int) -> int:
    try:
        scaled = Decimal(text).scaleb(scale)
    except InvalidOperation:
        msg = f"{what}: {text!r} is not a decimal number"
        raise ValueError(msg) from None
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        msg = f"{what}: {text!r} is not a whole number of {Decimal(1).scaleb(-scale):f}"
        raise ValueError(msg)
    return int(scaled)


def to_rate(text: str, what: str) -> int:
    """Basis points as decimal text, as 10^-7. Raises: ValueError naming `what` and the text."""
    rate, rest = divmod(to_units(text, what), 10)
    if rest:
        msg = f"{what}: {text!r} is not a whole number of 0.001"
        raise ValueError(msg)
    return rate


def to_text(units: int, places: int = 2) -> str:
    """10^-4 units as decimal text with thousands separators, exact: more places if needed."""
    sign = "-" if units < 0 else ""
    whole, fraction = divmod(abs(units), UNIT)
    digits = f"{fraction:0{SCALE}d}"
    kept = digits.rstrip("0").ljust(places, "0")
    return f"{sign}{whole:,}.{kept}" if kept else f"{sign}{whole:,}"


def currency_rate_text(rate: int) -> str:
    """10^-8 as decimal text, exact: at least two places."""
    whole, fraction = divmod(rate, 10**RATE_SCALE)
    return f"{whole:,}.{f'{fraction:0{RATE_SCALE}d}'.rstrip('0').ljust(2, '0')}"
