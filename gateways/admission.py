"""Who may come in: logins, sessions and the names on the wire, from the venue's directory.

Called by the doors' sessions and servers. Pure: an index over one `Directory` answer, built anew
when the directory changes. On OUCH and FIX it decides about connections only: an order is never
refused here, its refusal is an outcome in the log (RULES A6).
"""

from typing import Final

import msgspec

from oms.bounds import SYMBOL_BYTES_MAX
from oms.messages.enums import Entitlement, Protocol
from oms.messages.link import Directory, UserView

LOGIN_BITS: Final = Entitlement.ENTER | Entitlement.CANCEL
_NO_SALT: Final = bytes(16)
_NO_HASH: Final = bytes(32)


class Credentials(msgspec.Struct, frozen=True, gc=False):
    """What a password is checked against, and what it opens.

    `session_id` 0: nobody. The password is checked all the same, so that an unknown name takes as
    long as a wrong password.
    """

    session_id: int
    default_account_id: int
    salt: bytes
    key_hash: bytes


class DirectoryIndex:
    """The directory by the names that stand on the wire.

    `instruments` and `accounts` map names without padding to ids; `symbols` maps an id to its
    name padded to eight bytes.
    """

    def __init__(self, directory: Directory) -> None:
        self.applied_index = directory.applied_index
        self.cluster_id = directory.cluster_id
        self.trading_date = directory.trading_date
        self.midnight_ns = directory.midnight_ns
        self.rule_version = directory.rule_version
        self.instruments = {
            view.symbol.encode().rstrip(b" \0"): view.instrument_id
            for view in directory.instruments
        }
        self.symbols = {
            view.instrument_id: view.symbol.encode().rstrip(b" \0").ljust(SYMBOL_BYTES_MAX)
            for view in directory.instruments
        }
        self.accounts = {
            view.firm.encode().rstrip(b" \0"): view.account_id for view in directory.accounts
        }
        self._users = {view.name.upper().strip(" \0"): view for view in directory.users}
        self._sessions = {
            (view.user_id, view.protocol): view for view in reversed(directory.sessions)
        }

    def credentials(self, user: str, protocol: Protocol) -> Credentials:
        """What opens this user's session. The name's case does not matter (SoupBinTCP)."""
        view = self._users.get(user.upper().strip())
        session = None if view is None else self._sessions.get((view.user_id, protocol))
        if view is None or session is None or not _may_log_in(view):
            return Credentials(0, 0, _NO_SALT, _NO_HASH)
        return Credentials(session.session_id, session.default_account_id, view.salt, view.key_hash)


def _may_log_in(user: UserView) -> bool:
    """Whether there is any account the user may enter or cancel for."""
    return any(bits & LOGIN_BITS for account_id, bits in user.entitlements.items() if account_id)


def is_room_left(connections: int, bound: int) -> bool:
    """Whether one more connection may be kept."""
    return connections < bound
