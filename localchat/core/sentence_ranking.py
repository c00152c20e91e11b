"""Which sentences of the passages that were found answer a question.

As for passages (``library/ranking.py``), each sentence is described by a handful of numbers, which
are added with weights that were fitted on one half of public question sets and checked on the other
(``benchmarks/fit_ranking.py``). Only the sentences that do best without it are embedded: that is
what takes time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localchat.core.evidence import SHORTEST, Meaning, nearness
from localchat.core.kinds import Kind
from localchat.core.question import Question
from localchat.core.references import is_reference
from localchat.core.text.language import guess_language
from localchat.core.text.sentences import sentence_spans
from localchat.core.text.width import width
from localchat.core.text.words import words

FULL_SENTENCE = 60
"""Characters, wide ones counting two: a shorter sentence counts less, the shorter the less."""
EMBEDDED = 8
"""Sentences whose meaning is looked at: with twice as many no more answers were found."""
PASSAGES = 8
"""Passages whose sentences are looked at."""
LONGEST = 400
"""Characters of a sentence that are embedded."""
KINDS: tuple[Kind, ...] = ("time", "number", "person", "place", "reason")

FEATURES = (
    "words",  # shares of the question, 0 to 1: in the sentence,
    "words before",  # what the sentence before it adds,
    "words after",  # and the one after it
    "neighbouring words",
    "words squared",
    "passage",  # the logarithm of the odds that its passage answers, less that of the best one
    "rank",  # of its passage: 1, 1/2, 1/3 …
    "new words",  # the logarithm of how many words it has that the question has not
    "length",  # the logarithm of its width
    "short",
    "question",  # it is one itself
    "reference",  # or an entry of a list of them
    *KINDS,  # what is asked for, where the sentence has it
)
MEANING_FEATURES = ("near", "near × words")

NOT_FITTED = {"question": -20.0, "reference": -4.0}
"""Other questions are no answers, and lists of references seldom are: the question sets have hardly
any in their texts, while pages of questions and answers have little else."""
# Whether the embedder knows the question's language: weights of FEATURES alone, and of FEATURES
# with MEANING_FEATURES behind them.
# fmt: off
FIRST = {
    True: (4.54, 1.58, -0.58, 1.08, 2.05, 1.09, 0.04, -0.76, 0.79, 0.2, 0.0, 0.0, 1.44, 1.2, 0.97,
           0.57, -0.36),
    False: (5.01, 2.88, 0.54, 2.63, 2.39, 1.18, 0.02, -1.04, 1.2, -0.33, 0.0, 0.0, 1.8, 1.36, 0.4,
            0.45, 0.94),
}
SECOND = {
    True: (3.01, 1.94, -0.34, 0.81, 1.48, 1.0, 0.01, -0.38, 0.57, 0.23, 0.0, 0.0, 1.42, 1.03, 1.07,
           0.65, -0.4, 2.7, 2.16),
    False: (3.92, 3.03, 0.63, 1.93, 1.95, 1.16, 0.03, -1.05, 1.47, -0.13, 0.0, 0.0, 1.87, 1.36,
            0.44, 0.49, 0.91, 1.55, 2.57),
}
# fmt: on

Rows = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AnswerSentence:
    """``passages[passage][start:end]``."""

    passage: int
    start: int
    end: int
    chance: float
    """0 to 1: that it, of all the sentences looked at, is the one that answers."""


@dataclass(frozen=True)
class Piece:
    """A sentence of a passage, with its index words and its neighbours' ones."""

    passage: int
    start: int
    end: int
    text: str
    words: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


def answer_sentences(
    asked: str, passages: Sequence[str], chances: Sequence[float], meaning: Meaning
) -> list[AnswerSentence]:
    """The sentences that answer best, the best first: ``EMBEDDED`` of them at most.

    Args:
        asked: The question.
        passages: What was found, the best first.
        chances: That each passage answers, 0 to 1.
        meaning: The embedding model, and what the library knows of the question's words.
    """
    question = meaning.question(asked)
    pieces = pieces_of(passages[:PASSAGES])
    if not pieces:
        return []
    # The embedder first: one that fails now knows no language any more.
    vector = meaning.embed_question(asked)
    knows = guess_language(asked) in meaning.languages
    rows = features(question, pieces, chances)
    best = np.argsort(-_scores(rows, FIRST[knows]), kind="stable")[:EMBEDDED]
    pieces, rows = [pieces[number] for number in best], rows[best]
    rows = with_meaning(rows, meaning.embed([p.text[:LONGEST] for p in pieces]) @ vector, meaning)
    scores = _scores(rows, SECOND[guess_language(asked) in meaning.languages])
    likely = np.exp(scores - scores.max())
    likely /= likely.sum()
    return [
        AnswerSentence(pieces[n].passage, pieces[n].start, pieces[n].end, float(likely[n]))
        for n in np.argsort(-likely, kind="stable")
    ]


def pieces_of(passages: Sequence[str]) -> list[Piece]:
    """The sentences of ``passages`` that are long enough to say anything."""
    pieces = []
    for number, text in enumerate(passages):
        spans = sentence_spans(text)
        language = guess_language(text)
        found = [tuple(words(text[start:end], language)) for start, end in spans]
        around = [(), *found, ()]
        pieces += [
            Piece(number, start, end, text[start:end], found[n], around[n], around[n + 2])
            for n, (start, end) in enumerate(spans)
            if width(text[start:end]) >= SHORTEST
        ]
    return pieces


def features(question: Question, pieces: Sequence[Piece], chances: Sequence[float]) -> Rows:
    """One row of ``FEATURES`` for each sentence."""
    odds = [_log_odds(chance) for chance in chances]
    top = max(odds, default=0.0)
    asked = {word for term in question.terms for word in term.words}
    rows = []
    for piece in pieces:
        here = frozenset(piece.words)
        covered = question.covered(here)
        size = max(width(piece.text), 5)
        has = question.is_answered_in_kind(piece.text)
        rows.append(
            [
                covered,
                question.covered(here, frozenset(piece.before)) - covered,
                question.covered(here, frozenset(piece.after)) - covered,
                question.pairs_covered(piece.words),
                covered**2,
                odds[piece.passage] - top,
                1 / (1 + piece.passage),
                math.log1p(len(here - asked)),
                math.log(size / FULL_SENTENCE),
                max(0.0, 1 - size / FULL_SENTENCE),
                float(piece.text.rstrip().endswith(("?", "？", "؟"))),
                float(is_reference(piece.text)),
                *(float(has and question.kind == kind) for kind in KINDS),
            ]
        )
    return np.array(rows, dtype=np.float64).reshape(len(pieces), len(FEATURES))


def with_meaning(rows: Rows, cosines: npt.NDArray[np.float32], meaning: Meaning) -> Rows:
    """``rows`` with ``MEANING_FEATURES`` behind them."""
    unrelated = meaning.unrelated
    near = np.array([nearness(float(cosine), unrelated) for cosine in cosines])
    return np.column_stack([rows, near, near * rows[:, 0]])


def _scores(rows: Rows, weights: Sequence[float]) -> Rows:
    names = (*FEATURES, *MEANING_FEATURES)
    fixed = [NOT_FITTED.get(name, weight) for name, weight in zip(names, weights, strict=False)]
    scores: Rows = rows @ np.array(fixed)
    return scores


def _log_odds(chance: float) -> float:
    sure = min(max(chance, 1e-6), 1 - 1e-6)
    return math.log(sure / (1 - sure))
