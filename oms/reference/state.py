"""What the venue remembers, as plain values: the oracle's state.

Called by every file of this room. Promises: nothing here decides anything; each class says what
its numbers mean, and `Venue` is the whole state (docs/rules.md, Digest, lists the same values).
Units: prices 10^-4, money 10^-4 currency units, quantities whole shares, times nanoseconds.
"""

import msgspec
from sortedcontainers import SortedDict

from oms.bounds import OUTCOME_WINDOW
from oms.messages.enums import Side, Trigger
from oms.reference.book import Book
from oms.reference.order import FeeSchedule, Order

ECHOES = 2  # rule version from which on an order's terms are said again
HIDES = 2  # rule version from which on an order may be hidden
NAMES_ANEW = 2  # rule version from which on an order's public number changes
I64_MAX = (1 << 63) - 1
DISABLED = 0x80  # beside the Entitlement bits of a grant: its user has stopped new orders


class Call(msgspec.Struct):
    """What an instrument remembers of its call, and of the uncross at its end."""

    ends_ns: int = 0  # when it is over by itself; 0: never
    stage: int = 0  # Stage of the uncross; 0: none is under way
    next_phase: int = 0  # what comes behind the uncross
    price: int = 0  # of the uncross; 0: nothing trades
    volume: int = 0  # traded in it so far
    said_price: int = 0  # what the last AUCTION_STATE said
    said_volume: int = 0
    said_imbalance: int = 0  # below zero: more is sold than bought
    static_bps: int = 0  # the bands; 0: none
    dynamic_bps: int = 0
    pause_ns: int = 0  # how long a volatility call lasts; 0: until told
    band_reference: int = 0  # price of the last call; 0: none since the reference was set
    is_extended: bool = False  # the volatility call goes on for the second time
    clamp: int = 0  # Clamp of the uncross


class TickRow(msgspec.Struct):
    """From this price on, up to the next row's, prices are multiples of the tick."""

    price: int
    tick: int


class TickTable(msgspec.Struct):
    """Which prices are valid: rows by price, the first one from 0. Changed as a whole."""

    name: bytes
    rows: list[TickRow]


class Instrument(msgspec.Struct):
    """One tradable thing; `last_price` is 0 until it trades."""

    instrument_id: int
    symbol: bytes
    lot_size: int
    tick_size: int
    reference_price: int
    price_collar_bps: int
    market_collar_bps: int
    phase: int
    price_scale: int
    last_price: int = 0
    is_killed: bool = False  # no new orders in it
    restriction: int = 0  # Restriction, for every account
    is_crossable: bool = False  # orders were collected: best bid and ask may overlap
    currency_id: int = 1  # traded and settled in it
    call: Call = msgspec.field(default_factory=Call)
    shares_issued: int = 0  # deposited less withdrawn; below zero where shorted shares left
    topic_seq: int = 0
    tick_table: int = 0  # its id; 0: none, tick_size is the only tick
    tick_rows: list[TickRow] = []  # that table's, as it is now; none: tick_size

    def reference(self) -> int:
        """What collars are measured from: the last price, or the given one while there is none."""
        return self.last_price or self.reference_price


class Participant(msgspec.Struct):
    """A firm."""

    participant_id: int
    name: bytes


class Currency(msgspec.Struct):
    """Money of one kind."""

    code: bytes  # three letters and a zero byte; the first currency may have none: zeros
    rate: int  # what one unit is worth in the first currency, in 10^-8
    issued: int = 0  # deposited less withdrawn


class Balance(msgspec.Struct):
    """What an account has of one currency, and what its live orders in it stand for."""

    cash: int = 0
    hold: int = 0  # sum of price x leaves of the live buys, and their highest fees
    exposure: int = 0  # sum of price x leaves of the live orders


class Account(msgspec.Struct):
    """Money by currency, and limits."""

    account_id: int
    participant_id: int
    firm: bytes
    max_order_qty: int
    max_order_value: int
    long_limit: int
    short_limit: int
    balances: list[Balance] = msgspec.field(default_factory=lambda: [Balance()])  # by currency
    live_orders: int = 0
    topic_seq: int = 0
    owner_group: int = 0  # accounts of one group are one owner; 0: this account alone
    self_trade: int = 0  # SelfTrade of orders that say nothing
    is_killed: bool = False  # no new orders for it
    fee_schedule: int = 0  # of its orders from now on; 0: they pay nothing
    may_owe: bool = False  # fees and busts may take its cash below its hold


class Recent(msgspec.Struct):
    """An order that was let through a while ago; another one like it may be a mistake."""

    at_ns: int
    instrument_id: int
    side: int
    price: int  # 0 without a limit
    qty: int


class Limits(msgspec.Struct):
    """Limits of an account or a session, beside those that stand in the account; 0: none.

    `own`: RiskField bits that do not follow the default. `used_...` is what commands have taken
    from the order rate and time has not yet given back, in commands x rate_window_ns.
    """

    own: int = 0
    short_sale: int = 0
    max_open_orders: int = 0
    max_exposure: int = 0
    duplicate_window_ns: int = 0
    order_rate: int = 0
    cancel_reserve: int = 0
    rate_window_ns: int = 0
    used_ns: int = 0  # when the two were worked out
    used_orders: int = 0
    used_cancels: int = 0
    recent: list[Recent] = msgspec.field(default_factory=list)  # oldest first


class Position(msgspec.Struct):
    """Shares of one instrument in one account; `held_qty` are on offer in long sales."""

    qty: int = 0
    open_buy_qty: int = 0
    open_sell_qty: int = 0
    held_qty: int = 0
    restriction: int = 0  # Restriction, for this account in this instrument
    cost: int = 0  # what is held was bought for; below zero: what the short sale brought
    realised: int = 0  # profit of what was closed


class TradeSide(msgspec.Struct, frozen=True):
    """What one side of a trade was."""

    order_id: int
    fee: int
    fee_account_id: int  # 0: no fee
    account_id: int
    user_ref_num: int
    session_id: int
    side: int


class Trade(msgspec.Struct):
    """A trade that may be taken back."""

    match_id: int
    price: int
    qty: int
    instrument_id: int
    buy: TradeSide
    sell: TradeSide
    is_busted: bool = False


class KeyedPosting(msgspec.Struct, frozen=True):
    """A deposit or transfer that had a key."""

    key: int
    kind: int
    account_id: int
    instrument_id: int
    amount: int
    to_account_id: int
    cost: int
    currency_id: int


class User(msgspec.Struct):
    """A login."""

    user_id: int
    participant_id: int
    name: bytes
    salt: bytes
    key_hash: bytes


class Session(msgspec.Struct):
    """A user's numbered conversation; the window says where each command's outcome ended."""

    session_id: int
    user_id: int
    protocol: int
    default_account_id: int
    conn_epoch: int = 0
    is_logged_in: bool = False
    login_nonce: int = 0
    gateway_id: int = 0
    client_seq: int = 0
    out_seq: int = 0
    last_user_ref_num: int = 0
    live_orders: int = 0
    options: int = 0  # SessionOption
    is_killed: bool = False  # no new orders from it
    window: dict[int, int] = msgspec.field(default_factory=dict)  # client_seq -> out_seq

    def remember(self) -> None:
        """Note where the outcome of the last command ended, and forget what is too old."""
        self.window[self.client_seq] = self.out_seq
        self.window.pop(self.client_seq - OUTCOME_WINDOW, None)


class Stops(msgspec.Struct):
    """One instrument's stop orders, and the prints that were not held against them yet."""

    parked: dict[int, Order] = msgspec.field(default_factory=dict)  # by order_id, ascending
    queue: list[Order] = msgspec.field(default_factory=list)  # elected, in the order to enter
    on_best: int = 0  # how many of those parked wait for a best price
    low: int = 0  # of those prints; 0: there was none
    high: int = 0
    base: int = 0  # the price before the first of them

    @property
    def count(self) -> int:
        """Stop orders that have not entered the book."""
        return len(self.parked) + len(self.queue)

    def note_print(self, price: int, price_before: int) -> None:
        """Something traded while stop orders wait."""
        if not self.count:
            return
        if not self.high:
            self.base, self.low, self.high = price_before, price, price
        self.low, self.high = min(self.low, price), max(self.high, price)

    def forget_prints(self) -> None:
        """They were held against all of them, or there is none left."""
        self.low = self.high = self.base = 0

    def add(self, order: Order) -> None:
        """A stop order waits, or waits under another order_id."""
        if not order.is_elected:
            self.parked[order.order_id] = order
            self.on_best += order.trigger == Trigger.BEST_PRICE

    def remove(self, order: Order) -> None:
        """It does not wait any more."""
        if order.is_elected:
            self.queue.remove(order)
        else:
            self.unpark(order)

    def elect(self, order: Order) -> None:
        """Its price was reached: it stands last in the queue."""
        self.unpark(order)
        order.is_elected = True
        self.queue.append(order)

    def unpark(self, order: Order) -> None:
        """It does not wait for its price any more."""
        del self.parked[order.order_id]
        self.on_best -= order.trigger == Trigger.BEST_PRICE


class Pegs(msgspec.Struct):
    """One instrument's pegs, and how far they were moved to where they should stand."""

    orders: dict[int, Order] = msgspec.field(default_factory=dict)  # by order_id, ascending
    noted: tuple[int, int] = (0, 0)  # the best bid and ask of the last peg that was examined
    next_id: int = 0  # order_id of the one to be examined next; 0: no pass is under way
    is_due_again: bool = False  # another pass follows

    def remove(self, order: Order) -> None:
        """It lives no longer, or under another order_id."""
        if order.order_id == self.next_id:
            self.next_id = self.behind(order.order_id)
        del self.orders[order.order_id]
        if not self.orders:
            self.noted, self.is_due_again = (0, 0), False

    def behind(self, order_id: int) -> int:
        """The peg that entered after that one; 0: none."""
        return next((later for later in self.orders if later > order_id), 0)


class CancelTask(msgspec.Struct, kw_only=True):
    """Work on many orders: which ones (0: any), and how far it has come in the slots."""

    of_session_id: int = 0
    of_account_id: int = 0
    of_instrument_id: int = 0
    side: int = 0
    last_order_id: int = 0  # younger orders are not meant
    next_slot: int = 1
    last_slot: int
    asked_by: int = 0  # session_id of the command
    conn_epoch: int = 0
    client_seq: int = 0
    user_ref_num: int = 0
    canceled: int = 0
    is_admin: bool = False
    is_disconnect: bool = False  # instead of all that: orders of sessions that are not logged in
    breach: int = 0  # of those only the ones that a restriction (1) or a limit (2) refuses now

    def covers(self, order: Order) -> bool:
        """Whether that order is of the kind this mass cancel is for."""
        is_its_side = self.side in (0, order.side)
        return (
            order.order_id <= self.last_order_id
            and self.of_session_id in (0, order.session_id)
            and self.of_account_id in (0, order.account_id)
            and self.of_instrument_id in (0, order.instrument_id)
            and (is_its_side or (self.side == Side.SELL and is_sell(order.side)))
        )


class Capacities(msgspec.Struct, frozen=True):
    """What the genesis entry allows."""

    orders_max: int
    instruments_max: int
    participants_max: int
    accounts_max: int
    users_max: int
    sessions_max: int
    positions_max: int
    duplicates_max: int


class Counters(msgspec.Struct):
    """The venue's single numbers."""

    applied_index: int = 0
    last_timestamp: int = 0
    event_seq: int = 0
    next_order_id: int = 1
    next_match_id: int = 1
    trading_date: int = 0
    midnight_ns: int = 0
    is_day_open: bool = False
    sweep_slot: int = 0
    restate_up_to: int = 0  # displayed orders with a public number up to it are to be restated
    restate_last: int = 0  # the last number given of those that were set aside for them
    cluster_id: int = 0
    rule_version: int = 0
    genesis_left: int = 0
    highest_slot: int = 0
    keys_taken: int = 0  # deposits and transfers with a key
    is_killed: bool = False  # no new orders at all
    lanes: list[int] = msgspec.field(default_factory=lambda: [1, 2, 3, 4])


class Venue:
    """The whole state. Lists of things with dense ids hold id n at index n - 1."""

    def __init__(self) -> None:
        self.numbers = Counters()
        self.capacities: Capacities | None = None  # None before genesis
        self.currencies: list[Currency] = []  # none before genesis
        self.currencies_max = 0
        self.instruments: list[Instrument] = []
        self.books: list[Book] = []
        self.participants: list[Participant] = []
        self.accounts: list[Account] = []
        self.users: list[User] = []
        self.sessions: list[Session] = []
        self.positions: SortedDict[tuple[int, int], Position] = SortedDict()
        self.grants: SortedDict[tuple[int, int], int] = SortedDict()
        self.live: dict[tuple[int, int], Order] = {}  # (session_id, user_ref_num)
        self.slots: dict[int, Order] = {}
        self.free_slots: list[int] = []  # the head of the list is the last element
        self.timers: SortedDict[tuple[int, int], Order] = SortedDict()  # (expires_ns, order_id)
        self.account_limits: list[Limits] = [Limits()]  # by id; the first one is the default
        self.session_limits: list[Limits] = [Limits()]
        self.default_limits = [I64_MAX, I64_MAX, I64_MAX, 0]  # as in SET_LIMITS
        self.stops: list[Stops] = []  # as books
        self.pegs: list[Pegs] = []  # as books
        self.tasks: list[CancelTask] = []  # mass cancels not yet done, oldest first
        self.trades: dict[int, Trade] = {}  # by match_id; older ones are not looked at
        self.trades_max = 0  # how many of the last matches; 0: no trade can be taken back
        self.day_match_id = 0  # the last one of the days before
        self.fees: list[FeeSchedule] = []  # by schedule_id, from 1
        self.tick_tables: list[TickTable] = []  # by table_id, from 1
        self.keyed: list[KeyedPosting] = []  # the last POSTING_KEYS_MAX, a ring
        self.uncrossing: list[int] = []  # instruments whose call is being settled, oldest first
        self.touched: dict[int, None] = {}  # books in a call that changed in this entry

    def session(self, session_id: int) -> Session | None:
        """The session with that id, if there is one."""
        return self.sessions[session_id - 1] if 1 <= session_id <= len(self.sessions) else None

    def account(self, account_id: int) -> Account | None:
        """The account with that id, if there is one."""
        return self.accounts[account_id - 1] if 1 <= account_id <= len(self.accounts) else None

    def currency(self, currency_id: int) -> Currency | None:
        """The currency with that id, if there is one."""
        known = 1 <= currency_id <= len(self.currencies)
        return self.currencies[currency_id - 1] if known else None

    def balance(self, account_id: int, instrument_id: int) -> Balance:
        """What an account has of the currency in which an instrument is settled."""
        currency_id = self.instruments[instrument_id - 1].currency_id
        return self.accounts[account_id - 1].balances[currency_id - 1]

    def instrument(self, instrument_id: int) -> Instrument | None:
        """The instrument with that id, if there is one."""
        known = 1 <= instrument_id <= len(self.instruments)
        return self.instruments[instrument_id - 1] if known else None

    def book(self, instrument_id: int) -> Book:
        """The book of an instrument that exists."""
        return self.books[instrument_id - 1]

    def stops_of(self, instrument_id: int) -> Stops:
        """The stop orders of an instrument that exists."""
        return self.stops[instrument_id - 1]

    def pegs_of(self, instrument_id: int) -> Pegs:
        """The pegs of an instrument that exists."""
        return self.pegs[instrument_id - 1]

    def entitlements(self, user_id: int, account_id: int) -> int:
        """The bits of a user for an account (0: the venue)."""
        bits: int = self.grants.get((user_id, account_id), 0)
        return bits & ~DISABLED

    def is_disabled(self, user_id: int, account_id: int) -> bool:
        """Whether the user has stopped its own new orders for the account."""
        return bool(self.grants.get((user_id, account_id), 0) & DISABLED)

    def position(self, account_id: int, instrument_id: int) -> Position:
        """The position of a pair: zeros that are not kept while the pair was never touched."""
        return self.positions.get((account_id, instrument_id)) or Position()

    def is_doomed(self, order: Order) -> bool:
        """Whether a mass cancel that was accepted will come past this live order."""
        return any(
            task.covers(order) and not task.is_disconnect and not task.breach for task in self.tasks
        )

    def rest(self, order: Order) -> None:
        """Put an order where it stands and into the indexes; give it a slot if none."""
        if order.slot == 0:
            if self.free_slots:
                order.slot = self.free_slots.pop()
            else:
                self.numbers.highest_slot += 1
                order.slot = self.numbers.highest_slot
        self.slots[order.slot] = order
        self.live[order.session_id, order.user_ref_num] = order
        self.sessions[order.session_id - 1].live_orders += 1
        self.accounts[order.account_id - 1].live_orders += 1
        self.start_timer(order)
        if order.is_waiting:
            self.stops_of(order.instrument_id).add(order)
            return
        if order.is_peg:
            self.pegs_of(order.instrument_id).orders[order.order_id] = order
        if not order.is_peg or order.pegged_price:
            self.book(order.instrument_id).add(order)

    def unlink(self, order: Order) -> None:
        """Take a live order out of book and indexes; its slot stays its own."""
        if order.is_waiting:
            self.stops_of(order.instrument_id).remove(order)
        elif not order.is_peg or order.pegged_price:
            self.book(order.instrument_id).remove(order)
        if order.is_peg:
            self.pegs_of(order.instrument_id).remove(order)
        del self.live[order.session_id, order.user_ref_num]
        del self.slots[order.slot]
        self.stop_timer(order)
        self.sessions[order.session_id - 1].live_orders -= 1
        self.accounts[order.account_id - 1].live_orders -= 1

    def start_timer(self, order: Order) -> None:
        """A live order goes when its time comes, if it has one."""
        if order.expires_ns:
            self.timers[order.expires_ns, order.order_id] = order

    def stop_timer(self, order: Order) -> None:
        """It is not live any more, or its time is another one now."""
        self.timers.pop((order.expires_ns, order.order_id), None)

    def free_slot(self, order: Order) -> None:
        """The order is gone: the next one to rest takes its slot."""
        if order.slot:
            self.free_slots.append(order.slot)
            order.slot = 0


def is_sell(side: int) -> bool:
    """Every side but BUY sells."""
    return side != Side.BUY
