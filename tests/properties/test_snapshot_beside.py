"""A snapshot that a process beside the engine makes is the one of the moment it was begun.

The seeds of a run are printed; `QUORATE_SEED` repeats one.
"""

import os
import random
from pathlib import Path
from typing import NamedTuple

import pytest

from oms._core import Engine
from oms.reference.engine import Engine as Oracle
from tests.properties.generator import Generator
from tests.properties.steps import pack

FRESH_SEED = os.environ.get("QUORATE_SEED") or str(random.SystemRandom().getrandbits(32))
BEGUN = 12
ENTRIES = 400


class Begun(NamedTuple):
    """A snapshot in the making. Shape: process, file, what it must be, the log's length then."""

    process: int
    file: int
    expected: bytes
    log_index: int


def finished(begun: Begun) -> bytes:
    """What the process has written."""
    _, status = os.waitpid(begun.process, 0)
    assert status == 0
    data = os.pread(begun.file, os.fstat(begun.file).st_size, 0)
    os.close(begun.file)
    return data


@pytest.mark.property
@pytest.mark.parametrize("seed", ["1", "2", FRESH_SEED], ids=str)
def test_it_is_as_of_where_it_was_begun_whatever_comes_meanwhile(seed: str) -> None:
    """A mixture of two moments would be a state that no replica ever had."""
    print(f"seed {seed}")
    rng = random.Random(f"beside.{seed}")
    generator, oracle, engine = Generator(rng), Oracle(), Engine()
    starts = set(rng.sample(range(5, ENTRIES), BEGUN))
    begun: list[Begun] = []
    entries: list[bytes] = []
    for index in range(1, ENTRIES + 1):
        entries.append(pack(generator.next_step(oracle._venue), oracle._venue))
        oracle.apply(index, entries[-1])
        engine.apply(index, entries[-1])
        if index in starts:
            file = os.memfd_create("test", os.MFD_CLOEXEC)
            begun.append(Begun(engine.snapshot_beside(file), file, engine.snapshot(), index))
        if begun and rng.random() < 0.2:
            check(begun.pop(rng.randrange(len(begun))), engine, entries)
    for one in begun:
        check(one, engine, entries)


def check(begun: Begun, engine: Engine, entries: list[bytes]) -> None:
    """The bytes are those of that moment, and who goes on from them is where the engine is."""
    data = finished(begun)
    engine.join_pages()
    assert data == begun.expected
    copy = Engine()
    copy.restore(data)
    for index in range(begun.log_index + 1, len(entries) + 1):
        copy.apply(index, entries[index - 1])
    assert (copy.digest(), copy.state_digest()) == (engine.digest(), engine.state_digest())


@pytest.mark.property
def test_the_process_keeps_none_of_our_files(tmp_path: Path) -> None:
    """A node that is killed and started again must find its lock free, and its ports."""
    read_fd, write_fd = os.pipe()
    file = os.open(tmp_path / "state", os.O_RDWR | os.O_CREAT)
    process = Engine().snapshot_beside(file)
    os.close(write_fd)
    assert os.read(read_fd, 1) == b"", "the pipe's other end is closed"
    os.waitpid(process, 0)
    os.close(read_fd)
    os.close(file)
    assert (tmp_path / "state").read_bytes() == Engine().snapshot()


@pytest.mark.property
def test_what_cannot_be_written_is_told() -> None:
    """A snapshot that is not whole must not be taken for one."""
    file = os.open("/dev/full", os.O_RDWR)
    _, status = os.waitpid(Engine().snapshot_beside(file), 0)
    os.close(file)
    assert os.waitstatus_to_exitcode(status) == 1
