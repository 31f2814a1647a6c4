"""How words become a digest: four lanes, and the chain over all entries.

Called by the digests, by the snapshot (checksum) and by the dispatcher (chain). Promises: the same
value for the same words in the same order, on every machine.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from oms._core.machine cimport MIX, PAIR, UNLIKELY, crossed
from oms._core.records cimport CommandRecord
from oms._core.state cimport State
from oms._core.types cimport (
    COMMAND_BYTES, COMMAND_GENESIS, EVENT_BYTES, RULES_CHAIN_EVENTS,
)

cdef struct Hash:
    uint64_t lanes[4]
    uint64_t count  # words taken in


cdef inline uint64_t mixed(uint64_t lane, uint64_t word) noexcept nogil:
    lane = (lane ^ word) * MIX
    return lane ^ (lane >> 32)


cdef inline void mix_lanes(uint64_t* lanes, const uint64_t* words, uint64_t size) noexcept nogil:
    """Take in `size` bytes, a multiple of 32."""
    cdef uint64_t a = lanes[0]
    cdef uint64_t b = lanes[1]
    cdef uint64_t c = lanes[2]
    cdef uint64_t d = lanes[3]
    cdef uint64_t i = 0
    cdef uint64_t count = size // sizeof(uint64_t)
    while i < count:
        a = mixed(a, words[i])
        b = mixed(b, words[i + 1])
        c = mixed(c, words[i + 2])
        d = mixed(d, words[i + 3])
        i += 4
    lanes[0] = a
    lanes[1] = b
    lanes[2] = c
    lanes[3] = d


cdef inline void mix_pairs(uint64_t* lanes, const uint64_t* words, uint64_t size) noexcept nogil:
    """Take in `size` bytes, a multiple of 64, two words at a step."""
    cdef uint64_t a = lanes[0]
    cdef uint64_t b = lanes[1]
    cdef uint64_t c = lanes[2]
    cdef uint64_t d = lanes[3]
    cdef uint64_t i = 0
    cdef uint64_t count = size // sizeof(uint64_t)
    while i < count:
        a = crossed(a ^ words[i], words[i + 1] ^ PAIR)
        b = crossed(b ^ words[i + 2], words[i + 3] ^ PAIR)
        c = crossed(c ^ words[i + 4], words[i + 5] ^ PAIR)
        d = crossed(d ^ words[i + 6], words[i + 7] ^ PAIR)
        i += 8
    lanes[0] = a
    lanes[1] = b
    lanes[2] = c
    lanes[3] = d


cdef inline uint64_t folded(const uint64_t* lanes) noexcept nogil:
    """The digest of four lanes."""
    cdef uint64_t h = 0
    cdef uint32_t i
    for i in range(4):
        h = (h ^ lanes[i]) * MIX
        h ^= h >> 29
    return h


cdef inline void mix_header(
    State* state, uint64_t log_index, int64_t timestamp_ns, uint64_t count
) noexcept nogil:
    cdef uint64_t words[4]
    words[0] = log_index
    words[1] = <uint64_t>timestamp_ns
    words[2] = count
    words[3] = 0
    mix_lanes(state.numbers.lanes, words, sizeof(words))


cdef inline void mix_entry(
    State* state, const CommandRecord* commands, uint64_t count
) noexcept nogil:
    """Behind the header, when an entry is over: its commands and its events.

    All at once: an event read back right after it was written, field by field, would be waited for.
    """
    cdef uint64_t* lanes = state.numbers.lanes
    cdef const uint64_t* events = <const uint64_t*>state.buffer.events
    cdef uint64_t size = state.buffer.count * EVENT_BYTES
    if UNLIKELY(state.numbers.rule_version < RULES_CHAIN_EVENTS):
        mix_lanes(lanes, <const uint64_t*>commands, count * COMMAND_BYTES)
        mix_lanes(lanes, events, size)
        return
    if UNLIKELY(state.other_commands != 0):
        mix_others(lanes, commands, count)
    mix_pairs(lanes, events, size)


cdef inline void mix_others(
    uint64_t* lanes, const CommandRecord* commands, uint64_t count
) noexcept nogil:
    """Administrative commands, of which events say little."""
    cdef uint64_t i
    for i in range(count):
        if commands[i].kind >= COMMAND_GENESIS:
            mix_lanes(lanes, <const uint64_t*>&commands[i], COMMAND_BYTES)


cdef inline void hash_start(Hash* hash_) noexcept nogil:
    cdef uint32_t i
    for i in range(4):
        hash_.lanes[i] = i + 1
    hash_.count = 0


cdef inline void take(Hash* hash_, uint64_t word) noexcept nogil:
    cdef uint64_t* lane = &hash_.lanes[hash_.count & 3]
    lane[0] = mixed(lane[0], word)
    hash_.count += 1


cdef inline uint64_t hash_end(Hash* hash_) noexcept nogil:
    while hash_.count & 3:
        take(hash_, 0)
    return folded(hash_.lanes)
