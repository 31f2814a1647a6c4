"""Playing a scenario file: the file's own text, with what really happened in its `>` and `=` lines.

Called by test_matching.py, and by hand: `python -m tests.scenarios.play FILE` prints the file as
the oracle plays it. Promises: a file that says what happens comes out unchanged, so that a mismatch
is a text difference.
"""

import difflib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from oms.messages import commands as c
from oms.messages.packing import pack_batch
from oms.reference.engine import Engine
from tests.scenarios import render, world
from tests.scenarios.language import Numbering, parse

EngineFactory = Callable[[], Engine]
_S = TypeVar("_S", bound=msgspec.Struct)
_DIRECTIVES = (
    "venue", "currencies", "instrument", "account", "session", "hide", "show", "empty",
)  # fmt: skip


class Player:
    """One file on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._setup = world.Setup()
        self._hidden: set[str] = {"terms"}  # most files are not about what is said twice
        self._numbering = Numbering()
        self._is_open = False
        self._log_index = 0
        self._now_ns = world.START_NS
        self._pending: list[c.Command] = []
        self._out: list[str] = []
        self._events: list[str] = []

    def play(self, text: str) -> str:
        """The text as it should read. Raises: ValueError on a line that means nothing."""
        for line in [*text.splitlines(), ""]:
            said = line.strip()
            if said.startswith(">"):
                self._flush()
            elif said.startswith("="):
                self._finish_entry()
                question = said[1:].partition(":")[0].split()
                self._out.append(f"= {render.state(question, self.engine)}")
            elif not said or said.startswith("#"):
                self._finish_entry()
                self._out.append(said)
            elif said.split()[0] in _DIRECTIVES:
                self._direct(said.split())
                self._out.append(said)
            elif said.startswith("+"):
                self._pending.append(parse(said[1:].strip(), self._numbering, self._now_ns))
                self._out.append(said)
            else:
                self._finish_entry()
                self._start_entry(said)
        return "\n".join(self._out).rstrip("\n") + "\n"

    def _start_entry(self, said: str) -> None:
        self._open()
        self._now_ns += world.STEP_NS
        self._out.append(said)
        words = said.split()
        if words[0] == "at":
            self._now_ns = int(words[1]) - world.STEP_NS
        elif words[0] == "bytes":
            self._apply(bytes.fromhex(words[1] if len(words) > 1 else ""))
        elif words[0] == "tick":
            for number in range(int(words[1]) if len(words) > 1 else 1):
                self._now_ns += world.STEP_NS if number else 0
                self._apply(pack_batch(self._now_ns, []))
        else:
            self._pending.append(parse(said, self._numbering, self._now_ns))

    def _flush(self) -> None:
        """Apply the commands of the entry that was being read."""
        if self._pending:
            self._apply(pack_batch(self._now_ns, self._pending))
            self._pending = []

    def _finish_entry(self) -> None:
        self._flush()
        self._out += [f"> {line}" for line in self._events]
        self._events = []

    def _apply(self, entry: bytes) -> None:
        self._log_index += 1
        self.engine.apply(self._log_index, entry)
        self._events += [
            line
            for line in render.events(self.engine.events())
            if not self._hidden.intersection(line.split()[:2])
        ]

    def _open(self) -> None:
        if not self._is_open:
            for entry in world.opening_entries(self._setup):
                self._log_index += 1
                self.engine.apply(self._log_index, entry)
            self._is_open = True

    def _direct(self, words: list[str]) -> None:
        if self._is_open:
            message = f"{' '.join(words)!r} must come before the first command"
            raise ValueError(message)
        if words[0] == "empty":
            self._is_open = True  # a venue without genesis
        elif words[0] == "hide":
            self._hidden.update(words[1:])
        elif words[0] == "show":
            self._hidden.difference_update(words[1:])
        elif words[0] == "currencies":
            self._setup.currencies = dict(word.split("=") for word in words[1:])
        elif words[0] == "venue":
            self._setup.venue = _changed(self._setup.venue, words[1:])
        elif words[0] == "instrument":
            instruments = self._setup.instruments
            instruments[words[1]] = _changed(instruments[words[1]], words[2:])
        elif words[0] == "session":
            sessions = self._setup.sessions
            sessions[words[1]] = _changed(sessions[words[1]], words[2:])
        else:
            accounts = self._setup.accounts
            accounts[words[1]] = _changed(accounts[words[1]], words[2:])


def _changed(value: _S, options: list[str]) -> _S:
    fields = msgspec.structs.asdict(value) | dict(o.split("=") for o in options)
    return msgspec.convert(fields, type(value), strict=False)


def difference(path: Path, make_engine: EngineFactory) -> str:
    """Empty when the file says what happens on this engine, else a readable diff."""
    said = path.read_text()
    happened = Player(make_engine()).play(said)
    lines = difflib.unified_diff(
        said.splitlines(), happened.splitlines(), "the file says", "the engine does", lineterm=""
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(Player(Engine()).play(Path(sys.argv[1]).read_text()))
