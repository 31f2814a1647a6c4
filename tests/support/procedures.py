"""The procedures of docs/operating.md, read from the page and typed into a shell.

Used by tests/integration/test_procedures_*.py. A procedure is a `###` heading under `## Procedures`
with `console` blocks: a line with `$` is a command, `# exit code N` behind it what it must end
with, the lines under it what it prints. `...` stands for anything: alone on a line for any number
of lines. A capital word that is not known yet (FILE, N, HASH) is learned where it is printed.
"""

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from oms.cli import main as command_line
from oms.local import venue as local_venue

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "operating.md"
COMMAND_S: Final = 90
_UNKNOWN: Final = re.compile(r"\b(?:FILE|N|HASH|DATE|BACKUP|EVIDENCE|ELSEWHERE)\b")
_OF_A_SHELL: Final = frozenset("|<>;&*`(")
_NODE: Final = re.compile(r"\bn[1-9]\b")
_EXIT_CODE: Final = re.compile(r"\s+# exit code (\d)$")


@dataclass(frozen=True)
class Step:
    """One command, and what the page says of it."""

    command: str
    exit_code: int
    prints: tuple[str, ...]


def procedures(page: str) -> dict[str, list[Step]]:
    """Every procedure of the page, by its heading."""
    part = page.partition("\n## Procedures\n")[2].partition("\n## ")[0]
    _, *pieces = re.split(r"^### (.+)$", part, flags=re.MULTILINE)
    return {title: _steps(text) for title, text in zip(pieces[::2], pieces[1::2], strict=True)}


def _steps(text: str) -> list[Step]:
    steps: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        _, *pieces = re.split(r"^\$ (.+)$", block, flags=re.MULTILINE)
        for line, printed in zip(pieces[::2], pieces[1::2], strict=True):
            code = _EXIT_CODE.search(line)
            steps.append(
                Step(
                    command=_EXIT_CODE.sub("", line),
                    exit_code=int(code[1]) if code else 0,
                    prints=tuple(printed.strip("\n").splitlines()),
                )
            )
    return steps


class Terminal:
    """An operator's shell: `oms` is on the path, and knows the data folder."""

    def __init__(self, folder: Path, data: Path, *, node_module: str = "oms.node.main") -> None:
        self._procedures = procedures(PAGE.read_text(encoding="utf-8"))
        self._folder = folder
        program = folder / "bin" / "oms"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.support.oms_command "$@"\n')
        program.chmod(0o755)
        self._environment = dict(
            os.environ,
            PATH=f"{program.parent}:{os.environ['PATH']}",
            PYTHONPATH=str(ROOT),
            OMS_DATA=str(data),
            OMS_TEST_NODE_MODULE=node_module,
            LC_ALL="C",
        )

    def follow(
        self,
        title: str,
        words: Mapping[str, str] | None = None,
        *,
        meanwhile: Mapping[str, Callable[[], None]] | None = None,
    ) -> dict[str, str]:
        """Type a procedure, from its first command to its last, and compare what comes back.

        `words` says what a capital word or a node's name stands for here; `meanwhile` has what
        happens outside once a command that begins so was typed. Returns the words, those that
        were learned included.
        """
        known = dict(words or {})
        happened: set[str] = set()
        for step in self._procedures[title]:
            self._type(step, known)
            for beginning, action in (meanwhile or {}).items():
                if step.command.startswith(beginning) and beginning not in happened:
                    happened.add(beginning)
                    action()
        assert happened == set(meanwhile or {}), "every command that something waited for came"
        return known

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """One command line. `oms` alone runs in this process: importing it anew for each command
        would take most of the time.
        """
        words = shlex.split(command)
        if words[0] == "oms" and not set(command) & _OF_A_SHELL:
            data = self._environment["OMS_DATA"]
            words = [word.replace("$OMS_DATA", data) for word in words]
            code, said = self._run_here(words)
            return subprocess.CompletedProcess(words, code, said)
        return subprocess.run(
            ["bash", "-c", command],
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    def _run_here(self, words: list[str]) -> tuple[int, str]:
        said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self._environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", words)
            patch.setattr(sys, "stdout", said)
            patch.setattr(sys, "stderr", said)
            patch.setattr(local_venue, "_NODE_MODULE", self._environment["OMS_TEST_NODE_MODULE"])
            try:
                command_line.main()
            except SystemExit as end:
                code = end.code
            else:
                code = 0
        said.seek(0)
        assert code is None or isinstance(code, int)
        return code or 0, said.read()

    def _type(self, step: Step, known: dict[str, str]) -> None:
        command = _put_in(step.command, known)
        assert not _UNKNOWN.search(command), f"nothing told what to put in: {command}"
        done = self.run(command)
        said = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
        found = re.fullmatch(_pattern(step.prints, known), said)
        report = f"$ {command}\n{said}exit code {done.returncode}, wanted:\n" + "\n".join(
            (*step.prints, f"exit code {step.exit_code}")
        )
        assert done.returncode == step.exit_code, report
        assert found is not None, report
        known |= found.groupdict()


def _put_in(text: str, known: Mapping[str, str]) -> str:
    text = _UNKNOWN.sub(lambda match: known.get(match[0], match[0]), text)
    return _NODE.sub(lambda match: known.get(match[0], match[0]), text)


def _pattern(prints: tuple[str, ...], known: Mapping[str, str]) -> str:
    """A regular expression for all that a command prints."""
    parts: list[str] = []
    learned: set[str] = set()
    for line in prints:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
            continue
        pattern = re.escape(_put_in(line, known)).replace(r"\.\.\.", ".*")
        for word in _UNKNOWN.findall(_put_in(line, known)):
            again = f"(?P={word})" if word in learned else rf"(?P<{word}>[\w.-]+)"
            pattern = re.sub(rf"\b{word}\b", again.replace("\\", r"\\"), pattern, count=1)
            learned.add(word)
        parts.append(f"{pattern}\n")
    return "".join(parts)
