"""Sessions: a user's numbered conversation, its epoch and its streams' positions.

Called by admission, by every part that writes to a session's stream and by the day. Promises:
`client_seq` and `out_seq` never run backwards within an epoch and a day (RULES A2, A3).
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from oms._core.types cimport OUTCOME_WINDOW

cdef struct Session:
    uint64_t client_seq  # the last command processed in this epoch
    uint64_t out_seq  # the last event of its stream
    uint64_t* window  # client_seq mod OUTCOME_WINDOW -> out_seq after that command
    uint32_t conn_epoch  # counts logins
    uint32_t last_user_ref_num
    uint16_t user_id  # at most USERS_MAX x IDENTITY_FACTOR
    uint8_t gate  # gate.pxd
    uint8_t reserved
    uint32_t live_orders
    uint8_t is_logged_in
    uint8_t protocol
    uint8_t options  # SessionOption
    uint8_t is_killed  # no new orders from it
    uint32_t default_account_id  # 0: none
    uint64_t login_nonce
    uint64_t gateway_id


cdef inline void session_remember(Session* session) noexcept nogil:
    """The command of `client_seq` is done: note where its outcome ended."""
    session.window[session.client_seq & (OUTCOME_WINDOW - 1)] = session.out_seq


cdef inline uint64_t session_oldest(const Session* session) noexcept nogil:
    """The first client_seq whose outcome is still known."""
    if session.client_seq < OUTCOME_WINDOW:
        return 1
    return session.client_seq - (OUTCOME_WINDOW - 1)


cdef inline uint64_t session_outcome(const Session* session, uint64_t client_seq) noexcept nogil:
    """Where the outcome of an earlier command ended; 0: zero or too old."""
    if client_seq == 0 or client_seq < session_oldest(session):
        return 0
    return session.window[client_seq & (OUTCOME_WINDOW - 1)]
