"""How well passages answer questions of which the answers are known.

A hit is a passage from the right document in which an answer stands, whatever the case, the width
(NFKC) and the white space. Both pipelines are counted by the rules here, and no other.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks._sets import Question, fold
from localchat.core.text.sentences import sentence_spans

MOST = 40
"""Passages asked for: at 500 characters, some five times as many as 1,024 tokens hold."""
HITS = (1, 4, 10)
BUDGETS = (256, 512, 1_024)
"""Tokens of passages."""
SENTENCES = (1, 2, 3)
CHARACTERS_PER_TOKEN = 4
TOKEN_RULE = f"{CHARACTERS_PER_TOKEN} characters, or 1 Chinese, Japanese or Korean character, each"

CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff01-\uffef"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)


@dataclass(frozen=True)
class Ranked:
    """A passage that was found; ``document`` is a number in the set, None: none of them."""

    document: int | None
    text: str


@dataclass(frozen=True)
class Outcome:
    """What became of one question."""

    rank: int | None
    """Of the first hit, from 1."""
    within: frozenset[int]
    """The token budgets inside which the answer stands."""


def judge(question: Question, found: Sequence[Ranked]) -> Outcome:
    """Where the answer stands in ``found``, the best first."""
    hits = (n for n, one in enumerate(found, start=1) if is_hit(question, one))
    rank = next(hits, None)
    within = () if rank is None else (b for b in BUDGETS if _stands_within(question, found, b))
    return Outcome(rank, frozenset(within))


def is_hit(question: Question, passage: Ranked) -> bool:
    """Whether the passage is from the right document and holds an answer."""
    if passage.document != question.document:
        return False
    text = fold(passage.text)
    return any(answer in text for answer in question.answers)


def beginning(quotes: Sequence[Ranked], sentences: int) -> list[Ranked]:
    """The first ``sentences`` of an answer. A quote has one or, with the neighbours that it needs,
    several: here these count like any other."""
    kept = []
    for quote in quotes:
        spans = sentence_spans(quote.text)[:sentences]
        if not spans:
            break
        kept.append(Ranked(quote.document, quote.text[: spans[-1][1]]))
        sentences -= len(spans)
    return kept


def cost(text: str) -> float:
    """How many tokens ``text`` counts as (``TOKEN_RULE``)."""
    wide = 0 if text.isascii() else len(CJK.findall(text))
    return wide + (len(text) - wide) / CHARACTERS_PER_TOKEN


def cut(text: str, tokens: float) -> str:
    """The beginning of ``text`` that costs at most ``tokens``."""
    if cost(text) <= tokens:
        return text
    left = tokens
    for place, character in enumerate(text):
        left -= 1 if CJK.match(character) else 1 / CHARACTERS_PER_TOKEN
        if left < 0:
            return text[:place]
    return text


def quality(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """The measures that both pipelines have, in percent."""
    ranks = [outcome.rank for outcome in outcomes]
    last = HITS[-1]
    first_hits = [1 / rank if rank is not None and rank <= last else 0.0 for rank in ranks]
    return {
        **{f"hit@{k}": share(r is not None and r <= k for r in ranks) for k in HITS},
        f"mrr@{last}": share(first_hits),
        **{f"tokens{b}": share(b in outcome.within for outcome in outcomes) for b in BUDGETS},
    }


def share(values: Iterable[float]) -> float | None:
    """The mean of truths, or of numbers from 0 to 1, in percent; None: there are none."""
    found = list(values)
    return round(100 * math.fsum(found) / len(found), 1) if found else None


def times(name: str, seconds: Sequence[float]) -> dict[str, float | None]:
    """Milliseconds at the median and at the 95th percentile."""
    if not seconds:
        return {f"{name}_ms_p50": None, f"{name}_ms_p95": None}
    ordered = sorted(seconds)
    at_95 = ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)]
    return {
        f"{name}_ms_p50": round(1000 * statistics.median(ordered), 1),
        f"{name}_ms_p95": round(1000 * at_95, 1),
    }


def _stands_within(question: Question, found: Sequence[Ranked], budget: int) -> bool:
    left = float(budget)
    for passage in found:
        if left <= 0:
            return False
        if is_hit(question, Ranked(passage.document, cut(passage.text, left))):
            return True
        left -= cost(passage.text)
    return False
