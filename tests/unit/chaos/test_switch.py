"""How a node is told where to die: one page, two processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from oms.chaos.fault_node import Places, switch_of
from oms.chaos.switch import FOLDER, Blow, Place, Switch, path_of

TOLD = "from oms.chaos.fault_node import Places, switch_of; from oms.chaos.switch import Place; "


def switch(venue: Path) -> Switch:
    """Of node n1."""
    (venue / FOLDER).mkdir()
    return Switch(path_of(venue, "n1"))


def reach(venue: Path, places: str) -> subprocess.Popen[str]:
    """A process that comes to these places, one after the other, and says so."""
    settings = str(venue / "n1" / "node.toml")
    steps = "; ".join(
        f"places.reached(Place.{place}); print('{place}', flush=True)" for place in places.split()
    )
    code = TOLD + f"places = Places(switch_of(['--settings', {settings!r}])); " + steps
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_node_dies_at_the_armed_place_and_once(tmp_path: Path) -> None:
    """Another place, or the same one later, is passed."""
    told = switch(tmp_path)
    told.arm(Place.SYNCED)
    said, _ = (first := reach(tmp_path, "APPENDED SYNCED PUBLISHING")).communicate()
    assert (first.returncode, said) == (-signal.SIGKILL, "APPENDED\n")
    assert told.place == Place.NOWHERE
    said, _ = (again := reach(tmp_path, "SYNCED")).communicate()
    assert (again.returncode, said) == (0, "SYNCED\n")
    told.close()


def test_a_node_stands_still_where_its_power_will_go(tmp_path: Path) -> None:
    """The power can then be cut at that very instant."""
    told = switch(tmp_path)
    told.arm(Place.APPENDED, Blow.STOP)
    process = reach(tmp_path, "APPENDED")
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert told.place == Place.NOWHERE
    process.kill()
    assert process.communicate()[0] == ""
    told.close()


def test_nothing_is_armed_at_first(tmp_path: Path) -> None:
    """A node that starts before anybody told it anything trades."""
    told = switch(tmp_path)
    Places(switch_of(["--settings", str(tmp_path / "n1" / "node.toml")])).reached(Place.PROPOSED)
    assert (told.place, told.skew_ns) == (Place.NOWHERE, 0)
    told.close()


def test_a_clock_is_wrong_by_what_was_told(tmp_path: Path) -> None:
    """Into the future, and into the past."""
    told = switch(tmp_path)
    node = switch_of(["--settings", str(tmp_path / "n1" / "node.toml")])
    for skew_ns in (60_000_000_000, -1, 0):
        told.skew_ns = skew_ns
        assert node.skew_ns == skew_ns
    node.close()
    told.close()
