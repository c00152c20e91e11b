"""Says that a long call into a library is alive, for as long as the process does something."""

from __future__ import annotations

import threading
from types import TracebackType

from localchat.engines.child.worker import Tell

_EVERY = 0.5
_ENOUGH_BYTES = 1_000_000
_ENOUGH_CPU = 0.1


class SignsOfLife:
    """While it is entered, each look that finds another amount of memory, more bytes read or more
    time computed than before is told as progress of loading (and so counts as a step): how far the
    memory has grown towards ``size`` bytes. Nothing is told of a process that stands still.
    """

    def __init__(self, tell: Tell, size: int) -> None:
        import psutil

        self._tell = tell
        self._size = max(size, 1)
        self._process = psutil.Process()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="signs-of-life", daemon=True)

    def __enter__(self) -> SignsOfLife:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        begun = before = self._now()
        while not self._over.wait(_EVERY):
            now = self._now()
            if _moved(before, now):
                before = now
                part = max(now[0] - begun[0], now[1] - begun[1], 0) / self._size
                self._tell.phase("loading", int(min(part, 0.99) * 1000), 1000)

    def _now(self) -> tuple[int, int, float]:
        """Bytes in memory, bytes read, seconds computed."""
        times = self._process.cpu_times()
        counters = getattr(self._process, "io_counters", None)  # not on macOS
        read = int(counters().read_bytes) if counters else 0
        return int(self._process.memory_info().rss), read, times.user + times.system


def _moved(before: tuple[int, int, float], now: tuple[int, int, float]) -> bool:
    return (
        abs(now[0] - before[0]) >= _ENOUGH_BYTES
        or now[1] - before[1] >= _ENOUGH_BYTES
        or now[2] - before[2] >= _ENOUGH_CPU
    )
