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
      [。！？｡။។៕]+[」』”’）】》]*       # Chinese, Japanese, Burmese, Khmer: no space follows
    # Scripts with spaces between words. A run of marks is tried from its first one only.
    | (?<![.!?…؟۔।॥։።])[.!?…؟۔।॥։።]+(?:["'”’»)\]]|[ \u00a0\u202f]»)*(?=\s|$)
    | [;\u037e](?<=[\u0370-\u03ff\u1f00-\u1fff].)(?=\s|$)  # the Greek question mark
    | \n+
    """,
    re.VERBOSE,
)
_WIDE_MARKS = frozenset("。！？｡။។៕")
_ABBREVIATIONS = frozenset(
    "e.g i.e cf vs etc al fig figs eq eqs sec ch no nos vol pp p ed eds dr mr mrs ms prof st jr sr "
    "inc ltd co corp dept approx est resp ca u.s u.k a.m p.m ph.d jan feb mar apr jun jul aug sep "
    "sept oct nov dec z.b d.h u.a bzw ggf usw nr bd hrsg vgl abs art evtl inkl sog s.o s.u "
    "p.ex av env sig dott sra ud uds núm pág tel str mio mrd zzgl chr jh jhs i.d.r "
    "sres dra ee uu ee.uu p.ej aprox avda mme mlle "
    "т.е т.д т.п т.к др гг вв тыс млн млрд руб коп ул им проф акад рис табл см стр св о-в "
    "डॉ श्री".split()
)
_ORDINAL_BEFORE = re.compile(
    r"(?:^|\s)(?:am|der|die|das|den|dem|des|im|vom|zum|zur|beim|ab|seit|dieser|jeder|ein|eine|einen"
    r"|einem|einer)\s[0-9]{1,3}$",
    re.IGNORECASE,
)
_ORDINAL_AFTER = re.compile(
    r"\s(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November"
    r"|Dezember|Jahrhundert|Jh|Jahrtausend)\b"
)
"""German writes “the third” as “3.”, and the noun after it with a capital."""
_LAST_WORD = re.compile(r"[^\s(\[“”\"'‘’«]+$")
_VISIBLE = re.compile(r"\S")
_OPENERS = {"(": ")", "[": "]", "“": "”", "「": "」", "『": "』", "（": "）", "《": "》", "«": "»"}
_CLOSERS = {closer: opener for opener, closer in _OPENERS.items()}
_ASIDE_MARKS = re.compile("[" + re.escape("".join([*_OPENERS, *_CLOSERS])) + '"]')
_ASIDE_CLOSERS = frozenset("\"'”’»)]」』）】》")
_LONGEST_ASIDE = 300

_THAI = re.compile(r"[\u0e00-\u0eff]")
_THAI_GAP = re.compile(r"(?<=[\u0e00-\u0eff]) +(?=[\u0e00-\u0eff])")
_LONGEST_THAI = 120
"""Characters. Thai and Lao end a sentence with nothing but a space, and put one between clauses as
well: several short ones are taken for one sentence."""


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
    if not first:
        return
    begin = first.start()
    end = begin + len(text[begin:end].rstrip())
    if end - begin > _LONGEST_THAI and _THAI.search(text, begin, end):
        begin = _append_clauses(text, begin, end, spans)
    spans.append((begin, end))


def _append_clauses(text: str, begin: int, end: int, spans: list[tuple[int, int]]) -> int:
    """Append all but the last of the pieces of a long Thai text; where that last one begins."""
    gap = None
    for following in _THAI_GAP.finditer(text, begin, end):
        if gap and following.start() - begin > _LONGEST_THAI:
            spans.append((begin, gap.start()))
            begin = gap.end()
        gap = following
    if gap and end - begin > _LONGEST_THAI:
        spans.append((begin, gap.start()))
        begin = gap.end()
    return begin


def _ends_sentence(text: str, start: int, match: re.Match[str], asides: _Asides) -> bool:
    begin, end = match.span()
    is_wide_mark = text[begin] in _WIDE_MARKS
    if not is_wide_mark:
        following = _VISIBLE.search(text, end)
        if following and following.group().islower():
            return False
    if text[end - 1] not in _ASIDE_CLOSERS and asides.hold(begin):
        return False
    if is_wide_mark:
        # 「はい。」と言った: what was said stands within the sentence that says who said it.
        goes_on = "，、,と" if text[end - 1] in _ASIDE_CLOSERS else "，、,"
        return end == len(text) or text[end] not in goes_on
    return text[begin] != "." or not _belongs_to_word(text, start, begin)


def _belongs_to_word(text: str, start: int, dot: int) -> bool:
    """Whether the full stop at ``dot`` is part of an abbreviation, an initial or "1." of a list."""
    before = text[max(start, dot - 40) : dot]
    word = _LAST_WORD.search(before)
    if word is None:
        return False
    last = word.group().lower()
    if last in _ABBREVIATIONS or _THAI.match(last[-1]):
        return True
    if len(last) == 1 and last.isalpha():
        return not _is_wide(last)
    if not last.isdigit():
        return False
    if _ORDINAL_BEFORE.search(before) or _ORDINAL_AFTER.match(text, dot + 1):
        return True
    return text[start:dot].strip() == word.group()


def _is_wide(character: str) -> bool:
    return ord(character) >= 0x2E80
