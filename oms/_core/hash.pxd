"""How words become a digest: four lanes, and the chain over the log.

Called by the digests, by the snapshot (checksum) and by the dispatcher (chain). Promises: the same
value for the same words in the same order, on every machine.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from oms._core.machine cimport MIX
from oms._core.state cimport State
from oms._core.trail cimport mix_lanes, mixed

cdef struct Hash:
    uint64_t lanes[4]
    uint64_t count  # words taken in


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
