"""Which sentences of some passages answer a question, or support a statement.

A sentence's score is its nearness in meaning to the question plus a share for the question's
words that stand in it, rarer words counting more (the second look of issue threads on hybrid
search: best sentence by vector + 0.4 × the share of the weighted words). Where the embedding model
does not know the language, its vectors say little and the words decide.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from localchat.core.floor import Evidence
from localchat.core.question import Question
from localchat.core.text.language import guess_language
from localchat.core.text.sentences import sentence_spans
from localchat.core.text.width import width
from localchat.core.text.words import question_words, words

Vectors = npt.NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]
"""Texts to vectors of length 1, one row each."""

UNRELATED = 0.056
"""The nearness of texts that have nothing to do with each other: their mean cosine in the built-in
model."""
SHORTEST = 9
"""Characters, wide ones counting two: a shorter piece (a number, a lone word) is no evidence."""
FULL_SENTENCE = 60
"""Characters, wide ones counting two: a shorter sentence counts less, the shorter the less."""


class Meaning(Protocol):
    """What one embedding model makes of texts. Vectors of two models are never compared, so what
    belongs together is done with one object of this kind."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 for each text to be found: passages, sentences."""

    def embed_question(self, text: str) -> Vectors:
        """One vector of length 1 for what is looked for."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of the languages whose meaning it knows. Looked at after embedding: a
        model that fails meanwhile knows none any more."""

    @property
    def unrelated(self) -> float:
        """The mean cosine of texts that have nothing to do with each other."""

    def question(self, text: str) -> Question:
        """A question, its words weighed by how rare they are in the documents."""

    def floor(self, language: str) -> Evidence:
        """How much evidence an answer to a question in ``language``, ISO 639-1, needs."""


@dataclass(frozen=True)
class Sentence:
    """``passages[passage][start:end]``, with a score of about 0 (nothing to do with it) to 1.4."""

    passage: int
    start: int
    end: int
    text: str
    score: float
    words_covered: float
    """0 to 1: the share of the question's words, by weight, that stand in it."""


def rank_sentences(
    question: str,
    passages: Sequence[str],
    meaning: Meaning,
    known_scores: Sequence[float] | None = None,
) -> list[Sentence]:
    """All sentences of ``passages``, the best evidence for ``question`` first.

    Args:
        question: A question or a statement.
        passages: Texts to look in.
        meaning: The embedding model; in languages that it does not know the words weigh more.
        known_scores: How good each passage is, 0 to 1: breaks ties between sentences.
    """
    found = [
        (number, start, end)
        for number, passage in enumerate(passages)
        for start, end in sentence_spans(passage)
        if width(passage[start:end]) >= SHORTEST
    ]
    if not found:
        return []
    texts = [passages[number][start:end] for number, start, end in found]
    asked = meaning.embed_question(question)
    cosines = meaning.embed(texts) @ asked
    unrelated = meaning.unrelated
    coverage = covered(question, texts)
    knows = guess_language(question) in meaning.languages
    by_vector, by_words = (1.0, 0.4) if knows else (0.2, 1.0)
    ranked = []
    for index, (number, start, end) in enumerate(found):
        score = by_vector * nearness(float(cosines[index]), unrelated) + by_words * coverage[index]
        if known_scores is not None:
            score += 0.1 * known_scores[number]
        # Headings and captions hold the question's words and no answer.
        score -= 0.25 * max(0.0, 1 - width(texts[index]) / FULL_SENTENCE)
        if texts[index].rstrip().endswith(("?", "？")):
            # A question seldom answers one, however much it looks like it.
            score -= 0.25
        ranked.append(Sentence(number, start, end, texts[index], score, coverage[index]))
    return sorted(ranked, key=lambda sentence: -sentence.score)


def nearness(cosine: float, unrelated: float) -> float:
    """How near two texts are in meaning, on a scale that is the same for every model: ``UNRELATED``
    where they have nothing to do with each other, 1 where they are the same.

    Some models (E5) put all texts close together, at cosines of 0.7 to 0.9. The scale is that of
    the built-in model, with which the weights and thresholds were chosen.

    Args:
        cosine: Of their vectors.
        unrelated: The model's mean cosine of texts that have nothing to do with each other.
    """
    return UNRELATED + (1 - UNRELATED) * (cosine - unrelated) / max(1 - unrelated, 0.01)


def covered(question: str, texts: Sequence[str]) -> list[float]:
    """For each text the share (0 to 1) of the question's words in it, rarer words counting more."""
    asked = question_words(question)
    stand_in = [frozenset(words(text)) for text in texts]
    holders = Counter(word for found in stand_in for word in asked if word in found)
    weights = {
        word: math.log(1 + (len(texts) + 0.5) / (holders[word] + 0.5)) * min(len(word), 2)
        for word in asked
    }
    whole = sum(weights.values()) or 1.0
    return [sum(weights[w] for w in asked if w in found) / whole for found in stand_in]
