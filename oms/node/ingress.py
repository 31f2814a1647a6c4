"""PULL -> commands: reads what gateways push, refuses what is no push.

Called by the loop, once a turn. Promises: a bounded number of frames a turn; a frame that cannot be
decoded has no effect and stops nobody; only what a gateway may send is decoded at all (genesis,
administration and the leader's own commands are in no push).
"""

from typing import Final

import msgspec
import zmq

from oms.bounds import PULL_FRAMES_PER_TURN, PUSH_COMMANDS_MAX
from oms.messages.commands import Login, Logout, OrderCommand
from oms.messages.signed import U64
from oms.node.leases import Leases
from oms.node.sequencer import Sequencer
from oms.process_log import Log
from oms.transport.sockets import NOW, Socket

LOG_EVERY_NS: Final = 1_000_000_000  # refusals are counted always, logged once a second at most


class GatewayPush(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`link.Push` as the leader reads it: the same bytes, fewer commands."""

    gateway_id: U64
    commands: list[OrderCommand | Login | Logout]


class Ingress:
    """The `pull` socket."""

    def __init__(self, socket: Socket, sequencer: Sequencer, leases: Leases, log: Log) -> None:
        self.socket = socket
        self._sequencer = sequencer
        self._leases = leases
        self._log = log
        self._decode = msgspec.msgpack.Decoder(GatewayPush).decode
        self._logged_ns = -LOG_EVERY_NS
        self.refused_count = 0
        self.read_away_count = 0

    def drain(self, now_ns: int) -> None:
        """As leader: take what is there, as far as the sequencer has room."""
        receive, decode, room = self.socket.recv, self._decode, self._sequencer.room
        commands: list[OrderCommand | Login | Logout] = []
        renewed: int | None = None  # a lease is renewed once, however many frames a gateway sent
        for _ in range(PULL_FRAMES_PER_TURN):
            if len(commands) + PUSH_COMMANDS_MAX > room:
                break
            try:
                frame = receive(NOW)
            except zmq.Again:
                break
            try:
                push = decode(frame)
            except msgspec.DecodeError as error:
                self._refuse(str(error), len(frame), now_ns)
                continue
            if len(push.commands) > PUSH_COMMANDS_MAX:
                self._refuse(f"{len(push.commands)} commands in one push", len(frame), now_ns)
                continue
            if push.gateway_id != renewed:
                if not self._leases.heard(push.gateway_id, now_ns):
                    self._refuse("too many gateways", len(frame), now_ns)
                    continue
                renewed = push.gateway_id
            commands += push.commands
        self._sequencer.offer(commands)

    def _refuse(self, reason: str, frame_bytes: int, now_ns: int) -> None:
        self.refused_count += 1
        if now_ns - self._logged_ns >= LOG_EVERY_NS:
            self._logged_ns = now_ns
            self._log.warning(
                "push_refused", reason=reason, bytes=frame_bytes, refused=self.refused_count
            )

    def read_away(self) -> bool:
        """As follower: whoever pushes here has not heard who leads. True if somebody did."""
        for count in range(PULL_FRAMES_PER_TURN):
            try:
                self.socket.recv(NOW)
            except zmq.Again:
                return count > 0
            self.read_away_count += 1
        return True
