"""Command lines of a scenario as commands (README.md here has the language).

Called by the player. Promises: a line that is not understood is a ValueError naming it; nothing is
judged otherwise, so that a scenario can say wrong things to the engine.
"""

from typing import NamedTuple

import msgspec

from oms.messages import admin_commands as ac
from oms.messages import commands as c
from oms.messages.enums import (
    OUCH_POLICY,
    Entitlement,
    KillScope,
    OrdType,
    Phase,
    Policy,
    PostOnly,
    RejectReason,
    Restriction,
    RiskField,
    RiskScope,
    SelfTrade,
    Side,
    TimeInForce,
    Trigger,
)
from tests.scenarios import world

SIDES = {
    "buy": Side.BUY,
    "sell": Side.SELL,
    "short": Side.SELL_SHORT,
    "short-exempt": Side.SELL_SHORT_EXEMPT,
}
POLICIES = {"ouch": OUCH_POLICY, "fix": Policy.KEEPS_PRIORITY_ON_REDUCE}
SELF_TRADES = {
    "": 0,
    "newest": SelfTrade.CANCEL_NEWEST,
    "oldest": SelfTrade.CANCEL_OLDEST,
    "both": SelfTrade.CANCEL_BOTH,
    "decrement": SelfTrade.DECREMENT,
    "odd": 5,
}
POST_ONLY = {"": 0, "cancel": PostOnly.CANCEL, "slide": PostOnly.SLIDE, "odd": 3}
PEGS = {
    "primary": OrdType.PEG_PRIMARY,
    "market": OrdType.PEG_MARKET,
    "mid": OrdType.PEG_MIDPOINT,
}
TRIGGERS = {"last": Trigger.LAST_TRADE, "best": Trigger.BEST_PRICE, "odd": 2}
TIMES_IN_FORCE = {tif.name.lower(): tif for tif in TimeInForce}
RAW_TYPES: dict[str, type[c.Command]] = {
    kind.__name__: kind
    for kind in (
        c.NewOrder, c.ReplaceOrder, c.CancelOrder, c.AccountQuery, c.RefusedRequest, c.Login,
        c.Logout, c.GatewayLost, c.Genesis, ac.AddInstrument, ac.AddParticipant, ac.AddAccount,
        ac.AddUser, ac.OpenSession, ac.Grant, ac.DepositCash, ac.DepositShares, ac.SetLimits,
        ac.SetInstrument, ac.SetPhase, ac.StartDay, ac.EndDay, c.MassCancel, ac.AdminMassCancel,
        ac.SetSelfTrade, ac.SetKill, ac.SetBands, ac.SetRestriction, ac.SetRisk, c.DisableEntry,
        c.EnableEntry, ac.Transfer, ac.SetFees, ac.SetTicks, ac.BustTrade,
        ac.AddCurrency,
    )
}  # fmt: skip
_RISK_WORDS: dict[str, tuple[RiskField, tuple[str, ...]]] = {
    "max_qty": (RiskField.MAX_ORDER_QTY, ("max_order_qty",)),
    "max_value": (RiskField.MAX_ORDER_VALUE, ("max_order_value",)),
    "long": (RiskField.LONG_LIMIT, ("long_limit",)),
    "short": (RiskField.SHORT_LIMIT, ("short_limit",)),
    "rate": (RiskField.ORDER_RATE, ("order_rate", "cancel_reserve", "rate_window_ns")),
    "duplicates": (RiskField.DUPLICATES, ("duplicate_window_ns",)),
    "orders": (RiskField.OPEN_ORDERS, ("max_open_orders",)),
    "exposure": (RiskField.EXPOSURE, ("max_exposure",)),
    "short_sale": (RiskField.SHORT_SALE, ("short_sale",)),
}
_BYTES_PREFIX = "x:"


class Signature(NamedTuple):
    """What identifies a command in its session's conversation. Shape: as commands begin."""

    session_id: int
    conn_epoch: int
    client_seq: int
    not_after_ns: int


class Numbering:
    """What the gateways of a scenario remember: epochs, next client_seq, nonces."""

    def __init__(self) -> None:
        people = range(1, len(world.PEOPLE) + 1)
        self.epochs = dict.fromkeys(people, 1)
        self.next_seq = dict.fromkeys(people, 1)
        self.nonces = {session_id: session_id for session_id in people}

    def sign(self, session_id: int, options: dict[str, str], now_ns: int) -> Signature:
        """The next number, or what `seq=`, `epoch=` and `late` say instead."""
        client_seq = self.next_seq[session_id]
        if "seq" in options:
            client_seq = int(options.pop("seq"))
        elif "late" not in options:
            self.next_seq[session_id] += 1
        late = options.pop("late", None) is not None
        epoch = int(options.pop("epoch", self.epochs[session_id]))
        not_after = now_ns - 1 if late else world.NOT_AFTER_NS
        return Signature(session_id, epoch, client_seq, not_after)


def parse(line: str, numbering: Numbering, now_ns: int) -> c.Command:
    """The command that a line says. Raises: ValueError."""
    words = line.split()
    try:
        if words[0] == "raw":
            return parse_raw(words[1], words[2:])
        if words[0] == "gateway":
            return c.GatewayLost(int(words[1]))
        options = dict(w.partition("=")[::2] for w in words if _is_option(w))
        words = [w for w in words if not _is_option(w)]
        session_id = world.PEOPLE.index(words[0]) + 1
        if words[1:] == ["logs", "in"]:
            return _login(numbering, session_id, options, now_ns)
        if words[1:] == ["logs", "out"]:
            epoch = int(options.pop("epoch", numbering.epochs[session_id]))
            return c.Logout(session_id, epoch)
        signature = numbering.sign(session_id, options, now_ns)
        command = _signed(words[1:], signature, options)
    except (ValueError, KeyError, IndexError) as error:
        message = f"cannot understand {line!r}: {error}"
        raise ValueError(message) from error
    if options:
        message = f"unknown options {sorted(options)} in {line!r}"
        raise ValueError(message)
    return command


def _is_option(word: str) -> bool:
    return "=" in word or word == "late"


def _login(numbering: Numbering, session_id: int, options: dict[str, str], now_ns: int) -> c.Login:
    late = options.pop("late", None) is not None
    gateway_id = int(options.pop("gateway", world.GATEWAY))
    if "nonce" in options:
        nonce = int(options["nonce"])
        is_new = nonce != numbering.nonces[session_id]
    else:
        nonce, is_new = numbering.nonces[session_id] + 100, True
    if is_new and not late:
        numbering.epochs[session_id] += 1
        numbering.next_seq[session_id] = 1
        numbering.nonces[session_id] = nonce
    return c.Login(session_id, nonce, gateway_id, now_ns - 1 if late else 0)


def _signed(words: list[str], sign: Signature, options: dict[str, str]) -> c.Command:
    match words:
        case ["query"]:
            return c.AccountQuery(*sign)
        case ["asks", "for", "something", "else", number]:
            reason = RejectReason[options.pop("reason", "NOT_OFFERED")]
            return c.RefusedRequest(*sign, _ref(number), reason)
        case ["mass", "cancel", number]:
            return _mass_cancel(sign, options, _ref(number))
        case ["disables" | "enables" as what, "entry", number]:
            kind = c.DisableEntry if what == "disables" else c.EnableEntry
            account = world.account_id(options.pop("account", "0"))
            refuse = RejectReason[options.pop("reason", "NONE")]
            return kind(*sign, _ref(number), account, b"", refuse)
        case ["cancel", number]:
            return c.CancelOrder(*sign, _policy(options), _ref(number), 0)
        case ["reduce", number, "to", qty]:
            return c.CancelOrder(*sign, _policy(options), _ref(number), int(qty))
        case ["replace", orig, "by", number, qty, "@", price, *rest]:
            return c.ReplaceOrder(
                *sign, _policy(options), _ref(orig), _ref(number), _tif(rest, options), int(qty),
                world.units(price), options.pop("name", "").encode(), _display(options), ord("N"),
                RejectReason[options.pop("reason", "NONE")], **_extras(options),
            )  # fmt: skip
        case [side, qty, symbol, "@", price, number, *rest] if number.startswith("#"):
            return _new_order(sign, options, [side, qty, symbol, price, number], rest)
        case _:
            return _admin(words, sign, options)


def _new_order(
    sign: Signature, options: dict[str, str], words: list[str], rest: list[str]
) -> c.NewOrder:
    side, qty, symbol, price, number = words
    is_market = price in {"market", "best"}
    is_stop = "stop" in options
    account = options.pop("account", world.PEOPLE[sign[0] - 1])
    kind = {"market": OrdType.MARKET, "best": OrdType.MARKET_TO_LIMIT}.get(price, OrdType.LIMIT)
    if is_stop:
        kind = OrdType.STOP if price == "market" else OrdType.STOP_LIMIT
    if "peg" in options:
        kind = PEGS[options.pop("peg")]
    if "trail" in options:
        is_limit = price != "market"
        kind = OrdType.TRAILING_STOP_LIMIT if is_limit else OrdType.TRAILING_STOP
    ord_type = int(options.pop("type", kind))
    return c.NewOrder(
        *sign,
        policy=_policy(options),
        user_ref_num=_ref(number),
        account_id=world.account_id(account),
        instrument_id=world.instrument_id(symbol),
        side=SIDES[side] if side in SIDES else int(side),
        ord_type=ord_type,
        time_in_force=_tif(rest, options),
        order_qty=int(qty),
        price=0 if is_market else world.units(price),
        cl_ord_id=options.pop("name", "").encode(),
        firm=b"",
        display=_display(options),
        capacity=ord("A"),
        iso=ord("N"),
        cross_type=ord("N"),
        refuse_reason=RejectReason[options.pop("reason", "NONE")],
        **_extras(options),
    )


def _extras(options: dict[str, str]) -> dict[str, int]:
    """`min=50 self=newest post=slide stop=10.00 trigger=best trail=0.05 offset=-0.01`."""
    return {
        "min_qty": int(options.pop("min", "0")),
        "self_trade": SELF_TRADES[options.pop("self", "")],
        "post_only": POST_ONLY[options.pop("post", "")],
        "expire_ns": _expire_ns(options),
        "display_qty": int(options.pop("show", "0")),
        "stop_price": world.units(options.pop("stop", "0")),
        "trigger": TRIGGERS[options.pop("trigger", "last")],
        "peg_offset": world.units(options.pop("offset", "0")),
        "trail": world.units(options.pop("trail", "0")),
    }


def _display(options: dict[str, str]) -> int:
    """`hidden=1`, or `display=A`."""
    return ord("N") if options.pop("hidden", "") else ord(options.pop("display", "Y"))


def _expire_ns(options: dict[str, str]) -> int:
    """`until=5` milliseconds after the venue's start, `for=5` milliseconds."""
    if "until" in options:
        return world.START_NS + int(options.pop("until")) * world.STEP_NS
    return int(options.pop("for", "0")) * world.STEP_NS


def _mass_cancel(sign: Signature, options: dict[str, str], number: int) -> c.MassCancel:
    policy = OUCH_POLICY
    if options.pop("whole", ""):
        policy |= Policy.WHOLE_ACCOUNT
    return c.MassCancel(
        *sign,
        policy,
        number,
        account_id=world.account_id(options.pop("account", "0")),
        instrument_id=world.instrument_id(options.pop("symbol", "0")),
        side=_scope(options),
        firm=b"",
        refuse_reason=RejectReason[options.pop("reason", "NONE")],
    )


def _scope(options: dict[str, str]) -> int:
    side = options.pop("side", "0")
    return SIDES[side] if side in SIDES else int(side)


def _kill_scope(scope: str, named: list[str]) -> tuple[int, int]:
    if not named:
        return (KillScope[scope.upper()], 0) if scope == "venue" else (int(scope), 0)
    (name,) = named
    if name.isdigit():
        return KillScope[scope.upper()], int(name)
    ids = {
        "session": lambda: world.PEOPLE.index(name) + 1,
        "account": lambda: world.account_id(name),
        "instrument": lambda: world.instrument_id(name),
    }
    return KillScope[scope.upper()], ids[scope]()


def _risk(sign: Signature, options: dict[str, str], named: list[str]) -> ac.SetRisk:
    """`risk alice orders=5 rate=10/2/1000`, `risk session alice ...`, `risk accounts ...`."""
    is_session = named[0] in {"session", "sessions"}
    scope = RiskScope.SESSION if is_session else RiskScope.ACCOUNT
    name = named[-1]
    if name in {"sessions", "accounts"}:
        scope_id = 0
    else:
        is_person = is_session and name in world.PEOPLE
        scope_id = world.PEOPLE.index(name) + 1 if is_person else world.account_id(name)
    fields = 0
    values: dict[str, int] = {}
    for key, (bit, names) in _RISK_WORDS.items():
        if key in options:
            fields |= bit
            said = options.pop(key).split("/")
            values |= {
                field: world.units(text) if "." in text else int(text)
                for field, text in zip(names, said, strict=True)
            }
    for field in ("rate_window_ns", "duplicate_window_ns"):  # said in milliseconds
        values[field] = values.get(field, 0) * world.STEP_NS
    follows = sum(_RISK_WORDS[key][0] for key in options.pop("default", "").split(",") if key)
    return ac.SetRisk(
        *sign,
        int(options.pop("scope", str(int(scope)))),
        scope_id,
        int(options.pop("fields", str(int(fields)))),
        int(options.pop("defaults", str(int(follows)))),
        int(options.pop("cancel", "0")),
        **values,
    )


def _restriction(
    sign: Signature, options: dict[str, str], symbol: str, named: list[str]
) -> ac.SetRestriction:
    """`restricts AAPL bits=no_buy,close_only cancel=1`, `restricts AAPL alice bits=none`."""
    said = options.pop("bits")
    bits = sum(Restriction[name.upper()] for name in said.split(",") if name != "none")
    return ac.SetRestriction(
        *sign,
        world.instrument_id(symbol),
        world.account_id(named[0]) if named else 0,
        int(options.pop("odd", str(int(bits)))),
        int(options.pop("cancel", "0")),
    )


def _tick_row(said: str) -> ac.TickRow:
    """`10.00:0.05`: a tick of 0.05 from 10.00 on."""
    price, _, tick = said.partition(":")
    return ac.TickRow(world.units(price), world.units(tick))


def _currency(options: dict[str, str]) -> int:
    """`in=EUR`, or the number of a currency."""
    return world.currency_id(options.pop("in", "0"))


def _admin(words: list[str], sign: Signature, options: dict[str, str]) -> ac.AdminCommand:
    match words:
        case ["deposit", name, "cash", amount]:
            return ac.DepositCash(
                *sign, world.account_id(name), world.units(amount), int(options.pop("key", "0")),
                _currency(options),
            )  # fmt: skip
        case ["deposit", name, symbol, qty]:
            return ac.DepositShares(
                *sign, world.account_id(name), world.instrument_id(symbol), int(qty),
                int(options.pop("key", "0")), world.units(options.pop("cost", "0")),
            )  # fmt: skip
        case ["adds", "currency", number, code]:
            rate = world.rate(options.pop("rate", "1"))
            return ac.AddCurrency(*sign, int(number), code.encode(), rate)
        case ["busts", match_id]:
            return ac.BustTrade(*sign, int(match_id))
        case ["fees", schedule]:
            account = world.account_id(options.pop("to", "0"))
            maker, taker = (int(options.pop(name, "0")) for name in ("maker", "taker"))
            return ac.SetFees(*sign, int(schedule), 0, maker, taker, account)
        case ["fees", schedule, "for", name]:
            return ac.SetFees(*sign, int(schedule), world.account_id(name))
        case ["transfer", name, to, what, amount]:
            is_cash = what == "cash"
            return ac.Transfer(
                *sign, world.account_id(name), world.account_id(to),
                0 if is_cash else world.instrument_id(what),
                world.units(amount) if is_cash else int(amount), int(options.pop("key", "0")),
                _currency(options),
            )  # fmt: skip
        case ["limits", name]:
            a = msgspec.convert(_take_all(options), world.AccountSetup, strict=False)
            account_id = world.account_id(name)
            return ac.SetLimits(
                *sign, account_id, a.max_qty, world.units(a.max_value), a.long, a.short
            )
        case ["instrument", symbol]:
            i = msgspec.convert(_take_all(options), world.InstrumentSetup, strict=False)
            return ac.SetInstrument(
                *sign, world.instrument_id(symbol), i.lot, world.units(i.tick),
                world.units(i.reference), i.collar, i.market_collar, world.currency_id(i.currency),
            )  # fmt: skip
        case ["adds", "instrument", number, symbol]:
            i = msgspec.convert(_take_all(options), world.InstrumentSetup, strict=False)
            return ac.AddInstrument(
                *sign, int(number), symbol.encode(), i.lot, world.units(i.tick),
                world.units(i.reference), i.collar, i.market_collar, Phase.CONTINUOUS,
                currency_id=world.currency_id(i.currency),
            )  # fmt: skip
        case ["ticks", table]:
            return ac.SetTicks(
                *sign, int(table), name=options.pop("name", f"T{table}").encode(),
                first_row=int(options.pop("first", "0")),
                rows=tuple(_tick_row(row) for row in options.pop("rows").split(",") if row),
            )  # fmt: skip
        case ["ticks", table, "for", symbol]:
            tick = world.units(options.pop("tick", "0"))
            return ac.SetTicks(*sign, int(table), world.instrument_id(symbol), tick)
        case ["bands", symbol]:
            return ac.SetBands(
                *sign,
                world.instrument_id(symbol),
                int(options.pop("static", "0")),
                int(options.pop("dynamic", "0")),
                int(options.pop("for", "0")) * world.STEP_NS,
            )
        case ["grants", name, "for", account, *bits]:
            granted = sum(Entitlement[bit] for bit in bits)
            account_id = 0 if account == "venue" else world.account_id(account)
            return ac.Grant(*sign, world.PEOPLE.index(name) + 1, account_id, granted)
        case ["phase", symbol, phase]:
            call_ns = int(options.pop("for", "0")) * world.STEP_NS
            return ac.SetPhase(*sign, world.instrument_id(symbol), Phase[phase], call_ns)
        case ["mass", "cancels"]:
            of = options.pop("of", "0")
            return ac.AdminMassCancel(
                *sign,
                of_session_id=int(of) if of.isdigit() else world.PEOPLE.index(of) + 1,
                of_account_id=world.account_id(options.pop("account", "0")),
                of_instrument_id=world.instrument_id(options.pop("symbol", "0")),
                side=_scope(options),
            )
        case ["kills" | "revives" as what, scope, *named]:
            is_killed = int(options.pop("killed", str(int(what == "kills"))))
            kill_scope, scope_id = _kill_scope(scope, named)
            return ac.SetKill(*sign, kill_scope, scope_id, is_killed)
        case ["risk", *named]:
            return _risk(sign, options, named)
        case ["restricts", symbol, *named]:
            return _restriction(sign, options, symbol, named)
        case ["self-trade", name]:
            mode = SELF_TRADES[options.pop("self", "")]
            group = int(options.pop("group", "0"))
            return ac.SetSelfTrade(*sign, world.account_id(name), group, mode)
        case ["starts", "day", date]:
            return ac.StartDay(*sign, int(date), world.MIDNIGHT_NS)
        case ["ends", "day"]:
            return ac.EndDay(*sign)
        case _:
            message = "no such command"
            raise ValueError(message)


def _ref(word: str) -> int:
    return int(word.removeprefix("#"))


def _policy(options: dict[str, str]) -> int:
    return POLICIES[options.pop("policy", "ouch")]


def _tif(words: list[str], options: dict[str, str]) -> int:
    default = TIMES_IN_FORCE[words[0]] if words else TimeInForce.DAY
    return int(options.pop("tif", default))


def _take_all(options: dict[str, str]) -> dict[str, str]:
    taken = dict(options)
    options.clear()
    return taken


def parse_raw(name: str, words: list[str]) -> c.Command:
    """A command with each field said: what failing random sequences are printed as."""
    kind = RAW_TYPES[name]
    said = dict(word.split("=") for word in words)
    tag = msgspec.inspect.type_info(kind)
    assert isinstance(tag, msgspec.inspect.StructType)
    values = [_raw_value(said[field]) for field in kind.__struct_fields__]
    return msgspec.convert([tag.tag, *values], kind)


def _raw_value(text: str) -> int | bytes | list[list[int]]:
    if text.startswith(_BYTES_PREFIX):
        return bytes.fromhex(text[len(_BYTES_PREFIX) :])
    if ":" in text or not text:
        return [[int(part) for part in row.split(":")] for row in text.split(",") if row]
    return int(text)


def print_raw(command: c.Command) -> str:
    """The line that `parse_raw` reads; rows of ticks as price:tick,price:tick."""
    words = [type(command).__name__]
    for key, value in msgspec.structs.asdict(command).items():
        if isinstance(value, bytes):
            shown = _BYTES_PREFIX + value.hex()
        elif isinstance(value, tuple):
            shown = ",".join(f"{row.price}:{row.tick}" for row in value)
        else:
            shown = str(int(value))
        words.append(f"{key}={shown}")
    return " ".join(words)
