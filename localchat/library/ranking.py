"""How well passages answer a question: a second look at what the two indexes found.

Every candidate is described by a handful of numbers that do not depend on what the documents are
about (how near it is in meaning, how many of the question's words it has, whether they stand
together in one sentence, whether there is a date where one is asked for …), which are added with
weights. The weights were fitted on one half of public question sets and checked on the other
(``benchmarks/fit_ranking.py``): one set of weights for questions in a language that the embedder
knows, one for all others, where words count for more.

The last look embeds the best sentences of the few best passages: what is right about a passage is
often one sentence in it, which the passage's own vector blurs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from localchat.core.question import Question
from localchat.core.references import is_list_of_references
from localchat.core.text.language import guess_language
from localchat.core.text.sentences import sentence_spans
from localchat.core.text.width import width
from localchat.core.text.words import words

Features = npt.NDArray[np.float64]

FEATURES = (
    "near",  # in meaning, as ``core.evidence.nearness``
    "near, best = 1",
    "BM25, best = 1",
    "BM25, all words = 1",
    "words in the passage",  # shares of the question, 0 to 1
    "words in one sentence",
    "words in two sentences",
    "neighbouring words",
    "kind of answer",
)
SENTENCE_FEATURES = (
    "near, the sentence with most words",
    "near, the nearest sentence",
)


@dataclass(frozen=True)
class Fitted:
    """What turns features into the logarithm of the odds: their weights, and the line that it lies
    on (slope, offset)."""

    weights: tuple[float, ...]
    slope: float
    offset: float

    def log_odds(self, features: Sequence[float]) -> float:
        return self.slope * float(np.dot(self.weights, features)) + self.offset


# With FEATURES alone, by whether the embedder knows the question's language; and with
# SENTENCE_FEATURES behind them, where it does: elsewhere it has little to say about a sentence.
FIRST = {
    True: Fitted((3.01, 2.62, 0.34, 0.75, 1.05, 1.83, 1.33, 2.3, 0.53), 0.803, -7.326),
    False: Fitted((0.44, 0.85, 5.89, 1.71, 2.7, 1.43, 1.38, 2.59, 0.59), 1.137, -11.501),
}
SECOND = Fitted((1.83, 1.1, 0.29, 0.6, 1.28, 1.08, 1.17, 1.97, 0.54, 2.47, 3.12), 0.785, -7.705)
SENTENCES = 2
"""Of a passage, whose meaning may be looked at: all of them gain no more."""
REFERENCES = 3.0
"""By how much a list of references lowers the logarithm of the odds. Not fitted: the question sets
have none."""
K1, B = 0.9, 0.4
"""BM25 as tuned by the Anserini project for passages (Yang, Fang, Lin 2017)."""
FULL_SENTENCE = 60
"""Characters, wide ones counting two: a shorter sentence counts less, the shorter the less."""


@dataclass(frozen=True)
class Candidate:
    """A chunk that was found."""

    text: str
    above: str
    """Its title and headings, which the indexes see as well."""
    near: float
    """0 where there is no vector."""
    headings: str = ""
    """The path of them alone."""


@dataclass(frozen=True)
class Look:
    """What was seen of a candidate."""

    features: tuple[float, ...]
    """As ``FEATURES``."""
    sentences: tuple[str, ...]
    """Up to ``SENTENCES``: those with most of the question's words, the best first."""
    lists_references: bool = False
    """Instead of saying anything itself."""


def keyword_scores(question: Question, found: Sequence[Sequence[str]]) -> list[float]:
    """BM25 of each list of index words, with the rarities and boosts of the question's terms."""
    average = sum(map(len, found)) / max(1, len(found)) or 1.0
    scores = []
    for listed in found:
        counts = Counter(listed)
        norm = K1 * (1 - B + B * len(listed) / average)
        score = 0.0
        for term in question.terms:
            times = sum(counts[word] for word in term.words)
            score += term.boost * term.rarity * times * (K1 + 1) / (times + norm)
        scores.append(score)
    return scores


def look(question: Question, candidates: Sequence[Candidate]) -> list[Look]:
    """Describe each candidate; ``near`` and BM25 are also seen against the best one here."""
    if not candidates:
        return []
    read = [_Read.of(candidate) for candidate in candidates]
    scores = keyword_scores(question, [one.words for one in read])
    most = (K1 + 1) * sum(term.boost * term.rarity for term in question.terms) or 1.0
    nearest = max(max(candidate.near for candidate in candidates), 1e-6)
    best = max(scores) or 1.0
    looks = []
    for candidate, one, score in zip(candidates, read, scores, strict=True):
        sentences, in_one, in_two = one.best_sentences(question)
        looks.append(
            Look(
                (
                    candidate.near,
                    candidate.near / nearest,
                    score / best,
                    score / most,
                    question.covered(set(one.words)),
                    in_one,
                    in_two,
                    question.pairs_covered(one.words),
                    float(question.is_answered_in_kind(sentences[0] if sentences else "")),
                ),
                sentences,
                is_list_of_references(candidate.headings, one.sentences),
            )
        )
    return looks


def chance(seen: Look, near: Sequence[float], *, knows: bool) -> float:
    """The chance, 0 to 1, that a candidate holds the answer.

    Args:
        seen: Of the candidate.
        near: How near the first of its ``sentences`` are to the question, as many as were looked
            at; none where the embedder does not know the question's language.
        knows: Whether it knows it.
    """
    odds = FIRST[knows].log_odds(seen.features)
    if near:
        odds = SECOND.log_odds((*seen.features, near[0], max(near)))
    if seen.lists_references:
        odds -= REFERENCES
    return 1 / (1 + math.exp(-min(max(odds, -30.0), 30.0)))


@dataclass(frozen=True)
class _Read:
    """A candidate's words, sentence by sentence."""

    sentences: tuple[str, ...]
    found: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]

    @classmethod
    def of(cls, candidate: Candidate) -> _Read:
        text = candidate.text
        language = guess_language(f"{candidate.above}\n{text}")
        sentences = tuple(text[start:end] for start, end in sentence_spans(text))
        found = tuple(tuple(words(sentence, language)) for sentence in sentences)
        above = words(candidate.above, language)
        return cls(sentences, found, (*above, *chain.from_iterable(found)))

    def best_sentences(self, question: Question) -> tuple[tuple[str, ...], float, float]:
        """The sentences with most of the question's words, the share of them that one sentence has,
        and that two neighbours have."""
        values, in_one, in_two = [], 0.0, 0.0
        sets = [frozenset(found) for found in self.found]
        for number, (sentence, here) in enumerate(zip(self.sentences, sets, strict=True)):
            covered = question.covered(here)
            # Headings and captions hold the question's words and no answer, as other questions do.
            value = covered - 0.25 * max(0.0, 1 - width(sentence) / FULL_SENTENCE)
            values.append(value - 0.25 * sentence.rstrip().endswith(("?", "？")))
            in_one = max(in_one, covered)
            following = sets[number + 1] if number + 1 < len(sets) else here
            in_two = max(in_two, question.covered(here, following))
        best = sorted(range(len(values)), key=lambda n: -values[n])[:SENTENCES]
        return tuple(self.sentences[n] for n in best), in_one, in_two
