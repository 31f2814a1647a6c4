"""What processes say to each other besides commands and events: push, status, requests, answers.

Called by nodes, gateways, the client's feed reader and the command line. Plain data, msgspec,
array-like, fields only appended.
"""

import msgspec

from oms.messages.admin_commands import AdminCommand
from oms.messages.commands import Command, Login
from oms.messages.signed import U64


class Push(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One PUSH frame from a gateway to the leader; without commands it is the lease's heartbeat."""

    gateway_id: U64
    commands: list[Command]


class Status(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What every node publishes on `status|`, and answers to GetStatus."""

    node_id: str
    role: str  # leader, follower, candidate, fenced
    term: int
    leader_id: str | None
    accepting: bool  # leader with an applied entry of its own term
    commit_index: int
    applied_index: int
    event_seq: int
    digest: str  # chain digest at applied_index, 16 hex digits
    timestamp_ns: int
    trading_date: int
    durability: str  # "disk"
    journal_bytes: int
    pid: int
    cluster_id: int
    scrub_index: int = 0  # log index of the last scrub since the node's start; 0: none yet
    scrub_digest: str = ""  # hash of a slice of the state there, 16 hex digits
    skip_orders: int = 0  # entries that an operator ordered this node to leave out
    clock_skew_ns: int = 0  # this clock less the others' (the nearest one's); 0: not known
    may_lead: bool = True  # False: its clock differs from a majority's, so it does not lead
    is_joining: bool = False  # has not yet all that was committed when it came: no vote yet
    room: str = "ample"  # of the log's disk; or low (left the quorum), reserve (orders refused)
    base_index: int = 0  # the journal begins behind this log index
    events_base: int = 0  # the retained outputs begin behind this event
    outputs_missing: int = 0  # events from there on that are still to be fetched from the others
    stale_frames: int = 0  # dropped: of an older day or term
    lines_dropped: int = 0  # log lines that could not be written


class NotLeader(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Answer of a follower to a submit."""

    term: int
    leader_id: str | None


# ---- requests to a node's ROUTER (DEALER: [request_id, body])
#
# Reads have two fields more. `min_index`: answered once that log index is applied (read your
# writes). `linearizable`: by the leader only (else NotLeader), after an entry of its term that was
# proposed after the request came (RULES A13).


class GetStatus(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """-> Status."""


class GetDirectory(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """-> Directory, with the applied index it was read at (at least `min_index`)."""

    min_index: int = 0
    linearizable: bool = False


class ReplayEvents(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """-> Records from `from_event_seq` on, at most REPLAY_BYTES_MAX of them."""

    from_event_seq: int


class ReplaySession(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """-> Records of a session's stream of the current day, from `from_out_seq` on.

    Refused where the current day is not `trading_date`: a node that is behind is still in the day
    before, and its stream has the same numbers. 0: whichever it is.
    """

    session_id: int
    from_out_seq: int
    trading_date: int = 0


class ReplayTopic(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """-> Frames of a PUB topic from `from_topic_seq` on, just as they were published."""

    topic: str
    from_topic_seq: int


class GetAccount(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """-> AccountView."""

    account_id: int
    min_index: int = 0
    linearizable: bool = False


class GetOpenOrders(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """-> Orders: live ones of a session, in order_id order."""

    session_id: int
    min_index: int = 0
    linearizable: bool = False


class GetBook(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """-> BookView: the best `depth` levels of each side."""

    instrument_id: int
    depth: int
    min_index: int = 0
    linearizable: bool = False


class Submit(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """-> Outcome after commit, or NotLeader. The administrator's way in (RULES A21)."""

    command: Login | AdminCommand


class GetTotals(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """-> Totals: the proof that money and shares are conserved."""

    min_index: int = 0
    linearizable: bool = False


class CreateSnapshot(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """-> SnapshotMade, once a snapshot of the state now (or later) is durable. Admin only."""


class GetDigest(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=12):
    """-> DigestAt: this node's digest at a log index it applied lately."""

    log_index: int


class TransferLeadership(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=13):
    """-> LeadershipTransferred, once another node leads, or NotLeader. Admin only.

    `to` is a node, None the one that is furthest.
    """

    to: str | None = None


Read = GetDirectory | GetAccount | GetOpenOrders | GetBook | GetTotals

Request = (
    GetStatus
    | GetDirectory
    | ReplayEvents
    | ReplaySession
    | ReplayTopic
    | GetAccount
    | GetOpenOrders
    | GetBook
    | Submit
    | GetTotals
    | CreateSnapshot
    | GetDigest
    | TransferLeadership
)


# ---- answers: what the engine's state looks like from outside


class LimitsView(msgspec.Struct, frozen=True, array_like=True):
    """Limits of an account, a session, or their default (SET_RISK); 0 is none."""

    own: int  # RiskField: these do not follow the default
    short_sale: int  # ShortSale
    max_open_orders: int
    max_exposure: int
    duplicate_window_ns: int
    order_rate: int  # commands within the window
    cancel_reserve: int  # of these, for cancels alone
    rate_window_ns: int


class InstrumentView(msgspec.Struct, frozen=True, array_like=True):
    """An instrument as it stands."""

    instrument_id: int
    symbol: str
    lot_size: int
    tick_size: int
    price_scale: int
    reference_price: int
    last_price: int
    price_collar_bps: int
    market_collar_bps: int
    phase: int
    is_killed: bool = False
    restriction: int = 0  # Restriction, for every account
    currency_id: int = 1  # prices, holds, fees and profit are in it
    tick_table: int = 0  # the TickTableView it follows; 0: none, tick_size alone


class TickTableView(msgspec.Struct, frozen=True, array_like=True):
    """A tick table: `prices[i]` is where its row i begins, `ticks[i]` the tick from there on."""

    table_id: int
    name: str
    prices: list[int]
    ticks: list[int]


class FirmView(msgspec.Struct, frozen=True, array_like=True):
    """An account's public side."""

    account_id: int
    participant_id: int
    firm: str


class UserView(msgspec.Struct, frozen=True, array_like=True):
    """A login; salt and hash go to gateways only (their key is on the allow-list)."""

    user_id: int
    participant_id: int
    name: str
    salt: bytes
    key_hash: bytes
    entitlements: dict[int, int]  # account_id -> bits, account 0 is the venue


class SessionView(msgspec.Struct, frozen=True, array_like=True):
    """A session's numbers."""

    session_id: int
    user_id: int
    protocol: int
    default_account_id: int
    conn_epoch: int
    is_logged_in: bool
    client_seq: int
    out_seq: int
    last_user_ref_num: int
    gateway_id: int = 0  # through which it is logged in; 0: an administrator at a node's ROUTER
    is_killed: bool = False
    live_orders: int = 0
    limits: LimitsView | None = None


class FeeView(msgspec.Struct, frozen=True, array_like=True):
    """A fee schedule. Rates in 10^-7 of a fill's value; below zero: a rebate."""

    schedule_id: int
    maker_rate: int
    taker_rate: int
    fee_account_id: int  # who gets it


class CurrencyView(msgspec.Struct, frozen=True, array_like=True):
    """Money of one kind; the first has no code until the venue gives it one."""

    currency_id: int
    code: str  # ISO 4217, or empty
    rate: int  # what one unit is worth in the first currency, in 10^-8; for exposure limits


class Directory(msgspec.Struct, frozen=True, array_like=True):
    """Who and what there is, at `applied_index`."""

    applied_index: int
    cluster_id: int
    trading_date: int
    midnight_ns: int
    is_day_open: bool
    instruments: list[InstrumentView]
    accounts: list[FirmView]
    users: list[UserView]
    sessions: list[SessionView]
    is_killed: bool = False
    account_defaults: LimitsView | None = None  # None: before genesis
    session_defaults: LimitsView | None = None
    default_limits: list[int] = []  # of accounts, the four of SET_LIMITS
    rule_version: int = 1
    fees: list[FeeView] = []
    currencies: list[CurrencyView] = []  # by currency_id, from 1; none before genesis
    tick_tables: list[TickTableView] = []


class PositionView(msgspec.Struct, frozen=True, array_like=True):
    """A position; `held` shares are on offer in long sales. Units: shares, 10^-4 currency."""

    instrument_id: int
    qty: int
    open_buy_qty: int
    open_sell_qty: int
    held_qty: int
    cost: int = 0  # of what is held; below zero: what the short sale brought
    realised: int = 0  # profit of what was closed, without fees
    unrealised: int = 0  # at the last price, or the reference price; 0 while there is neither
    restriction: int = 0  # Restriction, of this account in this instrument


class BalanceView(msgspec.Struct, frozen=True, array_like=True):
    """What an account has of one currency, in 10^-4 of its units."""

    currency_id: int
    cash: int
    hold: int


class AccountView(msgspec.Struct, frozen=True, array_like=True):
    """An account as it stands. Units: 10^-4 currency units, shares.

    `cash` and `hold` are those of the venue's first currency; `balances` has all of them.
    """

    account_id: int
    cash: int
    hold: int
    max_order_qty: int
    max_order_value: int
    long_limit: int
    short_limit: int
    positions: list[PositionView]
    applied_index: int = 0  # where it was read
    is_killed: bool = False
    live_orders: int = 0
    exposure: int = 0  # value of the live orders, in the first currency; at most 2^63 - 1
    limits: LimitsView | None = None
    fee_schedule: int = 0  # of its orders from now on; 0: none
    is_overdrawn: bool = False  # fees or a bust took cash of some currency below its hold
    balances: list[BalanceView] = []  # by currency_id, from 1


class OrderView(msgspec.Struct, frozen=True, array_like=True):
    """A live order."""

    order_id: int
    session_id: int
    user_ref_num: int
    account_id: int
    instrument_id: int
    side: int
    ord_type: int
    time_in_force: int
    price: int
    leaves_qty: int
    cum_qty: int
    display_qty: int = 0  # an iceberg's part, while it has a reserve
    is_hidden: bool = False
    public_id: int = 0  # the public's number, where it is not the order_id
    stop_price: int = 0  # what a stop order waits for, as it is now
    peg_offset: int = 0
    pegged_price: int = 0  # where a peg stands; 0: it is suspended
    trail: int = 0  # how far a trailing stop's stop price stays behind the market


class LevelView(msgspec.Struct, frozen=True, array_like=True):
    """All orders at one price on one side."""

    price: int
    qty: int
    order_count: int


class BookView(msgspec.Struct, frozen=True, array_like=True):
    """The best levels of a book, best first."""

    instrument_id: int
    bids: list[LevelView]
    asks: list[LevelView]
    applied_index: int = 0  # where it was read


class CurrencyTotals(msgspec.Struct, frozen=True, array_like=True):
    """Of one currency: issued against held, and what is held for orders against what they need."""

    currency_id: int
    cash_issued: int
    cash_total: int
    hold_total: int
    hold_of_orders: int


class Totals(msgspec.Struct, frozen=True, array_like=True):
    """Issued (deposited) against held, in the same units; the differences must be zero.

    Cash and holds are those of the venue's first currency; `currencies` has all of them.
    """

    cash_issued: int
    cash_total: int
    shares_issued: dict[int, int]  # instrument_id -> shares
    shares_total: dict[int, int]
    hold_total: int
    hold_of_orders: int
    applied_index: int = 0  # where they were read
    currencies: list[CurrencyTotals] = []  # by currency_id, from 1


class Records(msgspec.Struct, frozen=True, array_like=True):
    """Raw event records; `is_end` when nothing follows at `applied_index`."""

    data: bytes
    applied_index: int
    event_seq: int  # the node's last, so that a reader knows how far behind it is
    is_end: bool


class Frames(msgspec.Struct, frozen=True, array_like=True):
    """PUB frames (header and body) of one topic."""

    frames: list[bytes]
    topic_seq: int  # the topic's last
    is_end: bool


class Orders(msgspec.Struct, frozen=True, array_like=True):
    """Live orders at `applied_index`."""

    applied_index: int
    orders: list[OrderView]


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """The event record that answers a submitted command."""

    record: bytes


class SnapshotMade(msgspec.Struct, frozen=True, array_like=True):
    """A snapshot of the answering node is durable under `file` in its folder."""

    log_index: int
    event_seq: int
    digest: str  # as in Status
    state_bytes: int
    file: str


class DigestAt(msgspec.Struct, frozen=True, array_like=True):
    """The chain digest at `log_index`, as in Status."""

    log_index: int
    digest: str


class LeadershipTransferred(msgspec.Struct, frozen=True, array_like=True):
    """Another node leads."""

    leader_id: str
    term: int


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """The request itself could not be answered: why, in words."""

    reason: str
