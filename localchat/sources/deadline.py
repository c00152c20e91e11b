"""One deadline for a whole request.

The timeouts of httpx are per operation: a server that sends one byte now and then, even in the
middle of its headers, never meets them. Here a timer shuts the socket down when the time is up,
and the read that waits on it ends at once. Looking up a name is the system's own and ends when the
system says so.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Any


class Deadline:
    """``with Deadline(seconds) as deadline``; give ``deadline.trace`` to httpx as an extension."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._end

    @property
    def left(self) -> float:
        """Seconds, never quite zero: a timeout of zero would mean not to wait at all."""
        return max(0.01, self._end - time.monotonic())

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Called by httpcore at each step; new connections and their TLS layers are noted."""
        if not event.endswith(("connect_tcp.complete", "start_tls.complete")):
            return
        connection = info["return_value"].get_extra_info("socket")
        with self._lock:
            self._sockets.append(connection)
        if self.passed:
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            for connection in self._sockets:
                # Not SSLSocket.shutdown, which changes the object under the thread that reads.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._sockets.clear()
