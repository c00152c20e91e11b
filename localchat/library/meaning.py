"""What the active embedder makes of texts: how everything that asks the library compares them.

Where the embedder is missing, or fails, words alone go on finding and quoting: its vectors are then
zeros, it knows no language, and it has no identity under which any chunk could be found.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

import numpy as np

from localchat.core.errors import LocalChatError
from localchat.core.evidence import Embed, Vectors
from localchat.core.floor import Evidence
from localchat.core.remembered import Remembered
from localchat.library.change_table import ChangeTable
from localchat.library.embedder import BUILT_IN, Embedder, Embedders
from localchat.library.floor import Floors
from localchat.library.questions import Questions

log = logging.getLogger(__name__)

EMBEDDER_REST = 60.0
"""Seconds until an embedder that failed is tried again."""


class LibraryMeaning:
    """One embedder, with a memory of what it embedded a moment ago: one for questions and one for
    what is found, since a model may treat the same text differently.

    Args:
        embedder: None: it cannot be used, for the reason in ``error``.
        questions: Weigh the words of a question.
        floors: How much evidence an answer needs.
        error: For people.

    Raises:
        LocalChatError: the embedder's files are missing or damaged.
    """

    def __init__(
        self, embedder: Embedder | None, questions: Questions, floors: Floors, error: str = ""
    ) -> None:
        self._embedder = embedder
        self._floors = floors
        self.question = questions.of
        self._identity = embedder.identity if embedder else ""
        self._passages = Remembered(embedder.embed) if embedder else None
        self._questions = Remembered(embedder.embed_questions) if embedder else None
        self._dimensions = 1
        self.error = error
        """Why words alone answer; empty: they do not."""
        self._failed_at = time.monotonic()

    @property
    def has_rested(self) -> bool:
        """Whether it failed long enough ago to be tried again. To look for files that are missing
        costs nothing, and they may have been fetched a moment ago."""
        if self._embedder is None:
            return True
        return bool(self.error) and time.monotonic() > self._failed_at + EMBEDDER_REST

    @property
    def identity(self) -> str:
        """Which vectors in the library are its own. Looked at after embedding, as ``languages``."""
        return "" if self.error else self._identity

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of the languages whose meaning it knows."""
        return self._embedder.languages if self._embedder and not self.error else frozenset()

    @property
    def unrelated(self) -> float:
        """The mean cosine of texts that have nothing to do with each other."""
        if self._embedder and not self.error:
            try:
                return self._embedder.unrelated
            except LocalChatError as error:
                self._failed(error)
        return 0.0

    def floor(self, language: str) -> Evidence:
        """How much evidence an answer to a question in ``language``, ISO 639-1, needs."""
        return self._floors.floor(self.identity, language)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row for each text that is to be found."""
        return self._try(self._passages, texts)

    def embed_question(self, text: str) -> Vectors:
        """One vector for what is looked for."""
        row: Vectors = self._try(self._questions, [text])[0]
        return row

    def _try(self, embed: Embed | None, texts: Sequence[str]) -> Vectors:
        if embed is not None and not self.error:
            try:
                rows = embed(texts)
                self._dimensions = rows.shape[1]
                return rows
            except LocalChatError as error:
                self._failed(error)
        return np.zeros((len(texts), self._dimensions), dtype=np.float32)

    def _failed(self, error: LocalChatError) -> None:
        log.warning("Words alone answer for now: %s", error)
        self.error = str(error)
        self._failed_at = time.monotonic()


class ActiveEmbedder:
    """The embedder that SQLite says is searched with, in whichever process this is."""

    def __init__(
        self, table: ChangeTable, embedders: Embedders, questions: Questions, floors: Floors
    ) -> None:
        self._table = table
        self._embedders = embedders
        self._questions = questions
        self._floors = floors
        self._key = BUILT_IN
        self._meaning: LibraryMeaning | None = None
        self._lock = threading.Lock()

    @property
    def key(self) -> str:
        return self._table.state().active

    def embedder(self) -> Embedder:
        """The embedder itself, for making vectors that are kept.

        Raises:
            LocalChatError: it is not here any more.
        """
        return self._embedders.get(self.key)

    def meaning(self) -> LibraryMeaning:
        """The same object until the embedder is another one. Never raises for want of one."""
        key = self.key
        with self._lock:
            if self._meaning is None or self._key != key or self._meaning.has_rested:
                self._key, self._meaning = key, self._made(key)
            return self._meaning

    def _made(self, key: str) -> LibraryMeaning:
        try:
            return LibraryMeaning(self._embedders.get(key), self._questions, self._floors)
        except LocalChatError as error:
            if self._meaning is None or self._meaning.error != str(error):
                log.warning("Words alone answer for now: %s", error)
            return LibraryMeaning(None, self._questions, self._floors, str(error))
