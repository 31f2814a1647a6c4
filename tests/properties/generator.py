"""A seeded source of log entries that looks at the oracle's state, so that things really happen.

Called by the comparison. Promises: the same seed gives the same steps. Prices gather around the
best prices, cancels and replaces aim at live orders, a closed day is opened again; and on top of
that a share of everything is wrong: numbers, epochs, times, fields, bytes.
"""

from collections.abc import Callable
from random import Random

from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import KillScope, Phase
from oms.reference.state import Venue
from tests.properties import operations, orders, venues, wrong
from tests.properties.dice import I64_MIN, Dice
from tests.properties.operations import COLLECTING
from tests.properties.steps import Planned, Signed, Step

CALL_REPAIRS = 0.02  # calls last, so that orders come together in them
CALLING_SHARE = 0.25  # venues whose calls begin and end all the time
DEEP_SHARE = 0.2
CROWDED_SHARE = 0.2  # of the deep ones
CROWD_MIN = 1_500  # more than one entry may cancel
LOST_SHARE = 0.005  # gateways, and sessions that log out
CROWD_SHARE = 0.1  # of the entries while there are fewer

Maker = Callable[[Dice, Venue], c.Command]


class Generator:
    """The next step, and the next, as long as somebody asks."""

    def __init__(self, rng: Random, *, must_be_deep: bool = False) -> None:
        is_deep = rng.random() < DEEP_SHARE or must_be_deep
        self._is_crowded = is_deep and rng.random() < CROWDED_SHARE and not must_be_deep
        # who goes takes his orders along: no book becomes deep
        self._lost_share = 0.0 if must_be_deep else LOST_SHARE
        self.crowd_orders = 0  # how many commands came in crowds
        self._opening = venues.opening(rng, is_deep=is_deep)
        self._dice = Dice(rng, is_deep=is_deep)
        mass_weight = 4 if self._is_crowded else 0 if is_deep else 1
        self._makers: list[tuple[int, Maker]] = [
            (46 if must_be_deep else 40, orders.new_order),
            (0 if must_be_deep else 6, orders.taker),
            (16, orders.replace),
            (4 if is_deep else 9, orders.cancel),
            (6, orders.reduce),
            (1, orders.query),
            (1, orders.refused),
            (3, operations.posting),
            (1, operations.fees),
            (1, operations.currency),
            (1, operations.bust),
            (0 if is_deep else 1, operations.limits),
            (0 if is_deep else 1, operations.set_instrument),
            (0 if must_be_deep else 1, operations.phase),
            (0 if is_deep else 1, operations.set_bands),
            (0 if must_be_deep else 1, operations.set_ticks),
            (4 if rng.random() < CALLING_SHARE else 0, operations.call_phase),
            (1, operations.identity),
            (1, operations.login),
            (1, operations.set_self_trade),
            (0 if is_deep else 1, operations.set_kill),
            (0 if is_deep else 1, orders.change_entry),
            (0 if is_deep else 1, operations.set_restriction),
            (0 if is_deep else 1, operations.set_risk),
            (mass_weight, orders.mass_cancel),
            (mass_weight, operations.admin_mass_cancel),
        ]

    def next_step(self, venue: Venue) -> Step:
        """One more log entry, given where the oracle stands."""
        if self._opening:
            return self._opening.pop(0)
        dice, rng = self._dice, self._dice.rng
        dice.last_refs.clear()
        dice.time_ns += rng.choice((0, 1, 1_000, 1_000_000))
        if self._is_crowded and len(venue.live) < CROWD_MIN and rng.random() < CROWD_SHARE:
            self.crowd_orders += orders.CROWD_ORDERS
            return Step(dice.time_ns, tuple(Planned(order) for order in orders.crowd(dice, venue)))
        if rng.random() < 0.01:
            planned = tuple(self._planned(venue) for _ in range(rng.randint(1, 3)))
            raw = wrong.garbage(dice, venue, Step(dice.time_ns, planned))
            return Step(dice.time_ns, raw=raw)
        count = rng.choice((1, 1, 1, 2, 4, 9)) if rng.random() > 0.03 else 0
        planned = tuple(self._planned(venue) for _ in range(count))
        stamp = dice.time_ns if rng.random() > 0.01 else rng.choice((0, -5, I64_MIN))
        return Step(stamp, planned)

    def _planned(self, venue: Venue) -> Planned:
        rng = self._dice.rng
        command = self._repair(venue)
        if command is None:
            weights = [weight for weight, _ in self._makers]
            command = rng.choices(self._makers, weights)[0][1](self._dice, venue)
        if rng.random() < self._lost_share:
            return Planned(c.GatewayLost(rng.choice((7, 8, 9))))
        if rng.random() < self._lost_share:
            return Planned(c.Logout(rng.randint(0, len(venue.sessions) + 1), 0))
        if isinstance(command, Signed) and rng.random() < 0.06:
            return wrong.distorted(self._dice, venue, command)
        if rng.random() < 0.05:
            command = wrong.odd(self._dice, command)
        return Planned(command)

    def _repair(self, venue: Venue) -> c.Command | None:
        """Bring the venue back to where orders trade, soon but not always."""
        rng, now = self._dice.rng, venue.numbers
        if rng.random() > 0.3 or not venue.sessions:
            return None
        asleep = [s.session_id for s in venue.sessions if not s.is_logged_in]
        if asleep:
            return c.Login(rng.choice(asleep), rng.randint(1, 10**6), rng.choice((7, 8)))
        sign = self._dice.sign(venue, 1)
        if not now.is_day_open and not now.sweep_slot:
            return ac.StartDay(*sign, now.trading_date + 1, venues.MIDNIGHT_NS)
        off = [
            (KillScope.VENUE, 0, now.is_killed),
            *((KillScope.SESSION, s.session_id, s.is_killed) for s in venue.sessions),
            *((KillScope.ACCOUNT, a.account_id, a.is_killed) for a in venue.accounts),
            *((KillScope.INSTRUMENT, i.instrument_id, i.is_killed) for i in venue.instruments),
        ]
        killed = [(scope, scope_id) for scope, scope_id, is_killed in off if is_killed]
        if killed:
            return ac.SetKill(*sign, *rng.choice(killed), 0)
        restricted = [(i.instrument_id, 0) for i in venue.instruments if i.restriction]
        restricted += [(key[1], key[0]) for key, p in venue.positions.items() if p.restriction]
        if restricted:
            return ac.SetRestriction(*sign, *rng.choice(restricted), 0)
        quiet = [
            i.instrument_id
            for i in venue.instruments
            if i.phase != Phase.CONTINUOUS
            and (i.phase not in COLLECTING or rng.random() < CALL_REPAIRS)
        ]
        if quiet:
            return ac.SetPhase(*sign, rng.choice((0, rng.choice(quiet))), Phase.CONTINUOUS)
        return None
