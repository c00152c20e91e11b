"""Finding passages: by meaning and by words, fused, neighbours joined, doubles gone.

The two scores are put on one scale (each divided by its best) and added with weights, by which
words count more than meaning: 0.7 to 0.3 where the embedder knows the question's language, less for
meaning where it does not. Reciprocal rank fusion, the usual way, was worse than either index alone
on languages that the embedder does not know. A second look at the best ones asks for a single
sentence that answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, SkipValidation

from localchat.core.evidence import Embed, Sentence, Vectors, rank_sentences
from localchat.core.text.language import guess_language
from localchat.core.text.words import question_words
from localchat.library.chunk_table import ChunkTable, matrix
from localchat.library.rows import StoredChunk, valid
from localchat.library.store import Store
from localchat.library.vectors import VectorIndex

CANDIDATES = 50
"""Chunks taken from each index."""
SECOND_LOOK = 12
"""Passages whose sentences are compared with the question one by one."""
MEANING_WEIGHT = 0.3
MEANING_WEIGHT_UNKNOWN_LANGUAGE = 0.05
SENTENCE_WEIGHT = 0.5
LONGEST_PASSAGE = 1_800
"""Characters: neighbours are joined up to this."""


@dataclass(frozen=True)
class _Scored:
    chunk: StoredChunk
    score: float
    cosine: float


class HybridRetriever(BaseRetriever):
    """LangChain's retriever over both indexes. Each document's metadata holds ``source_id``,
    ``title``, ``name``, ``address``, ``location`` (page or headings, for people), ``anchor``,
    ``revision_id``, ``start`` and ``end`` (characters into the revision's text), ``score`` (about
    0 to 1) and ``similarity`` (cosine)."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    store: Store
    chunks: ChunkTable
    index: SkipValidation[VectorIndex]
    embed: Embed
    languages: frozenset[str]
    k: int = 6

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        query = valid(query)
        found = self._candidates(query)
        found = self._second_look(query, found)
        passages = self._join(found)
        return [self._document(passage) for passage in passages[: self.k]]

    def _candidates(self, query: str) -> list[_Scored]:
        asked = question_words(query)
        vector = self.embed([query])[0]
        near = dict(self.index.search(vector, CANDIDATES))
        by_words = dict(self.chunks.keyword_search(asked, CANDIDATES))
        rows = self.chunks.chunks({*near, *by_words})
        if not rows:
            return []
        cosines = _cosines(rows, near, vector)
        best_cosine = max(max(cosines.values()), 1e-6)
        best_words = max(by_words.values(), default=0.0) or 1.0
        meaning = self._meaning_weight(query)
        scored = [
            _Scored(
                row,
                meaning * max(cosines[i], 0.0) / best_cosine
                + (1 - meaning) * by_words.get(i, 0.0) / best_words,
                cosines[i],
            )
            for i, row in rows.items()
        ]
        return _without_doubles(sorted(scored, key=lambda s: -s.score))

    def _meaning_weight(self, query: str) -> float:
        knows = guess_language(query) in self.languages
        return MEANING_WEIGHT if knows else MEANING_WEIGHT_UNKNOWN_LANGUAGE

    def _second_look(self, query: str, found: Sequence[_Scored]) -> list[_Scored]:
        """Add to each of the best its best sentence's score, and order again."""
        head, tail = list(found[:SECOND_LOOK]), list(found[SECOND_LOOK:])
        texts = [scored.chunk.text for scored in head]
        best: dict[int, Sentence] = {}
        for sentence in rank_sentences(query, texts, self.embed, self.languages):
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
                "similarity": round(passage.cosine, 4),
            },
        )


def location(chunk: StoredChunk) -> str:
    """Where in its source a chunk is, for people: "page 3 · Methods › Data"."""
    page = f"page {chunk.page}" if chunk.page is not None else ""
    return " · ".join(part for part in (page, chunk.heading) if part)


def _cosines(
    rows: dict[int, StoredChunk], near: dict[int, float], vector: Vectors
) -> dict[int, float]:
    """The cosine of every candidate, also of those that only the keywords found."""
    missing = [i for i in rows if i not in near and len(rows[i].vector) == 4 * len(vector)]
    cosines = {i: near.get(i, 0.0) for i in rows}
    if missing:
        found = matrix(rows[i].vector for i in missing) @ vector
        cosines.update(zip(missing, np.asarray(found, dtype=float).tolist(), strict=True))
    return cosines


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
