"""Runs that failed once: each stays clean for good.

A fault is told whole (number, nanoseconds after the start of trading, kind), so that a run stays
what it was when kinds are added and seeds mean something else. The seed still decides who is hit.
"""

from typing import Final, NamedTuple

from tests.simulation.faults import Fault


class OnceFailed(NamedTuple):
    """A run, and what was wrong."""

    seed: int
    why: str
    faults: list[Fault]


# fmt: off
ONCE_FAILED: Final = [
    OnceFailed(66, "a client's next life used a number that was wasted (the judge was wrong)", [
        Fault(3, 1934976001, "all power cut"), Fault(6, 3706609851, "client restart"),
    ]),
    OnceFailed(152, "the log's time was ahead of every clock, and gateways set limits by clocks", [
        Fault(2, 1165835912, "partition"), Fault(3, 1496305206, "pause"),
        Fault(4, 3356222482, "power cut"), Fault(5, 3637424144, "rivals"),
        Fault(6, 4057273350, "trap"), Fault(8, 4654283032, "slow way"),
        Fault(9, 5940718346, "short majority"), Fault(12, 8665981087, "late words"),
        Fault(13, 8782609736, "partition"), Fault(14, 10587600182, "trap"),
        Fault(15, 11444190057, "rivals"), Fault(16, 12555685033, "client restart"),
        Fault(17, 12679818981, "ambush"), Fault(18, 12888590118, "short majority"),
        Fault(19, 14681190890, "power cut"), Fault(20, 15187841495, "clock jump"),
    ]),
    OnceFailed(200092, "as 66", [
        Fault(1, 699057852, "full disk"), Fault(2, 953136155, "left behind"),
        Fault(4, 2405410056, "stop node"), Fault(7, 2616788658, "client restart"),
    ]),
    OnceFailed(300131, "as 66", [
        Fault(1, 1794405609, "ambush"), Fault(3, 2960103983, "die at IO"),
        Fault(4, 3042577314, "trap"), Fault(5, 3688348448, "ambush"),
        Fault(7, 4810105588, "die at IO"), Fault(8, 5259712811, "kill two"),
        Fault(10, 6832306168, "ambush"), Fault(11, 7730825649, "short majority"),
        Fault(12, 10165086011, "snapshot now"), Fault(13, 10719237303, "trap"),
        Fault(14, 10872276866, "ambush"), Fault(15, 11877343297, "late vote"),
        Fault(16, 12296056196, "client restart"), Fault(17, 13076996814, "late vote"),
    ]),
    OnceFailed(1000157, "a blow that a fault had prepared came when everything was to be well", [
        Fault(23, 14841966367, "kill two"), Fault(27, 17912084479, "power cut"),
        Fault(29, 18491386807, "rivals"), Fault(31, 19390038300, "rivals"),
        Fault(33, 19640037773, "trap"),
    ]),
]
# fmt: on
