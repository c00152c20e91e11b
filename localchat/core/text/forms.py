"""One form for what looks or reads the same: kinds of letters and digits, traditional and
simplified Chinese. For searching only; what people are shown stays as it was written.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

_SIMPLIFIED = Path(__file__).with_name("simplified.txt")

_ACCENTS = re.compile(r"[\u0300-\u036f]+")
_BASE_LETTERS = str.maketrans(
    # Letters that Unicode does not take apart, and that people type without their stroke.
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
    # Forms of alef, and letters that look alike at the end of a word, or in Persian.
    | dict(zip("أإآٱىیةکؤئ", "ااااييهكوي", strict=True))
    # Hindi's nasal signs, of which either is written, and the dot under a letter.
    | {"\u0901": "\u0902", "\u093c": None}
)

_ZEROS = "٠۰०০੦૦௦౦೦൦๐໐၀០"
"""Of other digits than 0 to 9; in Unicode one to nine follow each."""

_PUNCTUATION = {"\u2019": "'", "\u02bc": "'", "\u066b": ".", "\u066c": ","}
"""Apostrophes, and the marks in Arabic numbers."""

_INVISIBLE = "\u00ad\u200c\u200d\u200e\u200f\u2060\ufeff"
"""Soft hyphens, joiners and marks of direction: they stand inside words."""

_THIN_SPACES = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
"""What groups the digits of a large number in French, Russian and SI style."""


def letters(text: str) -> str:
    """Lower case, full width as half width, digits 0 to 9, simplified Chinese, no vowel points of
    Arabic and Hebrew. Accents stay: stemmers need them.

    Marks that make another letter (Japanese voicing, Indic vowel signs, Hangul) are kept.
    """
    if text.isascii():
        return text.lower()
    composed = unicodedata.normalize("NFKC", _THIN_SPACES.sub("", text).casefold())
    same = _same()
    changed = same.any_of.sub(lambda match: same.forms[match.group()], composed)
    return _ACCENTS.sub("", changed)


@lru_cache(maxsize=50_000)
def plain(word: str) -> str:
    """``word`` (see ``letters``) as people type who leave accents out, and with one letter for
    those that are often written for each other."""
    if word.isascii():
        return word
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", word))
    return unicodedata.normalize("NFC", bare.translate(_BASE_LETTERS))


@dataclass(frozen=True)
class _Same:
    forms: dict[str, str]
    any_of: re.Pattern[str]


@cache
def _same() -> _Same:
    """What each character becomes that is only another form of something."""
    forms = dict.fromkeys(_INVISIBLE, "") | _PUNCTUATION
    for zero in map(ord, _ZEROS):
        forms |= {chr(zero + value): str(value) for value in range(10)}
    # Vowel points, and the stroke that lengthens an Arabic word.
    points = [*range(0x591, 0x5BE), 0x5BF, 0x5C1, 0x5C2, 0x5C4, 0x5C5, 0x5C7]
    points += [*range(0x610, 0x61B), 0x640, *range(0x64B, 0x660), 0x670, *range(0x6D6, 0x6DD)]
    forms |= dict.fromkeys(map(chr, points), "")
    for line in _SIMPLIFIED.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            forms |= {pair[0]: pair[1] for pair in line.split()}
    return _Same(forms, re.compile(f"[{''.join(forms)}]"))
