"""House rules no off-the-shelf linter knows: who imports whom, what purity means, names, sizes.

Run by `make lint` and as a test (tests/test_tidy.py), so it cannot be forgotten. Reads the tree and
scripts/tidy.toml and nothing else; prints one line a finding, which names the rule's place and what
to write instead; exits 1 when there is one. An ordinary import linter does not see .pyx and .pxd
files: this one does.
"""

import argparse
import ast
import hashlib
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

TOP_FOLDERS = ("oms", "gateways", "scripts", "tests", "perf")
SKIPPED_FOLDERS = {"__pycache__", "build", "results", "node_modules"}
CYTHON_SUFFIXES = {".pyx", ".pxd", ".pxi"}
CODE_SUFFIXES = CYTHON_SUFFIXES | {".py", ".pyi", ".h", ".c", ".sh", ""}
LINES_MAX = 600
COLUMNS_MAX = 100

# Words of CONTRIBUTING.md's list of names that nobody writes for another reason.
FORBIDDEN_WORDS = {
    "px": "price",
    "oid": "order_id",
    "uid": "account_id or user_id",
    "amend": "replace",
    "nack": "reject",
    "cancelled": "canceled",
    "ticker": "symbol",
    "wal": "journal",
    "oplog": "log",
    "slave": "follower",
    "dto": "message",
}
HOMELESS_NAMES = {"utils", "util", "common", "helpers", "base", "manager", "misc"}
PICKLERS = {"pickle", "cPickle", "_pickle", "dill", "marshal", "shelve", "cloudpickle"}
SOCKET_MAKERS = re.compile(
    r"\.socket\(|\bsocket\.(socket|create_connection|create_server|"
    r"socketpair)\(|\.(create_server|create_connection|open_connection|start_server)\("
)
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
OLD_CYTHON = re.compile(r"^\s*(DEF\s+\w+\s*=|(IF|ELIF)\s.*:|ELSE\s*:)")
FLOATS = re.compile(r"\b(float|double)\b")
CDEF = re.compile(r"^\s*cp?def\s+(?!class\b|struct\b|packed\b|enum\b|union\b|extern\b|public\b)")
CYTHON_IMPORT = re.compile(
    r"^\s*(?:from\s+(?P<source>[\w.]+)\s+c?import\s+(?P<names>.+)|c?import\s+(?P<modules>.+))$"
)
OBJECT_TYPES = {"object", "bytes", "list", "dict", "tuple", "str", "bytearray", "set"}
MENTION = re.compile(r"\bdocs/(?:adr/\d{4}|[a-z_/]+\.md)")
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|#|mailto:)([^)#\s]+)[^)]*\)")

# What each rule says: its place in the documents, and what to write instead.
MESSAGES = {
    "rooms": "no room has this module (scripts/tidy.toml): give it a row in the import table",
    "imports": "{room} may not import {name} (ARCHITECTURE.md, Who imports whom): it may import"
    " {ours}; move the code to the room it belongs to, or hand the value in",
    "pure": "{room} decides, so it never imports {name} (ARCHITECTURE.md, Pure inside): take bytes,"
    " messages and now_ns as arguments",
    "libraries": "{room} may not import {name} (scripts/tidy.toml): it has {libraries}",
    "pysyncobj": "the library is walled in (docs/adr/0011): use oms.replication.port",
    "pickle": "nothing is pickled here (docs/adr/0011): msgspec for messages, struct for records",
    "old-cython": "DEF and IF are deprecated (CONTRIBUTING.md, Cython): a constant is `cdef enum`"
    " or `const`",
    "contract": "a cdef function writes its whole contract (CONTRIBUTING.md, Cython): end it with"
    " `noexcept nogil` or `except? -1`",
    "floats": "code that decides knows integers only (docs/adr/0003): prices in 10^-4, times in"
    " nanoseconds",
    "size": "{count} lines, at most {most} (CONTRIBUTING.md, Shape of a file): one concept a file,"
    " so split it",
    "columns": "{count} columns, at most {most} (CONTRIBUTING.md, Shape of a file): break the line",
    "unfinished": "nothing is left for later in the code (CONTRIBUTING.md, Comments): finish it, or"
    " write it in the issue",
    "homeless": "'{name}' names no concept (CONTRIBUTING.md, Names): a file is named after what it"
    " holds",
    "header": "no header (CONTRIBUTING.md, Shape of a file): say what the file is for, who calls it"
    " and what it promises",
    "names": "'{name}': we say {instead}, not {word} (CONTRIBUTING.md, Names)",
    "sockets": "sockets are made in oms/transport/sockets.py and server.py (ARCHITECTURE.md, Who"
    " imports whom), where every option is written out",
    "init": "__init__.py is empty (CONTRIBUTING.md, Shape of a file): import from the module that"
    " has it",
    "unused": "nobody imports this module: remove it, or list it under [entry_points] in"
    " scripts/tidy.toml",
    "golden": "a format changed without a word: add to CHANGELOG.md under Wire what changed, with"
    " `{name}` {sign}",
    "links": "{name} does not exist: correct the link, or write the document",
    "stale": "{name} is allowed '{word}' and does not exist: remove the entry",
}


@dataclass(frozen=True, order=True)
class Finding:
    """One broken rule; `rule` is the name that an [[allowed]] entry uses."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


def finding(path: str, line: int, rule: str, **words: object) -> Finding:
    """A broken rule in its own words."""
    return Finding(path, line, rule, MESSAGES[rule].format(**words))


@dataclass(frozen=True)
class Room:
    """A row of the import table."""

    name: str
    ours: tuple[str, ...]
    libraries: tuple[str, ...]
    never: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Table:
    """scripts/tidy.toml, decoded."""

    rooms: tuple[Room, ...]
    entry_points: frozenset[str]
    allowed: dict[tuple[str, str], str] = field(default_factory=dict)

    def room_of(self, module: str) -> Room | None:
        """The room with the longest matching name."""
        fitting = [room for room in self.rooms if is_within(module, room.name)]
        return max(fitting, key=lambda room: len(room.name), default=None)


def load_table(path: Path) -> Table:
    """Read the tables. Raises: KeyError, when a row lacks a key."""
    document = tomllib.loads(path.read_text())
    pure = frozenset(document["pure"]["modules"])
    rooms = tuple(
        Room(
            name=row["name"],
            ours=tuple(row["ours"]),
            libraries=tuple(row["libraries"]),
            never=pure if row.get("pure", False) else frozenset(),
        )
        for row in document["room"]
    )
    allowed = {(row["rule"], row["path"]): row["why"] for row in document["allowed"]}
    return Table(rooms, frozenset(document["entry_points"]["modules"]), allowed)


@dataclass(frozen=True)
class Source:
    """One file: where it is, what it says, and its Python syntax tree if it is Python."""

    path: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its text by line, without line ends."""
        return self.text.splitlines()

    @property
    def suffix(self) -> str:
        """The name's ending with its dot."""
        return PurePosixPath(self.path).suffix

    @property
    def module(self) -> str:
        """The dotted name (`oms.wire.ouch`); a package's is its folder's."""
        parts = list(PurePosixPath(self.path).with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        """What a relative import starts from."""
        is_package = PurePosixPath(self.path).stem == "__init__"
        return self.module if is_package else self.module.rpartition(".")[0]

    def tree(self) -> ast.Module | None:
        """None for anything but Python. Raises: SyntaxError."""
        if self.suffix not in {".py", ".pyi"}:
            return None
        return ast.parse(self.text, self.path)


def is_within(module: str, room: str) -> bool:
    """Is `module` the room itself or inside it?"""
    return module == room or module.startswith(room + ".")


# ---- imports ------------------------------------------------------------------------------------


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """Every imported dotted name with its line; `from a import b` gives `a.b`."""
    tree = source.tree()
    if tree is not None:
        yield from _python_imports(source, tree)
    elif source.suffix in CYTHON_SUFFIXES:
        yield from _cython_imports(source)


def _python_imports(source: Source, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = _absolute("." * node.level + (node.module or ""), source.package)
            yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)


def _cython_imports(source: Source) -> Iterator[tuple[int, str]]:
    for number, line in _cython_statements(source.text):
        match = CYTHON_IMPORT.match(line)
        if match is None:
            continue
        listed = match["names"] or match["modules"]
        names = [part.split(" as ")[0].strip() for part in listed.strip("() ").split(",")]
        if match["source"]:
            start = _absolute(match["source"], source.package)
            names = [f"{start}.{name}" for name in names]
        yield from ((number, name) for name in names if name)


def _absolute(name: str, package: str) -> str:
    if not name.startswith("."):
        return name
    level = len(name) - len(name.lstrip("."))
    parts = package.split(".")
    kept = parts[: len(parts) - (level - 1)]
    return ".".join([*kept, *filter(None, [name.lstrip(".")])])


def check_imports(source: Source, table: Table) -> Iterator[Finding]:
    """The import table, in .py, .pyi, .pyx, .pxd and .pxi alike."""
    room = table.room_of(source.module)
    if room is None:
        if source.module.split(".")[0] in {"oms", "gateways"} and "." in source.module:
            yield finding(source.path, 1, "rooms")
        return
    words = {
        "room": room.name,
        "ours": ", ".join(room.ours) or "nothing of ours",
        "libraries": ", ".join(room.libraries) or "no library",
    }
    homes = (room.name, *room.ours, *_own_package(source, room))
    for line, name in imports(source):
        first = name.split(".")[0]
        if first in {"oms", "gateways"}:
            if name != "oms" and not any(is_within(name, home) for home in homes):
                yield finding(source.path, line, "imports", name=name, **words)
        elif first in room.never:
            yield finding(source.path, line, "pure", name=first, **words)
        elif first not in sys.stdlib_module_names and first not in room.libraries:
            yield finding(source.path, line, "libraries", name=first, **words)


def _own_package(source: Source, room: Room) -> tuple[str, ...]:
    # A file with a row of its own still sees its package's other pure files through `ours` only;
    # a gateway's IO files see their whole package, which is the room `gateways`.
    return (source.package,) if room.name == "gateways" else ()


def check_pysyncobj(source: Source) -> Iterator[Finding]:
    """The Raft library is named in a few files only."""
    for line, name in imports(source):
        if is_within(name, "pysyncobj") and not source.path.startswith(("tests/", "perf/")):
            yield finding(source.path, line, "pysyncobj")


def check_pickle(source: Source) -> Iterator[Finding]:
    """No pickle anywhere: one packet of it runs code."""
    for line, name in imports(source):
        if PICKLERS & set(name.split(".")):
            yield finding(source.path, line, "pickle")


# ---- Cython -------------------------------------------------------------------------------------


def _cython_statements(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines without comments and strings; a parenthesis joins lines."""
    blank = re.sub(
        r'("""|\'\'\')[\s\S]*?\1', lambda match: '""' + "\n" * match[0].count("\n"), text
    )
    start, depth, parts = 0, 0, list[str]()
    for number, raw in enumerate(blank.splitlines(), 1):
        line = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'', '""', raw).split("#")[0].rstrip()
        if not parts:
            start = number
        parts.append(line if not parts else line.strip())
        depth += sum(map(line.count, "([{")) - sum(map(line.count, ")]}"))
        if depth <= 0 and not line.endswith("\\"):
            yield start, " ".join(parts)
            depth, parts = 0, []


def check_cython(source: Source) -> Iterator[Finding]:
    """Contracts of cdef functions, no DEF and IF, no floating point in the core."""
    if source.suffix not in CYTHON_SUFFIXES:
        return
    for number, line in _cython_statements(source.text):
        if OLD_CYTHON.match(line):
            yield finding(source.path, number, "old-cython")
        if CDEF.match(line) and _lacks_contract(line):
            yield finding(source.path, number, "contract")
        if source.path.startswith("oms/_core/") and FLOATS.search(line):
            yield finding(source.path, number, "floats")


def _lacks_contract(line: str) -> bool:
    head, parenthesis, _ = line.partition("(")
    if not parenthesis or "=" in head or "[" in head.rpartition(" ")[2]:
        return False  # a variable
    words = re.sub(r"\[[^\]]*\]", "", head).replace("*", " ").split()
    if len(words) > 1 and words[-2] in OBJECT_TYPES and "*" not in head:
        return False  # a Python object: NULL is the error
    return not re.search(r"\b(noexcept|except)\b", line[line.rindex(")") :])


# ---- every file ---------------------------------------------------------------------------------


def check_text(source: Source) -> Iterator[Finding]:
    """Sizes, things left for later, files and folders without a home."""
    lines = source.lines
    if len(lines) > LINES_MAX:
        yield finding(source.path, len(lines), "size", count=len(lines), most=LINES_MAX)
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            most = COLUMNS_MAX
            yield finding(source.path, number, "columns", count=len(line), most=most)
        if UNFINISHED.search(line):
            yield finding(source.path, number, "unfinished")
    homeless = HOMELESS_NAMES & {PurePosixPath(part).stem for part in source.path.split("/")}
    if homeless:
        yield finding(source.path, 1, "homeless", name=homeless.pop())
    text = source.text.lstrip()
    if source.suffix in CYTHON_SUFFIXES and text and not text.startswith(("#", '"""')):
        yield finding(source.path, 1, "header")


def check_python(source: Source) -> Iterator[Finding]:
    """Names, floats in pure gateway files, sockets made anywhere, code in __init__.py."""
    tree = source.tree()
    if tree is None:
        return
    for line, identifier in _identifiers(tree):
        for word in FORBIDDEN_WORDS.keys() & set(identifier.lower().split("_")):
            instead = FORBIDDEN_WORDS[word]
            yield finding(source.path, line, "names", name=identifier, word=word, instead=instead)
    if source.path.startswith(("oms/", "gateways/")):
        yield from _check_sockets(source)
    is_package = PurePosixPath(source.path).name == "__init__.py"
    if is_package and source.module not in {"oms.messages", "oms._core"} and _has_code(tree):
        yield finding(source.path, 1, "init")


def _check_sockets(source: Source) -> Iterator[Finding]:
    for number, line in _cython_statements(source.text):
        if SOCKET_MAKERS.search(line):
            yield finding(source.path, number, "sockets")


def _has_code(tree: ast.Module) -> bool:
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in tree.body
    )


def _identifiers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Names this file gives; attributes of others (`future.cancelled()`) are not ours to choose."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case _:
                pass


def check_pure_floats(source: Source, table: Table) -> Iterator[Finding]:
    """No floating point in files that decide (gateway sessions, codecs, the oracle)."""
    room, tree = table.room_of(source.module), source.tree()
    if room is None or tree is None or not room.never:
        return
    for node in ast.walk(tree):
        is_name = isinstance(node, ast.Name) and node.id == "float"
        is_value = isinstance(node, ast.Constant) and isinstance(node.value, float)
        if is_name or is_value:
            yield finding(source.path, getattr(node, "lineno", 1), "floats")


# ---- the whole tree -----------------------------------------------------------------------------


def check_unused(sources: list[Source], table: Table) -> Iterator[Finding]:
    """A module nobody imports is dead, or an entry point that must be listed."""
    imported = {name for source in sources for _, name in imports(source)}
    for source in sources:
        is_ours = source.path.startswith(("oms/", "gateways/"))
        is_started = source.module in table.entry_points or PurePosixPath(source.path).stem in {
            "__init__",
            "__main__",
        }
        if source.suffix not in {".py", ".pyx"} or is_started or not is_ours:
            continue
        if not any(is_within(name, source.module) for name in imported):
            yield finding(source.path, 1, "unused")


def check_golden(golden: dict[str, bytes], changelog: str) -> Iterator[Finding]:
    """A golden file's content is named in CHANGELOG, so it cannot change unnoticed."""
    for path, content in sorted(golden.items()):
        sign = hashlib.sha256(content).hexdigest()[:8]
        if not re.search(rf"{re.escape(PurePosixPath(path).name)}.*{sign}", changelog):
            yield finding(path, 1, "golden", name=PurePosixPath(path).name, sign=sign)


def check_links(path: str, text: str, root: Path) -> Iterator[Finding]:
    """Relative links in documents lead somewhere."""
    for number, line in enumerate(text.splitlines(), 1):
        for target in LINK.findall(line):
            if not (root / path).parent.joinpath(target).exists():
                yield finding(path, number, "links", name=target)


def check_mentions(source: Source, documents: frozenset[str]) -> Iterator[Finding]:
    """Documents that code sends its reader to are there; a record may be named by its number."""
    for number, line in enumerate(source.lines, 1):
        for mention in MENTION.findall(line):
            if not any(path.startswith(mention) for path in documents):
                yield finding(source.path, number, "links", name=mention)


def check_source(source: Source, table: Table) -> list[Finding]:
    """Every rule that needs one file only, without what [[allowed]] permits."""
    found = [
        *check_text(source),
        *check_imports(source, table),
        *check_pysyncobj(source),
        *check_pickle(source),
        *check_cython(source),
        *check_python(source),
        *check_pure_floats(source, table),
    ]
    return [one for one in found if (one.rule, one.path) not in table.allowed]


def check_allowed(sources: list[Source], table: Table) -> Iterator[Finding]:
    """An exception for a file that is gone would let the next one of that name pass."""
    paths = {source.path for source in sources}
    for rule, path in table.allowed:
        if path not in paths:
            yield finding("scripts/tidy.toml", 1, "stale", name=path, word=rule)


def read_sources(root: Path) -> list[Source]:
    """Every code file of the tree, in order of path."""
    found = []
    for top in TOP_FOLDERS:
        for path in sorted((root / top).rglob("*")):
            relative = path.relative_to(root)
            is_skipped = SKIPPED_FOLDERS & set(relative.parts) or path.name.startswith(".")
            if path.is_file() and path.suffix in CODE_SUFFIXES and not is_skipped:
                if path.suffix == ".c" and path.with_suffix(".pyx").exists():
                    continue  # Cython wrote it
                found.append(Source(relative.as_posix(), path.read_text()))
    return found


def check_tree(root: Path, *, is_documents_only: bool = False) -> list[Finding]:
    """All rules over the whole tree, sorted by place."""
    found: list[Finding] = []
    documents = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "perf").glob("*.md")]
    for path in documents:
        found += check_links(path.relative_to(root).as_posix(), path.read_text(), root)
    if is_documents_only:
        return sorted(found)
    table = load_table(root / "scripts" / "tidy.toml")
    sources = read_sources(root)
    names = frozenset(path.relative_to(root).as_posix() for path in documents)
    for source in sources:
        found += check_source(source, table)
        if source.path.startswith(("oms/", "gateways/")):
            found += check_mentions(source, names)
    found += check_unused(sources, table)
    found += check_allowed(sources, table)
    golden = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in (root / "tests" / "golden").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc", ".md"}
    }
    changelog = root / "CHANGELOG.md"
    found += check_golden(golden, changelog.read_text() if changelog.exists() else "")
    return sorted(found)


def main() -> int:
    """Print what breaks a rule; the exit status says whether anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", action="store_true", help="only the links in documents")
    parser.add_argument("root", nargs="?", default=Path(__file__).parent.parent, type=Path)
    arguments = parser.parse_args()
    found = check_tree(arguments.root, is_documents_only=arguments.documents)
    for finding in found:
        print(finding)
    print(f"tidy: {len(found)} finding{'s' * (len(found) != 1)}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
