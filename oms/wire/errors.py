"""What a codec raises when the peer breaks protocol.

Raised by every decoder of `oms/wire` and caught at the edge of one connection, which closes with
the reason logged. No decoder raises anything else on account of its input.
"""


class ProtocolError(Exception):
    """Bytes that are not what the protocol allows: where, and why.

    Units: `offset` counts bytes from the start of what the decoder was given.
    """

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.offset = offset
        self.reason = reason
