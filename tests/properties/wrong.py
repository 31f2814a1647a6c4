"""Random commands and entries made wrong: a signature, a field, bytes.

Called by the generator. Promises: deterministic in the given dice.
"""

import msgspec

from oms.bounds import TIMESTAMP_MAX
from oms.messages import commands as c
from oms.messages.packing import pack_batch
from oms.reference.state import Venue
from tests.properties import pegging, waiting
from tests.properties.dice import I64_MAX, I64_MIN, U32_MAX, Dice
from tests.properties.orders import PRICES
from tests.properties.steps import Planned, Signed, Step, fill_in

QTYS = (0, 1, 0x7FFF_FFFF, 0x8000_0000, U32_MAX)
ODD_FIELDS: dict[str, tuple[int, ...]] = {
    "order_qty": QTYS,
    "price": PRICES,
    "time_in_force": (0, 4, 5, 6, 7, 8, 9, 255),
    "side": (0, 3, 5, 6, 255),
    "ord_type": (0, 1, 3, 4, 5, 6, 8, 9, 10, 11, 255),
    "account_id": (0, 1, 99, U32_MAX),
    "instrument_id": (0, 1, 99, U32_MAX),
    "user_ref_num": (0, 1, 1, 1, 2, 3, U32_MAX - 1),
    "refuse_reason": (1, 17, 200),
    "policy": (0, 7, 0xFFFF),
    "min_qty": QTYS,
    "self_trade": (0, 4, 5, 255),
    "post_only": (0, 1, 2, 3, 255),
    "display_qty": QTYS,
    "expire_ns": (0, 1, TIMESTAMP_MAX, I64_MAX, I64_MIN),
    **waiting.ODD_FIELDS,
    **pegging.ODD_FIELDS,
}


def distorted(dice: Dice, venue: Venue, command: Signed) -> Planned:
    """A repeat, a gap, another epoch or another session's name."""
    rng = dice.rng
    session = venue.session(command.session_id)
    if session is None:
        return Planned(command)
    epoch, seq = session.conn_epoch, session.client_seq
    match rng.randint(0, 3):
        case 0:
            seq = rng.randint(0, seq)
        case 1:
            seq += rng.choice((2, 3, 1 << 40))
        case 2:
            epoch, seq = max(epoch + rng.choice((-1, 1)), 0), seq + 1
        case _:
            wrong = rng.choice((0, len(venue.sessions) + 1, U32_MAX))
            command = msgspec.structs.replace(command, session_id=wrong)
    changed = msgspec.structs.replace(command, conn_epoch=epoch, client_seq=seq)
    return Planned(changed, natural=False)


def odd(dice: Dice, command: c.Command) -> c.Command:
    """One field with a value it should not have."""
    fields = [name for name in command.__struct_fields__ if name in ODD_FIELDS]
    if not fields:
        return command
    name = dice.rng.choice(fields)
    return msgspec.structs.replace(command, **{name: dice.rng.choice(ODD_FIELDS[name])})


def garbage(dice: Dice, venue: Venue, step: Step) -> bytes:
    """Bytes that are no batch, or the step's batch with records that were scribbled on."""
    rng = dice.rng
    data = bytearray(pack_batch(step.timestamp_ns, fill_in(step, venue)))
    match rng.randint(0, 5):
        case 0:
            return rng.randbytes(rng.randint(0, 300))
        case 1:
            return bytes(data[: rng.randint(0, len(data) - 1)])
        case 2:
            data[rng.randint(0, 3)] ^= 1 << rng.randint(0, 7)
        case 3:
            data[32] = rng.randint(0, 255)
        case 4:
            data[8:16] = (1 << 62).to_bytes(8, "little")
        case _:
            for _ in range(rng.randint(1, 5)):
                data[rng.randint(32, len(data) - 1)] ^= 1 << rng.randint(0, 7)
    return bytes(data)
