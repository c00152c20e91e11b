"""Counts tokens with the model's own tokenizer, though GPT4All has no call for it.

A prompt that does not fit is refused before anything is computed, and the refusal says on stderr
how many tokens it has. So the file is opened a second time, with a tiny context, and a known number
of control tokens is put behind each text. The second model shares the weights in memory with the
first, never touches them, and can count while the first one answers.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from localchat.core.errors import EngineError
from localchat.engines.gpt4all.library import Library, Manner, refusals

PADDING = 96
_CONTEXT = 8


class Counter:
    """``begin`` is how many tokens the library puts before each prompt by itself."""

    def __init__(self, library: Library, model: int, pad: str) -> None:
        self._library = library
        self._model = model
        self._pad = pad * PADDING
        self._lock = threading.Lock()
        found = self._measure("")
        self.begin = (found or 0) - PADDING
        self.works = found is not None and 0 <= self.begin <= 1

    def count(self, text: str, *, prompt: bool) -> int | None:
        """The tokens of ``text``, for a ``prompt`` with what the library puts before it; None
        where the answer could not be heard."""
        found = self._measure(text)
        if found is None:
            return None
        return max(found - PADDING - (0 if prompt else self.begin), 0)

    def _measure(self, text: str) -> int | None:
        with self._lock:
            then = self._library.heard.now()
            self._library.prompt(
                self._model, text + self._pad, 0, Manner(), lambda _: False, lambda *_: False
            )
            said = self._library.heard.since(then)
        # The other model may be refused something at the same time, but its window is larger.
        ours = [size for size, window in refusals(said) if window < PADDING]
        return ours[-1] if ours else None


def make_counter(library: Library, path: Path, pads: list[str]) -> Counter | None:
    """A counter for the model at ``path``, with the first of the control tokens ``pads`` that the
    library knows as one; None where there is none, or no memory."""
    backend = "cpu" if sys.platform == "darwin" else "kompute"
    try:
        model = library.make(path, backend)
    except EngineError:
        return None
    if not library.load(model, path, _CONTEXT, 0):
        return None
    counters = (Counter(library, model, pad) for pad in pads)
    return next((counter for counter in counters if counter.works), None)
