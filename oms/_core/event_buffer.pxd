"""The event records of one entry, in one array that is used again for every entry.

Called by every part that has something to say. Promises: an event is zero but for what is written
to it (where `buffer_take` was asked for one, its caller writes all of it). A pointer to an event is
good only until the next one is added, which may move the array.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free

from oms._core.machine cimport UNLIKELY, grow_array, zero_128
from oms._core.records cimport EventRecord
from oms._core.types cimport EVENT_BYTES

cdef struct EventBuffer:
    EventRecord* events
    uint64_t count
    uint64_t capacity  # doubles when reached, is never given back: cold after the first entries


cdef inline void buffer_close(EventBuffer* buffer) noexcept nogil:
    free(buffer.events)


cdef inline void buffer_grow(EventBuffer* buffer) noexcept nogil:
    buffer.capacity = buffer.capacity * 2 if buffer.capacity else 64
    buffer.events = <EventRecord*>grow_array(buffer.events, buffer.capacity * EVENT_BYTES)


cdef inline EventRecord* buffer_take(EventBuffer* buffer) noexcept nogil:
    """A record at the end that says what was said there in an entry before."""
    cdef EventRecord* event
    if UNLIKELY(buffer.count == buffer.capacity):
        buffer_grow(buffer)
    event = &buffer.events[buffer.count]
    buffer.count += 1
    return event


cdef inline EventRecord* buffer_add(EventBuffer* buffer) noexcept nogil:
    """A zeroed record at the end."""
    cdef EventRecord* event = buffer_take(buffer)
    zero_128(event)
    return event
