"""The same steps in the product: two real gateways, the oracle's engine, pipes of real commands.

Called by the walks. `follow` does in the product what a step of the model does, and then compares
all that the two have in common: windows, logins, pipes, the session in the log, every outcome, and
what the client has read. The model must be the unreduced one.
"""

from bisect import bisect_right
from collections.abc import Callable
from random import Random

from oms.bounds import COMMAND_TTL_NS
from oms.local.genesis import build_genesis
from oms.messages.commands import Command, GatewayLost, Login
from oms.messages.event_records import unpack_events
from oms.messages.packing import pack_batch
from oms.reference.engine import Engine
from oms.reference.state import Session
from tests.model.likeness import Likeness
from tests.model.real_client import RealConnection
from tests.model.real_gateway import RealGateway
from tests.model.state import Label, Led, Phase, Rules, State
from tests.support.link_venue import CLUSTER_ID, CONFIG, NOW_NS, SESSION

GENESIS = build_genesis(CONFIG, CLUSTER_ID, NOW_NS)
LET_GO_TRIES_MAX = 30


class Mirror:
    """See the module's header."""

    def __init__(self, rules: Rules, rng: Random) -> None:
        self._rules = rules
        self._rng = rng
        self._engine = Engine()
        self._events = b""
        self._log_index = 0
        self._log_time_ns = NOW_NS
        for entry in GENESIS:
            self._apply(entry)
        self._noted_seqs: list[int] = []  # events that say something to the session's gateway
        self._likeness = Likeness(rules.items, first_out_seq=self.session.out_seq)
        self._term = 1
        self._last_gateway_id = 0
        self.gateways = [self._start_gateway(1), self._start_gateway(2)]
        self.pipes: list[list[Command]] = [[], []]
        self.ghosts: list[list[Command]] = []
        self._connection: RealConnection | None = None  # the one that the client believes in
        self._seen_before: list[int] = []  # on older connections
        self._moves: dict[str, Callable[[Label, State, State], None]] = {
            "connect": self._connect,
            "submit": self._submit,
            "replay": self._replay,
            "event": self._event,
            "learn": self._learn,
            "notice": self._notice,
            "notice login": self._notice_login,
            "resend": self._resend,
            "commit": self._commit,
            "commit late": self._commit_late,
            "gateway lost": self._lose_gateway,
            "!gateway lost": self._lose_gateway,
            "!early resend": self._resend,
            "!leader crash": self._crash_leader,
            "!gateway crash": self._crash_gateway,
            "!pipe loss": self._lose_pipe,
            "!time passes": self._pass_time,
            "!disconnect": self._disconnect,
        }

    @property
    def session(self) -> Session:
        """The session in the replicated state."""
        session = self._engine._venue.session(SESSION)
        assert session is not None
        return session

    @property
    def seen(self) -> tuple[int, ...]:
        """What the client has read, on all its connections."""
        now = [] if self._connection is None else self._connection.read
        return (*self._seen_before, *now)

    def follow(self, label: Label, before: State, after: State) -> None:
        """Do what the model did. Raises: AssertionError when the product does another thing."""
        self._moves[label[0]](label, before, after)
        for index, gateway in enumerate(self.gateways):
            gateway.run()
            pushed, gateway.pushed = gateway.pushed, []
            if after.gateways[index].led != Led.BLIND:
                self.pipes[index] += pushed
        connection = self._connection
        if connection is not None and connection.transport.is_closed:
            self._client_is_down()
        self._compare(after)

    # ---- the client

    def _connect(self, label: Label, before: State, after: State) -> None:
        del before
        gateway = self.gateways[_index(label)]
        sequence = self._likeness.first_out_seq + len(self._seen_before) + 1
        nonce = gateway.connect(self._rules.items, sequence)
        self._likeness.nonces[nonce] = after.client.nonce
        self._connection = gateway.connections[nonce]

    def _submit(self, label: Label, before: State, after: State) -> None:
        del before, after
        assert self._connection is not None
        self._connection.submit(int(label[1]))

    def _replay(self, label: Label, before: State, after: State) -> None:
        del label, after
        self.gateways[before.client.gateway - 1].answer_replays(self._events)

    def _client_is_down(self) -> None:
        self._seen_before = list(self.seen)
        self._connection = None

    def _disconnect(self, label: Label, before: State, after: State) -> None:
        del before, after
        connection = self._connection
        assert connection is not None
        self._client_is_down()
        if label[1] == "noticed":
            connection.connection.connection_lost(None)

    # ---- a gateway

    def _start_gateway(self, number: int) -> RealGateway:
        self._last_gateway_id += 1
        gateway_id = self._last_gateway_id << 32  # nonces count up from here
        self._likeness.gateways[number] = gateway_id
        gateway = RealGateway(gateway_id, self._engine, lambda: self._log_time_ns)
        gateway.start(self._term)
        return gateway

    def _event(self, label: Label, before: State, after: State) -> None:
        del before, after
        gateway = self.gateways[_index(label)]
        seq = self._noted_seqs[bisect_right(self._noted_seqs, gateway.taken_seq)]
        if self._rng.random() < 0.5:
            gateway.take_published(self._events, seq)
        else:
            gateway.take_replayed(self._events, seq)

    def _learn(self, label: Label, before: State, after: State) -> None:
        del before, after
        index = _index(label)
        self._haunt(self.pipes[index])
        self.pipes[index] = []
        self.gateways[index].hear(self._term)

    def _haunt(self, pipe: list[Command]) -> None:
        if pipe:
            self.ghosts.append(pipe)

    def _notice(self, label: Label, before: State, after: State) -> None:
        del before, after
        gateway = self.gateways[_index(label)]
        window = gateway.window
        assert window is not None
        gateway.connections[window.nonce].connection.connection_lost(None)

    def _notice_login(self, label: Label, before: State, after: State) -> None:
        del before, after
        gateway = self.gateways[_index(label)]
        [nonce] = gateway.pending
        gateway.connections[nonce].connection.connection_lost(None)

    def _resend(self, label: Label, before: State, after: State) -> None:
        index = _index(label)
        gateway = self.gateways[index]
        is_let_go = before.gateways[index].window and not after.gateways[index].window
        gateway.fire_timers()
        if not is_let_go:
            return
        for _ in range(LET_GO_TRIES_MAX):
            gateway.pushed.clear()
            gateway.fire_timers()
            if gateway.window is None:
                break
        gateway.pushed = [command for command in gateway.pushed if isinstance(command, Login)]

    def _crash_gateway(self, label: Label, before: State, after: State) -> None:
        del before, after
        index = _index(label)
        if self._connection in self.gateways[index].connections.values():
            self._client_is_down()
        self._haunt(self.pipes[index][: int(label[2])])
        self.pipes[index] = []
        self.gateways[index] = self._start_gateway(index + 1)

    # ---- the log

    def _apply(self, entry: bytes) -> bytes:
        self._log_index += 1
        self._log_time_ns += 1
        self._engine.apply(self._log_index, entry)
        data = self._engine.events()
        self._events += data
        return data

    def _commit_one(self, command: Command, before: State, after: State) -> None:
        """One entry of one command; its events are the model's note, or none of the session's."""
        data = self._apply(pack_batch(self._log_time_ns, [command]))
        self._likeness.epochs[self.session.conn_epoch] = after.engine.epoch
        noted = [event for event in unpack_events(data) if self._likeness.is_noted(event)]
        self._noted_seqs += [event.event_seq for event in noted]
        for was, now in zip(before.gateways, after.gateways, strict=True):
            told = [self._likeness.note(event) for event in noted]
            assert list(now.inbox[len(was.inbox) :]) == told

    def _commit(self, label: Label, before: State, after: State) -> None:
        self._commit_one(self.pipes[_index(label)].pop(0), before, after)

    def _commit_late(self, label: Label, before: State, after: State) -> None:
        wanted = self._likeness.plain(before.ghosts[int(label[1])])
        ghost = next(g for g in self.ghosts if self._copies(g) == wanted)
        command = ghost.pop(0)
        self.ghosts = [ghost for ghost in self.ghosts if ghost]
        self._commit_one(command, before, after)

    def _lose_gateway(self, label: Label, before: State, after: State) -> None:
        del label
        self._commit_one(GatewayLost(self.session.gateway_id), before, after)

    def _crash_leader(self, label: Label, before: State, after: State) -> None:
        del before, after
        self._term += 1
        for index, pipe in enumerate(self.pipes):
            lost = len(pipe) if label[1] == "all lost" else int(label[2 + index])
            del pipe[:lost]

    def _lose_pipe(self, label: Label, before: State, after: State) -> None:
        del before, after
        del self.pipes[_index(label)][: int(label[2])]

    def _pass_time(self, label: Label, before: State, after: State) -> None:
        del label, before, after
        self._log_time_ns += 2 * COMMAND_TTL_NS

    # ---- comparing

    def _copies(self, pipe: list[Command]) -> list[object]:
        fresh_from_ns = self._log_time_ns + COMMAND_TTL_NS // 2
        return [self._likeness.copy(command, fresh_from_ns) for command in pipe]

    def _compare(self, model: State) -> None:
        like = self._likeness
        assert like.engine(self.session, model.engine) == model.engine
        for index, gateway in enumerate(model.gateways):
            real = self.gateways[index]
            assert like.window(real.window) == gateway.window
            assert sum(like.nonces[nonce] for nonce in real.pending) == gateway.pending
            assert self._copies(self.pipes[index]) == like.plain(model.pipes[index])
        ghosts = sorted(map(self._copies, self.ghosts), key=repr)
        assert ghosts == sorted(map(like.plain, model.ghosts), key=repr)
        assert self.seen == model.client.seen
        assert self._phase() == model.client.phase

    def _phase(self) -> Phase:
        connection = self._connection
        if connection is None:
            return Phase.DOWN
        if not connection.is_accepted:
            return Phase.LOGIN
        return Phase[connection.connection.session.state.name]


def _index(label: Label) -> int:
    return int(label[1][1:]) - 1
