"""A process's lines: whole, or dropped and counted."""

import errno
import io
import json
import os
from pathlib import Path

import pytest

from oms.process_log import Log


def lines(path: Path) -> list[dict[str, str | int]]:
    """Every line of the file that is one."""
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            found.append({"event": "torn"})
    return found


def test_a_line_that_cannot_be_written_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node must go on when the disk of its log is full; the next line says what is missing."""
    path = tmp_path / "node.log"

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with path.open("w") as stream:
        log = Log("n1", stream)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            log.info("first")
            log.error("second")
        assert log.dropped_count == 2
        log.info("third")
        log.info("fourth")
    told = lines(path)
    assert [line["event"] for line in told] == ["third", "fourth"]
    assert (told[0]["lines_dropped"], "lines_dropped" in told[1]) == (2, False)


def test_a_torn_line_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "node.log"
    write = os.write

    def nearly_full(fd: int, data: bytes) -> int:
        return write(fd, data[:10])

    with path.open("w") as stream:
        log = Log("n1", stream)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", nearly_full)
            log.info("first")
        log.info("second")
    assert [line["event"] for line in lines(path)] == ["torn", "second"]
    assert log.dropped_count == 1


def test_a_stream_without_a_file_will_do() -> None:
    stream = io.StringIO()
    Log("b1", stream, role="gateway").warning("slow", client=3)
    line = json.loads(stream.getvalue())
    assert (line["gateway"], line["level"], line["client"]) == ("b1", "warning", 3)
