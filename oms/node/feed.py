"""Executions and market data: numbered frames to those who subscribed, nothing to nobody.

Called by egress with every applied run of events while this node leads, and by the loop when a
subscription arrives. Promises: an event costs Python time only if somebody subscribed to its
topic; a newcomer hears the topic's last number at once, everybody hears it every second.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import zmq

from oms.bounds import EVENT_BYTES, FEED_SUBSCRIPTIONS_MAX
from oms.messages.enums import EventKind
from oms.messages.event_records import EVENT_DTYPE
from oms.node.event_index import EventIndex
from oms.node.feed_frames import to_frame
from oms.node.symbols import Symbols
from oms.process_log import Log
from oms.transport import topics
from oms.transport.sockets import NOW, NOW_MORE, Socket
from oms.transport.topics import Executions, MarketData
from oms.wire import frames
from oms.wire.frames import FrameKind

HEARTBEATS_PER_TURN: Final = 128  # topics; the rest follow in the next turns
_SUBSCRIBED: Final = 1


class Wanted:
    """Which ids of one kind of topic somebody listens to, as an array to filter events with."""

    def __init__(self, is_wanted: Callable[[int], bool]) -> None:
        self._is_wanted = is_wanted
        self.mask: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)

    def cover(self, id_max: int) -> None:
        """Make the mask long enough for `id_max`."""
        known = len(self.mask)
        if id_max >= known:
            more = [self._is_wanted(number) for number in range(known, id_max + 1)]
            self.mask = np.concatenate([self.mask, np.array(more, np.bool_)])

    def set(self, number: int) -> None:
        """Ask again for one id."""
        if number < len(self.mask):
            self.mask[number] = self._is_wanted(number)

    def reset(self) -> None:
        """Ask again for all."""
        self.mask = np.zeros(0, np.bool_)


class Feed:
    """The `feed` socket: who listens to what, and what they get."""

    def __init__(self, socket: Socket, index: EventIndex, symbols: Symbols, log: Log) -> None:
        self.socket = socket
        self._index = index
        self._symbols = symbols
        self._log = log
        self._counts: dict[bytes, int] = {}  # subscription -> subscribers
        self._prefixes: list[bytes] = []  # those that are no whole topic, b"md." for example
        self._accounts = Wanted(lambda number: self._has(topics.executions(number)))
        self._instruments = Wanted(self._wants_instrument)
        self._newcomers: deque[bytes] = deque()
        self._due: deque[bytes] = deque()
        self.is_leading = False

    # ---- subscriptions

    def on_readable(self) -> None:
        """Take in what was subscribed and unsubscribed."""
        while True:
            try:
                message = self.socket.recv(NOW)
            except zmq.Again:
                return
            if message:
                self._change(message[1:], is_subscribed=message[0] == _SUBSCRIBED)

    def _change(self, topic: bytes, *, is_subscribed: bool) -> None:
        count = self._counts.get(topic, 0)
        if is_subscribed:
            if count == 0 and len(self._counts) >= FEED_SUBSCRIPTIONS_MAX:
                self._log.warning("feed_subscription_refused", bound=FEED_SUBSCRIPTIONS_MAX)
                return
            self._counts[topic] = count + 1
            self._newcomers.append(topic)
        elif count > 1:
            self._counts[topic] = count - 1
        elif count == 1:
            del self._counts[topic]
        if (count == 0) != (topic not in self._counts):
            self._refilter(topic)

    def _refilter(self, topic: bytes) -> None:
        match _parse(topic):
            case Executions(account_id):
                self._accounts.set(account_id)
            case MarketData(symbol):
                self._instruments.set(self._symbols.instrument_id(symbol))
            case None:
                self._prefixes = [known for known in self._counts if not known.endswith(b"|")]
                self._accounts.reset()
                self._instruments.reset()

    def _has(self, topic: bytes) -> bool:
        return topic in self._counts or any(topic.startswith(prefix) for prefix in self._prefixes)

    def _wants_instrument(self, instrument_id: int) -> bool:
        symbol = self._symbols.symbol(instrument_id)
        return bool(symbol) and self._has(topics.market_data(symbol))

    # ---- events

    def publish(self, data: bytes) -> None:
        """Publish the subscribed ones among a run of event records."""
        if not self._counts:
            return
        records = np.frombuffer(data, EVENT_DTYPE)
        kinds = records["kind"]
        numbered = records["topic_seq"] > 0
        private = np.flatnonzero(numbered & (kinds < EventKind.TRADE))
        public = np.flatnonzero(numbered & (kinds >= EventKind.TRADE))
        chosen = np.concatenate(
            [
                _filter(private, records["account_id"], self._accounts),
                _filter(public, records["instrument_id"], self._instruments),
            ]
        )
        chosen.sort()
        for position, kind, account_id, instrument_id in zip(
            chosen.tolist(),
            kinds[chosen].tolist(),
            records["account_id"][chosen].tolist(),
            records["instrument_id"][chosen].tolist(),
            strict=True,
        ):
            symbol = self._symbols.symbol(instrument_id)
            if kind >= EventKind.TRADE:
                topic = topics.market_data(symbol)
            else:
                topic = topics.executions(account_id)
            self._send(topic, to_frame(data, position * EVENT_BYTES, symbol))

    def _send(self, topic: bytes, frame: bytes) -> None:
        self.socket.send(topic, NOW_MORE)
        self.socket.send(frame, NOW)

    # ---- heartbeats

    def start_heartbeats(self) -> None:
        """Once a second, and at once on becoming leader: every subscribed topic is due."""
        if self._due or not self._counts:
            return
        self._due.extend(topic for topic in self._counts if topic.endswith(b"|"))
        if self._prefixes:
            self._index.catch_up()
            known = [topics.executions(number) for number in self._index.accounts()]
            known += [
                topics.market_data(self._symbols.symbol(number))
                for number in self._index.instruments()
            ]
            self._due.extend(
                topic for topic in known if topic not in self._counts and self._has(topic)
            )

    @property
    def has_heartbeats(self) -> bool:
        """Some are due: the loop must not sleep."""
        return bool(self._due or self._newcomers)

    def send_heartbeats(self, *, term: int, timestamp_ns: int) -> None:
        """Send what is due, a bounded number of topics."""
        if not self.is_leading:
            self._due.clear()
            self._newcomers.clear()
            return
        if not self._due and not self._newcomers:
            return
        self._index.catch_up()
        for _ in range(HEARTBEATS_PER_TURN):
            if self._newcomers:
                topic = self._newcomers.popleft()
            elif self._due:
                topic = self._due.popleft()
            else:
                return
            last = self._last(topic)
            if last is not None:
                self._send(topic, frames.pack(FrameKind.HEARTBEAT, term, last, timestamp_ns, b""))

    def _last(self, topic: bytes) -> int | None:
        match _parse(topic):
            case Executions(account_id):
                return self._index.account_last(account_id)
            case MarketData(symbol):
                instrument_id = self._symbols.instrument_id(symbol)
                return self._index.instrument_last(instrument_id) if instrument_id else None
            case None:
                return None


def _parse(topic: bytes) -> Executions | MarketData | None:
    try:
        return topics.parse(topic)
    except ValueError:
        return None  # a prefix, or `status|`: no numbers of its own


def _filter(
    positions: npt.NDArray[np.int64], ids: npt.NDArray[np.uint32], wanted: Wanted
) -> npt.NDArray[np.int64]:
    if len(positions) == 0:
        return positions
    numbers = ids[positions]
    wanted.cover(int(numbers.max()))
    return positions[wanted.mask[numbers]]
