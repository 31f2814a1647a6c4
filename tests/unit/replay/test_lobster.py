"""The reader of recordings: what is understood, and what is refused with its line."""

import lzma
from pathlib import Path

import pytest

from oms.config import SettingsError
from oms.replay.lobster import Kind, read

LINES = """34200.004241176,1,16113575,18,5853300,1
34200.5,3,16113575,18,5853300,1
34201,4,16113584,5,5853200,-1
"""


def test_a_file_is_read_with_nanoseconds_and_prices_as_they_stand(tmp_path: Path) -> None:
    """Times are integers: a float would lose the last digits."""
    path = tmp_path / "messages.csv"
    path.write_text("\ufeff" + LINES + "\n")
    messages = read(path)
    assert messages["time_ns"].tolist() == [34200_004_241_176, 34200_500_000_000, 34201 * 10**9]
    assert messages["kind"].tolist() == [Kind.NEW, Kind.DELETE, Kind.EXECUTE]
    assert messages["order_id"].tolist() == [16113575, 16113575, 16113584]
    assert messages["direction"].tolist() == [1, 1, -1]
    assert messages["price"].tolist() == [5853300, 5853300, 5853200]


def test_a_compressed_file_is_the_same_file(tmp_path: Path) -> None:
    """Recordings are kept compressed."""
    plain, packed = tmp_path / "a.csv", tmp_path / "a.csv.xz"
    plain.write_text(LINES)
    packed.write_bytes(lzma.compress(LINES.encode()))
    assert (read(plain) == read(packed)).all()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("34200.1,1,5", "line 2"),
        ("34200.1,9,5,18,5853300,1", "9 is not a valid Kind"),
        ("noon,1,5,18,5853300,1", "line 2"),
        ("34200.1,1,5,18,5853300,1,7", "line 2"),
        ("34200.1,1,5,-18,5853300,1", "does not fit"),
        ("34200.1,1,99999999999999999999,18,5853300,1", "does not fit"),
    ],
)
def test_a_line_of_another_form_is_refused_by_number(tmp_path: Path, line: str, why: str) -> None:
    """A recording that is half understood would be replayed wrongly."""
    path = tmp_path / "messages.csv"
    path.write_text(LINES.splitlines()[0] + "\n" + line + "\n")
    with pytest.raises(SettingsError, match=why):
        read(path)


def test_an_empty_a_missing_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    """With what, why, what to do and where to read."""
    empty, damaged = tmp_path / "empty.csv", tmp_path / "damaged.csv.xz"
    empty.write_text("")
    damaged.write_bytes(lzma.compress(LINES.encode())[:-20])
    for path in (empty, damaged, tmp_path / "missing.csv"):
        with pytest.raises(SettingsError, match="do: "):
            read(path)
