"""Each house rule fires on a small bad sample, and not on the good one beside it."""

from pathlib import Path

import pytest

from scripts import tidy

TABLE = tidy.load_table(Path(__file__).parents[3] / "scripts" / "tidy.toml")
HEADER = '"""What it is for."""\n'


def rules(path: str, text: str) -> list[str]:
    """Names of the rules that `text` at `path` breaks, in order of line."""
    return [found.rule for found in sorted(tidy.check_source(tidy.Source(path, text), TABLE))]


@pytest.mark.parametrize(
    ("path", "line", "rule"),
    [
        ("oms/wire/soupbin.py", "from oms.node import loop", "imports"),
        ("oms/wire/soupbin.py", "from ..node import loop", "imports"),
        ("oms/_core/ladder.pyx", "from oms.node cimport loop", "imports"),
        ("oms/_core/ladder.pxd", "cimport oms.node.loop as loop", "imports"),
        ("oms/_core/ladder.pxi", "from oms.node.loop cimport (run,\n    stop)", "imports"),
        ("oms/client/aio.py", "import oms._core.engine", "imports"),
        ("gateways/binary/server.py", "def f():\n    from oms.replication import port", "imports"),
        ("oms/_core/ladder.pyx", "import time", "pure"),
        ("oms/wire/soupbin.py", "from os import path", "pure"),
        ("gateways/binary/session.py", "import asyncio", "pure"),
        ("oms/wire/soupbin.py", "import zmq", "libraries"),
        ("oms/node/loop.py", "from pysyncobj import SyncObj", "pysyncobj"),
        ("tests/unit/test_a.py", "import pickle", "pickle"),
        ("oms/replication/journal.py", "from pysyncobj import pickle", "pickle"),
        ("oms/_core/ladder.pyx", "DEF SIZE = 4", "old-cython"),
        ("oms/_core/ladder.pyx", "IF WINDOWS:\n    pass", "old-cython"),
        ("oms/_core/ladder.pyx", "cdef int best(Side* side) nogil:\n    return 0", "contract"),
        (
            "oms/_core/ladder.pxd",
            "cdef int best(Side* side,\n              int64 tick)",
            "contract",
        ),
        ("oms/_core/ladder.pyx", "cdef object* best(Side* side):\n    pass", "contract"),
        ("oms/_core/ladder.pyx", "cdef double mid = 0", "floats"),
        ("gateways/binary/session.py", "x = 1.5", "floats"),
        ("gateways/binary/session.py", "x = float(1)", "floats"),
        ("oms/node/loop.py", "def f():\n    return socket.socket(1)", "sockets"),
        ("oms/node/loop.py", "puller = context.socket(zmq.PULL)", "sockets"),
        ("oms/node/loop.py", "last_px = 1", "names"),
        ("oms/node/loop.py", "def amend_order(): ...", "names"),
        ("oms/node/loop.py", "def f(uid): ...", "names"),
        ("oms/node/utils.py", "", "homeless"),
        ("oms/misc/loop.py", "", "rooms"),
        ("oms/node/__init__.py", "from oms.node.loop import run", "init"),
        ("oms/node/loop.py", "# TO" + "DO: later", "unfinished"),
        ("oms/node/loop.py", "x = '" + "a" * 100 + "'", "columns"),
        ("oms/node/loop.py", "x = 1\n" * 601, "size"),
    ],
)
def test_a_rule_fires(path: str, line: str, rule: str) -> None:
    """A rule that cannot fire protects nothing."""
    assert rule in rules(path, HEADER + line + "\n")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("oms/node/loop.py", "import oms\nfrom oms.wire import frames\nimport time"),
        ("gateways/binary/server.py", "from gateways.binary import session\nimport asyncio"),
        ("oms/_core/engine.pyx", "from oms.messages.link import Totals"),
        ("oms/_core/ladder.pyx", "cdef int best(Side* side) noexcept nogil:\n    return 0"),
        ("oms/_core/ladder.pyx", "cdef inline int64 best(int a) except? -1 nogil:\n    return 0"),
        ("oms/_core/ladder.pyx", "cdef bytes text(self):\n    return b''"),
        ("oms/_core/ladder.pyx", "cdef int tick = best(side)"),
        ("oms/_core/ladder.pyx", "cdef class Ladder:\n    cdef int[4] lanes"),
        ("oms/_core/ladder.pyx", "# a double is never used\nx = 'float'"),
        ("oms/_core/ladder.pxd", 'cdef extern from "x.h" nogil:\n    int f(int a)'),
        ("oms/node/loop.py", "if future.cancelled(): ..."),
        ("oms/node/loop.py", "text = 'context.socket()'"),
        ("oms/node/loop.py", "x = '" + "a" * 94 + "'"),
        ("tests/unit/test_a.py", "import pysyncobj, zmq"),
        ("oms/node/__init__.py", ""),
    ],
)
def test_a_good_file_breaks_no_rule(path: str, text: str) -> None:
    """A rule that fires on good code is switched off by the first person it annoys."""
    assert rules(path, HEADER + text + "\n") == []


def test_a_cython_file_without_header_is_found() -> None:
    """The header is the contract of a file nobody may open."""
    assert rules("oms/_core/ladder.pxd", "cdef int x\n") == ["header"]


def test_an_allowed_place_may_break_its_rule() -> None:
    """The wall has doors, each with its reason in tidy.toml."""
    text = HEADER + "from pysyncobj import SyncObj\n"
    assert rules("oms/replication/raft_core.py", text) == []


def test_a_module_nobody_imports_is_found() -> None:
    """Dead modules are read by every newcomer."""
    used = tidy.Source("oms/wire/used.py", HEADER)
    dead = tidy.Source("oms/wire/dead.py", HEADER)
    user = tidy.Source("oms/cli/main.py", HEADER + "from oms.wire import used\n")
    found = list(tidy.check_unused([used, dead, user], TABLE))
    assert [one.path for one in found] == ["oms/wire/dead.py"]


def test_a_golden_file_needs_its_line_in_the_changelog() -> None:
    """A format must not change without a word to those who read it."""
    golden = {"tests/golden/batch.bin": b"abc"}
    assert [one.rule for one in tidy.check_golden(golden, "## Wire\n- `batch.bin` 00000000")]
    assert not list(tidy.check_golden(golden, "## Wire\n- `batch.bin` ba7816bf, version 1"))


def test_a_broken_link_in_a_document_is_found(tmp_path: Path) -> None:
    """Documents are the way in; a dead link is a closed door."""
    (tmp_path / "there.md").write_text("")
    text = "[a](there.md) [b](gone.md) [c](https://example.org/x)"
    assert [one.message for one in tidy.check_links("README.md", text, tmp_path)] == [
        tidy.MESSAGES["links"].format(name="gone.md")
    ]


def test_an_exception_for_a_missing_file_is_found() -> None:
    """An old exception would let the next file of that name pass."""
    table = tidy.Table((), frozenset(), {("sockets", "oms/gone.py"): "why"})
    assert [one.rule for one in tidy.check_allowed([], table)] == ["stale"]


def test_a_document_that_code_names_must_exist() -> None:
    """An error message that sends its reader to nowhere is worse than one that does not."""
    source = tidy.Source("oms/config.py", "read='docs/a.md' # docs/adr/0003, docs/b.md\n")
    documents = frozenset({"docs/a.md", "docs/adr/0003-integers.md"})
    assert [one.message for one in tidy.check_mentions(source, documents)] == [
        tidy.MESSAGES["links"].format(name="docs/b.md")
    ]
