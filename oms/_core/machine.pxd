"""The names of machine.h."""

from libc.stdint cimport int64_t, uint64_t

cdef extern from "machine.h" nogil:
    ctypedef long long wide "quorate_wide"  # 128 bits
    void INVARIANT(bint condition) noexcept
    bint LIKELY "QUORATE_LIKELY"(bint condition) noexcept
    bint UNLIKELY "QUORATE_UNLIKELY"(bint condition) noexcept
    void rare "quorate_rare"() noexcept
    void prefetch "QUORATE_PREFETCH"(const void* address) noexcept
    void zero_128 "quorate_zero_128"(void* target) noexcept
    uint64_t crossed "quorate_crossed"(uint64_t a, uint64_t b) noexcept
    uint64_t high_half "quorate_high"(uint64_t a, uint64_t b) noexcept
    int64_t share_of "quorate_share"(int64_t whole, int64_t part, int64_t of) noexcept
    int64_t rated "quorate_rated"(int64_t rate, int64_t amount, int64_t* carry) noexcept
    wide converted "quorate_converted"(wide value, int64_t rate) noexcept
    void* take_pages "quorate_take"(size_t size) noexcept
    void release_pages "quorate_release"(void* pages, size_t size) noexcept
    void* stretch_pages "quorate_stretch"(void* pages, size_t before, size_t size) noexcept
    void* grow_array "quorate_grow"(void* array, size_t size) noexcept
    const uint64_t MIX "QUORATE_MIX"
    const uint64_t PAIR "QUORATE_PAIR"
    const uint64_t U64_MAX "QUORATE_U64_MAX"
    const bint IS_DEBUG "QUORATE_DEBUG"
