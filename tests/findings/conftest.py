"""Each scenario runs twice: `[ours]` must pass, `[library]` must break its promise.

A strict xfail that accepts BrokenPromise only: it turns red when the library stops failing, and
also when a scenario fails on the library for another reason than the one it is about.
"""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.findings.library_rig import LibraryRig
from tests.findings.our_rig import OurRig
from tests.findings.rig import BrokenPromise, HandRig, MakeRig, Options

SEEN_TO_FAIL = pytest.param(
    "library",
    marks=[
        pytest.mark.xfail(strict=True, raises=BrokenPromise, reason="observed in 0.3.17"),
        pytest.mark.filterwarnings(
            "ignore::ResourceWarning",  # the library leaves files to the garbage collector
            "ignore::pytest.PytestUnraisableExceptionWarning",
        ),
    ],
)


@pytest.fixture(params=["ours", SEEN_TO_FAIL])
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """Whose parts the scenario runs on."""
    yield str(request.param)
    if request.param == "library":
        gc.collect()  # what it leaves behind is found here, not in somebody else's test


@pytest.fixture
def make_rig(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRig]:
    """Makes the scenario's rig."""
    made: list[HandRig] = []

    def make(options: Options = Options()) -> HandRig:  # noqa: B008  # frozen
        rig_class = OurRig if kind == "ours" else LibraryRig
        rig = rig_class(tmp_path, monkeypatch, options)
        made.append(rig)
        return rig

    yield make
    for rig in made:
        rig.close()
