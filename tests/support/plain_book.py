"""A plain price-time book of one instrument that answers a flow's packets with OUCH frames.

For tests of the replay without a venue: what it answers is what a venue would, in the same order.
"""

import itertools
from collections import OrderedDict

from oms.replay.flow import Flow
from oms.wire import ouch
from oms.wire import ouch_messages as m

_PACKET_HEAD = 3  # two length bytes and the packet type


class PlainBook:
    """Orders by side and price, first in first out."""

    def __init__(self) -> None:
        self.levels: dict[int, dict[int, OrderedDict[int, int]]] = {m.SIDE_BUY: {}, m.SIDE_SELL: {}}
        self.open: dict[int, tuple[int, int, int]] = {}  # side, price, done
        self._match_id = 0
        self._last_urn = 0
        self._out: list[bytes] = []

    def answer(self, flow: Flow) -> list[bytes]:
        """Every packet of the flow; returns the sequenced frames, each with its leading `S`."""
        self._out = []
        offsets = flow.offsets.tolist()
        for start, end in itertools.pairwise(offsets):
            match ouch.decode_inbound(bytes(flow.buffer[start + _PACKET_HEAD : end])):
                case m.EnterOrder() as order:
                    self._enter(order)
                case m.CancelRequest() as cancel:
                    self._cancel(cancel)
                case _:
                    self._write(m.AccountQueryResponse(0, self._last_urn + 1))
        return self._out

    def _write(self, message: m.Outbound) -> None:
        self._out.append(b"S" + ouch.encode(message))

    def _enter(self, order: m.EnterOrder) -> None:
        urn, side = order.user_ref_num, order.side
        self._last_urn = urn
        self._write(
            m.Accepted(
                0, urn, side, order.qty, order.symbol, order.price, order.time_in_force,
                order.display, urn, order.capacity, order.iso, order.cross_type, m.STATE_LIVE, b"",
            )
        )  # fmt: skip
        left, done = order.qty, 0
        other = self.levels[m.SIDE_SELL if side == m.SIDE_BUY else m.SIDE_BUY]
        while left and other:
            best = min(other) if side == m.SIDE_BUY else max(other)
            if best > order.price if side == m.SIDE_BUY else best < order.price:
                break
            resting, size = next(iter(other[best].items()))
            qty = min(size, left)
            self._match_id += 1
            for number, liquidity in ((resting, ord("A")), (urn, ord("R"))):
                self._write(m.Executed(0, number, qty, best, liquidity, self._match_id))
            left -= qty
            done += qty
            its_side, price, its_done = self.open[resting]
            self.open[resting] = (its_side, price, its_done + qty)
            self._take(resting, qty)
        if left and order.time_in_force == m.TIF_DAY:
            self.levels[side].setdefault(order.price, OrderedDict())[urn] = left
            self.open[urn] = (side, order.price, done)
        elif left:
            self._write(m.Canceled(0, urn, left, ord("I")))

    def _cancel(self, cancel: m.CancelRequest) -> None:
        urn = cancel.user_ref_num
        if urn not in self.open:
            return
        side, price, done = self.open[urn]
        left = self.levels[side][price][urn]
        if cancel.qty < done + left:
            cut = left - max(cancel.qty - done, 0)
            self._write(m.Canceled(0, urn, cut, ord("U")))
            self._take(urn, cut)

    def _take(self, urn: int, qty: int) -> None:
        side, price, _ = self.open[urn]
        level = self.levels[side][price]
        level[urn] -= qty
        if not level[urn]:
            del level[urn], self.open[urn]
            if not level:
                del self.levels[side][price]
