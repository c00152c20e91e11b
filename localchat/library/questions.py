"""Questions, with their words weighed by the documents they are asked of."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from localchat.core.question import Question
from localchat.library.keywords import KeywordIndex
from localchat.library.languages import DocumentLanguages

SPOKEN = 0.05
"""A language with at least this share of the documents is looked for in a question."""
REMEMBERED = 32


class Questions:
    """Remembers the latest: one question is looked at by every step of its answer."""

    def __init__(self, keywords: KeywordIndex, languages: DocumentLanguages) -> None:
        self._keywords = keywords
        self._languages = languages
        self._known: OrderedDict[tuple[str, int], Question] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, text: str) -> Question:
        """``text`` with the rarities of its words in the library."""
        key = text, self._keywords.count()
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        shares = self._languages.shares()
        spoken = tuple(language for language, share in shares.items() if share >= SPOKEN)
        question = Question.of(text, self._rarity, spoken)
        with self._lock:
            self._known[key] = question
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return question

    def _rarity(self, words: Sequence[str]) -> Mapping[str, float]:
        size = self._keywords.count()
        counts = self._keywords.document_counts(words)
        return {word: _rarity(min(held, size), size) for word, held in counts.items()}


def _rarity(held: int, size: int) -> float:
    return math.log(1 + (size - held + 0.5) / (held + 0.5))
