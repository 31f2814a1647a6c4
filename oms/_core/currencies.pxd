"""Currencies: adding one, naming the first, and what each is worth (docs/rules.md, Currencies).

Called by the dispatcher with the other administrative commands. Promises: a currency takes memory
once it is there; a rate is used for exposure limits alone.
"""

from libc.stdint cimport uint8_t, uint32_t

from oms._core.machine cimport rare
from oms._core.records cimport CommandRecord, CurrencyRecord
from oms._core.state cimport State, balances_open, has_currency
from oms._core.types cimport (
    CURRENCY_RATE_MAX, CURRENCY_RATE_ONE, REJECT_BAD_VALUE, REJECT_CAPACITY, REJECT_DUPLICATE_ID,
    REJECT_NONE, REJECT_UNKNOWN_ID,
)


cdef inline bint is_code(uint32_t code) noexcept nogil:
    """Three capital letters and a zero byte."""
    cdef uint32_t i
    for i in range(3):
        if not 0x41 <= (code >> (8 * i) & 0xFF) <= 0x5A:
            return False
    return code >> 24 == 0


cdef inline uint8_t check_currency_id(
    const State* state, const CurrencyRecord* record
) noexcept nogil:
    """One that is there keeps its code; a new one is the next."""
    cdef uint32_t id = record.currency_id
    if has_currency(state, id):
        if state.currencies[id].code and state.currencies[id].code != record.code:
            return REJECT_DUPLICATE_ID
        return REJECT_NONE
    if id == 0:
        return REJECT_UNKNOWN_ID
    if id > state.currencies_max:
        return REJECT_CAPACITY
    return REJECT_NONE if id == state.currency_count + 1 else REJECT_UNKNOWN_ID


cdef inline uint8_t apply_add_currency(State* state, const CommandRecord* command) noexcept nogil:
    cdef const CurrencyRecord* record = <const CurrencyRecord*>command
    cdef uint32_t i
    cdef uint8_t reason = check_currency_id(state, record)
    rare()
    if reason:
        return reason
    if not is_code(record.code) or record.rate < 1 or record.rate > CURRENCY_RATE_MAX:
        return REJECT_BAD_VALUE
    if record.currency_id == 1 and record.rate != CURRENCY_RATE_ONE:
        return REJECT_BAD_VALUE
    for i in range(1, state.currency_count + 1):
        if i != record.currency_id and state.currencies[i].code == record.code:
            return REJECT_BAD_VALUE
    if record.currency_id > state.currency_count:
        balances_open(state, record.currency_id)
    state.currencies[record.currency_id].code = record.code
    state.currencies[record.currency_id].rate = record.rate
    return REJECT_NONE
