"""The model's log: what applying one copy of a command does to the session and what it says.

Called by `transitions.py`. The same rules as docs/rules.md, Admission, for one session; a test
plays both against each other. A step that breaks a promise raises `Broken`.
"""

from tests.model.state import Broken, Copy, CopyKind, Engine, Fault, Item, Note, NoteKind, Rules

Applied = tuple[Engine, Note | None]


def apply(rules: Rules, engine: Engine, copy: Copy, free_epoch: int) -> Applied:
    """Apply one committed command; `free_epoch` is what a login would get."""
    if copy.kind == CopyKind.LOGIN:
        return _login(rules, engine, copy, free_epoch)
    is_stale = not engine.is_logged_in or copy.epoch != engine.epoch
    if copy.kind == CopyKind.LOGOUT:
        if is_stale and not (rules.fault is Fault.LATE_LOGOUT and engine.is_logged_in):
            return engine, None
        if copy.epoch != engine.epoch:
            raise Broken("stale", "a logout of an old epoch ended the new one")
        return log_out(engine)
    if is_stale and rules.fault is not Fault.ACCEPT_STALE_EPOCH:
        return engine, None
    return _order(rules, engine, copy)


def _login(rules: Rules, engine: Engine, copy: Copy, free_epoch: int) -> Applied:
    is_repeat = copy.nonce == engine.nonce and engine.epoch > 0
    if not is_repeat and not copy.is_fresh and rules.fault is not Fault.LATE_LOGIN:
        return engine, Note(NoteKind.RESEND, 0)
    if not is_repeat or rules.fault is Fault.REPEATED_NONCE:
        kept = rules.fault is Fault.KEEP_CLIENT_SEQ
        is_epoch_kept = rules.fault is Fault.KEEP_EPOCH and engine.epoch > 0
        engine = Engine(
            is_logged_in=True,
            epoch=free_epoch if not is_epoch_kept else engine.epoch,
            nonce=copy.nonce,
            gateway=copy.gateway,
            client_seq=engine.client_seq if kept else 0,
            last_key=engine.last_key,
            stream=engine.stream,
        )
    if is_repeat and rules.fault is Fault.REPEATED_NONCE:
        raise Broken("repeat", "a copy of a login that was decided began another epoch")
    note = Note(
        NoteKind.LOGGED_IN,
        engine.epoch,
        out_seq=len(engine.stream),
        nonce=copy.nonce,
        gateway=engine.gateway,
    )
    return engine, note


def log_out(engine: Engine) -> Applied:
    """LOGOUT of the current epoch, or GATEWAY_LOST."""
    note = Note(NoteKind.LOGGED_OUT, engine.epoch)
    return engine._replace(is_logged_in=False), note


def _order(rules: Rules, engine: Engine, copy: Copy) -> Applied:
    expected = engine.client_seq + 1
    if copy.seq < expected and rules.fault is not Fault.FORGET_DEDUPE:
        return engine, Note(NoteKind.ALREADY, copy.epoch, copy.seq)
    if copy.seq > expected and rules.fault is not Fault.ACCEPT_GAP:
        return engine, Note(NoteKind.RESEND, copy.epoch, expected)
    if not copy.is_fresh and rules.fault is not Fault.DROP_NOT_AFTER:
        return engine, Note(NoteKind.RESEND, copy.epoch, expected)
    bit = 1 << copy.item
    engine = engine._replace(
        client_seq=max(copy.seq, engine.client_seq), decided=engine.decided | bit
    )
    if not _has_effect(rules, engine, copy.item):
        return engine, Note(NoteKind.IGNORED, copy.epoch, copy.seq)
    _check_effect(rules, engine, copy)
    stream = (*engine.stream, copy.item)
    is_keyed = rules.items[copy.item - 1] == Item.ENTER
    engine = engine._replace(
        executed=engine.executed | bit,
        last_key=copy.item if is_keyed else engine.last_key,
        stream=stream,
    )
    return engine, Note(NoteKind.STREAM, copy.epoch, copy.seq, len(stream), copy.item)


def _has_effect(rules: Rules, engine: Engine, item: int) -> bool:
    """The item's own rule, behind the session's numbers."""
    match rules.items[item - 1]:
        case Item.ENTER:
            return item > engine.last_key or rules.fault is Fault.FORGET_KEYS
        case Item.QUERY:
            return True
        case Item.CANCEL:
            return item not in engine.stream


def _check_effect(rules: Rules, engine: Engine, copy: Copy) -> None:
    """The promises about one effect, at the moment it happens."""
    if not engine.is_logged_in or copy.epoch != engine.epoch:
        raise Broken("stale", f"item {copy.item} of an old epoch had an effect")
    if not copy.is_fresh:
        raise Broken("late", f"item {copy.item} had an effect after its time limit")
    if engine.executed >> copy.item & 1:
        raise Broken(
            "once", f"item {copy.item} was submitted once in this epoch and had two effects"
        )
    is_repeatable = rules.is_eager and rules.items[copy.item - 1] == Item.QUERY
    if copy.item in engine.stream and not is_repeatable:
        raise Broken("once", f"item {copy.item} had two effects")
