"""Citations that hold: every number in an answer points to a passage that was really given."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from localchat.chat.answer import Citation, Passage, Quote
from localchat.core.evidence import Meaning, rank_sentences
from localchat.core.text.sentences import sentences

_MARK = re.compile(r"[ \t]?[\[【]\s*(\d{1,3}(?:\s*[,，;、]\s*\d{1,3})*)\s*[\]】](?!\()")
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
_HALF_MARK = re.compile(r"\s*[\[【][\d\s,，;、]*\Z")
_NUMBER = re.compile(r"\d+")
SUPPORT = 0.55
"""A sentence with a lower score is not marked: a wrong mark is worse than none."""


def clean(text: str, given: int) -> str:
    """``text`` with every citation as ``[n]``, and those outside 1 to ``given`` taken out."""

    def rewritten(match: re.Match[str]) -> str:
        numbers = [n for n in map(int, _NUMBER.findall(match.group(1))) if 1 <= n <= given]
        space = match.group()[0] if match.group()[0] in " \t" else ""
        return space + "".join(f"[{n}]" for n in numbers) if numbers else ""

    return _outside_code(lambda piece: _MARK.sub(rewritten, piece), text)


def settled(text: str) -> str:
    """``text`` without a citation mark that is only half written, at its end."""
    return _HALF_MARK.sub("", text)


def cited_numbers(text: str) -> list[int]:
    """The numbers that ``text`` cites, in order of first appearance."""
    prose = "".join(_CODE.split(text)[::2])
    found = (int(n) for match in _MARK.finditer(prose) for n in _NUMBER.findall(match.group(1)))
    return list(dict.fromkeys(found))


def cite(text: str, passages: Sequence[Passage], meaning: Meaning) -> tuple[Citation, ...]:
    """The citations of a cleaned answer, each with the sentence of its passage that supports it."""
    by_number = {passage.number: passage for passage in passages}
    citations = []
    for number in cited_numbers(text):
        passage = by_number.get(number)
        if passage is None:
            continue
        ranked = rank_sentences(_statement(text, number), [passage.text], meaning)
        best = ranked[0] if ranked and ranked[0].score >= SUPPORT else None
        citations.append(Citation(number, best.start if best else None, best.end if best else None))
    return tuple(citations)


def cite_quotes(quotes: Sequence[Quote]) -> tuple[Citation, ...]:
    """The citations of an answer by quotes: one for each passage, marking its first quote."""
    first: dict[int, Citation] = {}
    for quote in quotes:
        first.setdefault(quote.number, Citation(quote.number, quote.start, quote.end))
    return tuple(first.values())


def marked_by_quotes(
    citations: Sequence[Citation], quotes: Sequence[Quote]
) -> tuple[Citation, ...]:
    """``citations``, those without a sentence with the best quote of their passage.

    For an answer in another language than the passages: its statements cannot be compared with
    their sentences, but the quotes were picked with the question in the passages' language.
    """
    quoted = {citation.number: citation for citation in cite_quotes(quotes)}
    return tuple(c if c.start is not None else quoted.get(c.number, c) for c in citations)


def _statement(text: str, number: int) -> str:
    """The sentence that ends where the answer first cites ``number``, without citation marks."""
    prose = _CODE.sub(lambda code: " " * len(code.group()), text)
    said = sentences(_MARK.sub("", text[: prose.find(f"[{number}]")]))
    return said[-1] if said else ""


def _outside_code(rewrite: Callable[[str], str], text: str) -> str:
    """``rewrite`` applied to what is not code: ``list[1]`` there is no citation."""
    pieces = _CODE.split(text)
    return "".join(piece if n % 2 else rewrite(piece) for n, piece in enumerate(pieces))
