"""The model's values: what a client, two gateways, the pipes and one session's log state are.

Called by every file of this folder (docs/exactly_once.md has the model in words). Everything is a
tuple, so that a state can be a key. Nothing here decides anything.

Numbers. `nonce` and `epoch` are compared for equality only, so the model gives out the smallest
one that stands nowhere in the state; the product counts upwards. A gateway is 1 or 2, and 0 is
"a process that is no more": a restarted gateway has another identity.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto, unique
from typing import NamedTuple


@unique
class Item(IntEnum):
    """What the client wants done; the position in its list is the item's number, from 1."""

    ENTER = 1  # has a key of its own (UserRefNum): the engine takes each number once
    QUERY = 2  # has none: every time it is processed there is one more answer
    CANCEL = 3  # its object is its key: what is gone cannot be canceled again


@unique
class Phase(IntEnum):
    """Where the client stands."""

    DOWN = 0
    LOGIN = 1
    REPLAYING = 2  # logged in, the past is not read yet
    LIVE = 3


@unique
class Led(IntEnum):
    """What a gateway's pushes come to."""

    BLIND = 0  # it pushes to a leader that is dead: gone
    LATE = 1  # it pushes to a leader that was only slow: read later, by whoever leads then
    KNOWS = 2


@unique
class CopyKind(IntEnum):
    """What a copy of a command says."""

    LOGIN = 1
    LOGOUT = 2
    ORDER = 3


class Copy(NamedTuple):
    """One copy of a command on its way to the log."""

    kind: CopyKind
    epoch: int = 0
    seq: int = 0  # client_seq
    item: int = 0
    is_fresh: bool = True  # not_after has not passed
    nonce: int = 0
    gateway: int = 0


@unique
class NoteKind(IntEnum):
    """What an event says to a gateway. GAP and COMMAND_EXPIRED are one: resend from there (of a
    login: in no epoch, which says nothing to anybody; the timer pushes it again).
    """

    LOGGED_IN = 1
    LOGGED_OUT = 2
    STREAM = 3  # numbered in the session's stream: an effect
    IGNORED = 4
    ALREADY = 5
    RESEND = 6


class Note(NamedTuple):
    """One event on its way to a gateway."""

    kind: NoteKind
    epoch: int
    seq: int = 0  # client_seq decided, or expected
    out_seq: int = 0
    item: int = 0
    nonce: int = 0
    gateway: int = 0


class Engine(NamedTuple):
    """The session in the replicated state, and its stream."""

    is_logged_in: bool = False
    epoch: int = 0
    nonce: int = 0
    gateway: int = 0
    client_seq: int = 0
    last_key: int = 0  # last UserRefNum
    decided: int = 0  # bits: items decided in this epoch
    executed: int = 0  # bits: items that had an effect in this epoch
    stream: tuple[int, ...] = ()  # items, in the order of their effects


class Window(NamedTuple):
    """A gateway's window of one login."""

    epoch: int
    nonce: int
    is_listened_to: bool  # somebody is, or is thought to be, at the other end
    acknowledged: int = 0
    in_flight: tuple[int, ...] = ()  # items; the first has client_seq acknowledged + 1
    episode: int = 0


class Gateway(NamedTuple):
    """One gateway process. `inbox` is what its EventOrder will hand on next."""

    led: Led = Led.KNOWS
    pending: int = 0  # nonce of the login that somebody waits for
    window: Window | None = None
    inbox: tuple[Note, ...] = ()


class Client(NamedTuple):
    """The client: one session, at most one connection that it believes in."""

    phase: Phase = Phase.DOWN
    gateway: int = 0
    nonce: int = 0  # of the connection
    cursor: int = 0  # items up to here were written on this connection
    held: int = 0  # REPLAYING: the stream goes at least so far
    seen: tuple[int, ...] = ()  # the stream as the client has it


class Budget(NamedTuple):
    """Faults that may still happen."""

    leader_crash: int = 0
    gateway_crash: tuple[int, int] = (0, 0)
    pipe_loss: int = 0  # a connection to the leader breaks: what was in it is lost, unnoticed
    expiry: int = 0  # everything on its way outlives its not_after
    early_resend: int = 0  # a timer fires though nothing is lost
    disconnect: int = 0  # the client's connection breaks, seen by the gateway or not
    lease: int = 0  # a gateway that lives is declared lost


Pipe = tuple[Copy, ...]


class State(NamedTuple):
    """Everything. `ghosts` are pipes nobody pushes to any more and the leader may still read."""

    client: Client
    engine: Engine
    gateways: tuple[Gateway, Gateway]
    pipes: tuple[Pipe, Pipe]
    ghosts: tuple[Pipe, ...]
    budget: Budget


@unique
class Fault(Enum):
    """Mistakes that can be built into the model, to see that the checks can fail."""

    FORGET_DEDUPE = auto()
    KEEP_CLIENT_SEQ = auto()
    ACCEPT_GAP = auto()
    ACCEPT_STALE_EPOCH = auto()
    DROP_NOT_AFTER = auto()
    FORGET_KEYS = auto()
    LATE_LOGIN = auto()
    LATE_LOGOUT = auto()
    KEEP_EPOCH = auto()
    REPEATED_NONCE = auto()
    RENUMBER_ON_RESEND = auto()
    NEVER_RESEND = auto()
    FORGET_WINDOW = auto()
    EVENTS_OUT_OF_ORDER = auto()
    LOST_FRAME_SKIPPED = auto()
    ACKNOWLEDGE_BEFORE_COMMIT = auto()
    STREAM_FROM_LOGIN = auto()
    KEEP_OLD_WINDOW = auto()


@dataclass(frozen=True)
class Rules:
    """What is explored: the client's list, the faults that may happen, the options."""

    items: tuple[Item, ...] = (Item.ENTER, Item.QUERY, Item.ENTER)
    budget: Budget = field(default_factory=Budget)
    fault: Fault | None = None
    is_eager: bool = False  # the client writes before it has read the past
    is_reduced: bool = True  # steps that change nothing for anybody are taken at once


Label = tuple[str, ...]  # what happened, then to whom; a first word that begins with "!": a fault
Step = tuple[Label, State]


class Broken(Exception):
    """A promise does not hold. `promise` is its name in docs/exactly_once.md."""

    def __init__(self, promise: str, text: str) -> None:
        super().__init__(text)
        self.promise = promise
        self.label: Label = ()  # the step that broke it


def initial(rules: Rules) -> State:
    """Nobody has logged in yet."""
    return State(Client(), Engine(), (Gateway(), Gateway()), ((), ()), (), rules.budget)


def is_fault(label: Label) -> bool:
    """Whether the step is something going wrong."""
    return label[0].startswith("!")


def is_decided(rules: Rules, client: Client) -> bool:
    """The client knows the outcome of everything it wanted."""
    return all(item in client.seen for item in range(1, len(rules.items) + 1))


def all_copies(state: State) -> Iterator[Copy]:
    """Every copy of a command on its way."""
    for pipe in (*state.pipes, *state.ghosts):
        yield from pipe


def haunted(*pipes: Pipe) -> tuple[Pipe, ...]:
    """Ghosts are interchangeable: kept sorted, without empty ones."""
    return tuple(sorted(pipe for pipe in pipes if pipe))


def with_gateway(state: State, number: int, gateway: Gateway) -> State:
    """The state with another gateway `number`."""
    first, second = state.gateways
    pair = (gateway, second) if number == 1 else (first, gateway)
    return state._replace(gateways=pair)


def with_pipe(state: State, number: int, pipe: Pipe) -> State:
    """The state with another pipe from gateway `number`."""
    first, second = state.pipes
    return state._replace(pipes=(pipe, second) if number == 1 else (first, pipe))
