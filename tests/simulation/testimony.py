"""What the clients of a run wrote down, for `oms check`: the judge that ships with the product.

Each life of a client writes a history of its own on virtual time; what the nodes were handed is the
log. So a run is judged twice: by the simulation's own judge, which sees everything, and from
outside, by what any client of a real venue could have written.
"""

from pathlib import Path

from oms.check import history
from oms.check.judge import check
from oms.check.verdict import Verdict
from tests.simulation.world import World


class _Clock(history.Clock):
    """All histories of a run are of one clock."""

    def __init__(self, world: World) -> None:
        self.name = "virtual"
        self._world = world

    def monotonic_ns(self) -> int:
        return self._world.monotonic_ns()

    def wall_ns(self) -> int:
        return self._world.wall_ns()


class Testimony:
    """The histories of a run."""

    def __init__(self, world: World, folder: Path) -> None:
        self._clock = _Clock(world)
        self._folder = folder
        self._recorders: list[history.Recorder] = []
        folder.mkdir()

    def recorder(self, user: str) -> history.Recorder:
        """For one life of one client."""
        path = self._folder / f"{len(self._recorders):04}-{user}{history.SUFFIX}"
        recorder = history.Recorder(path, user, self._clock)
        self._recorders.append(recorder)
        return recorder

    def verdict(self, entries: dict[int, bytes], living: list[history.Recorder]) -> Verdict:
        """Judge them by this log; histories of the living are whole."""
        for recorder in self._recorders:
            if recorder in living:
                recorder.close()
            else:
                recorder.abandon()
        log = self._folder / "log.raw"
        log.write_bytes(b"".join(entries[index] for index in sorted(entries)))
        return check([self._folder], log)
