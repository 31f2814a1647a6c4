"""What the loop waits for, and who takes it when it is there.

Called by the loop only. Sockets and pipes have a handler each; the replicated log's descriptors
come and go, and are told apart from them.
"""

from collections.abc import Callable

import zmq

from oms.transport.sockets import READABLE, READABLE_OR_BROKEN, WRITABLE, Socket

Handler = Callable[[int], None]  # now_ns, monotonic
LogFds = list[tuple[int, bool, bool]]  # fd, want_read, want_write


class Polling:
    """The poller and its handlers."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._handlers: dict[Socket | int, Handler] = {}
        self._log_fds: LogFds = []

    def __contains__(self, source: Socket | int) -> bool:
        return source in self._poller

    def watch(self, source: Socket | int, handler: Handler) -> None:
        """Call `handler` whenever there is something to read."""
        self._poller.register(source, READABLE)
        self._handlers[source] = handler

    def unwatch(self, source: Socket | int) -> None:
        """Not any more."""
        self._poller.unregister(source)
        del self._handlers[source]

    def watch_log(self, wanted: LogFds) -> None:
        """Poll what the log wants polled; its wishes seldom change from turn to turn."""
        if wanted == self._log_fds:
            return
        kept = {fd for fd, *_ in wanted}
        for fd, *_ in self._log_fds:
            if fd not in kept and fd in self._poller:
                self._poller.unregister(fd)
        for fd, want_read, want_write in wanted:
            flags = (READABLE if want_read else 0) | (WRITABLE if want_write else 0)
            self._poller.register(fd, flags)
        self._log_fds = wanted

    def wait(self, timeout_ms: int) -> list[tuple[Handler | None, Socket | int, bool, bool]]:
        """What is ready: its handler (None: the log's), itself, whether to read and to write.

        Errors and hang-ups count as readable: the read will say what it is.
        """
        return [
            (
                self._handlers.get(source),
                source,
                bool(events & READABLE_OR_BROKEN),
                bool(events & WRITABLE),
            )
            for source, events in self._poller.poll(timeout_ms)
        ]
