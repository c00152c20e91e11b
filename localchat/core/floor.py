"""Whether what was found has anything to do with what was asked.

Two things tell: how near the nearest passage is in meaning, and how much of the question stands in
one of the best passages, rarer words counting more. Together they tell far more than either alone;
where the embedder does not know the question's language, the words alone decide.

How much is enough depends on the library: the more passages there are, the nearer the nearest one
is to any question. So the floor lies between what questions about this and that reach in this
library (``library/floor.py`` measures it) and what answered questions seldom fall below, wherever
they are asked (``benchmarks/floor.py`` fits that).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from localchat.core.question import Question
from localchat.core.text.language import guess_language
from localchat.core.text.stop_words import stop_words
from localchat.core.text.words import words

LOOKED_AT = 3
"""Passages, the best ones, whose words are looked at."""
WORDS_BESIDE_MEANING = 0.35
"""What the share of the question's words counts beside nearness, by logistic regression."""
TYPICAL = 0.9
"""The quantile of the unrelated questions that counts as what such questions reach: some of them
may happen to be about the documents."""
BETWEEN = 0.5
"""Where the floor lies between unrelated questions (0) and answered ones (1)."""


@dataclass(frozen=True)
class Found:
    """A passage that was found."""

    text: str
    above: str
    """Its title and headings, whose words are its own, too."""
    near: float
    """To the question, in meaning: see ``nearness``."""

    @classmethod
    def of(cls, text: str, metadata: Mapping[str, Any]) -> Self:
        """A document of the library's retriever."""
        above = f"{metadata['title']}\n{metadata['location']}"
        return cls(text, above, float(metadata["similarity"]))


@dataclass(frozen=True)
class Evidence:
    """What speaks for it that the passages found have to do with the question; or how much of it
    there has to be."""

    together: float
    """Nearness and words: for questions in a language that the embedder knows."""
    words: float
    """The share of the question, 0 to 1, that stands in one of the best passages."""
    near: float
    """The nearness of the nearest passage."""

    @classmethod
    def of(cls, question: Question, found: Sequence[Found]) -> Evidence:
        """Of the passages for a question, the best first."""
        near = max((passage.near for passage in found), default=0.0)
        share = max((_covered(question, passage) for passage in found[:LOOKED_AT]), default=0.0)
        return cls(near + WORDS_BESIDE_MEANING * share, share, near)

    @classmethod
    def reached(cls, unrelated: Iterable[Evidence]) -> Evidence:
        """What questions that have nothing to do with the documents typically reach."""
        rows = [(one.together, one.words, one.near) for one in unrelated]
        together, share, near = np.quantile(np.array(rows), TYPICAL, axis=0).tolist()
        return cls(together, share, near)

    @classmethod
    def least(cls, several: Sequence[Evidence]) -> Evidence:
        """The least of each kind."""
        return cls(
            min(one.together for one in several),
            min(one.words for one in several),
            min(one.near for one in several),
        )


ANSWERED = Evidence(together=0.51, words=0.25, near=0.34)
"""Of a hundred questions that the documents answer about two fall below this. Where unrelated
ones reach more, in a very large library, they have to be let through: more would cost answers."""
UNRELATED_UNMEASURED = Evidence(together=0.25, words=0.13, near=0.20)
"""As in a library of some dozen passages."""


def floor_above(unrelated: Evidence) -> Evidence:
    """The floor of a library in which unrelated questions reach ``unrelated``."""

    def between(low: float, high: float) -> float:
        return min(high, low + BETWEEN * (high - low))

    return Evidence(
        between(unrelated.together, ANSWERED.together),
        between(unrelated.words, ANSWERED.words),
        between(unrelated.near, ANSWERED.near),
    )


def may_answer(question: Question, found: Sequence[Found], floor: Evidence, *, knows: bool) -> bool:
    """Whether the passages found may answer a question. In doubt they may.

    Args:
        question: With its words weighed in the library.
        found: The best first.
        floor: Of the library, for questions in this language.
        knows: Whether the embedder knows the question's language.
    """
    evidence = Evidence.of(question, found)
    language = guess_language(question.text)
    has_words = bool(question.terms) and not question.said <= stop_words(language)
    if not knows:
        return not has_words or evidence.words >= floor.words
    if evidence.together >= floor.together:
        return True
    # Words that are missing say nothing where there is only one, for which the documents may have
    # another, and where all that was found is in other languages.
    same_language = any(guess_language(passage.text) == language for passage in found)
    if has_words and len(question.terms) > 1 and same_language:
        return False
    return evidence.near >= floor.near


def _covered(question: Question, passage: Found) -> float:
    text = f"{passage.above}\n{passage.text}"
    return question.covered(frozenset(words(text, guess_language(text))))
