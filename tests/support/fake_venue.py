"""A venue of one session that only does what a client can see: for tests of clients.

`FakeVenue` is the replicated part (the stream, the last UserRefNum, the open orders); `FakeDoor` is
one TCP connection to it, bytes in and bytes out. An order rests until a test fills it; odd
quantities of 13 are rejected. The rules of silence are the real ones: a repeated number and a
request about an order that is gone have no answer.
"""

import itertools

from oms.wire import ouch, soupbin
from oms.wire import ouch_messages as m

SESSION = b"20261122"
UNLUCKY_QTY = 13
REJECT_QUANTITY = 0x13


class FakeVenue:
    """What survives every connection."""

    def __init__(self) -> None:
        self.stream: list[bytes] = []
        self.last_urn = 0
        self.open: dict[int, tuple[m.Accepted, int, int]] = {}  # accepted, done, left
        self.entered: list[int] = []  # every UserRefNum that took effect, in order
        self._order_ids = itertools.count(1)
        self._match_ids = itertools.count(1)
        self._clock = itertools.count(1)

    def write(self, message: m.Outbound) -> None:
        """One more message of the stream."""
        self.stream.append(ouch.encode(message))

    def process(self, message: m.Inbound) -> None:
        """What the log would do with it."""
        match message:
            case m.EnterOrder():
                self._enter(message)
            case m.CancelRequest():
                self._cancel(message)
            case m.ReplaceRequest():
                self._replace(message)
            case m.AccountQueryRequest():
                self.write(m.AccountQueryResponse(next(self._clock), self.last_urn + 1))
            case _:
                raise AssertionError(message)

    def fill(self, urn: int, qty: int, price: int = 1) -> None:
        """An execution of an open order."""
        accepted, done, left = self.open[urn]
        match_id = next(self._match_ids)
        self.write(m.Executed(next(self._clock), urn, qty, price, ord("A"), match_id))
        if qty == left:
            del self.open[urn]
        else:
            self.open[urn] = (accepted, done + qty, left - qty)

    def _enter(self, message: m.EnterOrder) -> None:
        urn = message.user_ref_num
        if urn <= self.last_urn:
            return
        self.last_urn = urn
        self.entered.append(urn)
        if message.qty == UNLUCKY_QTY:
            self.write(m.Rejected(next(self._clock), urn, REJECT_QUANTITY, message.cl_ord_id))
            return
        accepted = m.Accepted(
            next(self._clock), urn, message.side, message.qty, message.symbol, message.price,
            message.time_in_force, message.display, next(self._order_ids), message.capacity,
            message.iso, message.cross_type, m.STATE_LIVE, message.cl_ord_id, message.appendage,
        )  # fmt: skip
        self.write(accepted)
        if message.time_in_force == m.TIF_IOC:
            self.write(m.Canceled(next(self._clock), urn, message.qty, ord("I")))
        else:
            self.open[urn] = (accepted, 0, message.qty)

    def _cancel(self, message: m.CancelRequest) -> None:
        if message.user_ref_num not in self.open:
            return
        accepted, done, left = self.open[message.user_ref_num]
        if message.qty >= done + left:
            return
        cut = left - max(message.qty - done, 0)
        self.write(m.Canceled(next(self._clock), message.user_ref_num, cut, ord("U")))
        if cut == left:
            del self.open[message.user_ref_num]
        else:
            self.open[message.user_ref_num] = (accepted, done, left - cut)

    def _replace(self, message: m.ReplaceRequest) -> None:
        urn, orig = message.user_ref_num, message.orig_user_ref_num
        if orig not in self.open or urn <= self.last_urn:
            return
        accepted, done, left = self.open.pop(orig)
        if message.qty == UNLUCKY_QTY:
            self.write(m.Canceled(next(self._clock), orig, left, ord("Z")))
            return
        self.last_urn = urn
        self.entered.append(urn)
        self.write(
            m.Replaced(
                next(self._clock), orig, urn, accepted.side, message.qty - done, accepted.symbol,
                message.price, message.time_in_force, message.display, next(self._order_ids),
                accepted.capacity, message.iso, accepted.cross_type, m.STATE_LIVE,
                message.cl_ord_id,
            )
        )  # fmt: skip
        self.open[urn] = (accepted, done, message.qty - done)


class FakeDoor:
    """One connection. `receive` takes the client's bytes, `pull` has what is to be sent."""

    def __init__(self, venue: FakeVenue, password: bytes = b"SECRET") -> None:
        self.venue = venue
        self.logins: list[soupbin.LoginRequest] = []
        self.received: list[m.Inbound] = []
        self._password = password
        self._splitter = soupbin.FrameSplitter()
        self._next = 0  # number of the next message to send; 0: not logged in
        self._out: list[bytes] = []
        self.is_open = True

    def receive(self, data: bytes, *, processes: bool = True) -> None:
        """Bytes of the client. Without `processes` they get here and no further."""
        for frame in self._splitter.feed(data):
            if frame[0] == soupbin.LOGIN_REQUEST:
                self._login(soupbin.parse_login_request(frame))
            elif frame[0] == soupbin.UNSEQUENCED:
                message = ouch.decode_inbound(frame, 1)
                self.received.append(message)
                if processes:
                    self.venue.process(message)
            elif frame[0] == soupbin.LOGOUT:
                self.is_open = False

    def pull(self) -> bytes:
        """Everything not sent yet."""
        if self._next:
            for message in self.venue.stream[self._next - 1 :]:
                self._out.append(soupbin.sequenced(message))
            self._next = len(self.venue.stream) + 1
        data = b"".join(self._out)
        self._out.clear()
        return data

    def _login(self, request: soupbin.LoginRequest) -> None:
        self.logins.append(request)
        following = len(self.venue.stream) + 1
        if request.password != self._password:
            self._refuse(soupbin.REJECT_NOT_AUTHORIZED)
        elif request.session not in (b"", SESSION) or request.sequence > following:
            self._refuse(soupbin.REJECT_NO_SESSION)
        else:
            self._next = request.sequence or following
            self._out.append(soupbin.login_accepted(SESSION, self._next))

    def _refuse(self, code: int) -> None:
        self._out.append(soupbin.login_rejected(code))
        self.is_open = False
