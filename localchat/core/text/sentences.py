"""Where sentences begin and end, in any script that ends them with a mark.

Errs on the side of too long: a mark inside quotes or brackets, after an abbreviation or an
initial, or before a small letter ends nothing. A line break always ends a sentence, because
readers give one line to a heading, a list item or a paragraph.

Takes time in proportion to the text, whatever stands in it: nothing here looks at the rest of the
text, or back to where the sentence began, at every mark.
"""

from __future__ import annotations

import re

_ENDS = re.compile(
    r"""
      [。！？｡]+[」』”’）】》]*          # Chinese and Japanese: no space follows
    # Scripts with spaces between words. A run of marks is tried from its first one only.
    | (?<![.!?…؟।॥։])[.!?…؟।॥։]+["'”’»)\]]*(?=\s|$)
    | \n+
    """,
    re.VERBOSE,
)
_ABBREVIATIONS = frozenset(
    "e.g i.e cf vs etc al fig figs eq eqs sec ch no nos vol pp p ed eds dr mr mrs ms prof st jr sr "
    "inc ltd co corp dept approx est resp ca u.s u.k a.m p.m ph.d jan feb mar apr jun jul aug sep "
    "sept oct nov dec z.b d.h u.a bzw ggf usw nr bd hrsg vgl abs art evtl inkl sog s.o s.u "
    "p.ex av env sig dott sra ud uds núm pág".split()
)
_LAST_WORD = re.compile(r"[^\s(\[“”\"'‘’«]+$")
_VISIBLE = re.compile(r"\S")
_OPENERS = {"(": ")", "[": "]", "“": "”", "「": "」", "『": "』", "（": "）", "《": "》", "«": "»"}
_CLOSERS = {closer: opener for opener, closer in _OPENERS.items()}
_ASIDE_MARKS = re.compile("[" + re.escape("".join([*_OPENERS, *_CLOSERS])) + '"]')
_ASIDE_CLOSERS = frozenset("\"'”’»)]」』）】》")
_LONGEST_ASIDE = 300


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """The sentences of ``text`` as (start, end) in characters, in order, without outer spaces."""
    spans: list[tuple[int, int]] = []
    start = 0
    asides = _Asides(text)
    for match in _ENDS.finditer(text):
        if text[match.start()] != "\n" and not _ends_sentence(text, start, match, asides):
            continue
        _append(text, start, match.end(), spans)
        start = match.end()
        asides.start_at(start)
    _append(text, start, len(text), spans)
    return spans


def sentences(text: str) -> list[str]:
    """The sentences of ``text``."""
    return [text[start:end] for start, end in sentence_spans(text)]


class _Asides:
    """Whether a place in a sentence is inside brackets or quotes; asked from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.start_at(0)

    def start_at(self, start: int) -> None:
        """A new sentence begins here, and knows nothing of what the last one left open."""
        self._walked_to = start
        self._open: list[str] = []
        self._in_straight_quotes = False

    def hold(self, position: int) -> bool:
        """Whether an opening bracket or quote before ``position`` is closed only after it, soon."""
        for match in _ASIDE_MARKS.finditer(self._text, self._walked_to, position):
            self._walk_over(match.group())
        self._walked_to = position
        if not self._open and not self._in_straight_quotes:
            return False
        closer = _OPENERS[self._open[0]] if self._open else '"'
        soon = self._text[position : position + _LONGEST_ASIDE]
        return closer in soon.split("\n", 1)[0]

    def _walk_over(self, mark: str) -> None:
        if mark == '"':
            self._in_straight_quotes = not self._in_straight_quotes
        elif mark in _OPENERS:
            self._open.append(mark)
        elif self._open and self._open[-1] == _CLOSERS[mark]:
            self._open.pop()


def _append(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    first = _VISIBLE.search(text, start, end)
    if first:
        begin = first.start()
        spans.append((begin, begin + len(text[begin:end].rstrip())))


def _ends_sentence(text: str, start: int, match: re.Match[str], asides: _Asides) -> bool:
    begin, end = match.span()
    is_wide_mark = text[begin] in "。！？｡"
    if not is_wide_mark:
        following = _VISIBLE.search(text, end)
        if following and following.group().islower():
            return False
    if text[end - 1] not in _ASIDE_CLOSERS and asides.hold(begin):
        return False
    if is_wide_mark:
        return text[end : end + 1] not in ("，", "、", ",")
    return text[begin] != "." or not _belongs_to_word(text, start, begin)


def _belongs_to_word(text: str, start: int, dot: int) -> bool:
    """Whether the full stop at ``dot`` is part of an abbreviation, an initial or "1." of a list."""
    word = _LAST_WORD.search(text[max(start, dot - 40) : dot])
    if word is None:
        return False
    last = word.group().lower()
    if last in _ABBREVIATIONS:
        return True
    if len(last) == 1 and last.isalpha():
        return not _is_wide(last)
    return last.isdigit() and text[start:dot].strip() == word.group()


def _is_wide(character: str) -> bool:
    return ord(character) >= 0x2E80
