"""The work of `oms snapshot`: prints what the shelf says, asks a running node for a new one.

Called by `snapshot.py`. Exit code 1 when a snapshot cannot be trusted or the node refused, 3 when
it is not known whether one was made.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from oms.cli.node_folders import chosen_nodes
from oms.cli.progress import progress
from oms.cli.tables import print_tables, table
from oms.config import SettingsError
from oms.local.requests import NoAnswer, NodeRequests, RequestRefused
from oms.local.venue import LocalVenue
from oms.messages import link
from oms.node import skip_orders, snapshot_shelf
from oms.node.engine import make_engine
from oms.node.event_file import ARCHIVE
from oms.node.log_replay import LogReplay
from oms.node.snapshot_shelf import NodeFolder, SnapshotView
from oms.replication.journal_reader import JournalReader
from oms.replication.snapshot_file import Snapshot

STATUS_S: Final = 1.0
_READ: Final = "docs/operating.md, Snapshots"
_encode = msgspec.json.Encoder().encode


class SnapshotUnknown(SettingsError):
    """No answer: whether a snapshot was made is not known here."""

    exit_code = 3


def show(data: Path, node: str | None, *, as_json: bool) -> int:
    """List them; 1 when one is damaged. Raises: SettingsError."""
    views = [
        view for folder in chosen_nodes(data, node) for view in snapshot_shelf.load_all(folder)[0]
    ]
    _print(views, as_json=as_json)
    return _code(views)


def verify(data: Path, node: str | None, *, is_replayed: bool, as_json: bool) -> int:
    """Restore each; 1 when one does not say what is true. Raises: SettingsError."""
    checked: list[SnapshotView] = []
    for folder in chosen_nodes(data, node):
        views, snapshots = snapshot_shelf.load_all(folder)
        faults = {item.log_index: snapshot_shelf.faults(folder, item) for item in snapshots}
        if is_replayed and snapshots:
            for log_index, texts in _replayed(folder, snapshots).items():
                faults[log_index] += texts
        for view in views:
            found = faults.get(view.log_index, [])
            checked.append(
                view
                if view.fault or not found
                else msgspec.structs.replace(view, fault="; ".join(found))
            )
    _print(checked, as_json=as_json)
    return _code(checked)


def create(data: Path, node: str | None, timeout_s: float, *, as_json: bool) -> int:
    """Ask one node and wait. Raises: SettingsError, SnapshotUnknown."""
    venue = LocalVenue.open(data)
    with NodeRequests(venue.nodes, venue.keys) as requests:
        node_id = node or _follower(requests)
        if node_id not in requests.node_ids:
            raise _failed(f"the venue has no node {node_id!r}", "name another with --node")
        try:
            made = requests.ask(node_id, link.CreateSnapshot(), link.SnapshotMade, timeout_s)
        except NoAnswer as error:
            raise SnapshotUnknown(
                what=f"it is not known whether {node_id} made a snapshot",
                why=str(error),
                do="look with `oms snapshot list`; asking again does no harm",
                read=_READ,
            ) from error
        except RequestRefused as error:
            raise _failed(str(error), "look at `oms cluster status`, then ask again") from error
    if as_json:
        print(_encode({"node_id": node_id, **msgspec.structs.asdict(made)}).decode())
    else:
        print(
            f"{node_id}: {made.file}, log index {made.log_index}, digest {made.digest}, "
            f"{made.state_bytes:,} bytes of state"
        )
    return 0


def restore(data: Path, node: str, source: Path, *, as_json: bool) -> int:
    """Put it in place. Raises: SettingsError."""
    (folder,) = chosen_nodes(data, node)
    with progress(f"{node} replaying", "entries") as on_progress:
        done = snapshot_shelf.restore(folder, source, on_progress=on_progress)
    if as_json:
        print(_encode(done).decode())
        return 0
    print(f"{node} will start from {done.file}: log index {done.log_index}, digest {done.digest}")
    if done.are_events_rebuilt:
        print("events.log did not fit and was made again from the log")
    for name in done.set_aside:
        print(f"set aside: {folder.path / name}")
    return 0


# ---- inside


def _replayed(folder: NodeFolder, snapshots: list[Snapshot]) -> dict[int, list[str]]:
    """What the log says against each, by log index."""
    faults: dict[int, list[str]] = {item.log_index: [] for item in snapshots}
    with JournalReader(
        folder.journal,
        cluster_id=folder.cluster_id,
        node_id=folder.node_id,
        archive=folder.path / ARCHIVE,
    ) as reader:
        for snapshot in snapshots:
            if snapshot.log_index > reader.last_index:
                damage = "" if reader.damage is None else f" ({reader.damage})"
                faults[snapshot.log_index].append(
                    f"the log ends at index {reader.last_index}{damage}"
                )
        engine, spare = make_engine(folder.engine), make_engine(folder.engine)
        skips = skip_orders.load(folder.path)
        replay = LogReplay(engine, snapshots=snapshots, spare=spare, skips=skips)
        with progress(f"{folder.node_id} replaying", "entries") as on_progress:
            report = replay.run(reader, until=max(faults), on_progress=on_progress)
    for item in report.differences:
        for log_index, texts in faults.items():
            if item.place == f"log index {log_index}" or item.part == "journal":
                texts.append(f"{item.part}, {item.place}: {item.text}")
    return faults


def _follower(requests: NodeRequests) -> str:
    """A node whose pause no client feels; the leader when nobody else answers."""
    answers = requests.ask_all(link.GetStatus(), link.Status, STATUS_S)
    statuses = [status for status in answers.values() if status is not None]
    if not statuses:
        raise _failed("no node answers", "start the venue with `oms up`, then ask again")
    statuses.sort(key=lambda status: (status.role != "follower", status.accepting))
    return statuses[0].node_id


def _code(views: list[SnapshotView]) -> int:
    return 1 if any(view.fault for view in views) else 0


def _print(views: list[SnapshotView], *, as_json: bool) -> None:
    if as_json:
        for view in views:
            print(_encode(view).decode())
        return
    made = table(
        "", ("node", "valid", "file", "log index", "event_seq", "written", "size", "digest"), left=3
    )
    for view in views:
        written = datetime.fromtimestamp(view.written_ns // 1_000_000_000, UTC)
        made.add_row(
            view.node_id,
            "no" if view.fault else "yes",
            view.file,
            str(view.log_index),
            str(view.event_seq),
            f"{written:%Y-%m-%d %H:%M:%SZ}",
            f"{view.file_bytes / 1e6:,.1f} MB",
            view.digest,
        )
    print_tables(made)
    for view in views:
        if view.fault:
            print(f"{view.node_id}, {view.file}: {view.fault}")


def _failed(why: str, do: str) -> SettingsError:
    return SettingsError(what="no snapshot was made", why=why, do=do, read=_READ)
