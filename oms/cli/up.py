"""`oms up`, `oms status`, `oms down`: a venue that stays.

Called by `main.py`. Everything it does is `oms.local`; this file prints.
"""

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from oms.cli.tables import print_tables, table
from oms.config import VenueConfig, load
from oms.local.folder import is_formatted
from oms.local.samples import demo_config
from oms.local.venue import LocalVenue
from oms.messages.link import Status

EXIT_NOT_ACCEPTING: Final = 3
LOGINS_FILE: Final = "first-logins.txt"


def up(data: Path, config_file: Path | None, node_count: int) -> None:
    """Make the venue if there is none, start what does not run. Raises: SettingsError."""
    if is_formatted(data):
        venue = LocalVenue.open(data)
        if config_file is not None:
            _say(f"--config is not used: the venue in {data} was made before; see `oms admin`")
        if _shows_running(venue):
            return
    else:
        config = demo_config(0) if config_file is None else load(config_file, VenueConfig)
        venue = LocalVenue.format(data, config, node_count=node_count)
        _say(f"made a venue in {data}: cluster {venue.folder.venue.cluster_id}")
        if config_file is None:
            _keep_logins(venue, config)
    with contextlib.closing(venue):
        venue.start()
        _show(venue)


def status(data: Path, *, as_json: bool) -> int:
    """Print how the venue is; 0 when it accepts orders, else 3. Raises: SettingsError."""
    with contextlib.closing(LocalVenue.open(data)) as venue:
        statuses = venue.statuses()
    if as_json:
        print(json.dumps(_as_json(venue, statuses), indent=2))
    else:
        _print_table(venue, statuses)
    accepts = any(item is not None and item.accepting for item in statuses.values())
    return 0 if accepts else EXIT_NOT_ACCEPTING


def down(data: Path, names: Sequence[str], *, is_now: bool) -> None:
    """Stop the venue, or the processes that are named. Raises: SettingsError."""
    venue = LocalVenue.open(data)
    ended = venue.stop(names=names, is_killed=is_now)
    if ended:
        _say(f"stopped {', '.join(ended)}")
    else:
        _say(f"nothing was running of {', '.join(names) or f'the venue in {data}'}")


def _shows_running(venue: LocalVenue) -> bool:
    """Say so when everything runs and accepts."""
    with contextlib.closing(venue):
        if not all(venue.pids().values()) or venue.leader() is None:
            return False
        _say(f"the venue in {venue.folder.path} is running already")
        _show(venue)
        return True


def _show(venue: LocalVenue) -> None:
    _print_table(venue, venue.statuses())
    for host, port in venue.gateway_addresses:
        _say(f"binary gateway (SoupBinTCP, OUCH 5.0) at {host}:{port}")
    _say(f"stop it with: oms down --data {venue.folder.path}")


def _print_table(venue: LocalVenue, statuses: dict[str, Status | None]) -> None:
    title = f"cluster {venue.folder.venue.cluster_id}"
    columns = ("process", "role", "pid", "term", "applied", "digest", "journal")
    made = table(title, columns, left=2, caption="* accepts commands")
    pids = venue.pids()
    for node in venue.nodes:
        found = statuses[node.node_id]
        pid = pids[node.node_id]
        if found is None:
            made.add_row(node.node_id, venue.silence(node.node_id), str(pid or "-"))
            continue
        made.add_row(
            node.node_id,
            f"{found.role}{' *' if found.accepting else ''}",
            str(pid or found.pid),
            str(found.term),
            str(found.applied_index),
            found.digest,
            f"{found.journal_bytes / 1e6:,.1f} MB",
        )
    for gateway in venue.folder.venue.gateways:
        pid = pids[gateway.name]
        made.add_row(gateway.name, "gateway" if pid else "not running", str(pid or "-"))
    print_tables(made)


def _as_json(venue: LocalVenue, statuses: dict[str, Status | None]) -> dict[str, object]:
    pids = venue.pids()
    nodes: list[dict[str, object]] = []
    for node in venue.nodes:
        found = statuses[node.node_id]
        entry: dict[str, object] = {"id": node.node_id, "pid": pids[node.node_id]}
        if found is not None:
            entry |= {name: getattr(found, name) for name in found.__struct_fields__}
        nodes.append(entry)
    gateways = [
        {"id": gateway.name, "pid": pids[gateway.name], "listen": gateway.listen}
        for gateway in venue.folder.venue.gateways
    ]
    accepting = any(item is not None and item.accepting for item in statuses.values())
    return {
        "cluster_id": venue.folder.venue.cluster_id,
        "accepting": accepting,
        "nodes": nodes,
        "gateways": gateways,
    }


def _keep_logins(venue: LocalVenue, config: VenueConfig) -> None:
    """The sample venue's random passwords: shown once, and kept for their owner's eyes."""
    lines = [f"{user.name:8}{user.password}  {', '.join(user.accounts)}" for user in config.users]
    path = venue.folder.path / LOGINS_FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("user    password    accounts\n" + "\n".join(lines) + "\n")
    _say(f"no --config: a sample venue, its logins are in {path}")


def _say(text: str) -> None:
    print(text)
