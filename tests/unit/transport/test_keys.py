"""Keys and the ZAP allow-list: who is let in, and who is not."""

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from oms.config import SettingsError
from oms.transport import keys, sockets
from oms.transport.keys import Role, ZapHandler
from oms.transport.sockets import Context, KeyPair, Socket


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keys of a venue with one node."""
    keys.generate(tmp_path / "keys", ["n1"])
    return tmp_path / "keys"


def test_secrets_are_readable_by_their_owner_only(folder: Path) -> None:
    """Whoever can read a key is its owner, as far as a node can tell."""
    hidden = [folder / "cluster.key", *folder.glob("*.secret")]
    assert len(hidden) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in hidden} == {0o600}


def test_generate_never_replaces_a_key(folder: Path) -> None:
    before = (folder / "cluster.key").read_bytes()
    with pytest.raises(FileExistsError):
        keys.generate(folder, ["n1"])
    assert (folder / "cluster.key").read_bytes() == before


def test_keys_read_back(folder: Path) -> None:
    pair = keys.load(folder, keys.node_name("n1"))
    assert pair.public == keys.load_public(folder, "node-n1")
    assert zmq.curve_public(pair.secret) == pair.public
    assert len(keys.load_cluster_key(folder)) == keys.CLUSTER_KEY_BYTES


@pytest.mark.parametrize("name", ["gateway.public", "gateway.secret"])
def test_a_missing_or_short_key_file_is_refused_with_words(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"short")
    with pytest.raises(SettingsError, match="40"):
        keys.load(folder, "gateway")
    (folder / name).unlink()
    with pytest.raises(SettingsError, match="No such file"):
        keys.load(folder, "gateway")


def test_a_short_cluster_key_is_refused(folder: Path) -> None:
    (folder / "cluster.key").write_bytes(b"x" * (keys.CLUSTER_KEY_BYTES - 1))
    with pytest.raises(SettingsError, match="31 bytes"):
        keys.load_cluster_key(folder)


def test_a_key_of_no_role_stops_the_start(folder: Path) -> None:
    """A file that is ignored in silence would be a key that somebody believes in."""
    (folder / "visitor.public").write_bytes(zmq.curve_keypair()[0])
    with pytest.raises(SettingsError, match="visitor"):
        keys.load_allow_list(folder)


@pytest.mark.parametrize(
    ("name", "domain", "is_admitted"),
    [
        ("gateway", sockets.DOMAIN_PULL, True),
        ("gateway", sockets.DOMAIN_PUB, True),
        ("gateway", sockets.DOMAIN_FEED, True),
        ("gateway", sockets.DOMAIN_ROUTER, True),
        ("node-n1", sockets.DOMAIN_PUB, True),
        ("admin", sockets.DOMAIN_ROUTER, True),
        ("feed", sockets.DOMAIN_FEED, True),
        ("feed", sockets.DOMAIN_ROUTER, True),
        ("feed", sockets.DOMAIN_PULL, False),
        ("feed", sockets.DOMAIN_PUB, False),
        ("gateway", "elsewhere", False),
    ],
)
def test_each_role_enters_only_where_it_belongs(
    folder: Path, name: str, domain: str, *, is_admitted: bool
) -> None:
    """A feed reader that could push would be a client without a password."""
    allowed = keys.load_allow_list(folder)
    raw = next(key for key, owner in allowed.items() if owner == name)
    found = keys.decide(allowed, domain=domain, mechanism="CURVE", key=raw)
    assert found == (name if is_admitted else None)


@pytest.mark.parametrize(("mechanism", "size"), [("NULL", 32), ("PLAIN", 32), ("CURVE", 31)])
def test_other_mechanisms_and_lengths_are_refused(folder: Path, mechanism: str, size: int) -> None:
    allowed = keys.load_allow_list(folder)
    raw = next(iter(allowed))[:size]
    assert keys.decide(allowed, domain="router", mechanism=mechanism, key=raw) is None


def test_the_role_is_the_names_first_part() -> None:
    assert keys.role_of("node-n1") is Role.NODE
    assert keys.role_of("gateway-g2") is Role.GATEWAY
    with pytest.raises(ValueError, match="nodes"):
        keys.role_of("nodes")


class Wire:
    """A router with its ZAP handler, and a DEALER that tries to reach it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server: Context = sockets.context()
        self.client: Context = sockets.context()
        self.zap = ZapHandler(self.server, keys.load_allow_list(folder))
        self.router: Socket = sockets.router(
            self.server, "127.0.0.1:*", keys.load(folder, "node-n1")
        )
        self.address = self.router.getsockopt(zmq.LAST_ENDPOINT)
        self.dealer: Socket | None = None

    def knock(self, pair: KeyPair) -> str | None:
        """Send one frame with this key; the User-Id it arrives under, None if refused."""
        assert isinstance(self.address, bytes)
        address = self.address.rstrip(b"\0").decode().removeprefix("tcp://")
        public = keys.load_public(self.folder, "node-n1")
        self.dealer = sockets.dealer(self.client, address, pair=pair, server_public=public)
        deadline = time.monotonic() + 5
        is_sent = False
        while time.monotonic() < deadline and not self.zap.refused_count:
            self.zap.socket.poll(5)
            self.zap.on_readable()
            if not is_sent and self.dealer.poll(0, zmq.POLLOUT):
                self.dealer.send(b"hello")
                is_sent = True
            if self.router.poll(0):
                return str(self.router.recv_multipart(copy=False)[-1].get("User-Id"))
        return None

    def close(self) -> None:
        """Close both contexts."""
        if self.dealer is not None:
            self.dealer.close(0)
        self.router.close(0)
        self.zap.close()
        self.client.term()
        self.server.term()


@pytest.fixture
def wire(folder: Path) -> Iterator[Wire]:
    """A router that listens."""
    made = Wire(folder)
    yield made
    made.close()


def test_a_known_key_arrives_under_its_name(wire: Wire) -> None:
    """The name decides what may be asked: it must come from the key, not from the message."""
    assert wire.knock(keys.load(wire.folder, "admin")) == "admin"


def test_an_unknown_key_is_refused_before_a_byte_is_read(wire: Wire) -> None:
    public, secret = zmq.curve_keypair()
    assert wire.knock(KeyPair(public, secret)) is None
    assert wire.zap.refused_count >= 1
