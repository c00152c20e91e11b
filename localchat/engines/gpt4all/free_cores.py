"""How many threads find a core of their own while other programs compute as well.

The threads of ggml, as GPT4All builds it, spin while they wait for each other. Where one of them
has to share its core, all of them wait: on two cores, with one other program at work, two threads
wrote 1.7 tokens/s and one thread 12.6 (on idle cores 23 and 12.3).
"""

from __future__ import annotations

import time

_EVERY = 0.5
_SMALL = 0.25
"""Of a core: what other programs may take without being felt."""


class FreeCores:
    """Looks at what this process gets and at what nobody uses."""

    def __init__(self, most: int) -> None:
        import psutil

        self._most = most
        self._system = psutil
        self._process = psutil.Process()
        self._before = self._now()

    def threads(self) -> int | None:
        """How many threads to use from now on, at most ``most``; None where it is too early to
        tell. Cheap enough to be asked for each token."""
        if time.monotonic() - self._before[0] < _EVERY:
            return None
        now, before = self._now(), self._before
        self._before = now
        ours, idle = now[1] - before[1], now[2] - before[2]
        return threads_for((ours + idle) / (now[0] - before[0]), self._most)

    def begin(self) -> None:
        """Forget what was before: this process did not compute."""
        self._before = self._now()

    def _now(self) -> tuple[float, float, float]:
        """The time, what this process has computed, and what all cores have idled, in seconds."""
        ours, everybody = self._process.cpu_times(), self._system.cpu_times()
        idle = everybody.idle + getattr(everybody, "iowait", 0.0)
        return time.monotonic(), ours.user + ours.system, idle


def threads_for(cores: float, most: int) -> int:
    """Threads for so many ``cores`` that are ours or nobody's."""
    return min(max(int(cores + _SMALL), 1), most)
