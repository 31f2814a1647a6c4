"""Fee schedules of the configuration file: in force from the first order on, or refused by name."""

from pathlib import Path

import pytest

from oms.bounds import FEE_SCHEDULES_MAX
from oms.config import FeesConfig, SettingsError, VenueConfig, load
from oms.local.genesis import build_genesis
from oms.messages.link import FeeView
from oms.reference.engine import Engine
from tests.unit.local.test_genesis import CLUSTER_ID, NOW_NS, applied, small_config

KEYS = """
participants = ["NORTH"]
instruments = [{ symbol = "OAK" }]
users = []

[[accounts]]
firm = "A"
participant = "NORTH"
fee_schedule = 2

[[accounts]]
firm = "F"
participant = "VENUE"

[[fees]]
to = "F"

[[fees]]
to = "F"
maker = "-0.2"
taker = "0.375"
"""


def test_what_the_file_says_of_fees_is_in_force(tmp_path: Path) -> None:
    """Schedules are numbered as they stand, and an account has the one it names."""
    file = tmp_path / "venue.toml"
    file.write_text(KEYS)
    engine = applied(Engine(), load(file, VenueConfig))
    assert engine.directory().fees == [FeeView(1, 0, 0, 2), FeeView(2, -200, 375, 2)]
    of_account, of_house = engine.account(1), engine.account(2)
    assert of_account is not None
    assert of_house is not None
    assert (of_account.fee_schedule, of_house.fee_schedule) == (2, 0)


@pytest.mark.parametrize(
    ("fees", "words"),
    [
        ([FeesConfig(to="NONE")], "fee schedule 1: there is no account 'NONE'"),
        ([FeesConfig(to="A"), FeesConfig(to="A", taker="1000.001")], "fee schedule 2: a rate is"),
        ([FeesConfig(to="A", maker="-1000.001")], "a rate is at most 1000 basis points"),
        ([FeesConfig(to="A", maker="0.0001")], "not a whole number of 0.001"),
        ([FeesConfig(to="A", taker="three")], "'three' is not a decimal number"),
        ([FeesConfig(to="A")] * (FEE_SCHEDULES_MAX + 1), "65 schedules, at most 64"),
    ],
)
def test_fees_that_the_engine_would_refuse_stop_the_start(
    fees: list[FeesConfig], words: str
) -> None:
    """The engine's refusal would come after the log has begun, and nobody would see it."""
    with pytest.raises(SettingsError, match=words):
        build_genesis(small_config(fees=fees), CLUSTER_ID, NOW_NS)


def test_an_account_with_a_schedule_that_is_not_there_stops_the_start() -> None:
    """Its orders would pay nothing, against what the file says."""
    (first, *others) = small_config().accounts
    accounts = [type(first)(firm="A", participant="NORTH", fee_schedule=2), *others]
    with pytest.raises(SettingsError, match="account A: there is no fee schedule 2"):
        build_genesis(
            small_config(accounts=accounts, fees=[FeesConfig(to="A")]), CLUSTER_ID, NOW_NS
        )
