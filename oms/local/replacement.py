"""The files of a stopped venue when one node takes another's place (docs/adr/0022).

Called by `oms cluster replace`, which holds every node's lock. Promises: the plan, which is the
`venue.toml` to be, is on disk before anything else changes, and takes its name as the last step.
Until then every step can be done again, and the venue does not open. The journals of the nodes
that stay are not touched; what was the old node's is moved aside, never removed.
"""

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from oms.config import NodeSettings, SettingsError
from oms.local.folder import (
    REPLACING_FILE,
    VENUE_FILE,
    DataFolder,
    VenueFile,
    load_gateway,
    load_node,
    node_settings_of,
    open_unchecked,
    read_venue,
    sync_folder,
    to_toml,
)
from oms.transport import keys

SET_ASIDE: Final = "set-aside"
READ: Final = "docs/operating.md, Replace a node"
_NAME: Final = re.compile(r"[a-z][a-z0-9]{0,11}")
_STAYS: Final = frozenset({errno.EBUSY, errno.EXDEV})  # a mount point cannot be renamed

MakeJournal = Callable[[Path], None]  # in a new folder, marked as joining


class Replacement:
    """One replacement, begun or to be begun; the venue must be stopped."""

    def __init__(self, path: Path, old: str, new: str) -> None:
        """Look and change nothing. Raises: SettingsError when it cannot be done."""
        self.folder = open_unchecked(path)
        self.old, self.new = old, new
        plan = self.folder.path / REPLACING_FILE
        self.is_begun = plan.exists()
        before = self.folder.venue
        if self.is_begun:
            after = read_venue(plan)
            begun = (after.retired[-1], *_added(before, after))
            if begun != (old, new):
                raise refused(
                    f"the replacement of {begun[0]} by {begun[1]} is half-done",
                    f"finish that first: `oms cluster replace {begun[0]} {begun[1]}`",
                )
        else:
            self._check_names()
            after = msgspec.structs.replace(
                before,
                nodes=[
                    msgspec.structs.replace(node, node_id=new) if node.node_id == old else node
                    for node in before.nodes
                ],
                retired=[*before.retired, old],
            )
        self._after = DataFolder(self.folder.path, after)

    @property
    def stayers(self) -> list[str]:
        """The nodes that stay."""
        return [node.node_id for node in self._after.venue.nodes if node.node_id != self.new]

    def settings_of(self, node_id: str) -> NodeSettings:
        """Of a node that stays. Raises: SettingsError."""
        return load_node(self.folder, node_id)

    def former(self) -> NodeSettings | None:
        """Of the old node, as far as its file can still be read."""
        try:
            return load_node(self.folder, self.old)
        except SettingsError:
            return None

    def run(self, make_journal: MakeJournal, files: dict[str, bytes]) -> list[Path]:
        """Do it; returns what was set aside. `files` belong in the new node's folder."""
        path = self.folder.path
        gateways = [load_gateway(self.folder, item.name) for item in self._after.venue.gateways]
        nodes = [self.settings_of(node_id) for node_id in self.stayers]
        _write_whole(path / REPLACING_FILE, to_toml(self._after.venue))
        keys.generate_node(self.folder.keys, self.new)
        self._make_node(make_journal, files)
        for node in nodes:
            settings = msgspec.structs.replace(node, nodes=self._after.venue.nodes)
            _write_whole(self.folder.node_settings(node.node_id), to_toml(settings))
        for gateway in gateways:
            door = msgspec.structs.replace(gateway, nodes=self._after.venue.nodes)
            _write_whole(self.folder.gateway_settings(gateway.name), to_toml(door))
        moved = self._set_aside()
        (path / REPLACING_FILE).rename(path / VENUE_FILE)
        sync_folder(path)
        return moved

    # ---- inside

    def _check_names(self) -> None:
        venue, old, new = self.folder.venue, self.old, self.new
        known = [node.node_id for node in venue.nodes]
        if old not in known:
            raise refused(f"the venue has no node {old!r}", f"name one of {', '.join(known)}")
        if not _NAME.fullmatch(new):
            raise refused(
                f"{new!r} cannot be a node's name",
                "give a small letter and up to eleven small letters or digits",
            )
        if new in [*known, *venue.retired]:
            raise refused(
                f"{new} is or was a node of this venue: what it promised may still be counted on",
                "give a name that no node ever had",
            )
        if (self.folder.path / new).exists():
            raise refused(
                f"there is {self.folder.path / new} already", "give another name, or move it away"
            )

    def _make_node(self, make_journal: MakeJournal, files: dict[str, bytes]) -> None:
        """Beside its place, then renamed: it is whole, or not there."""
        place = self.folder.path / self.new
        if place.exists():
            return
        making = place.with_name(f"{self.new}.making")
        if making.exists():
            shutil.rmtree(making)
        making.mkdir(mode=0o700)
        address = next(node for node in self._after.venue.nodes if node.node_id == self.new)
        settings = node_settings_of(self._after, address)
        former = self.former()
        if former is not None:
            settings = msgspec.structs.replace(
                settings, core=former.core, durability=former.durability, engine=former.engine
            )
        _write_whole(making / "node.toml", to_toml(settings))
        for name, content in files.items():
            _write_whole(making / name, content)
        make_journal(making / "journal")
        sync_folder(making)
        making.rename(place)
        sync_folder(self.folder.path)

    def _set_aside(self) -> list[Path]:
        """The old node's folder, and its keys: who has them is no node any more."""
        aside = self.folder.path / SET_ASIDE
        aside.mkdir(mode=0o700, exist_ok=True)
        moved: list[Path] = []
        name = keys.node_name(self.old)
        for path in (
            self.folder.path / self.old,
            self.folder.keys / f"{name}.public",
            self.folder.keys / f"{name}.secret",
        ):
            if not path.exists():
                continue
            try:
                path.rename(aside / path.name)
            except OSError as error:
                if error.errno not in _STAYS:
                    raise
                continue
            moved.append(aside / path.name)
        for folder in (aside, self.folder.keys, self.folder.path):
            sync_folder(folder)
        return moved


def refused(why: str, do: str) -> SettingsError:
    """Nothing was changed, and why."""
    return SettingsError(what="no node was replaced", why=why, do=do, read=READ)


def _added(before: VenueFile, after: VenueFile) -> list[str]:
    known = {node.node_id for node in before.nodes}
    return [node.node_id for node in after.nodes if node.node_id not in known]


def _write_whole(path: Path, content: str | bytes) -> None:
    """Beside its place, synced, renamed: the old content or the new one, never a part."""
    made = path.with_name(f"{path.name}.new")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    made.rename(path)
    sync_folder(path.parent)
