"""Vectors of texts that were embedded a moment ago.

A question and the sentences of its passages are compared at several steps of one answer, and a
follow-up meets the same sentences again: each is embedded once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from localchat.core.evidence import Embed, Vectors

LIMIT = 4_000
"""Texts: at 384 numbers each, 6 MB of vectors."""


class Remembered:
    """``embed`` with a memory. May be called from any thread."""

    def __init__(self, embed: Embed, limit: int = LIMIT) -> None:
        self._embed = embed
        self._limit = limit
        self._known: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """One row for each text; only the unknown ones are computed."""
        with self._lock:
            found = {text: self._known[text] for text in texts if text in self._known}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new:
            # Copies: a row that is kept must not keep the whole matrix.
            found.update(
                (text, row.copy()) for text, row in zip(new, self._embed(new), strict=True)
            )
        with self._lock:
            for text in texts:
                self._known[text] = found[text]
                self._known.move_to_end(text)
            while len(self._known) > self._limit:
                self._known.popitem(last=False)
        rows = [found[text] for text in texts]
        return np.stack(rows) if rows else self._embed([])
