"""Commands as people read them: every kind, every field, and never a password's hash."""

from typing import get_args

import msgspec
import pytest

from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import CommandKind
from oms.messages.packing import pack_batch
from oms.messages.record_fields import batch_commands, batch_summary, command_fields

NOW_NS = 1_790_000_000_000_000_000
UNIONS = (c.OrderCommand, c.SessionCommand, ac.AdminCommand)
KINDS = [kind for union in UNIONS for kind in get_args(union)] + [c.Genesis]


def example(kind: type[c.Command]) -> c.Command:
    """A command whose fields all differ from zero and from each other."""
    values: dict[str, int | bytes | list[list[int]]] = {}
    for number, name in enumerate(kind.__struct_fields__, start=3):
        is_bytes = name in {"cl_ord_id", "firm", "symbol", "code", "name", "salt", "key_hash"}
        values[name] = b"B%d" % number if is_bytes else number
        if name == "rows":
            values[name] = [[0, number], [number, 2 * number]]
    tagged = [kind.__struct_config__.tag, *values.values()]
    return msgspec.convert(tagged, kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_of_every_command_is_shown(kind: type[c.Command]) -> None:
    """What an operator reads is what was sent: names and values."""
    command = example(kind)
    (shown,) = batch_commands(pack_batch(NOW_NS, [command]))
    assert shown.kind.replace("_", "") == kind.__name__.upper()
    hidden = {"salt", "key_hash"}
    for name in kind.__struct_fields__:
        value = getattr(command, name)
        text = shown.fields[name]
        if name in hidden:
            assert text == "(hidden)"
        elif isinstance(value, bytes):
            assert text == value.decode()
        elif isinstance(value, tuple):
            assert text == ", ".join(f"{row.price}:{row.tick}" for row in value)
        elif isinstance(text, int):
            assert text == value, name
    assert shown.fields.keys() == set(kind.__struct_fields__)


def test_a_batch_is_summed_up_by_kinds() -> None:
    """One line an entry, however many orders it has."""
    batch = pack_batch(NOW_NS, [example(c.NewOrder), example(c.Login), example(c.NewOrder)])
    found = batch_summary(batch)
    assert (found.timestamp_ns, found.command_count) == (NOW_NS, 3)
    assert found.kinds == {"NEW_ORDER": 2, "LOGIN": 1}
    assert batch_summary(pack_batch(NOW_NS, [])).kinds == {}


def test_an_unknown_kind_is_shown_as_bytes() -> None:
    """A log of a later version can still be looked at."""
    record = b"\xee" + bytes(range(127))
    assert command_fields(record).kind == "KIND_238"
    assert command_fields(record).fields == {"bytes": record.hex()}
    assert 238 not in list(CommandKind)


@pytest.mark.parametrize("cut", [0, 1, 31, 32, 33, 159, 161])
def test_what_is_no_batch_is_refused(cut: int) -> None:
    """A length that does not fit, and no guess."""
    batch = pack_batch(NOW_NS, [example(c.Login)]) + b"\0"
    with pytest.raises(ValueError, match="bytes"):
        batch_summary(batch[:cut])
    with pytest.raises(ValueError, match="not an entry of ours"):
        batch_summary(b"\x52" + batch[1:160])
