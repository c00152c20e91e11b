"""Which languages the documents are in, whether the embedder knows them, and into which of them a
question has to be translated.

A sample is looked at, and only when the library has changed since: guessing the language of a
hundred thousand chunks would take minutes.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from dataclasses import dataclass

from localchat.core.database import Database
from localchat.core.text.language import guess_language
from localchat.core.text.width import width

SAMPLE = 200
"""Chunks, evenly spread over the library."""
MOSTLY = 0.5
"""A language with a larger share than this is the one that the documents are in."""
WORTH_ASKING = 0.2
"""A language with at least this share is one that questions are answered in."""
MOST_LANGUAGES = 2
"""Into how many languages a question is translated at most: each is a call of the model."""
SCOPES_KEPT = 16
"""For how many choices of sources the shares are remembered."""
_LATIN_WORDS = re.compile(r"[A-Za-z\u00c0-\u024f]+")
_OTHER_LETTERS = re.compile(r"[^\W\d_A-Za-z\u00c0-\u024f]")
_ENGLISH = frozenset(
    "a an and are can did do does for from had has have how in is of on or that the there this to "
    "was were what when where which who whom whose why with".split()
)


@dataclass(frozen=True)
class LanguageAdvice:
    """The commonest language of the documents."""

    language: str
    """ISO 639-1."""
    share: float
    """0 to 1: its part of the text, an ideograph counting as two letters."""
    speaks: bool
    """Whether the active embedder knows it. True as well where there is no embedder to ask."""

    @property
    def wants_another(self) -> bool:
        """Whether most of the documents are beyond the active embedder."""
        return self.share > MOSTLY and not self.speaks


class DocumentLanguages:
    """The languages of the visible chunks in ``database``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: tuple[int, ...] | None = None
        self._shares: dict[frozenset[int] | None, dict[str, float]] = {}
        self._lock = threading.Lock()

    def shares(self, sources: frozenset[int] | None = None) -> dict[str, float]:
        """Each language's part of the text, the largest first; empty where there is none.

        Args:
            sources: Ids of the sources to look at; None: all.
        """
        # Ids are never given twice, so that these numbers change with whatever becomes visible.
        [row] = self._database.read("SELECT count(revision_id), total(revision_id) FROM source")
        with self._lock:
            if tuple(row) != self._seen or len(self._shares) > SCOPES_KEPT:
                self._seen, self._shares = tuple(row), {}
            if sources not in self._shares:
                self._shares[sources] = self._counted(sources)
            return dict(self._shares[sources])

    def advice(self, spoken: frozenset[str] | None) -> LanguageAdvice | None:
        """What to know before choosing an embedder; None where there is no document yet.

        Args:
            spoken: What the active embedder knows; None: there is none at work.
        """
        for language, share in self.shares().items():
            return LanguageAdvice(language, share, spoken is None or language in spoken)
        return None

    def to_translate_into(
        self, question: str, spoken: frozenset[str], sources: frozenset[int] | None = None
    ) -> tuple[str, ...]:
        """The languages in which ``question`` would have to be asked for the documents to be found,
        ISO 639-1. None where some of them are in its own, where the embedder knows both, and where
        nobody can tell what language it is in.

        Args:
            question: As it was typed.
            spoken: What the active embedder knows; empty where there is none at work.
            sources: Ids of the sources that are searched; None: all.
        """
        if not _tells_its_language(question):
            return ()
        asked, shares = guess_language(question), self.shares(sources)
        if shares.get(asked, 0.0) >= WORTH_ASKING:
            return ()
        others = [language for language in shares if language != asked]
        main = [n for n in others if shares[n] >= WORTH_ASKING] or others[:1]
        return tuple(n for n in main[:MOST_LANGUAGES] if not {asked, n} <= spoken)

    def _counted(self, sources: frozenset[int] | None) -> dict[str, float]:
        within, values = "", []
        if sources is not None:
            within = "WHERE id IN (SELECT value FROM json_each(?))"
            values = [json.dumps(sorted(sources))]
        rows = self._database.read(
            f"SELECT id FROM chunk WHERE revision_id IN (SELECT revision_id FROM source {within})",
            *values,
        )
        ids = [row["id"] for row in rows]
        sample = ids[:: max(1, -(-len(ids) // SAMPLE))]
        marks = ",".join("?" * len(sample))
        widths = Counter[str]()
        for row in self._database.read(f"SELECT text FROM chunk WHERE id IN ({marks})", *sample):
            widths[guess_language(row["text"])] += width(row["text"])
        whole = sum(widths.values())
        return {language: part / whole for language, part in widths.most_common()}


def _tells_its_language(question: str) -> bool:
    """Whether ``question`` is more than names, numbers and a word or two, which are alike in many
    languages. Latin words without any common one among them count as English when guessed."""
    words = _LATIN_WORDS.findall(question.lower())
    others = len(_OTHER_LETTERS.findall(question))
    if others > len(words):
        return others > 1
    return len(words) > 2 and (guess_language(question) != "en" or not _ENGLISH.isdisjoint(words))
