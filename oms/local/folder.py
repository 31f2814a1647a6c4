"""A venue's data folder: made once, then only ever opened.

Called by `venue.py`. Formatting writes cluster id, node identities, keys, settings and genesis into
an empty folder and finishes by giving `venue.toml` its name; anything else that is found there is
refused. Opening checks that every part is there and belongs to the same cluster. Nothing here
overwrites or repairs: a folder that is not what it should be is reported in four lines.

    <data>/venue.toml            cluster id, format version, addresses     (written last)
    <data>/genesis.bin           the first entries of the log, packed
    <data>/keys/                 key pairs and the cluster key
    <data>/n1/ n2/ n3/           a node: node.toml, its journal, snapshots and event log
    <data>/g1/                   a gateway: gateway.toml
    <data>/run/  <data>/logs/    pid files; what the processes say
"""

import os
import secrets
import time
import tomllib
from pathlib import Path
from typing import Final

import msgspec

from oms.config import (
    GatewaySettings,
    NodeAddress,
    NodeSettings,
    SettingsError,
    VenueConfig,
    load,
)
from oms.local.genesis import build_genesis
from oms.local.ports import free_ports
from oms.messages.records import BATCH_HEADER, GENESIS
from oms.replication.journal import DiskJournal
from oms.transport import keys

FORMAT_VERSION: Final = 1
HOST: Final = "127.0.0.1"
VENUE_FILE: Final = "venue.toml"
UNFINISHED_FILE: Final = "venue.toml.unfinished"
REPLACING_FILE: Final = "venue.toml.replacing"  # what it will be: oms/local/replacement.py
JOURNAL: Final = "journal"
_PORTS_OF_NODE: Final = 5
_READ: Final = "docs/operating.md, The data folder"
_FRESH: Final = "name another folder with --data, or move this one away"


class GatewayAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one gateway listens."""

    name: str
    listen: str


class VenueFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`venue.toml`: which venue this is and where its processes are reached."""

    format_version: int
    cluster_id: str  # 16 hex digits
    nodes: list[NodeAddress]
    gateways: list[GatewayAddress] = []  # an empty list of tables leaves no trace in TOML
    retired: list[str] = []  # names of nodes that were replaced: none of them ever comes back


class DataFolder:
    """The paths of a formatted folder."""

    def __init__(self, path: Path, venue: VenueFile) -> None:
        self.path = path
        self.venue = venue
        self.keys = path / "keys"
        self.genesis = path / "genesis.bin"
        self.run = path / "run"
        self.logs = path / "logs"

    def node_settings(self, node_id: str) -> Path:
        """A node's settings file."""
        return self.path / node_id / "node.toml"

    def is_lost(self, node_id: str) -> bool:
        """Whether a node's folder is gone, as after the loss of its disk."""
        return not self.node_settings(node_id).exists()

    def gateway_settings(self, name: str) -> Path:
        """A gateway's settings file."""
        return self.path / name / "gateway.toml"


def is_formatted(path: Path) -> bool:
    """Whether a venue was made here (it may still be refused by `open_folder`)."""
    return (path / VENUE_FILE).exists()


def format_folder(
    path: Path, config: VenueConfig, *, node_count: int, gateway_count: int
) -> DataFolder:
    """Make a venue in an empty or new folder. Raises: SettingsError."""
    path = path.absolute()
    _refuse_content(path)
    cluster_id = secrets.randbits(63) | 1
    genesis = build_genesis(config, cluster_id, time.time_ns())
    venue = _addresses(f"{cluster_id:016x}", node_count, gateway_count)
    folder = DataFolder(path, venue)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path / UNFINISHED_FILE
    _write(unfinished, to_toml(venue))
    _write_bytes(folder.genesis, b"".join(genesis))
    keys.generate(folder.keys, [node.node_id for node in venue.nodes])
    for node in venue.nodes:
        settings = folder.node_settings(node.node_id)
        settings.parent.mkdir(mode=0o700)
        _write(settings, to_toml(node_settings_of(folder, node)))
        # Made now, so that a node that does not find its journal knows that it was lost.
        DiskJournal.format(settings.parent / JOURNAL, cluster_id=cluster_id, node_id=node.node_id)
    for gateway in venue.gateways:
        settings = folder.gateway_settings(gateway.name)
        settings.parent.mkdir(mode=0o700)
        _write(settings, to_toml(_gateway_settings(folder, gateway)))
    folder.run.mkdir(mode=0o700)
    folder.logs.mkdir(mode=0o700)
    unfinished.rename(path / VENUE_FILE)
    sync_folder(path)
    return folder


def open_folder(path: Path) -> DataFolder:
    """The venue in a folder that was formatted before. Raises: SettingsError."""
    folder = open_unchecked(path)
    _refuse_half_replaced(folder)
    for node in folder.venue.nodes:
        if not folder.is_lost(node.node_id):  # the others must still be seen, and stopped
            load_node(folder, node.node_id)
    for gateway in folder.venue.gateways:
        load_gateway(folder, gateway.name)
    keys.load_cluster_key(folder.keys)
    return folder


def open_unchecked(path: Path) -> DataFolder:
    """The venue, whatever its nodes' folders look like. Raises: SettingsError."""
    path = path.absolute()
    _refuse_unformatted(path)
    folder = DataFolder(path, read_venue(path / VENUE_FILE))
    _check_genesis(folder)
    return folder


def load_node(folder: DataFolder, node_id: str) -> NodeSettings:
    """A node's settings, checked to be its own. Raises: SettingsError."""
    path = folder.node_settings(node_id)
    settings = load(path, NodeSettings)
    _check_identity(
        path,
        found=(settings.cluster_id, settings.node_id),
        wanted=(folder.venue.cluster_id, node_id),
    )
    _check_place(folder, path, settings.keys)
    return settings


def load_gateway(folder: DataFolder, name: str) -> GatewaySettings:
    """A gateway's settings, checked to be its own. Raises: SettingsError."""
    path = folder.gateway_settings(name)
    settings = load(path, GatewaySettings)
    _check_identity(
        path,
        found=(settings.cluster_id, settings.name),
        wanted=(folder.venue.cluster_id, name),
    )
    _check_place(folder, path, settings.keys)
    return settings


def node_settings_of(folder: DataFolder, node: NodeAddress) -> NodeSettings:
    """Settings of a node that is made now."""
    return NodeSettings(
        node_id=node.node_id,
        cluster_id=folder.venue.cluster_id,
        nodes=folder.venue.nodes,
        data=str(folder.path / node.node_id),
        keys=str(folder.keys),
        genesis=str(folder.genesis),
        has_journal=True,
    )


def to_toml(settings: msgspec.Struct) -> str:
    """Settings as TOML text: strings, integers, lists of them, and lists of tables."""
    plain: list[str] = []
    tables: list[str] = []
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, list) and (not value or isinstance(value[0], msgspec.Struct)):
            tables += [f"\n[[{name}]]\n{to_toml(item)}" for item in value]
        elif value is not None:
            plain.append(f"{name} = {msgspec.json.encode(value).decode()}\n")
    return "".join(plain + tables)


def _addresses(cluster_id: str, node_count: int, gateway_count: int) -> VenueFile:
    ports = iter(free_ports(node_count * _PORTS_OF_NODE + gateway_count))

    def address() -> str:
        return f"{HOST}:{next(ports)}"

    nodes = [
        NodeAddress(
            node_id=f"n{number}",
            raft=address(),
            pull=address(),
            pub=address(),
            feed=address(),
            router=address(),
        )
        for number in range(1, node_count + 1)
    ]
    gateways = [
        GatewayAddress(name=f"g{number}", listen=address())
        for number in range(1, gateway_count + 1)
    ]
    return VenueFile(
        format_version=FORMAT_VERSION, cluster_id=cluster_id, nodes=nodes, gateways=gateways
    )


def _gateway_settings(folder: DataFolder, gateway: GatewayAddress) -> GatewaySettings:
    return GatewaySettings(
        name=gateway.name,
        cluster_id=folder.venue.cluster_id,
        listen=gateway.listen,
        nodes=folder.venue.nodes,
        keys=str(folder.keys),
    )


def _refuse_content(path: Path) -> None:
    if path.is_dir():
        found = sorted(entry.name for entry in path.iterdir())
        if not found:
            return
        why = f"it is not empty: {', '.join(found[:4])}{' ...' if len(found) > 4 else ''}"
    elif path.exists() or path.is_symlink():
        why = "it is not a folder"
    else:
        return
    raise SettingsError(
        what=f"cannot make a venue in {path}",
        why=why,
        do=_FRESH,
        read=_READ,
    )


def _refuse_unformatted(path: Path) -> None:
    if is_formatted(path):
        return
    if (path / UNFINISHED_FILE).exists():
        raise SettingsError(
            what=f"the venue in {path} is half-made",
            why="formatting was interrupted before it was finished, so no node ever ran here",
            do=f"remove {path} and run `oms up` again",
            read=_READ,
        )
    raise SettingsError(
        what=f"there is no venue in {path}",
        why=f"it has no {VENUE_FILE}",
        do="name the folder of a venue, or make one with `oms up --data DIR`",
        read=_READ,
    )


def _refuse_half_replaced(folder: DataFolder) -> None:
    path = folder.path / REPLACING_FILE
    if not path.exists():
        return
    before, after = folder.venue, read_venue(path)
    (new,) = {node.node_id for node in after.nodes} - {node.node_id for node in before.nodes}
    raise SettingsError(
        what=f"a node of the venue in {folder.path} is half-replaced",
        why=f"the replacement of {after.retired[-1]} by {new} was interrupted",
        do=f"finish it with `oms cluster replace {after.retired[-1]} {new} --data {folder.path}`",
        read="docs/operating.md, Replace a node",
    )


def read_venue(path: Path) -> VenueFile:
    """A `venue.toml`. Raises: SettingsError."""
    try:
        version = tomllib.loads(path.read_text()).get("format_version")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
        version = FORMAT_VERSION  # `load` says what is wrong with the file
    if version != FORMAT_VERSION:
        raise SettingsError(
            what=f"cannot use the venue in {path.parent}",
            why=f"its format is version {version}, this program knows version {FORMAT_VERSION}",
            do="use the program that made it, or make a new venue in another folder",
            read=_READ,
        )
    return load(path, VenueFile)


def _check_genesis(folder: DataFolder) -> None:
    try:
        data = folder.genesis.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
    else:
        if len(data) < BATCH_HEADER.size + GENESIS.size:
            why = f"it has only {len(data)} bytes"
        else:
            found = GENESIS.unpack_from(data, BATCH_HEADER.size)[11]
            if f"{found:016x}" == folder.venue.cluster_id:
                return
            why = f"it belongs to cluster {found:016x}, the folder to {folder.venue.cluster_id}"
    raise SettingsError(
        what=f"cannot use the genesis file {folder.genesis}",
        why=why,
        do="put the folder's own file back from a copy, or make a new venue in another folder",
        read=_READ,
    )


def _check_identity(path: Path, *, found: tuple[str, str], wanted: tuple[str, str]) -> None:
    if found == wanted:
        return
    raise SettingsError(
        what=f"{path} does not belong to this venue",
        why=f"it is {found[1]} of cluster {found[0]}; here should be {wanted[1]} of {wanted[0]}",
        do="put the folder's own file back from a copy; never mix the folders of two venues",
        read=_READ,
    )


def _check_place(folder: DataFolder, path: Path, key_folder: str) -> None:
    if Path(key_folder) == folder.keys:
        return
    raise SettingsError(
        what=f"{path} names the keys in {key_folder}",
        why=f"the folder was moved or copied: its keys are in {folder.keys}",
        do="move it back; two copies of one venue must never run",
        read=_READ,
    )


def _write(path: Path, text: str) -> None:
    _write_bytes(path, text.encode())


def _write_bytes(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Put a folder's names on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
