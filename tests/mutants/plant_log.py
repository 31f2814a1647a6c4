"""A pytest plugin that plants one fault of the group `log` before the tests run.

`-p tests.mutants.plant_log` with the fault's name in QUORATE_LOG_FAULT. Used by log_hunt.py for
faults that the simulation seldom or never comes by; it never undoes anything: the process ends.
"""

import os

import pytest

VARIABLE = "QUORATE_LOG_FAULT"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Every module is imported as pytest wants it; now the fault is put in its place."""
    del session
    from tests.mutants.log_hunt import FAULTS  # noqa: PLC0415  # not before pytest has collected

    for owner, name, value in FAULTS[os.environ[VARIABLE]].patches:
        setattr(owner, name, value)
