"""A question as a search sees it: its words, how much each of them says, what it asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, product

from localchat.core.kinds import Kind, has_kind, kind_asked
from localchat.core.text.width import WIDE
from localchat.core.text.words import question_terms

Rarity = Callable[[Sequence[str]], Mapping[str, float]]
"""How much each word says: its inverse document frequency, ln(1 + (N − n + ½) / (n + ½))."""

NAME_AMONG_CHARACTERS = 3.0
"""A Latin word or a number in a Chinese, Japanese or Korean question is one word, where the same
thing written in characters is several (each character and each pair): it weighs as much."""
MARKED = 2.0
"""Words in quotation marks, and codes ("x86-64", "E4021"), are meant to the letter."""
MOST_ASKED = 500
"""Of a very long question, only its beginning is looked at, in words;"""
MOST_TERMS = 64
"""and of those only the ones that say most, first of all those that the documents have."""

_QUOTED = re.compile(r'["“„«「『]([^"“”„«»「」『』]{2,80})["”“»」』]')
_CODE = re.compile(r"(?=\S*\d)(?=\S*[^\W\d])[\w.\-/+#]{2,}")
_WORD = re.compile(r"\w+")
_IN_NO_TEXT = ""


@dataclass(frozen=True)
class Term:
    """One word of the question."""

    words: tuple[str, ...]
    """Index words, any of which stands for it: its stems in several languages."""
    weight: float
    """Its part of the whole question: all weights together are 1."""
    boost: float
    """What its score in a keyword search is multiplied with."""
    rarity: float


@dataclass(frozen=True)
class Question:
    """Made by ``Question.of``."""

    text: str
    terms: tuple[Term, ...]
    kind: Kind | None
    said: frozenset[str] = field(default=frozenset())
    """Its words in small letters, as they are written."""

    @classmethod
    def of(cls, text: str, rarity: Rarity, languages: Collection[str] = ()) -> Question:
        """
        Args:
            text: As a person typed it.
            rarity: Of index words, in what is searched.
            languages: ISO 639-1 codes of the languages that the documents are in.
        """
        found = question_terms(text, languages, MOST_ASKED)
        known = rarity([_IN_NO_TEXT, *(word for words in found for word in words)])
        meant = _meant_to_the_letter(text, languages)
        is_wide = len(WIDE.findall(text)) * 3 > len(text)
        terms = []
        for words in found:
            # A word that is found in one language's form is as common as its commonest form.
            rare = min(known.get(word, 0.0) for word in words)
            boost = MARKED if meant.intersection(words) else 1.0
            if is_wide and words[0].isascii():
                boost *= NAME_AMONG_CHARACTERS
            # A lone character of a script without spaces says about half of what a word says.
            terms.append(Term(words, rare * boost * min(len(words[0]), 2), boost, rare))
        if len(terms) > MOST_TERMS:
            # What stands nowhere is the rarest of all, and must not take the place of what does.
            nowhere = known.get(_IN_NO_TEXT, math.inf)
            best = sorted(
                range(len(terms)), key=lambda n: (terms[n].rarity >= nowhere, -terms[n].weight)
            )
            terms = [terms[n] for n in sorted(best[:MOST_TERMS])]
        whole = sum(term.weight for term in terms) or 1.0
        return cls(
            text,
            tuple(Term(t.words, t.weight / whole, t.boost, t.rarity) for t in terms),
            kind_asked(text[:1_000]),
            frozenset(_WORD.findall(text.casefold())),
        )

    def covered(self, *found: Collection[str]) -> float:
        """The share of the question, 0 to 1, whose words stand in any of ``found``."""
        at = self._at
        hit = {number for words in found for word in at.keys() & words for number in at[word]}
        return sum(self.terms[number].weight for number in sorted(hit))

    def pairs_covered(self, words: Sequence[str]) -> float:
        """The share, 0 to 1, of its neighbouring words that are neighbours in ``words``, too."""
        pairs = set(pairwise(words))
        whole = sum(weight for weight, _ in self._pairs)
        covered = sum(weight for weight, asked in self._pairs if not pairs.isdisjoint(asked))
        return covered / whole if whole else 0.0

    def is_answered_in_kind(self, sentence: str) -> bool:
        """Whether ``sentence`` has what the question asks for: a date for "when"."""
        return self.kind is not None and has_kind(self.kind, sentence, self.said)

    # Of one question, some hundred sentences are looked at.

    @cached_property
    def _at(self) -> Mapping[str, list[int]]:
        """For each index word the numbers of the terms that it stands for."""
        at: dict[str, list[int]] = {}
        for number, term in enumerate(self.terms):
            for word in term.words:
                at.setdefault(word, []).append(number)
        return at

    @cached_property
    def _pairs(self) -> list[tuple[float, list[tuple[str, str]]]]:
        """For each two neighbouring terms their weight, and the pairs of words that stand for
        them."""
        return [
            (first.weight + second.weight, [*product(first.words, second.words)])
            for first, second in pairwise(self.terms)
        ]


def _meant_to_the_letter(text: str, languages: Collection[str]) -> set[str]:
    """The index words of what stands in quotation marks, and of codes."""
    beginning = text[:2_000]
    pieces = [*_QUOTED.findall(beginning), *_CODE.findall(beginning)]
    return {
        word for piece in pieces for words in question_terms(piece, languages) for word in words
    }
