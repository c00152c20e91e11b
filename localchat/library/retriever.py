"""Finding passages: by meaning and by words, looked at a second time, neighbours joined.

The two indexes give candidates, whose scores are put on one scale (each divided by its best) and
added. Reciprocal rank fusion, the usual way, was worse than either index alone on languages that
the embedder does not know. The best candidates are then looked at more closely (``ranking``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, SkipValidation

from localchat.core.evidence import Vectors, nearness
from localchat.core.question import Question
from localchat.core.text.language import guess_language
from localchat.core.text.width import tokens
from localchat.library.chunk_table import ChunkTable
from localchat.library.keywords import KeywordIndex
from localchat.library.meaning import LibraryMeaning
from localchat.library.ranking import Candidate, chance, look
from localchat.library.rows import StoredChunk, valid
from localchat.library.store import Store
from localchat.library.vectors import Found

CANDIDATES = 50
"""Chunks taken from each index."""
LOOKED_AT = 24
"""Of those, the ones that are looked at a second time,"""
SENTENCES_LOOKED_AT = 6
"""and of those, the ones whose best sentence is compared with the question."""
MEANING_WEIGHT = 0.3
MEANING_WEIGHT_UNKNOWN_LANGUAGE = 0.05
LONGEST_SENTENCE = 300
"""Characters of a sentence that are embedded."""
LONGEST_PASSAGE = 450
"""Tokens: neighbours are joined up to this."""
JOINED_AMONG = 12
"""Of what was found, the best so many may be joined to a better one,"""
WORTH_JOINING = 0.3
"""where its chance is at least this share of the better one's,"""
WORTH_JOINING_BEFORE = 0.7
"""or this, where it comes before it in the text: a reader, or a model with little room, then meets
the better one later."""


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
    ``revision_id``, ``start`` and ``end`` (characters into the revision's text), ``score`` (the
    chance that it answers, 0 to 1) and ``similarity`` (see ``nearness``)."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    store: Store
    chunks: ChunkTable
    keywords: KeywordIndex
    index: SkipValidation[VectorIndex]
    meaning: Callable[[], LibraryMeaning]
    k: int = 6
    """Passages at most."""
    tokens: int | None = None
    """About how many tokens all passages may have; None: any number. The first one is given
    whatever its length."""
    sources: frozenset[int] | None = None
    """Ids of the sources to look in; None: all."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        query = valid(query)
        meaning = self.meaning()
        vector, near = self.nearest(query, meaning)
        if not near and self.meaning() is not meaning:
            # The library has switched to another embedder since: with that one, then.
            meaning = self.meaning()
            vector, near = self.nearest(query, meaning)
        question = meaning.question(query)
        found = self.candidates(question, meaning, vector, dict(near))
        found = _without_doubles(found)
        found = self._second_look(question, meaning, vector, found)
        return [self._document(passage) for passage in self._packed(self._join(found))]

    def nearest(self, query: str, meaning: LibraryMeaning) -> tuple[Vectors, Found]:
        """The question's vector, and the chunks nearest to it."""
        vector = meaning.embed_question(query)
        return vector, self.index.search(meaning.identity, vector, CANDIDATES, self.sources)

    def candidates(
        self,
        question: Question,
        meaning: LibraryMeaning,
        vector: Vectors,
        cosines: dict[int, float],
    ) -> list[_Scored]:
        """What either index finds, the best first; scores from 0 to 1."""
        asked = [word for term in question.terms for word in term.words]
        by_words = dict(self.keywords.search(asked, CANDIDATES, self.sources))
        rows = self.chunks.chunks({*cosines, *by_words})
        if not rows:
            return []
        near = self._near(rows, meaning, vector, cosines)
        nearest = max(max(near.values()), 1e-6)
        best_words = max(by_words.values(), default=0.0) or 1.0
        knows = _knows(question, meaning)
        weight = MEANING_WEIGHT if knows else MEANING_WEIGHT_UNKNOWN_LANGUAGE
        scored = [
            _Scored(
                row,
                weight * max(near[i], 0.0) / nearest
                + (1 - weight) * by_words.get(i, 0.0) / best_words,
                near[i],
            )
            for i, row in rows.items()
        ]
        return sorted(scored, key=lambda s: -s.score)

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
        self,
        question: Question,
        meaning: LibraryMeaning,
        vector: Vectors,
        found: Sequence[_Scored],
    ) -> list[_Scored]:
        """Order the best again, by the chance that they answer, which becomes their score."""
        head, tail = list(found[:LOOKED_AT]), list(found[LOOKED_AT:])
        looks = look(
            question,
            [Candidate(s.chunk.text, s.chunk.above, s.near) for s in head],
        )
        knows = _knows(question, meaning)
        first = [chance(seen, None, knows=knows) for seen in looks]
        order = sorted(range(len(head)), key=lambda n: -first[n])
        best = order[:SENTENCES_LOOKED_AT]
        # In a language that it does not know, the embedder has little to say about a sentence.
        near: list[float | None] = [None] * len(best)
        if knows:
            near = self.sentences_near(meaning, vector, [looks[n].sentence for n in best])
        scores = dict(enumerate(first))
        for n, sentence_near in zip(best, near, strict=True):
            scores[n] = chance(looks[n], sentence_near, knows=knows)
        ranked = sorted(best, key=lambda n: -scores[n]) + order[SENTENCES_LOOKED_AT:]
        # The chances of two looks are not quite on one scale; what was looked at once stays behind.
        least = 1.0
        ordered = []
        for n in ranked:
            least = min(least, scores[n])
            ordered.append(replace(head[n], score=least))
        return ordered + [replace(scored, score=least * scored.score) for scored in tail]

    def sentences_near(
        self, meaning: LibraryMeaning, vector: Vectors, sentences: Sequence[str]
    ) -> list[float | None]:
        """How near each sentence is to the question; None where nothing is known of that."""
        if not meaning.identity or not sentences:
            return [None] * len(sentences)
        rows = meaning.embed([sentence[:LONGEST_SENTENCE] for sentence in sentences])
        if not meaning.identity:  # it failed just now
            return [None] * len(sentences)
        unrelated = meaning.unrelated
        return [nearness(float(cosine), unrelated) for cosine in rows @ vector]

    def _join(self, found: Sequence[_Scored]) -> list[_Scored]:
        """Join chunks that follow each other; a joined passage stands where its best one stood."""
        passages: list[_Scored] = []
        for rank, scored in enumerate(found):
            joined = None
            if rank < JOINED_AMONG:
                ways = enumerate(self._joined(passage, scored) for passage in passages)
                joined = next(((place, whole) for place, whole in ways if whole), None)
            if joined is not None:
                passages[joined[0]] = joined[1]
            elif len(passages) == self.k:
                break
            else:
                passages.append(scored)
        return passages

    def _packed(self, passages: Sequence[_Scored]) -> list[_Scored]:
        """As many of the best ones as the budgets allow."""
        kept: list[_Scored] = []
        left = math.inf if self.tokens is None else self.tokens
        for passage in passages[: self.k]:
            left -= tokens(passage.chunk.text)
            if left < 0 and kept:
                break
            kept.append(passage)
        return kept

    def _joined(self, passage: _Scored, scored: _Scored) -> _Scored | None:
        """Both as one, where they are neighbours and it is worth it."""
        a, b = passage.chunk, scored.chunk
        if a.revision_id != b.revision_id or a.page != b.page:
            return None
        comes_before = b.start < a.start
        if scored.score < passage.score * (WORTH_JOINING_BEFORE if comes_before else WORTH_JOINING):
            return None
        touches = max(a.start, b.start) <= min(a.end, b.end) + 2
        if not touches or tokens(a.text) + tokens(b.text) > LONGEST_PASSAGE:
            return None
        start, end = min(a.start, b.start), max(a.end, b.end)
        first = b if comes_before else a
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


def _knows(question: Question, meaning: LibraryMeaning) -> bool:
    """Whether the embedder knows the question's language. Looked at after embedding."""
    return guess_language(question.text) in meaning.languages


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
