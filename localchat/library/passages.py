"""From ranked chunks to passages: doubles left out, neighbours joined, cut to a token budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from localchat.core.text.width import tokens
from localchat.library.rows import StoredChunk

LONGEST_PASSAGE = 450
"""Tokens: neighbours are joined up to this."""
JOINED_AMONG = 12
"""Of what was found, the best so many may be joined to a better one,"""
WORTH_JOINING = 0.3
"""where its chance is at least this share of the better one's,"""
WORTH_JOINING_BEFORE = 0.7
"""or this, where it comes before it in the text: a reader, or a model with little room, then meets
the better one later."""

Span = Callable[[int, int, int], str]
"""The text of a revision, by its id, from one character to another."""


@dataclass(frozen=True)
class Scored:
    """A chunk that was found."""

    chunk: StoredChunk
    score: float
    """0 to 1."""
    near: float
    """See ``nearness``."""


def without_doubles(found: Sequence[Scored]) -> list[Scored]:
    """The same words from two sources are shown once."""
    seen: set[str] = set()
    kept = []
    for scored in found:
        key = " ".join(scored.chunk.text.split()).casefold()
        if key not in seen:
            seen.add(key)
            kept.append(scored)
    return kept


def joined(found: Sequence[Scored], most: int, span: Span) -> list[Scored]:
    """Chunks that follow each other as one, at the place of the better one.

    Args:
        found: The best first.
        most: Passages that are wanted.
        span: What tells the text between two places.
    """
    passages: list[Scored] = []
    for rank, scored in enumerate(found):
        both = None
        if rank < JOINED_AMONG:
            ways = enumerate(_as_one(passage, scored, span) for passage in passages)
            both = next(((place, whole) for place, whole in ways if whole), None)
        if both is not None:
            passages[both[0]] = both[1]
        elif len(passages) == most:
            break
        else:
            passages.append(scored)
    return passages


def packed(passages: Sequence[Scored], budget: int | None) -> list[Scored]:
    """As many of the first ones as have ``budget`` tokens in all, about; one at least. None: all
    of them."""
    kept: list[Scored] = []
    left = math.inf if budget is None else budget
    for passage in passages:
        left -= tokens(passage.chunk.text)
        if left < 0 and kept:
            break
        kept.append(passage)
    return kept


def _as_one(passage: Scored, scored: Scored, span: Span) -> Scored | None:
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
    whole = replace(first, end=end, text=span(a.revision_id, start, end))
    return replace(passage, chunk=whole)
