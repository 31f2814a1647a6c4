"""The closed lists: every code that stands in a command, an event or an answer.

Called by every room; the engine has the same numbers as C enums (`oms/_core/types.pxd`) and a test
compares them. Values are part of the log's format: they are only appended, never reused.
"""

from enum import IntEnum, IntFlag, unique


@unique
class CommandKind(IntEnum):
    """What a command record asks for. Source: RULES A20."""

    NEW_ORDER = 1
    REPLACE_ORDER = 2
    CANCEL_ORDER = 3
    ACCOUNT_QUERY = 4
    REFUSED_REQUEST = 5  # understood on the wire, not offered here: refused by a logged outcome
    MASS_CANCEL = 6
    DISABLE_ENTRY = 7
    ENABLE_ENTRY = 8
    LOGIN = 16
    LOGOUT = 17
    GATEWAY_LOST = 18
    GENESIS = 32
    ADD_INSTRUMENT = 33
    ADD_PARTICIPANT = 34
    ADD_ACCOUNT = 35
    ADD_USER = 36
    OPEN_SESSION = 37
    GRANT = 38
    DEPOSIT_CASH = 39
    DEPOSIT_SHARES = 40
    SET_LIMITS = 41
    SET_INSTRUMENT = 42
    SET_PHASE = 43
    START_DAY = 44
    END_DAY = 45
    ADMIN_MASS_CANCEL = 46
    SET_SELF_TRADE = 47
    SET_KILL = 48
    SET_RISK = 49
    SET_RESTRICTION = 50
    ADD_CURRENCY = 51
    SET_FEES = 52
    TRANSFER = 53
    BUST_TRADE = 54
    SET_BANDS = 55
    SET_TICKS = 56


@unique
class EventKind(IntEnum):
    """What an event record says."""

    # private, numbered in the session's stream (out_seq) and the account's topic (topic_seq)
    ORDER_ACCEPTED = 1
    ORDER_REPLACED = 2
    ORDER_CANCELED = 3
    ORDER_EXECUTED = 4
    ORDER_REJECTED = 5
    CANCEL_REJECTED = 6
    ACCOUNT_QUERY_RESPONSE = 7
    SYSTEM_EVENT = 8
    ADMIN_APPLIED = 9
    ADMIN_REJECTED = 10
    MASS_CANCEL_ACCEPTED = 11
    ENTRY_DISABLED = 12
    ENTRY_ENABLED = 13
    ORDER_RESTATED = 14
    TRADE_BUSTED = 15  # to each side of a trade that was taken back
    # outcomes for the gateway only: in no stream (out_seq 0)
    COMMAND_IGNORED = 16
    ALREADY_APPLIED = 17
    GAP = 18
    COMMAND_EXPIRED = 19
    SESSION_LOGGED_IN = 20
    SESSION_LOGGED_OUT = 21
    # right before an ORDER_ACCEPTED or ORDER_REPLACED with the flag HAS_TERMS, in no stream itself
    ORDER_TERMS = 22
    # public, numbered in the instrument's topic
    TRADE = 32
    BOOK_TOP = 33
    PHASE_CHANGED = 34
    AUCTION_STATE = 35  # indicative price, volume and surplus of a call
    AUCTION_TRADE = 36  # what a call traded, all of it at one price
    TRADE_BUST = 37  # a trade was taken back
    # about the venue: for gateways, robots and operators
    DIRECTORY_CHANGED = 48
    DAY_STARTED = 49
    DAY_ENDED = 50
    MASS_CANCEL_DONE = 51


@unique
class Side(IntEnum):
    """FIX 54."""

    BUY = 1
    SELL = 2
    SELL_SHORT = 5
    SELL_SHORT_EXEMPT = 6


@unique
class OrdType(IntEnum):
    """FIX 40."""

    MARKET = 1
    LIMIT = 2
    STOP = 3  # waits for its stop price, then enters as a market order
    STOP_LIMIT = 4  # likewise, as a limit order
    MARKET_TO_LIMIT = 5  # trades at the best price only, and rests at it (FIX: K)
    TRAILING_STOP = 6  # a stop order whose stop price follows the market (FIX: P with 3)
    TRAILING_STOP_LIMIT = 7  # likewise, as a limit order (FIX: P with 4)
    PEG_PRIMARY = 8  # follows its own side's best price (FIX: P, 1094=5)
    PEG_MARKET = 9  # the other side's (FIX: P, 1094=4)
    PEG_MIDPOINT = 10  # the middle of both (FIX: P, 1094=2)


@unique
class Trigger(IntEnum):
    """Which price a stop order waits for (FIX 1107, in part)."""

    LAST_TRADE = 0
    BEST_PRICE = 1  # of the side it would trade with


@unique
class TimeInForce(IntEnum):
    """FIX 59, numbered from 1 so that 0 is never a valid record."""

    DAY = 1
    GTC = 2
    IOC = 3
    FOK = 4
    GTD = 5  # until a time of the log
    GTT = 6  # for so long, from when it was accepted
    AT_THE_OPEN = 7  # takes part in the opening call only
    AT_THE_CLOSE = 8  # takes part in the closing call only


@unique
class Phase(IntEnum):
    """Stage of the trading day of one instrument (DESIGN 6)."""

    PRE_OPEN = 1
    OPENING_AUCTION = 2
    CONTINUOUS = 3
    VOLATILITY_AUCTION = 4
    CLOSING_AUCTION = 5
    HALTED = 6
    CANCEL_ONLY = 7
    CLOSED = 8


@unique
class Protocol(IntEnum):
    """Which conversation a session is numbered in."""

    OUCH = 1
    FIX = 2
    HTTP = 3
    GRPC = 4
    ADMIN = 5


class Entitlement(IntFlag):
    """What a user may do with an account (GRANT), or with the venue (account 0: ADMIN, READ)."""

    ENTER = 1
    CANCEL = 2
    DROP_COPY = 4
    READ = 8
    ADMIN = 16


class Policy(IntFlag):
    """The protocol's rules that a command brings along (RULES B1)."""

    KEEPS_PRIORITY_ON_REDUCE = 1  # FIX replace; OUCH replace always goes to the back
    INVALID_REPLACE_CANCELS = 2  # OUCH 2.4
    UNKNOWN_IS_IGNORED = 4  # OUCH: superfluous cancel or replace has no visible answer
    WHOLE_ACCOUNT = 8  # MASS_CANCEL: the account's orders of every session, not of this one alone


OUCH_POLICY = Policy.INVALID_REPLACE_CANCELS | Policy.UNKNOWN_IS_IGNORED


@unique
class SelfTrade(IntEnum):
    """What happens instead of a trade of an owner with itself. 0 in a command: the account's."""

    CANCEL_NEWEST = 1  # the incoming order's rest goes
    CANCEL_OLDEST = 2  # the resting order goes, the incoming one goes on
    CANCEL_BOTH = 3
    DECREMENT = 4  # both lose the smaller of the two quantities


@unique
class PostOnly(IntEnum):
    """What happens to an order that must not trade when it comes, and would. 0: it may trade."""

    CANCEL = 1
    SLIDE = 2  # one tick behind the best of the other side


@unique
class KillScope(IntEnum):
    """Where an administrator stops new orders."""

    VENUE = 1
    SESSION = 2
    ACCOUNT = 3
    INSTRUMENT = 4


class Restriction(IntFlag):
    """What may not be entered in an instrument, by an account or by any."""

    NO_BUY = 1
    NO_SELL = 2  # of either kind
    NO_SHORT = 4
    CLOSE_ONLY = 8  # only what brings a position nearer to zero


@unique
class RiskScope(IntEnum):
    """Whose limits SET_RISK changes; the id 0 is the default of all of them."""

    ACCOUNT = 1
    SESSION = 2


class RiskField(IntFlag):
    """Which limits SET_RISK changes. A session has an order rate and open orders alone."""

    MAX_ORDER_QTY = 1
    MAX_ORDER_VALUE = 2
    LONG_LIMIT = 4
    SHORT_LIMIT = 8
    ORDER_RATE = 16
    DUPLICATES = 32
    OPEN_ORDERS = 64
    EXPOSURE = 128
    SHORT_SALE = 256


@unique
class ShortSale(IntEnum):
    """Whether an account may sell short."""

    ALLOWED = 0
    FORBIDDEN = 1


class LimitOption(IntFlag):
    """What else a change of limits or restrictions does."""

    CANCEL_BREACHES = 1  # live orders that would be refused now go


class SessionOption(IntFlag):
    """What OPEN_SESSION settles about a session."""

    CANCEL_ON_DISCONNECT = 1  # its orders go when it is logged out or its gateway is lost


class EventFlag(IntFlag):
    """Bits of an event record."""

    LIVE = 1  # ORDER_ACCEPTED / ORDER_REPLACED: state L; unset: state D, nothing follows
    MASS_CANCELED = 2  # ORDER_CANCELED: by a mass cancel
    DISCONNECTED = 4  # ORDER_CANCELED: because its session is not logged in any more
    HAS_TERMS = 8  # ORDER_ACCEPTED / ORDER_REPLACED: the record before it is its ORDER_TERMS
    SELF_TRADED = 16  # ORDER_EXECUTED: in a call, and the other side has the same owner
    HIDDEN = 32  # ORDER_CANCELED / ORDER_EXECUTED of an order that rests hidden; TRADE with one
    EXTENDED = 64  # PHASE_CHANGED: a volatility call goes on for as long again


@unique
class CancelReason(IntEnum):
    """Why open quantity went away; the value is OUCH's character (wire reference 2.3)."""

    CLOSED = ord("E")
    CROSS = ord("C")  # it was for a call that is over
    HALTED = ord("H")  # it would have traded outside the band
    IOC_REMAINDER = ord("I")
    COLLAR = ord("K")
    POST_ONLY = ord("G")
    SELF_TRADE = ord("Q")
    SUPERVISORY = ord("S")
    USER = ord("U")
    SYSTEM = ord("Z")
    TIMEOUT = ord("T")


@unique
class Liquidity(IntEnum):
    """OUCH Executed liquidity flag."""

    ADDED = ord("A")
    HIDDEN = ord("J")  # added, by an order that does not show
    REMOVED = ord("R")
    OPENING = ord("O")  # in the opening call
    CLOSING = ord("C")  # in the closing call
    HALT = ord("H")  # in the call behind a halt or a volatility pause


@unique
class RestatedReason(IntEnum):
    """What became of a live order by itself."""

    DISPLAY = ord("R")  # it shows more of itself, under a new public number; OUCH's character
    ELECTED = ord("E")  # a stop order enters the book


@unique
class RejectReason(IntEnum):
    """Why an order (or an admin command) is refused. One list for every protocol.

    The first check that fails wins; docs/rules.md has their order (numbers are only appended).
    `OUCH_REJECT_CODE` has the wire's code.
    """

    NONE = 0
    NOT_OFFERED = 1  # the request asks for something this venue does not do (yet)
    NOT_ENTITLED = 2  # account unknown, or the user may not enter for it
    UNKNOWN_INSTRUMENT = 3
    MARKET_CLOSED = 4  # no trading day, or CLOSED
    HALTED = 5  # HALTED or CANCEL_ONLY, or a call that is being settled
    BAD_SIDE = 6
    BAD_ORDER_TYPE = 7  # ord_type or time_in_force outside their lists, or not in this phase
    BAD_QUANTITY = 8  # zero, or not a multiple of the lot
    QUANTITY_ABOVE_MAX = 9  # the account's max_order_qty
    BAD_PRICE = 10  # not above zero, above PRICE_MAX, or off the tick
    NO_REFERENCE_PRICE = 11  # market order, or collar set, without any reference
    PRICE_COLLAR = 12  # limit price beyond the instrument's collar
    VALUE_ABOVE_MAX = 13  # the account's max_order_value
    POSITION_LIMIT = 14
    INSUFFICIENT_SHARES = 15  # long sale of more than is held and not already on offer
    INSUFFICIENT_CASH = 16
    CAPACITY = 17  # order pool, key index or position table is full
    ORDER_NOT_CANCELABLE = 18
    STORAGE_FULL = 19  # the nodes' disks are full: cancels only (given by the leader, not found)
    BAD_MIN_QTY = 20  # above the order's quantity, or not a multiple of the lot
    BAD_EXPIRE_TIME = 21  # over already, beyond the end of time, or there without GTD or GTT
    ENTRY_OFF = 22  # stopped for the venue, session, account or instrument, or by oneself
    BAD_DISPLAY = 23  # of what does not rest, above the order, below a thousandth, or off the lot
    BAD_STOP = 24  # no price, off the tick, reached already, or beyond the stop order's own limit
    BAD_PEG = 25  # of a peg that does not rest or hide, with a minimum, or an offset beyond reach
    RESTRICTED = 26  # the instrument's restriction, or the account's own in it
    DUPLICATE_ORDER = 27  # like one that the account entered a moment ago
    RATE_LIMIT = 28  # too many commands of the session or account in too short a time
    OPEN_ORDERS_LIMIT = 29  # of the session, or of the account
    EXPOSURE_LIMIT = 30  # value of the account's live orders
    SHORT_NOT_ALLOWED = 31  # the account may not sell short
    # admin commands only
    NOT_ADMIN = 32
    UNKNOWN_ID = 33
    DUPLICATE_ID = 34
    BAD_VALUE = 35
    WRONG_DAY = 36
    AMOUNT_UNAVAILABLE = 37
    WRONG_KEY = 38  # a key that was used for another deposit or transfer
    ALREADY_BUSTED = 39


OUCH_REJECT_CODE: dict[RejectReason, int] = {
    RejectReason.NOT_OFFERED: 0x0F,
    RejectReason.NOT_ENTITLED: 0x0C,
    RejectReason.UNKNOWN_INSTRUMENT: 0x17,
    RejectReason.MARKET_CLOSED: 0x02,
    RejectReason.HALTED: 0x07,
    RejectReason.BAD_SIDE: 0x09,
    RejectReason.BAD_ORDER_TYPE: 0x0F,
    RejectReason.BAD_QUANTITY: 0x13,
    RejectReason.QUANTITY_ABOVE_MAX: 0x31,
    RejectReason.BAD_PRICE: 0x1D,
    RejectReason.NO_REFERENCE_PRICE: 0x01,
    RejectReason.PRICE_COLLAR: 0x26,
    RejectReason.VALUE_ABOVE_MAX: 0x30,
    RejectReason.POSITION_LIMIT: 0x1E,
    RejectReason.INSUFFICIENT_SHARES: 0x27,
    RejectReason.INSUFFICIENT_CASH: 0x20,
    RejectReason.CAPACITY: 0x0A,
    RejectReason.ORDER_NOT_CANCELABLE: 0x10,
    RejectReason.STORAGE_FULL: 0x0A,
    RejectReason.BAD_MIN_QTY: 0x0D,
    RejectReason.BAD_EXPIRE_TIME: 0x0F,
    RejectReason.ENTRY_OFF: 0x0C,
    RejectReason.BAD_DISPLAY: 0x04,
    RejectReason.RESTRICTED: 0x07,
    RejectReason.DUPLICATE_ORDER: 0x29,
    RejectReason.RATE_LIMIT: 0x06,
    RejectReason.OPEN_ORDERS_LIMIT: 0x0A,
    RejectReason.EXPOSURE_LIMIT: 0x20,
    RejectReason.SHORT_NOT_ALLOWED: 0x0C,
    RejectReason.BAD_STOP: 0x1D,
    RejectReason.BAD_PEG: 0x05,
}
