"""Finding passages: by meaning and by words, looked at a second time, neighbours joined.

The two indexes give candidates, whose scores are put on one scale (each divided by its best) and
added. Reciprocal rank fusion, the usual way, was worse than either index alone on languages that
the embedder does not know. The best candidates are then looked at more closely (``ranking``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Protocol

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, SkipValidation

from localchat.core.evidence import Vectors, nearness
from localchat.core.question import Question
from localchat.core.text.language import guess_language
from localchat.library.chunk_table import ChunkTable
from localchat.library.keywords import KeywordIndex
from localchat.library.meaning import LibraryMeaning
from localchat.library.passages import Scored, joined, packed, without_doubles
from localchat.library.ranking import Candidate, chance, look
from localchat.library.rows import StoredChunk, valid
from localchat.library.store import Store
from localchat.library.vectors import Found

CANDIDATES = 50
"""Chunks taken from each index."""
LOOKED_AT = 20
"""Of those, the ones that are looked at a second time,"""
LOOKED_AT_CLOSELY = 6
"""and of those, the ones whose best sentences are compared with the question,"""
WORTH_A_CLOSE_LOOK = 0.1
"""where the chance so far is at least this share of the best one's. The sentences take half of a
search's time; this leaves out half of them, and changed measured results by 0.1 % at most."""
CLOSE_LOOK = 800
"""Characters of all these sentences, about: the best one of each passage first."""
MEANING_WEIGHT = 0.3
MEANING_WEIGHT_UNKNOWN_LANGUAGE = 0.05
LONGEST_QUESTION = 2_000
"""Characters: of a longer one embedders see too little to rely on."""
LONGEST_SENTENCE = 300
"""Characters of a sentence that are embedded."""


class VectorIndex(Protocol):
    """Finds the chunks whose vectors of one embedder are nearest to a question's."""

    def search(
        self, embedder: str, vector: Vectors, limit: int, sources: Collection[int] | None = None
    ) -> Found: ...


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
        found = self._second_look(question, meaning, vector, without_doubles(found))
        passages = packed(joined(found, self.k, self.store.span), self.tokens)
        return [self._document(passage) for passage in passages]

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
    ) -> list[Scored]:
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
            Scored(
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
        found: Sequence[Scored],
    ) -> list[Scored]:
        """Order the best again, by the chance that they answer, which becomes their score."""
        head, tail = list(found[:LOOKED_AT]), list(found[LOOKED_AT:])
        looks = look(
            question,
            [Candidate(s.chunk.text, s.chunk.above, s.near, s.chunk.heading) for s in head],
        )
        knows = _knows(question, meaning)
        first = [chance(seen, (), knows=knows) for seen in looks]
        order = sorted(range(len(head)), key=lambda n: -first[n])
        worth_it = sum(one >= WORTH_A_CLOSE_LOOK * max(first) for one in first)
        best = order[: min(LOOKED_AT_CLOSELY, worth_it)]
        scores = dict(enumerate(first))
        if knows and len(best) > 1:
            sentences = [looks[n].sentences for n in best]
            near = self.sentences_near(meaning, vector, sentences, CLOSE_LOOK)
            for n, some in zip(best, near, strict=True):
                scores[n] = chance(looks[n], some, knows=knows)
        ranked = sorted(best, key=lambda n: -scores[n]) + order[len(best) :]
        # The chances of two looks are not quite on one scale; what was looked at once stays behind.
        least = 1.0
        ordered = []
        for n in ranked:
            least = min(least, scores[n])
            ordered.append(replace(head[n], score=least))
        return ordered + [replace(scored, score=least * scored.score) for scored in tail]

    def sentences_near(
        self,
        meaning: LibraryMeaning,
        vector: Vectors,
        sentences: Sequence[Sequence[str]],
        budget: int | None = None,
    ) -> list[list[float]]:
        """How near the sentences of each passage are to the question: the first of each before the
        second ones, as many as begin within ``budget`` characters. None where nothing is known of
        that."""
        near: list[list[float]] = [[] for _ in sentences]
        places = sorted(
            (rank, number) for number, some in enumerate(sentences) for rank in range(len(some))
        )
        if budget is not None:
            lengths = [min(len(sentences[n][rank]), LONGEST_SENTENCE) for rank, n in places]
            before = accumulate(lengths, initial=0)
            places = [place for place, used in zip(places, before, strict=False) if used < budget]
        if not meaning.identity or not places:
            return near
        rows = meaning.embed([sentences[n][rank][:LONGEST_SENTENCE] for rank, n in places])
        if not meaning.identity:  # it failed just now
            return near
        for (_, number), cosine in zip(places, rows @ vector, strict=True):
            near[number].append(nearness(float(cosine), meaning.unrelated))
        return near

    def _document(self, passage: Scored) -> Document:
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
    """Whether the embedder knows the question's language, and read it to the end, more or less.
    Looked at after embedding."""
    known = guess_language(question.text) in meaning.languages
    return known and len(question.text) <= LONGEST_QUESTION
