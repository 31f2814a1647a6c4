"""Who may talk to a node: key files, roles and the ZAP handler that admits or refuses.

Called by the local venue (`generate`), by every process (`load`) and by the node's loop
(`ZapHandler`). Promises: secrets are readable by their owner only; a key that is not in the folder
is refused before a byte of its message is read; the handler runs in the caller's own poll loop.

The folder:

    cluster.key                 32 random bytes, the MAC key of the Raft links
    <name>.public               Z85 public key; all nodes need all of these
    <name>.secret               Z85 secret key; only the process that is `name` needs it

Names: `node-<node_id>`, `gateway`, `feed`, `admin`. The name's first part is the role.
"""

import os
import secrets
from collections.abc import Mapping, Sequence
from enum import StrEnum, unique
from pathlib import Path
from typing import Final

import zmq
from zmq.utils import z85

from oms.config import SettingsError
from oms.transport import sockets
from oms.transport.sockets import Context, KeyPair

CLUSTER_KEY_BYTES: Final = 32
_Z85_KEY_CHARACTERS: Final = 40
_RAW_KEY_BYTES: Final = 32
_READ: Final = "docs/protocols/internal.md"


@unique
class Role(StrEnum):
    """What a key's owner is."""

    NODE = "node"
    GATEWAY = "gateway"
    FEED = "feed"
    ADMIN = "admin"


# ZAP domain -> who is admitted. Finer rules (Submit is the admin's) are the ROUTER's own.
ADMITTED: Final[Mapping[str, frozenset[Role]]] = {
    sockets.DOMAIN_PULL: frozenset({Role.GATEWAY, Role.ADMIN, Role.NODE}),
    sockets.DOMAIN_PUB: frozenset({Role.GATEWAY, Role.ADMIN, Role.NODE}),
    sockets.DOMAIN_FEED: frozenset(Role),
    sockets.DOMAIN_ROUTER: frozenset(Role),
}


def node_name(node_id: str) -> str:
    """Key name of a node."""
    return f"node-{node_id}"


def role_of(name: str) -> Role:
    """Role of a key's owner. Raises: ValueError when the name is of no role."""
    return Role(name.partition("-")[0])


# ---- files


def _write(path: Path, data: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, mode)  # whatever the umask is
        file.write(data)
        file.flush()
        os.fsync(fd)


def generate(folder: Path, node_ids: Sequence[str]) -> None:
    """Make every key of a new venue. Raises: FileExistsError rather than replace one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder / "cluster.key", secrets.token_bytes(CLUSTER_KEY_BYTES), 0o600)
    names = [*(node_name(node_id) for node_id in node_ids), Role.GATEWAY, Role.FEED, Role.ADMIN]
    for name in names:
        public, secret = zmq.curve_keypair()
        _write(folder / f"{name}.public", public, 0o644)
        _write(folder / f"{name}.secret", secret, 0o600)


def generate_node(folder: Path, node_id: str) -> None:
    """Make the keys of a node that comes to a venue; a pair that is there already stays, a half
    of one is made anew.
    """
    name = node_name(node_id)
    files = [folder / f"{name}.secret", folder / f"{name}.public"]
    if all(path.exists() for path in files):
        return
    for path in files:
        path.unlink(missing_ok=True)
    public, secret = zmq.curve_keypair()
    made = folder / f"{name}.making"
    made.unlink(missing_ok=True)
    _write(files[0], secret, 0o600)
    _write(made, public, 0o644)
    made.rename(files[1])  # last, and whole: then the pair is one


def _read_key(path: Path) -> bytes:
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        why = error.strerror or str(error)
    else:
        if len(key) == _Z85_KEY_CHARACTERS:
            return key
        why = f"it holds {len(key)} characters, a key has {_Z85_KEY_CHARACTERS}"
    raise SettingsError(
        what=f"cannot use the key file {path}",
        why=why,
        do="copy the venue's keys folder again, or format a new venue",
        read=_READ,
    )


def load(folder: Path, name: str) -> KeyPair:
    """Key pair of `name` ("gateway", `node_name(...)`, ...). Raises: SettingsError."""
    return KeyPair(
        public=_read_key(folder / f"{name}.public"), secret=_read_key(folder / f"{name}.secret")
    )


def load_public(folder: Path, name: str) -> bytes:
    """Public key of `name`, for those who connect to it. Raises: SettingsError."""
    return _read_key(folder / f"{name}.public")


def load_cluster_key(folder: Path) -> bytes:
    """MAC key of the Raft links. Raises: SettingsError."""
    path = folder / "cluster.key"
    try:
        key = path.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
    else:
        if len(key) == CLUSTER_KEY_BYTES:
            return key
        why = f"it holds {len(key)} bytes, a cluster key has {CLUSTER_KEY_BYTES}"
    raise SettingsError(
        what=f"cannot use the cluster key {path}",
        why=why,
        do="copy the venue's keys folder again, or format a new venue",
        read=_READ,
    )


def load_allow_list(folder: Path) -> dict[bytes, str]:
    """Raw public key -> name, of every public key in the folder. Raises: SettingsError."""
    allowed: dict[bytes, str] = {}
    for path in sorted(folder.glob("*.public")):
        try:
            role_of(path.stem)
        except ValueError as error:
            raise SettingsError(
                what=f"cannot use the key file {path}",
                why=f"{path.stem!r} is of no role: {error}",
                do="name it node-<id>, gateway, feed or admin, each with an optional -suffix",
                read=_READ,
            ) from error
        allowed[z85.decode(_read_key(path))] = path.stem
    return allowed


# ---- ZAP (ZeroMQ RFC 27): who is let in


def decide(allowed: Mapping[bytes, str], *, domain: str, mechanism: str, key: bytes) -> str | None:
    """Name of the peer if it may connect to a socket of `domain`, else None. Pure."""
    if mechanism != "CURVE" or len(key) != _RAW_KEY_BYTES:
        return None
    name = allowed.get(key)
    if name is None or role_of(name) not in ADMITTED.get(domain, frozenset()):
        return None
    return name


class ZapHandler:
    """Answers libzmq's question whether a new connection may stay.

    The peer's name becomes the `User-Id` of every message it sends. Construct it before the
    first server socket of the context.
    """

    def __init__(self, context: Context, allowed: Mapping[bytes, str]) -> None:
        self._allowed = allowed
        self.socket = sockets.zap(context)
        self.refused_count = 0

    def on_readable(self) -> None:
        """Answer everything that is asked; returns when nothing is left to read."""
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self.socket.send_multipart(self._answer(frames))

    def _answer(self, frames: list[bytes]) -> list[bytes]:
        version, request_id, domain, _address, _identity, mechanism, *credentials = frames
        name = decide(
            self._allowed,
            domain=domain.decode(errors="replace"),
            mechanism=mechanism.decode(errors="replace"),
            key=credentials[0] if credentials else b"",
        )
        if name is None:
            self.refused_count += 1
            return [version, request_id, b"400", b"not on the allow-list", b"", b""]
        return [version, request_id, b"200", b"OK", name.encode(), b""]

    def close(self) -> None:
        """Close the handler's socket; connections made later are refused."""
        self.socket.close(0)
