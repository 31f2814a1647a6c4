"""What every signed command begins with, and the kinds of fields that commands have.

Called by commands.py and admin_commands.py. Plain data, no behavior.

Units: prices 10^-4 of the instrument's unit, money 10^-4 currency units, quantities whole shares,
times nanoseconds since 1970. One-character wire codes (display, capacity, ...) are ASCII numbers.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from oms.bounds import CL_ORD_ID_BYTES_MAX, FIRM_BYTES

U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
U64 = Annotated[int, Meta(ge=0)]  # msgpack itself refuses more than 64 bits
I32 = Annotated[int, Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
I64 = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
ClOrdId = Annotated[bytes, Meta(max_length=CL_ORD_ID_BYTES_MAX)]
Firm = Annotated[bytes, Meta(max_length=FIRM_BYTES)]
CurrencyCode = Annotated[bytes, Meta(max_length=4)]
Bytes8 = Annotated[bytes, Meta(max_length=8)]
Bytes16 = Annotated[bytes, Meta(max_length=16)]
Bytes32 = Annotated[bytes, Meta(max_length=32)]


class Signed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Whose command it is, its number in the session, and until when it may take effect."""

    session_id: U32
    conn_epoch: U32
    client_seq: U64
    not_after_ns: I64
