"""Characters that carry no meaning leave the text here, once, for every reader.

Removed: control characters, soft hyphens, zero-width spaces, byte order marks, marks and overrides
of writing direction (they can make a text look different from what it says), lone surrogates.
Kept: zero-width joiner and non-joiner, which Persian, Indic scripts and emoji need.
"""

from __future__ import annotations

import re
import unicodedata

_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_JUNK = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
_FIXED_SPACES = re.compile("[\u00a0\u2007\u202f]")
_SPACES = re.compile(r"[^\S\n]+")
_AROUND_NEWLINE = re.compile(r" ?\n[ \n]*")

CJK = "\u2e80-\u303f\u3040-\u30ff\u3100-\u312f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
"""Character class of the scripts that are written without spaces: Chinese and Japanese."""
_CJK = re.compile(f"[{CJK}]")


def clean(text: str) -> str:
    """Lines end in ``\\n``, junk is gone, spaces are spaces, letters are composed (NFC)."""
    text = _LINE_ENDS.sub("\n", text)
    text = _FIXED_SPACES.sub(" ", _JUNK.sub("", text))
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def clean_prose(text: str) -> str:
    """``clean``, and runs of white space are one space, or one newline where there was one."""
    return _AROUND_NEWLINE.sub("\n", _SPACES.sub(" ", clean(text))).strip()


def clean_code(text: str) -> str:
    """``clean``, with the indentation kept; only empty lines around it and trailing spaces go."""
    lines = [line.rstrip() for line in clean(text).split("\n")]
    return "\n".join(lines).strip("\n").rstrip()


def one_line(text: str, limit: int = 200) -> str:
    """For titles: one line, cut at a word if it is longer than any title is."""
    line = " ".join(clean(text).split())
    if len(line) <= limit:
        return line
    head = line[:limit].rsplit(" ", 1)[0] if " " in line[:limit] else line[:limit]
    return head.rstrip(" ,;:") + "…"


def weight(text: str) -> int:
    """How much a text says, in Latin letters: a Chinese or Japanese character counts as three."""
    dense = len("".join(text.split()))
    return dense if text.isascii() else dense + 2 * len(_CJK.findall(text))


def joint(before: str, after: str) -> str:
    """What stands between two lines of one paragraph: nothing where a script has no spaces."""
    return "" if _CJK.match(before[-1:]) and _CJK.match(after[:1]) else " "
