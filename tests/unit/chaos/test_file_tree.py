"""Which names the forgetful file system has on disk, before and after the power goes."""

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oms.chaos.disk_room import DiskRoom
from oms.chaos.file_nodes import Folder
from oms.chaos.file_tree import FileTree

SEEDS = range(80)
DRAWS = 60
Change = Callable[[FileTree], None]


@pytest.fixture(autouse=True)
def _given_back(tmp_path: Path) -> Iterator[None]:
    """A tree ends with its process: what it has open over the test's folder is closed here."""
    yield
    for link in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            if str(link.readlink()).startswith(str(tmp_path)):
                os.close(int(link.name))


@pytest.fixture
def backing(tmp_path: Path) -> Path:
    """The backing folder."""
    path = tmp_path / "backing"
    path.mkdir()
    return path


def make(tree: FileTree, folder: Folder, name: str, content: bytes = b"") -> None:
    """A file whose bytes are synced; its name is not."""
    file = tree.make_file(folder, name, 0o600)
    file.content.write(0, memoryview(content))
    file.content.finish(file.content.capture())


def move(tree: FileTree, source: Folder, old: str, target: Folder, new: str) -> None:
    tree.rename(source, old, target, new, is_new=False)


def sync(tree: FileTree, folder: Folder) -> None:
    tree.sync(tree.waiting_for(folder))


def found(backing: Path) -> dict[str, bytes]:
    """Every file of the backing folder."""
    return {
        str(path.relative_to(backing)): path.read_bytes()
        for path in sorted(backing.rglob("*"))
        if path.is_file()
    }


def open_files() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def outcomes(tmp_path: Path, change: Change) -> set[frozenset[tuple[str, bytes]]]:
    """What may be on disk when the power goes after `change`."""
    results = set()
    for seed in range(DRAWS):
        backing = tmp_path / f"draw{seed}"
        backing.mkdir()
        tree = FileTree(backing, DiskRoom())
        change(tree)
        tree.cut(random.Random(seed), is_lenient=True)
        results.add(frozenset(found(backing).items()))
    return results


def test_a_name_is_on_disk_when_its_folder_was_synced(backing: Path) -> None:
    """And not sooner, though the file's bytes were."""
    tree = FileTree(backing, DiskRoom())
    make(tree, tree.root, "file", b"bytes")
    assert found(backing) == {}
    sync(tree, tree.root)
    assert found(backing) == {"file": b"bytes"}


def test_unsynced_bytes_are_not_found_under_a_synced_name(backing: Path) -> None:
    """Rename before sync: the classic way to an empty file."""
    tree = FileTree(backing, DiskRoom())
    tree.make_file(tree.root, "file", 0o600).content.write(0, memoryview(b"bytes"))
    sync(tree, tree.root)
    assert found(backing) == {"file": b""}


def test_a_folder_needs_its_own_name_on_disk(backing: Path) -> None:
    """To sync a new folder is not enough: the one above it leads there."""
    tree = FileTree(backing, DiskRoom())
    inner = tree.make_folder(tree.root, "inner", 0o700)
    make(tree, inner, "file")
    sync(tree, inner)
    assert list(backing.iterdir()) == []
    sync(tree, tree.root)
    assert found(backing) == {"inner/file": b""}


def test_what_is_loaded_is_what_was_there(backing: Path) -> None:
    """Folders, links and files with two names included."""
    (backing / "inner").mkdir()
    (backing / "inner" / "file").write_bytes(b"1")
    (backing / "twin").hardlink_to(backing / "inner" / "file")
    (backing / "link").symlink_to("twin")
    tree = FileTree(backing, DiskRoom())
    inner = tree.root.names["inner"]
    assert isinstance(inner, Folder)
    assert inner.names["file"] is tree.root.names["twin"]
    assert sorted(tree.root.names) == ["inner", "link", "twin"]


def test_a_rename_leaves_the_old_name_or_the_new_one(tmp_path: Path) -> None:
    """Never neither, never both, and what it replaces is there until it is replaced."""

    def change(tree: FileTree) -> None:
        make(tree, tree.root, "a", b"new")
        make(tree, tree.root, "b", b"old")
        sync(tree, tree.root)
        move(tree, tree.root, "a", tree.root, "b")

    assert outcomes(tmp_path, change) == {
        frozenset({("a", b"new"), ("b", b"old")}),
        frozenset({("b", b"new")}),
    }


def test_unsynced_steps_of_different_files_have_no_order(tmp_path: Path) -> None:
    def change(tree: FileTree) -> None:
        make(tree, tree.root, "a")
        make(tree, tree.root, "b")

    names = {frozenset(name for name, _ in files) for files in outcomes(tmp_path, change)}
    assert names == {frozenset(), frozenset("a"), frozenset("b"), frozenset("ab")}


def test_steps_of_one_name_keep_their_order(tmp_path: Path) -> None:
    """A file that was made aside and renamed is aside, in place, or nowhere."""

    def change(tree: FileTree) -> None:
        make(tree, tree.root, "file.aside", b"x")
        move(tree, tree.root, "file.aside", tree.root, "file")

    names = {frozenset(name for name, _ in files) for files in outcomes(tmp_path, change)}
    assert names == {frozenset(), frozenset({"file.aside"}), frozenset({"file"})}


def test_a_synced_move_out_of_a_new_folder_is_on_disk(backing: Path) -> None:
    """The sync is asked of the folder it went to; the one it came from follows."""
    tree = FileTree(backing, DiskRoom())
    making = tree.make_folder(tree.root, "making", 0o700)
    target = tree.make_folder(tree.root, "target", 0o700)
    sync(tree, tree.root)
    inner = tree.make_folder(making, "inner", 0o700)
    make(tree, inner, "file", b"x")
    move(tree, inner, "file", target, "file")
    sync(tree, target)
    assert found(backing) == {"target/file": b"x"}


def test_a_removed_tree_is_gone_after_one_sync(backing: Path) -> None:
    tree = FileTree(backing, DiskRoom())
    inner = tree.make_folder(tree.root, "inner", 0o700)
    make(tree, inner, "file")
    sync(tree, tree.root)
    sync(tree, inner)
    tree.remove(inner, "file", is_folder=False)
    tree.remove(tree.root, "inner", is_folder=True)
    assert found(backing) == {"inner/file": b""}
    sync(tree, tree.root)
    assert list(backing.iterdir()) == []


def test_a_file_without_name_keeps_nothing_open(backing: Path) -> None:
    """What is removed for good costs no descriptor, however long the mount lives."""
    tree = FileTree(backing, DiskRoom())
    before = open_files()
    for _ in range(10):
        make(tree, tree.root, "file")
        sync(tree, tree.root)
        tree.remove(tree.root, "file", is_folder=False)
        sync(tree, tree.root)
    assert open_files() == before


@pytest.mark.parametrize("seed", SEEDS)
def test_no_file_is_lost_between_two_names(backing: Path, seed: int) -> None:
    """Files that are only moved, among folders old and new, are each found once after a cut."""
    draw = random.Random(seed)
    tree = FileTree(backing, DiskRoom())
    folders = [tree.root, tree.make_folder(tree.root, "f", 0o700)]
    contents = [b"%d" % number for number in range(6)]
    for number, content in enumerate(contents):
        make(tree, tree.root, f"start{number}", content)
    sync(tree, tree.root)
    for number in range(draw.randrange(30)):
        match draw.randrange(8):
            case 0:
                folders.append(tree.make_folder(draw.choice(folders), f"f{number}", 0o700))
            case 1:
                sync(tree, draw.choice(folders))
            case _:
                places = [(f, name) for f in folders for name in f.names if name[0] != "f"]
                move(tree, *draw.choice(places), draw.choice(folders), f"m{number}")
    tree.cut(draw, is_lenient=draw.random() < 0.8)
    assert sorted(found(backing).values()) == contents
