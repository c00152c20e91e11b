"""LocalChat itself, for ``retrieval``: a fresh data folder, the documents added as files, and the
search and the instant answer that the app's pages use.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from langchain_core.documents import Document as Found

from benchmarks._retrieval_measures import MOST, SENTENCES, Ranked
from benchmarks._sets import Document, QuestionSet
from localchat.app import open_localchat
from localchat.chat.answer import Quote
from localchat.chat.instant import instant_answer, worth_showing
from localchat.core.folder import DataFolder
from localchat.library.chunk_table import ChunkTable
from localchat.library.meaning import LibraryMeaning
from localchat.library.retriever import HybridRetriever
from localchat.library.scope import EVERYTHING, Scope

AT_ONCE = 50
"""Sources that are waited for together."""
INDEX_PATIENCE = 120.0
"""Seconds until a vector index that does not come up to date is left alone; the exact search takes
its place."""
LONGEST_TITLE = 80
"""Characters of a file's name."""


@dataclass(frozen=True)
class Instant:
    """The instant answer, and what it took to have it."""

    quotes: Mapping[int, list[Ranked]]
    """By how many sentences it may have; empty: the app says that it found no answer."""
    shown: list[Ranked]
    """What of the longest one the app shows: not what is far less likely than its best."""
    search_seconds: float
    seconds: float
    """Beyond the search."""


class LocalChat:
    """The app on ``folder`` with the documents of a set in it, taken in at once."""

    def __init__(self, questions: QuestionSet, folder: Path) -> None:
        self._chat = open_localchat(DataFolder(folder), alone=True)
        try:
            self._take_in(questions)
        except BaseException:
            self._chat.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._chat.close()

    def search(self, question: str, article: int | None) -> list[Ranked]:
        """Everything that the token budgets may need."""
        return self._ranked(self.retriever(article, MOST).invoke(question))

    def instant(self, question: str, article: int | None, *, fresh: bool = False) -> Instant:
        """The sentences that the app shows at once, over the passages that it takes by itself.
        ``fresh``: with nothing remembered of earlier questions, as most questions find it; for what
        is timed."""
        retriever = self.retriever(article)
        if fresh:
            library = self._chat.library
            embedder = self._chat.embedders.get(library.embedder_key)
            meaning = LibraryMeaning(embedder, library.questions, library.floors)
            retriever = retriever.model_copy(update={"meaning": lambda: meaning})
        began = time.perf_counter()
        passages = retriever.invoke(question)
        searched = time.perf_counter()
        answer = partial(instant_answer, question, passages, retriever.meaning())
        longest = answer(SENTENCES[-1])
        answered = time.perf_counter()
        by_length = {n: answer(n) for n in SENTENCES[:-1]} | {SENTENCES[-1]: longest}
        ranked = self._ranked(passages)

        def told(quotes: list[Quote]) -> list[Ranked]:
            return [Ranked(ranked[quote.number - 1].document, quote.text) for quote in quotes]

        quotes = {n: told(some) for n, some in by_length.items()}
        return Instant(quotes, told(worth_showing(longest)), searched - began, answered - searched)

    def retriever(self, article: int | None = None, k: int | None = None) -> HybridRetriever:
        """As the app's pages use it."""
        scope = EVERYTHING if article is None else self._scopes[article]
        return self._chat.library.retriever(k, scope=scope)

    def document_of(self, source_id: int) -> int | None:
        """The number of the document that a source was made from."""
        return self._document_of.get(source_id)

    def _ranked(self, found: list[Found]) -> list[Ranked]:
        return [
            Ranked(self.document_of(one.metadata["source_id"]), one.page_content) for one in found
        ]

    def _take_in(self, questions: QuestionSet) -> None:
        library = self._chat.library
        began = time.perf_counter()
        ids = [
            library.add_file(
                file_name(document), document.text.encode("utf-8", "replace")
            ).source_id
            for document in questions.documents
        ]
        sources = []
        for start in range(0, len(ids), AT_ONCE):
            piece = [i for i in ids[start : start + AT_ONCE] if i is not None]
            sources += library.wait(piece)
        self._await_index()
        self.index_seconds = time.perf_counter() - began
        self._await_floor()
        self.chunks = sum(source.passages for source in sources if source.state == "ready")
        self.refused = len(ids) - sum(source.state == "ready" for source in sources)
        """Documents that the library did not take in."""
        self._document_of = {i: n for n, i in enumerate(ids) if i is not None}
        self._scopes = [
            Scope(sources=frozenset(i for n in inside if (i := ids[n]) is not None))
            for _, inside in questions.articles
        ]

    def _await_index(self) -> None:
        chunks = ChunkTable(self._chat.database)
        until = time.monotonic() + INDEX_PATIENCE
        while chunks.stale(1) and time.monotonic() < until:
            time.sleep(0.05)

    def _await_floor(self) -> None:
        until = time.monotonic() + INDEX_PATIENCE
        while not self._chat.library.floor_is_current and time.monotonic() < until:
            time.sleep(0.05)


def file_name(document: Document) -> str:
    """A text file named like the document's title, without what no file's name may have in it."""
    title = " ".join(re.sub(r'[\x00-\x1f/\\:*?"<>|]', " ", document.title).split())
    return f"{title[:LONGEST_TITLE].strip(' .') or 'document'}.txt"


def stored_bytes(folder: Path) -> int:
    """What the stores of the app on ``folder`` take, once it is closed: SQLite and the vector
    index; not the copies of the files that were added."""
    known = DataFolder(folder)
    return folder_bytes(known.chroma) + sum(
        file.stat().st_size for file in folder.glob(f"{known.database.name}*")
    )


def folder_bytes(folder: Path) -> int:
    """The files in ``folder`` and below."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
