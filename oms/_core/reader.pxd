"""The words of a snapshot, one after the other; what is impossible is noted and read as 0.

Called by the files that restore a state. Promises: reads within the words it is given.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from oms._core.types cimport MONEY_MAX

cdef struct Reader:
    const uint64_t* words
    uint64_t at
    uint64_t count
    uint64_t version
    bint is_sound  # nothing read so far was impossible


cdef inline uint64_t get(Reader* reader) noexcept nogil:
    """The next word; 0 and unsound beyond the end."""
    if reader.at >= reader.count:
        reader.is_sound = False
        return 0
    reader.at += 1
    return reader.words[reader.at - 1]


cdef inline uint64_t get_up_to(Reader* reader, uint64_t maximum) noexcept nogil:
    """The next word; 0 and unsound above `maximum`."""
    cdef uint64_t word = get(reader)
    if word > maximum:
        reader.is_sound = False
        return 0
    return word


cdef inline int64_t get_money(Reader* reader) noexcept nogil:
    """The next word, signed; 0 and unsound beyond MONEY_MAX on either side."""
    cdef int64_t amount = <int64_t>get(reader)
    if amount > MONEY_MAX or amount < -MONEY_MAX:
        reader.is_sound = False
        return 0
    return amount


cdef inline void get_block(Reader* reader, void* target, size_t size) noexcept nogil:
    if reader.count - reader.at < size // sizeof(uint64_t):
        reader.is_sound = False
        return
    memcpy(target, &reader.words[reader.at], size)
    reader.at += size // sizeof(uint64_t)


cdef inline void expect(Reader* reader, bint is_true) noexcept nogil:
    reader.is_sound = reader.is_sound and is_true
