"""What a command, an event or a window of the product is in the model's words.

Called by `mirror.py`. Epochs, nonces and gateway ids are translated by the tables that the mirror
keeps; whatever has no limit of its own counts as fresh.
"""

from gateways.courier import Window as RealWindow
from oms.messages.commands import AccountQuery, CancelOrder, Command, Login, Logout, NewOrder
from oms.messages.enums import EventKind
from oms.messages.event_records import Event
from oms.reference.state import Session
from tests.model.state import Copy, CopyKind, Engine, Item, Note, NoteKind, Pipe, Window
from tests.support.link_venue import SESSION

_STREAM = {
    EventKind.ORDER_ACCEPTED: Item.ENTER,
    EventKind.ACCOUNT_QUERY_RESPONSE: Item.QUERY,
    EventKind.ORDER_CANCELED: Item.CANCEL,
}
_KINDS = {
    EventKind.SESSION_LOGGED_IN: NoteKind.LOGGED_IN,
    EventKind.SESSION_LOGGED_OUT: NoteKind.LOGGED_OUT,
    EventKind.COMMAND_IGNORED: NoteKind.IGNORED,
    EventKind.ALREADY_APPLIED: NoteKind.ALREADY,
    EventKind.GAP: NoteKind.RESEND,
    EventKind.COMMAND_EXPIRED: NoteKind.RESEND,
    **dict.fromkeys(_STREAM, NoteKind.STREAM),
}


class Likeness:
    """The tables: epochs and nonces from the product's to the model's, gateways the other way."""

    def __init__(self, items: tuple[Item, ...], *, first_out_seq: int) -> None:
        self.first_out_seq = first_out_seq  # the day's start stands in the stream too
        self.epochs = {0: 0}
        self.nonces = {0: 0}
        self.gateways: dict[int, int] = {}
        self._items = items

    def _gateway(self, gateway_id: int) -> int:
        for number, known in self.gateways.items():
            if known == gateway_id:
                return number
        return 0

    def _item(self, kind: Item, user_ref_num: int) -> int:
        return user_ref_num if kind == Item.ENTER else self._items.index(kind) + 1

    @staticmethod
    def is_noted(event: Event) -> bool:
        """Whether the model has this event."""
        return event.kind in _KINDS and event.session_id == SESSION

    def note(self, event: Event) -> Note:
        """An event of the session."""
        kind = _KINDS[EventKind(event.kind)]
        epoch = self.epochs[event.conn_epoch]
        match kind:
            case NoteKind.LOGGED_IN:
                return Note(
                    kind,
                    epoch,
                    out_seq=event.order_id - self.first_out_seq,
                    nonce=self.nonces[event.client_seq],
                    gateway=self._gateway(event.price),
                )
            case NoteKind.LOGGED_OUT:
                return Note(kind, epoch)
            case NoteKind.RESEND:
                return Note(kind, epoch, event.order_id)
            case NoteKind.STREAM:
                item = self._item(_STREAM[EventKind(event.kind)], event.user_ref_num)
                out_seq = event.out_seq - self.first_out_seq
                return Note(kind, epoch, event.client_seq, out_seq, item)
            case _:
                return Note(kind, epoch, event.client_seq)

    def copy(self, command: Command, fresh_from_ns: int) -> Copy:
        """A command on its way; fresh if its limit is not before `fresh_from_ns`."""
        match command:
            case Login():
                return Copy(
                    CopyKind.LOGIN,
                    is_fresh=command.not_after_ns >= fresh_from_ns,
                    nonce=self.nonces[command.nonce],
                    gateway=self._gateway(command.gateway_id),
                )
            case Logout():
                return Copy(CopyKind.LOGOUT, self.epochs[command.conn_epoch])
            case NewOrder() | AccountQuery() | CancelOrder():
                return Copy(
                    CopyKind.ORDER,
                    self.epochs[command.conn_epoch],
                    command.client_seq,
                    self._item_of(command),
                    is_fresh=command.not_after_ns >= fresh_from_ns,
                )
            case _:
                raise AssertionError(command)

    def _item_of(self, command: NewOrder | AccountQuery | CancelOrder) -> int:
        if isinstance(command, NewOrder):
            return command.user_ref_num
        return self._item(Item.QUERY if isinstance(command, AccountQuery) else Item.CANCEL, 0)

    @staticmethod
    def plain(pipe: Pipe) -> list[object]:
        """The model's pipe, with freshness only where the product has it."""
        return [
            copy._replace(is_fresh=True) if copy.kind == CopyKind.LOGOUT else copy for copy in pipe
        ]

    def window(self, real: RealWindow | None) -> Window | None:
        """A gateway's window; its commands must be numbered without a hole."""
        if real is None:
            return None
        commands = list(real.in_flight)
        numbers = [command.client_seq for command in commands]
        assert numbers == list(range(real.acknowledged + 1, real.acknowledged + 1 + len(numbers)))
        assert not real.waiting
        return Window(
            self.epochs[real.conn_epoch],
            self.nonces[real.nonce],
            is_listened_to=real.listener is not None,
            acknowledged=real.acknowledged,
            in_flight=tuple(self.copy(command, 0).item for command in commands),
            episode=real.episode,
        )

    def engine(self, session: Session, model: Engine) -> Engine:
        """The session in the log; what the product does not keep is taken from the model."""
        assert session.out_seq - self.first_out_seq == len(model.stream)
        return model._replace(
            is_logged_in=session.is_logged_in,
            epoch=self.epochs[session.conn_epoch],
            nonce=self.nonces[session.login_nonce],
            gateway=self._gateway(session.gateway_id),
            client_seq=session.client_seq,
            last_key=session.last_user_ref_num,
        )
