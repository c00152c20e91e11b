"""What questions that have nothing to do with the documents reach in this library, measured.

A list of everyday questions (``everyday.toml``) is asked in the background, in the languages that
the documents are in, with the embedder of the moment; again when the library has become a quarter
larger or smaller. From that comes the floor below which the app says that it found no answer
(``core/floor.py``). With the built-in embedder that takes less than a second.
"""

from __future__ import annotations

import logging
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

from langchain_core.retrievers import BaseRetriever

from localchat.core.database import Database
from localchat.core.evidence import Meaning
from localchat.core.floor import UNRELATED_UNMEASURED, Evidence, Found, floor_above
from localchat.core.text.words import WORDS_VERSION

log = logging.getLogger(__name__)

VERSION = f"1.{WORDS_VERSION}"
"""Changes with the questions and with what is measured."""
FEWEST = 50
"""Chunks: a smaller library is not measured. What is asked of it is far from what is not."""
CHANGED = 0.25
"""A library that has grown or shrunk by this part since is measured again."""
COMMON = 0.2
"""A language with at least this share of the documents is measured in."""
MOST_LANGUAGES = 2
REST = 3.0
"""Seconds that the library has to stay as large as it is before it is measured: sources mostly come
one after another."""
SLICE = 0.5
"""Seconds of measuring, then whatever else waits has its turn."""

_QUESTIONS = Path(__file__).with_name("everyday.toml")


class IdentifiedMeaning(Meaning, Protocol):
    """What the embedder of the moment makes of texts."""

    @property
    def identity(self) -> str:
        """Of the embedder; empty: it has failed."""


@dataclass
class _Measuring:
    """How far one language is."""

    embedder: str
    language: str
    chunks: int
    found: list[Evidence] = field(default_factory=list)


class Floors:
    """The table ``unrelated_evidence`` in ``database``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._measuring: _Measuring | None = None
        self._seen = (0, 0.0)
        """How many chunks there were, and since when."""

    def floor(self, embedder: str, language: str) -> Evidence:
        """How much evidence an answer needs.

        Args:
            embedder: Its identity; empty: none is at work, and only the floor for words says
                something.
            language: Of the question, ISO 639-1. One that is not measured has the lowest floor of
                those that are.
        """
        rows = self._database.read(
            "SELECT language, together, words, near FROM unrelated_evidence"
            " WHERE (embedder = ? OR ? = '') AND version = ?",
            embedder,
            embedder,
            VERSION,
        )
        known = [(r["language"], Evidence(r["together"], r["words"], r["near"])) for r in rows]
        same = [evidence for measured_in, evidence in known if measured_in == language]
        some = same or [evidence for _, evidence in known]
        return floor_above(Evidence.least(some) if some else UNRELATED_UNMEASURED)

    def is_current(self, embedder: str, chunks: int, shares: Mapping[str, float]) -> bool:
        """Whether there is nothing to measure for ``embedder``, an identity; the other arguments
        are those of ``measure_some``."""
        return self._due(embedder, chunks, shares) is None

    def measure_some(
        self,
        retriever: BaseRetriever,
        meaning: IdentifiedMeaning,
        chunks: int,
        shares: Mapping[str, float],
    ) -> None:
        """Measure for about ``SLICE`` seconds, where anything is due. For the holder of the data
        folder's lock only.

        Args:
            retriever: Of the whole library.
            meaning: The embedder that is searched with.
            chunks: How many there are.
            shares: Each language's part of the documents, the largest first.
        """
        if chunks != self._seen[0]:
            self._seen = chunks, time.monotonic()
        embedder = meaning.identity
        due = self._due(embedder, chunks, shares)
        if due is None or time.monotonic() < self._seen[1] + REST:
            return
        now = self._measuring
        if now is None or (now.embedder, now.language, now.chunks) != (embedder, due, chunks):
            now = self._measuring = _Measuring(embedder, due, chunks)
        waiting = everyday_questions()[due][len(now.found) :]
        until = time.monotonic() + SLICE
        for text in waiting:
            found = [Found.of(d.page_content, d.metadata) for d in retriever.invoke(text)]
            if meaning.identity != embedder:  # it failed just now
                self._measuring = None
                return
            now.found.append(Evidence.of(meaning.question(text), found))
            if time.monotonic() > until:
                break
        if len(now.found) == len(everyday_questions()[due]):
            self._keep(now)
            self._measuring = None

    def _due(self, embedder: str, chunks: int, shares: Mapping[str, float]) -> str | None:
        """The language to measure in; None: all is done."""
        if chunks < FEWEST:
            return None
        common = [n for n, share in shares.items() if share >= COMMON and n in everyday_questions()]
        rows = self._database.read(
            "SELECT language, chunks FROM unrelated_evidence WHERE embedder = ? AND version = ?",
            embedder,
            VERSION,
        )
        done = {r["language"] for r in rows if abs(chunks - r["chunks"]) <= CHANGED * r["chunks"]}
        return next((n for n in common[:MOST_LANGUAGES] if n not in done), None)

    def _keep(self, measured: _Measuring) -> None:
        reached = Evidence.reached(measured.found)
        with self._database.write() as db:
            db.execute(
                "DELETE FROM unrelated_evidence WHERE embedder != ? OR version != ?",
                (measured.embedder, VERSION),
            )
            db.execute(
                "INSERT OR REPLACE INTO unrelated_evidence"
                " (embedder, language, version, chunks, together, words, near)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    measured.embedder,
                    measured.language,
                    VERSION,
                    measured.chunks,
                    reached.together,
                    reached.words,
                    reached.near,
                ),
            )
        log.info("Unrelated questions in “%s” reach %s", measured.language, reached)


@cache
def everyday_questions() -> Mapping[str, tuple[str, ...]]:
    """By language, ISO 639-1."""
    read = tomllib.loads(_QUESTIONS.read_text(encoding="utf-8"))
    return {language: tuple(questions) for language, questions in read.items()}
