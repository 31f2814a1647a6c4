"""A snapshot made by a process beside this one, which has the state as it was at the fork.

Called by the engine class. Promises: the bytes are those that `snapshot()` would have made at the
moment of the fork, whatever is applied meanwhile; while there is none, it costs nothing at all
(docs/adr/0045).
"""

from libc.stdint cimport uint32_t

from oms._core.ladder cimport Chunk
from oms._core.order_book cimport Level
from oms._core.order_pool cimport Order
from oms._core.snapshot cimport Writer, write_snapshot
from oms._core.state cimport State

cdef extern from "aside.h" nogil:
    int fork_aside "quorate_fork_aside"(int file) noexcept
    void end_aside "quorate_end_aside"(const void* data, size_t size) noexcept
    void join_large_pages "quorate_join_pages"(void* pages, size_t size) noexcept


cdef inline int snapshot_beside(const State* state, int file) noexcept nogil:
    """The process that writes the state into `file`, and ends; -1: there is none (errno)."""
    cdef Writer writer
    cdef int process = fork_aside(file)
    if process == 0:
        write_snapshot(&writer, state)
        end_aside(writer.words, writer.count * sizeof(writer.words[0]))
    return process


# The arrays that orders go through, as they are now.
cdef struct BusyPages:
    void* orders
    void* levels
    void* order_heads
    void* level_heads
    void* chunks
    size_t orders_size
    size_t levels_size
    size_t order_heads_size
    size_t level_heads_size
    size_t chunks_size


cdef inline BusyPages busy_pages(const State* state) noexcept nogil:
    cdef BusyPages busy
    busy.orders = state.pool.orders
    busy.orders_size = (<size_t>state.pool.highest + 1) * sizeof(Order)
    busy.levels = state.levels.levels
    busy.levels_size = (<size_t>state.levels.used + 1) * sizeof(Level)
    busy.order_heads = state.index.heads
    busy.order_heads_size = <size_t>state.index.size * sizeof(uint32_t)
    busy.level_heads = state.levels.index.heads
    busy.level_heads_size = <size_t>state.levels.index.size * sizeof(uint32_t)
    busy.chunks = state.levels.chunks.chunks
    busy.chunks_size = <size_t>state.levels.chunks.capacity * sizeof(Chunk)
    return busy


cdef inline void join_pages(const BusyPages* busy) noexcept nogil:
    """From any thread: an array may have been given back meanwhile, and this is only advice."""
    join_large_pages(busy.orders, busy.orders_size)
    join_large_pages(busy.levels, busy.levels_size)
    join_large_pages(busy.order_heads, busy.order_heads_size)
    join_large_pages(busy.level_heads, busy.level_heads_size)
    join_large_pages(busy.chunks, busy.chunks_size)
