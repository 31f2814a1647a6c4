"""What can go wrong for a client, each as its own type.

Raised by `oms.client` alone. A refusal (OrderRejected) is the venue's certain answer;
OrderStatusUnknown is the opposite: nothing is known, and the text says how to ask again. The one
is never reported as the other (DESIGN 3.3).
"""

from typing import Final

LOGIN_REJECT_TEXT: Final = {
    ord("A"): "not authorized (user name or password)",
    ord("S"): "session not available (ended, or its messages asked for do not exist)",
}


class ClientError(Exception):
    """Everything `oms.client` raises on its own account."""


class LoginRejected(ClientError):
    """The venue refused the login; `code` is the protocol's character."""

    def __init__(self, code: int) -> None:
        super().__init__(f"login refused: {LOGIN_REJECT_TEXT.get(code, f'code {code}')}")
        self.code = code


class ConnectionLost(ClientError):
    """No connection, and none could be made again (or reconnect is off)."""


class SessionClosed(ClientError):
    """The client was closed, or the venue ended the session."""


class OrderRejected(ClientError):
    """The venue's certain no. `reason` is OUCH's code, 0 when the request was ignored."""

    def __init__(self, user_ref_num: int, reason: int, text: str) -> None:
        super().__init__(f"order {user_ref_num} rejected: {text}")
        self.user_ref_num = user_ref_num
        self.reason = reason


class OrderStatusUnknown(ClientError):
    """No answer yet, or none can come any more: the order may be live, done or never entered."""

    def __init__(self, user_ref_num: int, why: str) -> None:
        super().__init__(
            f"the status of order {user_ref_num} is unknown: {why}; ask again with "
            "order.outcome(), or log in to the same session from_seq=1 and read its stream"
        )
        self.user_ref_num = user_ref_num


class TooManyUnacknowledged(ClientError):
    """CLIENT_UNACKNOWLEDGED_MAX requests wait for their outcome; read events before the next."""


class EventsOverrun(ClientError):
    """Nobody read `events()` for CLIENT_EVENTS_MAX events; `lost` of them are gone."""

    def __init__(self, lost: int) -> None:
        super().__init__(
            f"{lost} events were dropped unread; log in again from_seq the last one you have"
        )
        self.lost = lost


class FeedLost(ClientError):
    """Frames that no node has any more (they belong to an earlier day)."""

    def __init__(self, topic: str, first: int, last: int) -> None:
        super().__init__(f"{topic} frames {first} to {last} cannot be had from any node")
        self.topic = topic
        self.first = first
        self.last = last
