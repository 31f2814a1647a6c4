"""A million commands of the generator through both engines: QUORATE_SEED's, or the sources' own."""

import subprocess

import pytest

SECONDS = 900


@pytest.mark.property
@pytest.mark.timeout(SECONDS + 30)
def test_a_million_commands_agree(million: "subprocess.Popen[str]") -> None:
    """Rare things in rare states: event by event, the incremental digest after every entry, the
    whole state every thousand commands. A difference is printed as a short scenario file.
    """
    said, _ = million.communicate(timeout=SECONDS)
    print(said)
    assert million.returncode == 0, said
    assert "equal: 500 venues" in said
