"""The chain over the log, taken in side by side with the commands (docs/rules.md, Digest).

Called by the dispatcher for each command and by everything that adds an event. Each step of the
chain waits for the one before it, and a command waits for memory and for branches: one record at a
time, the two cost little more than one of them; many at once would fill the processor's queues.
Promises: the same digest as if all commands and then all events were taken in at the end.
"""

from libc.stdint cimport uint64_t

from oms._core.event_buffer cimport EventBuffer
from oms._core.machine cimport LIKELY, MIX
from oms._core.records cimport CommandRecord
from oms._core.types cimport COMMAND_BYTES, EVENT_BYTES

cdef enum:
    TRAIL_LAG = 4  # events so young are still on their way into the cache

# How far the chain has come in an entry: one record for each command and for each event.
cdef struct Trail:
    const CommandRecord* commands  # the first one not yet taken in
    uint64_t commands_left
    uint64_t events  # taken in


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


cdef inline void trail_start(
    Trail* trail, const CommandRecord* commands, uint64_t count
) noexcept nogil:
    """The header is taken in, nothing is done."""
    trail.commands = commands
    trail.commands_left = count
    trail.events = 0


cdef inline void trail_on(
    Trail* trail, uint64_t* lanes, const EventBuffer* buffer
) noexcept nogil:
    """The next record, if it is not too young; all of them have the same size."""
    cdef const uint64_t* words
    if trail.commands_left:
        trail.commands_left -= 1
        words = <const uint64_t*>trail.commands
        trail.commands += 1
    elif LIKELY(buffer.count > trail.events + TRAIL_LAG):
        words = <const uint64_t*>&buffer.events[trail.events]
        trail.events += 1
    else:
        return
    mix_lanes(lanes, words, EVENT_BYTES)


cdef inline void trail_end(
    Trail* trail, uint64_t* lanes, const EventBuffer* buffer
) noexcept nogil:
    """All the rest, when every command is done."""
    mix_lanes(
        lanes, <const uint64_t*>trail.commands, trail.commands_left * COMMAND_BYTES
    )
    trail.commands_left = 0
    mix_lanes(
        lanes, <const uint64_t*>&buffer.events[trail.events],
        (buffer.count - trail.events) * EVENT_BYTES,
    )
    trail.events = buffer.count
