"""Where sentences begin and end, in any script that ends them with a mark.

Errs on the side of too long: a mark inside quotes or brackets, after an abbreviation or an
initial, or before a small letter ends nothing. A line break always ends a sentence, because
readers give one line to a heading, a list item or a paragraph.
"""

from __future__ import annotations

import re

_ENDS = re.compile(
    r"""
      [。！？｡]+[」』”’）】》]*          # Chinese and Japanese: no space follows
    | [.!?…؟।॥։]+["'”’»)\]]*(?=\s|$)     # scripts with spaces between words
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
_OPENERS = {"(": ")", "[": "]", "“": "”", "「": "」", "『": "』", "（": "）", "《": "》", "«": "»"}
_CLOSERS = {closer: opener for opener, closer in _OPENERS.items()}
_LONGEST_ASIDE = 300


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """The sentences of ``text`` as (start, end) in characters, in order, without outer spaces."""
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _ENDS.finditer(text):
        mark = match.group()
        if "\n" not in mark and not _ends_sentence(text, start, match):
            continue
        _append(text, start, match.end(), spans)
        start = match.end()
    _append(text, start, len(text), spans)
    return spans


def sentences(text: str) -> list[str]:
    """The sentences of ``text``."""
    return [text[start:end] for start, end in sentence_spans(text)]


def _append(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        begin = start + piece.index(stripped[0])
        spans.append((begin, begin + len(stripped)))


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    mark = match.group()
    if _inside_aside(text, start, match.start()) and mark[-1] not in "\"'”’»)]」』）】》":
        return False
    if mark[0] in "。！？｡":
        return not text[match.end() : match.end() + 1] or text[match.end()] not in "，、,"
    following = text[match.end() :].lstrip()[:1]
    if following.islower():
        return False
    if not mark.startswith("."):
        return True
    word = _LAST_WORD.search(text[max(start, match.start() - 40) : match.start()])
    if word is None:
        return True
    last = word.group().lower()
    is_initial = len(last) == 1 and last.isalpha() and not _is_wide(last)
    is_list_number = last.isdigit() and text[start : match.start()].strip() == word.group()
    return not (last in _ABBREVIATIONS or is_initial or is_list_number)


def _inside_aside(text: str, start: int, position: int) -> bool:
    """Whether an opening bracket or quote before ``position`` is closed only after it, soon."""
    open_marks: list[str] = []
    for character in text[start:position]:
        if character in _OPENERS:
            open_marks.append(character)
        elif character in _CLOSERS and open_marks and open_marks[-1] == _CLOSERS[character]:
            open_marks.pop()
    closer = _OPENERS[open_marks[0]] if open_marks else '"'
    if not open_marks and text.count('"', start, position) % 2 == 0:
        return False
    return closer in text[position : position + _LONGEST_ASIDE].split("\n", 1)[0]


def _is_wide(character: str) -> bool:
    return ord(character) >= 0x2E80
