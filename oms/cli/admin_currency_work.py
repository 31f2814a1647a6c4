"""What the verbs of `oms admin currency` do: one logged command each.

Called by `admin_currency.py`. Prints one line for a command that was applied; a refusal or an
unknown outcome is raised (AdminRejected, AdminUnavailable).
"""

from pathlib import Path

from oms.cli.admin_work import administrator, applied, names_of, wrong
from oms.config import CurrencyConfig
from oms.local.genesis import add_currency
from oms.messages import admin_commands as ac


def add(data: Path, code: str, rate: str | None) -> None:
    """One more currency, or the code of the first."""
    with administrator(data) as session:
        known = names_of(session).directory.currencies
        is_first = not known[0].code
        if rate is None and not is_first:
            raise wrong("a currency needs a rate", f"what is one {code.upper()} worth? (--rate)")
        number = 1 if is_first else len(known) + 1
        event = session.execute(_command(code, rate or "1", number))
    applied(event, f"currency {number} {code.upper()}")


def set_rate(data: Path, code: str, rate: str) -> None:
    """What a currency is worth from now on."""
    with administrator(data) as session:
        number = names_of(session).currency(code).currency_id
        event = session.execute(_command(code, rate, number))
    applied(event, f"one {code.upper()} is {rate} of the first currency")


def _command(code: str, rate: str, number: int) -> ac.AddCurrency:
    try:
        return add_currency(CurrencyConfig(code.upper(), rate), number)
    except ValueError as error:
        raise wrong("this currency cannot be used", str(error)) from error
