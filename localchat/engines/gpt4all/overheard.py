"""What a native library writes to stderr, where that is the only way to learn something.

Runs in the child. Everything goes on to the real stderr, but what ``drop`` describes.
"""

from __future__ import annotations

import os
import re
import threading
from collections import deque

_PATIENCE = 5.0
_MARK = b"\x00localchat "


class Overheard:
    """Listens to file descriptor 2 from now on, until the process ends. Any thread may ask."""

    def __init__(self, drop: str) -> None:
        self._drop = re.compile(drop)
        self._lines: deque[tuple[int, str]] = deque(maxlen=400)
        self._count = 0
        self._asked = 0
        self._answered = 0
        self._changed = threading.Condition()
        self._stderr = os.dup(2)
        end, entrance = os.pipe()
        os.dup2(entrance, 2)
        os.close(entrance)
        threading.Thread(target=self._listen, args=(end,), name="overheard", daemon=True).start()

    def now(self) -> int:
        """A point in time, for ``since``."""
        return self._count

    def since(self, then: int) -> list[str]:
        """The lines after ``then``; all that was written before this call are among them."""
        with self._changed:
            self._asked += 1
            asked = self._asked
        os.write(2, b"\n" + _MARK + str(asked).encode() + b"\n")
        with self._changed:
            self._changed.wait_for(lambda: self._answered >= asked, _PATIENCE)
            return [line for number, line in self._lines if number >= then]

    def _listen(self, end: int) -> None:
        with os.fdopen(end, "rb") as pipe:
            for line in pipe:
                if line.startswith(_MARK):
                    with self._changed:
                        self._answered = max(self._answered, int(line[len(_MARK) :]))
                        self._changed.notify_all()
                elif text := line.decode("utf-8", "replace").rstrip():
                    with self._changed:
                        self._lines.append((self._count, text))
                        self._count += 1
                    if not self._drop.search(text):
                        os.write(self._stderr, line)
