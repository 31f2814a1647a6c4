"""Decimal text to the venue's integers and back (RULES B16: 10^-4 of a unit, never a float).

Called where people write amounts: the venue's configuration and the command line. Pure. A text
that does not name a whole number of 10^-4 units is refused, never rounded.
"""

from decimal import Decimal, InvalidOperation
from typing import Final

SCALE: Final = 4
UNIT: Final = 10**SCALE


def to_units(text: str, what: str) -> int:
    """Decimal text as 10^-4 units. Raises: ValueError naming `what` and the text."""
    try:
        scaled = Decimal(text).scaleb(SCALE)
    except InvalidOperation:
        msg = f"{what}: {text!r} is not a decimal number"
        raise ValueError(msg) from None
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        msg = f"{what}: {text!r} is not a whole number of 0.0001"
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
