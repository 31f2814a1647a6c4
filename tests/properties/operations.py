"""Random commands of those who run the venue: phases, bands, limits, identities, postings, days.

Called by the generator. Promises: deterministic in the given dice.
"""

import msgspec

from oms.bounds import PRICE_MAX
from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import Phase, SelfTrade
from oms.reference.state import Venue
from tests.properties import money, risk, tick_tables, venues
from tests.properties.dice import I64_MAX, I64_MIN, U32_MAX, Dice

PHASES = (Phase.HALTED, Phase.CANCEL_ONLY, Phase.PRE_OPEN, Phase.CLOSED)
CALLS = (Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION)
COLLECTING = (Phase.PRE_OPEN, *CALLS)


def set_self_trade(dice: Dice, venue: Venue) -> c.Command:
    """Groups of owners, and what their orders do when they meet."""
    rng = dice.rng
    account = rng.randint(0, len(venue.accounts) + 1)
    mode = rng.choice((0, 0, 0, 0, *SelfTrade, 5, 255))
    return ac.SetSelfTrade(*dice.admin_sign(venue), account, rng.choice((0, 0, 1, 2)), mode)


def set_kill(dice: Dice, venue: Venue) -> c.Command:
    """Mostly letting in again, or nothing would trade any more."""
    rng = dice.rng
    scope = rng.choice((0, 1, 2, 2, 3, 3, 4, 4, 5))
    is_killed = rng.choice((0, 0, 0, 1, 2))
    return ac.SetKill(*dice.admin_sign(venue), scope, rng.choice((0, rng.randint(0, 6))), is_killed)


def set_risk(dice: Dice, venue: Venue) -> c.Command:
    """Limits that random orders reach."""
    return risk.set_risk(dice.rng, dice.admin_sign(venue), venue)


def set_restriction(dice: Dice, venue: Venue) -> c.Command:
    """What may not be entered."""
    return risk.set_restriction(dice.rng, dice.admin_sign(venue), venue)


def admin_mass_cancel(dice: Dice, venue: Venue) -> c.Command:
    """Everything that fits, of anybody."""
    rng = dice.rng
    return ac.AdminMassCancel(
        *dice.admin_sign(venue),
        of_session_id=rng.choice((0, 0, 0, rng.randint(0, len(venue.sessions) + 1))),
        of_account_id=rng.choice((0, rng.randint(0, len(venue.accounts) + 1))),
        of_instrument_id=rng.choice((0, rng.randint(0, len(venue.instruments) + 1))),
        side=rng.choice((0, 0, 1, 2, 5, 6, 7)),
    )


def login(dice: Dice, venue: Venue) -> c.Command:
    """A new connection, a repeated one, one that comes too late."""
    rng = dice.rng
    session = venue.session(rng.randint(0, len(venue.sessions) + 1))
    if session is None:
        return c.Login(99, 1, 7)
    nonce = rng.choice((session.login_nonce, rng.getrandbits(64)))
    limit = (0, I64_MAX, dice.time_ns, dice.time_ns - 1, -1, 0, 0, 0)[nonce % 8]
    return c.Login(session.session_id, nonce, rng.choice((7, 8, (1 << 64) - 1)), limit)


def posting(dice: Dice, venue: Venue) -> c.Command:
    """Money or shares, in, out or across."""
    return money.posting(dice.rng, venue, dice.admin_sign(venue))


def bust(dice: Dice, venue: Venue) -> c.Command:
    """A trade taken back."""
    return money.bust(dice.rng, venue, dice.admin_sign(venue))


def currency(dice: Dice, venue: Venue) -> c.Command:
    """One more currency, or what one is worth."""
    return money.currency(dice.rng, venue, dice.admin_sign(venue))


def fees(dice: Dice, venue: Venue) -> c.Command:
    """A fee schedule, or whose it is."""
    return money.fees(dice.rng, venue, dice.admin_sign(venue))


def set_ticks(dice: Dice, venue: Venue) -> c.Command:
    """Another tick table, or another one for an instrument."""
    return tick_tables.set_ticks(dice.rng, venue, dice.admin_sign(venue))


def limits(dice: Dice, venue: Venue) -> c.Command:
    """Limits of an account; some below zero."""
    values = list(venues.limits(dice.rng))
    if dice.rng.random() < 0.2:
        values[dice.rng.randint(0, 3)] = dice.rng.choice((-1, 0, I64_MIN))
    account = dice.rng.randint(0, len(venue.accounts) + 1)
    return ac.SetLimits(*dice.admin_sign(venue), account, *values)


def set_instrument(dice: Dice, venue: Venue) -> c.Command:
    """Other parameters; some that no instrument may have."""
    rng = dice.rng
    target = venue.instrument(rng.randint(0, len(venue.instruments) + 1))
    if target is None:
        return ac.SetInstrument(*dice.admin_sign(venue), 77, 1, 1, 0, 0, 1)
    return ac.SetInstrument(
        *dice.admin_sign(venue),
        target.instrument_id,
        lot_size=rng.choice((target.lot_size, target.lot_size, 1, 0)),
        tick_size=rng.choice((target.tick_size, target.tick_size, target.tick_size, 1, 0)),
        reference_price=rng.choice((target.reference(), 0, -1, PRICE_MAX + 1, 20_000)),
        price_collar_bps=rng.choice((0, 0, 300, 10_001)),
        market_collar_bps=rng.choice((0, 1, 500, 10_000, 10_001)),
        currency_id=rng.choice((0, 0, 0, target.currency_id, 2, 255)),
    )


def phase(dice: Dice, venue: Venue) -> c.Command:
    """Another phase, or the day begins or ends."""
    rng, sign = dice.rng, dice.admin_sign(venue)
    if rng.random() < (0.02 if dice.is_deep else 0.3):
        return ac.EndDay(*sign)
    if rng.random() < 0.1:
        date = venue.numbers.trading_date + rng.choice((0, 1))
        return ac.StartDay(*sign, date, venues.MIDNIGHT_NS)
    instrument = rng.choice((0, rng.randint(0, len(venue.instruments) + 1)))
    phase = rng.choice((*PHASES, *CALLS, *CALLS, Phase.CONTINUOUS, Phase.CONTINUOUS, 0, 99))
    is_timed = phase in CALLS or rng.random() < 0.02
    lasts = rng.choice((0, 10**6, 10**7, 10**8, 10**8, -1, I64_MAX)) if is_timed else 0
    return ac.SetPhase(*sign, instrument, phase, lasts)


def call_phase(dice: Dice, venue: Venue) -> c.Command:
    """Into a call, or out of one."""
    rng = dice.rng
    if not venue.instruments:
        return phase(dice, venue)
    target = rng.choice(venue.instruments)
    new = Phase.CONTINUOUS
    if target.phase == Phase.CONTINUOUS:
        new = rng.choice((Phase.PRE_OPEN, *CALLS))
    elif rng.random() < 0.2:
        new = rng.choice((Phase.HALTED, Phase.CLOSED, *CALLS))
    return ac.SetPhase(*dice.sign(venue, 1), target.instrument_id, new)


def set_bands(dice: Dice, venue: Venue) -> c.Command:
    """Narrow enough to be reached."""
    rng = dice.rng
    return ac.SetBands(
        *dice.admin_sign(venue),
        instrument_id=rng.randint(0, len(venue.instruments) + 1),
        static_bps=rng.choice((0, 0, 100, 500, 10_000, 10_001)),
        dynamic_bps=rng.choice((0, 50, 100, 300, 10_001)),
        call_ns=rng.choice((0, 10**6, 10**7, 10**7, -1, I64_MAX)),
    )


def identity(dice: Dice, venue: Venue) -> c.Command:
    """Somebody or something new, often with an id, a name or a reference that is wrong."""
    rng, sign = dice.rng, dice.admin_sign(venue)
    some = rng.randint(0, 6)
    name = rng.choice((b"", b"  ", b"A1", b"SYM1", b"USER1", b"N%d" % rng.randint(0, 999)))
    match rng.randint(0, 5):
        case 0:
            new_id = len(venue.instruments) + rng.choice((1, 1, 0, 2, 50))
            made = venues.instrument(rng, new_id, name, has_currencies=len(venue.currencies) > 1)
            return msgspec.structs.replace(
                made, session_id=sign[0], not_after_ns=sign[3], price_scale=rng.choice((4, 10))
            )
        case 1:
            new_id = len(venue.participants) + rng.choice((1, 1, 0, 2, 50))
            return ac.AddParticipant(*sign, new_id, name)
        case 2:
            new_id = len(venue.accounts) + rng.choice((1, 1, 0, 2, 50))
            return ac.AddAccount(*sign, new_id, some, name[:4], *venues.limits(rng))
        case 3:
            new_id = len(venue.users) + rng.choice((1, 1, 0, 2, 50))
            return ac.AddUser(*sign, new_id, some, name, b"s", b"h")
        case 4:
            new_id = len(venue.sessions) + rng.choice((1, 1, 0, 2, 50))
            return ac.OpenSession(
                *sign,
                new_id,
                some,
                rng.randint(0, 6),
                rng.randint(0, 6),
                rng.choice((0, 0, 1, 1, 2, 255)),
            )
        case _:
            bits = rng.choice((0, 1, 1, 1, 3, 31, 32, U32_MAX))
            is_own_right = some == 1 and rng.random() < 0.9
            account = rng.randint(1, 6) if is_own_right else rng.randint(0, 6)
            return ac.Grant(*sign, some, account, bits)
