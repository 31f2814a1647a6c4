"""How much work one entry may do beyond its own commands (RULES A11).

Called by everything that works on many orders. Promises: plain numbers, counted down.
"""

import msgspec

from oms.bounds import SCAN_SLOTS_MAX, WORK_STEPS_MAX


class Budget(msgspec.Struct):
    """What is left of one entry's work."""

    slots: int = SCAN_SLOTS_MAX
    cancels: int = WORK_STEPS_MAX
    elected: int = WORK_STEPS_MAX
    pegs: int = WORK_STEPS_MAX  # examined
    fills: int = WORK_STEPS_MAX  # of uncrosses: trades, orders that go, instruments begun
