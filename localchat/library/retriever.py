"""Finding passages: by meaning and by words, fused, neighbours joined, doubles gone.

The two scores are put on one scale (each divided by its best) and added with weights, by which
words count more than meaning: 0.7 to 0.3 where the embedder knows the question's language, less for
meaning where it does not. Reciprocal rank fusion, the usual way, was worse than either index alone
on languages that the embedder does not know. A second look at the best ones asks for a single
sentence that answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, SkipValidation

from localchat.core.evidence import Sentence, Vectors, nearness, rank_sentences
from localchat.core.text.language import guess_language
from localchat.core.text.words import question_words
from localchat.library.chunk_table import ChunkTable
from localchat.library.meaning import LibraryMeaning
from localchat.library.rows import StoredChunk, valid
from localchat.library.store import Store
from localchat.library.vectors import Found

CANDIDATES = 50
"""Chunks taken from each index."""
SECOND_LOOK = 12
"""Passages whose sentences are compared with the question one by one."""
MEANING_WEIGHT = 0.3
MEANING_WEIGHT_UNKNOWN_LANGUAGE = 0.05
SENTENCE_WEIGHT = 0.5
LONGEST_PASSAGE = 1_800
"""Characters: neighbours are joined up to this."""


class VectorIndex(Protocol):
    """Finds the chunks whose vectors of one embedder are nearest to a question's."""

    def search(
        self, embedder: str, vector: Vectors, limit: int, sources: Collection[int] | None = None
    ) -> Found: ...


@dataclass(frozen=True)
class _Scored:
    chunk: StoredChunk
    score: float
    near: float


class HybridRetriever(BaseRetriever):
    """LangChain's retriever over both indexes. Each document's metadata holds ``source_id``,
    ``title``, ``name``, ``address``, ``location`` (page or headings, for people), ``anchor``,
    ``revision_id``, ``start`` and ``end`` (characters into the revision's text), ``score`` (about
    0 to 1) and ``similarity`` (see ``nearness``)."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    store: Store
    chunks: ChunkTable
    index: SkipValidation[VectorIndex]
    meaning: Callable[[], LibraryMeaning]
    k: int = 6
    sources: frozenset[int] | None = None
    """Ids of the sources to look in; None: all."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        query = valid(query)
        meaning = self.meaning()
        vector = meaning.embed_question(query)
        near = self.index.search(meaning.identity, vector, CANDIDATES, self.sources)
        if not near and self.meaning() is not meaning:
            # The library has switched to another embedder since: with that one, then.
            meaning = self.meaning()
            vector = meaning.embed_question(query)
            near = self.index.search(meaning.identity, vector, CANDIDATES, self.sources)
        found = self._candidates(query, meaning, vector, dict(near))
        found = self._second_look(query, meaning, found)
        passages = self._join(found)
        return [self._document(passage) for passage in passages[: self.k]]

    def _candidates(
        self, query: str, meaning: LibraryMeaning, vector: Vectors, cosines: dict[int, float]
    ) -> list[_Scored]:
        by_words = dict(self.chunks.keyword_search(question_words(query), CANDIDATES, self.sources))
        rows = self.chunks.chunks({*cosines, *by_words})
        if not rows:
            return []
        near = self._near(rows, meaning, vector, cosines)
        nearest = max(max(near.values()), 1e-6)
        best_words = max(by_words.values(), default=0.0) or 1.0
        weight = _meaning_weight(query, meaning)
        scored = [
            _Scored(
                row,
                weight * max(near[i], 0.0) / nearest
                + (1 - weight) * by_words.get(i, 0.0) / best_words,
                near[i],
            )
            for i, row in rows.items()
        ]
        return _without_doubles(sorted(scored, key=lambda s: -s.score))

    def _near(
        self,
        rows: Iterable[int],
        meaning: LibraryMeaning,
        vector: Vectors,
        cosines: dict[int, float],
    ) -> dict[int, float]:
        """How near every candidate is, also those that only the keywords found; 0 without a vector
        of the same embedder."""
        missing = [i for i in rows if i not in cosines]
        ids, _, vectors = self.chunks.vectors_of(missing, meaning.identity)
        if ids:
            found = np.asarray(vectors @ vector, dtype=float).tolist()
            cosines = {**cosines, **dict(zip(ids, found, strict=True))}
        unrelated = meaning.unrelated
        return {i: nearness(cosines[i], unrelated) if i in cosines else 0.0 for i in rows}

    def _second_look(
        self, query: str, meaning: LibraryMeaning, found: Sequence[_Scored]
    ) -> list[_Scored]:
        """Add to each of the best its best sentence's score, and order again."""
        head, tail = list(found[:SECOND_LOOK]), list(found[SECOND_LOOK:])
        texts = [scored.chunk.text for scored in head]
        best: dict[int, Sentence] = {}
        for sentence in rank_sentences(query, texts, meaning):
            best.setdefault(sentence.passage, sentence)
        seen = [
            replace(s, score=s.score + SENTENCE_WEIGHT * best[n].score if n in best else s.score)
            for n, s in enumerate(head)
        ]
        return sorted(seen, key=lambda s: -s.score) + tail

    def _join(self, found: Sequence[_Scored]) -> list[_Scored]:
        """Join chunks that follow each other; a joined passage stands where its best one stood."""
        passages: list[_Scored] = []
        for scored in found[: self.k * 3]:
            for number, passage in enumerate(passages):
                joined = self._joined(passage, scored)
                if joined is not None:
                    passages[number] = joined
                    break
            else:
                if len(passages) < self.k:
                    passages.append(scored)
        return passages

    def _joined(self, passage: _Scored, scored: _Scored) -> _Scored | None:
        a, b = passage.chunk, scored.chunk
        if a.revision_id != b.revision_id or a.page != b.page:
            return None
        start, end = min(a.start, b.start), max(a.end, b.end)
        touches = max(a.start, b.start) <= min(a.end, b.end) + 2
        if not touches or end - start > LONGEST_PASSAGE:
            return None
        first = a if a.start <= b.start else b
        whole = replace(first, end=end, text=self.store.span(a.revision_id, start, end))
        return replace(passage, chunk=whole)

    def _document(self, passage: _Scored) -> Document:
        chunk = passage.chunk
        return Document(
            page_content=chunk.text,
            id=str(chunk.id),
            metadata={
                "source_id": chunk.source_id,
                "revision_id": chunk.revision_id,
                "title": chunk.title,
                "name": chunk.name,
                "address": chunk.address,
                "location": location(chunk),
                "anchor": chunk.anchor,
                "start": chunk.start,
                "end": chunk.end,
                "score": round(passage.score, 4),
                "similarity": round(passage.near, 4),
            },
        )


def location(chunk: StoredChunk) -> str:
    """Where in its source a chunk is, for people: "page 3 · Methods › Data"."""
    page = f"page {chunk.page}" if chunk.page is not None else ""
    return " · ".join(part for part in (page, chunk.heading) if part)


def _meaning_weight(query: str, meaning: LibraryMeaning) -> float:
    knows = guess_language(query) in meaning.languages
    return MEANING_WEIGHT if knows else MEANING_WEIGHT_UNKNOWN_LANGUAGE


def _without_doubles(found: Sequence[_Scored]) -> list[_Scored]:
    """The same words from two sources are shown once."""
    seen: set[str] = set()
    kept = []
    for scored in found:
        key = " ".join(scored.chunk.text.split()).casefold()
        if key not in seen:
            seen.add(key)
            kept.append(scored)
    return kept
