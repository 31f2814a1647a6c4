"""The command line itself: quick to start, and honest when something is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from oms.cli import main as command_line
from oms.config import SettingsError, VenueConfig, load
from oms.local.genesis import build_genesis

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("rich", "zmq", "numpy", "msgspec", "asyncio", "uvloop", "oms.local", "oms.robots")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "oms.cli.main", *arguments],
        env=dict(os.environ, PYTHONPATH=str(ROOT), COLUMNS="100"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    """`oms --help` answers at once only as long as this holds."""
    code = (
        "import sys\nfrom oms.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "LOADED []" in done.stdout
    for verb in ("up", "status", "down", "admin", "cluster", "log", "snapshot"):
        assert re.search(rf"^  {verb} ", done.stdout, re.MULTILINE), verb
    for verb in ("demo", "replay", "chaos", "check", "version"):
        assert re.search(rf"^  {verb} ", done.stdout, re.MULTILINE), verb


def test_known_failure_is_four_lines_and_no_trace(tmp_path: Path) -> None:
    """What, why, what to do, where to read."""
    done = run("status", "--data", str(tmp_path))
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["what", "why", "do", "read"]


def test_wrong_usage_is_exit_code_2() -> None:
    """Scripts tell a typing error from a refusal."""
    assert run("up", "--nodes", "0", "--data", "x").returncode == 2
    assert run("fly").returncode == 2


def test_unexpected_failure_is_not_dressed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours must show its trace."""

    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(ZeroDivisionError):
        command_line.main()


@pytest.mark.parametrize(("code", "expected"), [(None, 1), (3, 3)])
def test_failure_decides_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int | None,
    expected: int,
) -> None:  # fmt: skip
    """3 means: the outcome is not known."""

    class Failure(SettingsError):
        pass

    if code is not None:
        Failure.exit_code = code  # type: ignore[attr-defined]

    def fail() -> None:
        raise Failure(what="a", why="b", do="c", read="d")

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == expected
    assert capsys.readouterr().err == "what: a\nwhy:  b\ndo:   c\nread: d\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["admin", "--help"],
        ["admin", "instrument", "add", "--help"],
        ["admin", "show", "--help"],
        ["demo", "--help"],
        ["up", "--help"],
    ],
    ids=" ".join,
)
def test_every_verb_explains_itself(arguments: list[str]) -> None:
    """Help is the first document that people read."""
    result = CliRunner().invoke(command_line.app, arguments)
    assert result.exit_code == 0
    assert "--help" in result.output


@pytest.mark.parametrize("name", ["dev.toml", "prod.example.toml"])
def test_configurations_in_the_tree_can_be_used(name: str) -> None:
    """An example that is refused teaches nothing."""
    config = load(ROOT / "config" / name, VenueConfig)
    assert build_genesis(config, 1, 1_790_000_000_000_000_000)


def check_help(words: list[str]) -> int:
    """One command's help, and those of the commands in it; returns how many there are."""
    done = CliRunner().invoke(command_line.app, [*words, "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0, words
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80, (words, lines)
    assert not [line for line in lines[1:] if line.endswith("...")], (words, lines)
    assert lines[2].strip(), words
    names = re.findall(r"^  (\w+)  ", done.stdout.partition("Commands:\n")[2], re.MULTILINE)
    return 1 + sum(check_help([*words, name]) for name in names)


def test_every_help_is_whole_on_a_terminal_of_80_columns() -> None:
    """A summary that is cut is read by nobody; every command says what it is for."""
    assert check_help([]) > 30
