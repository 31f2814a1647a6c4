"""Push frames: the leader decodes once, and that is where declared constraints are checked."""

import msgspec
import pytest

from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages import link
from oms.messages.packing import pack_batch

DECODER = msgspec.msgpack.Decoder(link.Push)
SIGN = [2, 1, 1, 5]
ORDER = [1, *SIGN, 6, 1, 1, 1, 1, 2, 1, 100, 100_000, b"id", b"ALFA", 89, 65, 78, 78, 0]


def decode(*commands: list[object]) -> link.Push:
    """What the leader does with a frame."""
    return DECODER.decode(msgspec.msgpack.encode([7, list(commands)]))


def test_what_is_pushed_arrives() -> None:
    """Encode and decode are inverse for each kind of command."""
    commands: list[c.Command] = [
        c.NewOrder(2, 1, 1, 5, 6, 1, 1, 1, 1, 2, 1, 100, 100_000, b"", b"", 89, 65, 78, 78),
        c.ReplaceOrder(2, 1, 2, 5, 6, 1, 2, 1, 100, 100_000, b"", 89, 78),
        c.CancelOrder(2, 1, 3, 5, 6, 1, 0),
        c.AccountQuery(2, 1, 4, 5),
        c.RefusedRequest(2, 1, 5, 5, 9, 1),
        c.MassCancel(2, 1, 6, 5, 0, 10, 1, 1, 1, b"ALFA"),
        c.Login(2, (1 << 64) - 1, 7),
        c.Login(2, 1, 7, -(1 << 63)),
        c.Logout(2, 1),
        c.GatewayLost(7),
        c.DisableEntry(2, 1, 7, 5, 11, 0, b""),
        c.EnableEntry(2, 1, 8, 5, 12, 1, b"ALFA"),
        ac.EndDay(1, 1, 1, 5),
        ac.SetKill(1, 1, 4, 5, 3, 1, 1),
        ac.SetRestriction(1, 1, 4, 5, 1, 1, 8, 1),
        ac.SetRisk(1, 1, 4, 5, 1, 1, 64, 16, 1, max_open_orders=5),
        ac.AdminMassCancel(1, 1, 2, 5, of_account_id=1),
        ac.SetSelfTrade(1, 1, 3, 5, 1, group=1, mode=2),
        ac.DepositShares(1, 1, 5, 5, 1, 1, 100, key=(1 << 64) - 1, cost=7),
        ac.BustTrade(1, 1, 8, 5, (1 << 64) - 1),
        ac.SetFees(1, 1, 7, 5, 2, 0, -(1 << 31), (1 << 31) - 1, 3),
        ac.Transfer(1, 1, 6, 5, 1, 2, 0, 100, key=8),
    ]
    push = link.Push(7, commands)
    assert DECODER.decode(msgspec.msgpack.encode(push)) == push


def test_push_without_commands_is_a_heartbeat() -> None:
    """A gateway's lease lives on empty frames."""
    assert decode() == link.Push(7, [])


def test_order_as_an_array() -> None:
    """The wire form is pinned: tag first, then the fields in order."""
    order = decode(ORDER).commands[0]
    assert isinstance(order, c.NewOrder)
    assert (order.session_id, order.order_qty, order.price) == (2, 100, 100_000)
    assert len(pack_batch(0, [order])) == 160


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, -1), (1, 1 << 32), (2, 1 << 32), (3, -1), (4, 1 << 63), (5, 1 << 16), (6, 1 << 32),
        (9, 256), (9, -1), (12, 1 << 32), (12, -5), (13, 1 << 63), (13, 1.5), (14, b"x" * 25),
        (14, 7), (15, b"FIVE!"), (16, 256), (20, 256), (1, None), (1, True), (12, "100"),
    ],
)  # fmt: skip
def test_values_outside_their_field_are_refused(place: int, value: object) -> None:
    """A value that does not fit its record must never reach the packer."""
    wrong: list[object] = list(ORDER)
    wrong[place] = value
    with pytest.raises(msgspec.ValidationError):
        decode(wrong)


@pytest.mark.parametrize("tag", [0, 9, 15, 19, 31, 49, -1, "NewOrder"])
def test_unknown_commands_are_refused(tag: object) -> None:
    """The list of commands is closed."""
    with pytest.raises(msgspec.ValidationError):
        decode([tag, *SIGN])


def test_missing_fields_are_refused() -> None:
    """Only what has a default may be left out."""
    assert decode(ORDER[:-1]).commands[0] == decode(ORDER).commands[0]
    with pytest.raises(msgspec.ValidationError):
        decode(ORDER[:-2])


def test_later_fields_are_tolerated() -> None:
    """A newer gateway may append a field: an older leader does not know it."""
    assert decode([*ORDER, *[0] * 9, 99]).commands[0] == decode(ORDER).commands[0]


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_truncated_frames_are_refused(cut: int) -> None:
    """Half a frame is no frame."""
    frame = msgspec.msgpack.encode([7, [ORDER]])
    with pytest.raises(msgspec.DecodeError):
        DECODER.decode(frame[: min(cut, len(frame) - 1)])


def test_bounds_of_each_field_pass() -> None:
    """At the bound is inside."""
    edge: list[object] = [
        1, 0xFFFF_FFFF, 0xFFFF_FFFF, (1 << 64) - 1, (1 << 63) - 1, 0xFFFF, 0xFFFF_FFFF,
        0xFFFF_FFFF, 0xFFFF_FFFF, 255, 255, 255, 0xFFFF_FFFF, -(1 << 63), b"x" * 24, b"FOUR", 255,
        255, 255, 255, 255,
    ]  # fmt: skip
    assert len(pack_batch(0, decode(edge).commands)) == 160
