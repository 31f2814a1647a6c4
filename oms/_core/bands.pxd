"""Price bands: how far continuous trading may go before it pauses (docs/rules.md, Bands).

Called by the administration, risk, the phases and the auction. Promises: nothing trades outside the
band that held when its command came; what would have begins a volatility call. Instruments without
a band never come here: the gate keeps their orders away.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from oms._core.calls cimport Call
from oms._core.directory cimport Instrument
from oms._core.gate cimport instrument_gate
from oms._core.phases cimport has_calls
from oms._core.records cimport BandsRecord
from oms._core.state cimport State, has_instrument
from oms._core.ticks cimport price_ceil, price_floor
from oms._core.types cimport (
    BPS, PHASE_VOLATILITY_AUCTION, PRICE_MAX, REJECT_BAD_VALUE, REJECT_NONE, REJECT_UNKNOWN_ID,
    TIMESTAMP_MAX,
)

cdef enum:
    CLAMP_NONE = 0
    CLAMP_HIGH = 1
    CLAMP_LOW = 2

# The lowest and the highest price that may trade; an end that is a band's is on the tick.
cdef struct Band:
    int64_t low
    int64_t high


cdef inline void narrow(
    const State* state, const Instrument* instrument, Band* band, int64_t reference, uint32_t bps
) noexcept nogil:
    cdef int64_t distance = reference * bps // BPS
    cdef int64_t high
    cdef int64_t low
    if reference == 0 or bps == 0:
        return
    high = price_floor(state, instrument, reference + distance)
    low = price_ceil(state, instrument, reference - distance)
    if high < band.high:
        band.high = high
    if low > band.low:
        band.low = low


cdef inline Band band_of(
    const State* state, const Instrument* instrument, uint32_t instrument_id
) noexcept nogil:
    """What may trade now: the narrower of the static and the dynamic band at either end."""
    cdef const Call* call = &state.calls.calls[instrument_id]
    cdef Band band
    band.low = 0  # what rests off a tick that came later may trade, too
    band.high = PRICE_MAX
    narrow(
        state, instrument, &band,
        call.band_reference if call.band_reference else instrument.reference_price,
        call.static_bps,
    )
    narrow(state, instrument, &band, instrument.last_price, call.dynamic_bps)
    return band


cdef inline uint8_t clamp_of(
    const State* state, const Instrument* instrument, uint32_t instrument_id, int64_t price
) noexcept nogil:
    """At which end of the band a call must be held that would trade at `price`."""
    cdef Band band
    if instrument.phase != PHASE_VOLATILITY_AUCTION or price == 0:
        return CLAMP_NONE
    band = band_of(state, instrument, instrument_id)
    if price > band.high:
        return CLAMP_HIGH
    return CLAMP_LOW if price < band.low else CLAMP_NONE


cdef inline uint8_t apply_set_bands(State* state, const BandsRecord* record) noexcept nogil:
    cdef Instrument* instrument
    cdef Call* call
    if not has_instrument(state, record.instrument_id):
        return REJECT_UNKNOWN_ID
    if (
        not has_calls(state) or record.static_bps > BPS or record.dynamic_bps > BPS
        or record.call_ns < 0 or record.call_ns > TIMESTAMP_MAX // 2
    ):
        return REJECT_BAD_VALUE
    instrument = &state.instruments[record.instrument_id]
    call = &state.calls.calls[record.instrument_id]
    call.static_bps = record.static_bps
    call.dynamic_bps = record.dynamic_bps
    call.pause_ns = record.call_ns
    instrument.has_bands = (record.static_bps | record.dynamic_bps) != 0
    instrument.gate = instrument_gate(instrument)
    return REJECT_NONE
