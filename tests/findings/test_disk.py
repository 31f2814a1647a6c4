"""Findings 11 and a part of 1: what a power cut, a kill, a flipped bit or a full disk leaves."""

import json
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.findings.faults import Failpoints, Killed, Platters, flip, used_bits
from tests.findings.journals import Bench, LibraryBench, OurBench, stored
from tests.findings.rig import HandRig, MakeRig, Options, promise
from tests.support.raft_simulation import PromptMaker

ROOT = Path(__file__).resolve().parent.parent.parent
ONE = Options(names=("n1",))


@pytest.fixture
def bench(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A journal; its segments are made at once, by no thread."""
    monkeypatch.setattr("oms.replication.journal.SegmentMaker", PromptMaker)
    folder = tmp_path / "journal"
    bench = OurBench(folder) if kind == "ours" else LibraryBench(folder)
    yield bench
    bench.close()


def begin_alone(rig: HandRig) -> None:
    """A cluster of one, so that nothing but its own disk can help it."""
    rig.start("n1")
    rig.elect("n1")
    rig.settle()


def comes_back(rig: HandRig, name: str) -> str:
    """Start a node again; returns why it refuses, "" if it runs."""
    try:
        rig.start(name)
        rig.settle(name, rounds=4)
    except Exception as error:  # noqa: BLE001  # whatever it refuses with
        return repr(error)
    return ""


def test_finding_11_what_was_acknowledged_survives_a_power_cut(
    make_rig: MakeRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library syncs nothing, ever."""
    platters = Platters(monkeypatch)
    rig = make_rig(ONE)
    begin_alone(rig)
    rig.put_all("n1", [str(number) for number in range(20)])
    rig.settle()
    assert len(rig.acknowledged) == 20
    rig.kill("n1")
    platters.lose_power(tmp_path)
    begin_alone(rig)
    promise(
        f"{len(rig.acknowledged)} were acknowledged, {len(rig.applied('n1'))} are left",
        holds=rig.applied("n1") == rig.acknowledged,
    )


def test_finding_11_a_vote_survives_a_power_cut(
    make_rig: MakeRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a node votes twice in one term, and there are two leaders in it."""
    platters = Platters(monkeypatch)
    rig = make_rig()
    rig.begin()
    term = rig.term("n2")
    rig.kill("n2")
    platters.lose_power(tmp_path)
    rig.start("n2")
    promise(f"it voted in term {term} and remembers {rig.term('n2')}", holds=rig.term("n2") >= term)


def test_finding_11_a_flipped_bit_is_refused(bench: Bench) -> None:
    """Of 300 single flips the library loaded 252 as if nothing had happened."""
    bench.open()
    written = [stored(index, size=40) for index in range(1, 9)]
    for entry in written:
        bench.add(entry)
    bench.close()
    whole = {path: path.read_bytes() for path in bench.folder.rglob("*") if path.is_file()}
    path = bench.files()[0]
    silent = []
    for bit in range(0, used_bits(path), 61):
        flip(path, bit)
        if reads_wrong(bench, written):
            silent.append(bit)
        for name, content in whole.items():
            name.write_bytes(content)
    promise(f"{len(silent)} flipped bits were not noticed: {silent[:5]}", holds=not silent)


def reads_wrong(bench: Bench, written: list[tuple[bytes, int, int]]) -> bool:
    """Whether it opens and says something else than what was written."""
    try:
        bench.open()
    except Exception:  # noqa: BLE001  # it refuses, by whatever it raises
        return False
    try:
        return bench.entries() != written
    finally:
        bench.close()


def test_finding_11_a_kill_while_the_log_is_shortened_loses_nothing_behind_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library empties its journal and writes the rest again, in place."""
    bench.open()
    entries = [stored(index, size=200) for index in range(1, 61)]
    for entry in entries:
        bench.add(entry)
    bench.close()
    before = bench.folder.with_name("before")
    shutil.copytree(bench.folder, before)
    failpoints = Failpoints(monkeypatch)
    fatal, is_through = 0, False
    while not is_through:
        fatal += 1
        bench.open()
        failpoints.arm(fatal)
        try:
            bench.drop_up_to(40)
            is_through = True
        except Killed:
            pass
        failpoints.disarm()
        bench.close()
        bench.open()
        left = bench.entries()
        bench.close()
        promise(
            f"killed at step {fatal} of shortening: {len(left)} entries are left of the last 20",
            holds=left[-20:] == entries[-20:],
        )
        shutil.rmtree(bench.folder)
        shutil.rmtree(bench.folder.with_name("archive"), ignore_errors=True)
        shutil.copytree(before, bench.folder)
    assert fatal > 1


def test_finding_11_a_log_may_be_longer_than_4_gib(bench: Bench) -> None:
    """The library's journal is one file, and says in 32 bits where it ends."""
    bench.open()
    entries = [stored(index, size=200) for index in range(1, 41)]
    bench.add(entries[0])
    bench.pretend_bytes((1 << 32) - 100)
    try:
        for entry in entries[1:]:
            bench.add(entry)
        refusal = ""
    except struct.error as error:
        refusal = str(error)
    promise(f"an entry behind 4 GiB is taken: {refusal}", holds=not refusal)
    bench.close()
    bench.open()
    assert bench.entries() == entries
    bench.close()


def test_finding_11_a_damaged_vote_is_not_forgotten(bench: Bench) -> None:
    """Unreadable term and vote are an empty start in the library: it votes again."""
    bench.open()
    bench.add(stored(1))
    bench.vote(5, "n2")
    bench.close()
    flip(bench.vote_file(), 0)
    try:
        bench.open()
    except Exception:  # noqa: BLE001  # a refusal is right, whatever it says
        return
    voted = bench.voted()
    bench.close()
    promise(f"it voted for n2 in term 5, and says {voted}", holds=voted == (5, "n2"))


def test_finding_11_a_damaged_snapshot_is_refused(make_rig: MakeRig) -> None:
    """One byte of it, and the library's node is empty, votes and leads."""
    rig = make_rig(ONE)
    begin_alone(rig)
    rig.put_all("n1", [str(number) for number in range(20)])
    rig.settle()
    rig.compact("n1")
    rig.put("n1", "behind it")
    rig.settle()
    assert len(rig.acknowledged) == 21
    rig.stop("n1")
    path = rig.snapshot_path("n1")
    assert path is not None
    bits = 8 * path.stat().st_size
    for bit in range(0, bits, bits // 12):
        flip(path, bit)
        if not comes_back(rig, "n1"):
            rig.elect("n1")
            rig.settle()
            promise(
                f"bit {bit}: it leads with {rig.applied('n1')} of {rig.acknowledged}",
                holds=rig.applied("n1") == rig.acknowledged,
            )
            rig.stop("n1")
        flip(path, bit)


def test_finding_11_a_full_disk_is_a_refusal(kind: str, tmp_path: Path) -> None:
    """The library writes to mapped memory that has no disk behind it: SIGBUS."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.findings.full_disk_process", kind, str(disk)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.stdout.startswith("cannot mount"):
        pytest.skip("a process may not mount a small disk here")
    promise("a full disk does not end the process", holds=done.returncode != -signal.SIGBUS)
    assert done.returncode == 0, done.stderr
    taken, found = json.loads(done.stdout)
    assert 100 < taken == found
