"""The engine's benchmark: it measures only what it has verified."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("OMS_SHARED", ROOT.parent / "shared"))
GENERATOR = SHARED / "tools" / "workload.py"
TRADE_HASH_AT = 96  # byte of the workload's header

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not GENERATOR.exists(), reason=f"no {GENERATOR.name} in the shared folder (OMS_SHARED)"
    ),
]


def _generate(path: Path, *options: str) -> None:
    command = [sys.executable, str(GENERATOR), *options[:1], str(path), *options[1:]]
    subprocess.run(command, check=True, capture_output=True)


def _measure(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "perf/bench_engine.py", "--workload", str(path), "--rounds", "1"]
    return subprocess.run(
        [*command, "--json"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "options",
    [
        ("exch", "--ops", "3000"),
        ("equity", "--ops", "3000", "--symbols", "20"),
        ("sweep", "--ops", "3000"),
        ("sparse", "--ops", "3000"),
    ],
    ids=lambda options: options[0],
)
def test_the_engine_makes_the_trades_of_the_header(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    """Makers, takers, prices and quantities in order: a wrong engine has no speed."""
    workload = tmp_path / "workload.bin"
    _generate(workload, *options)
    done = _measure(workload)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ns_per_op"] > 0
    assert result["trades"] > 0


def test_a_wrong_trade_is_no_figure(tmp_path: Path) -> None:
    """The check must be able to fail."""
    workload = tmp_path / "workload.bin"
    _generate(workload, "exch", "--ops", "1000")
    data = bytearray(workload.read_bytes())
    data[TRADE_HASH_AT] ^= 1
    workload.write_bytes(data)
    done = _measure(workload)
    assert done.returncode == 1
    assert "trade_hash" in done.stderr
    assert done.stdout == ""
