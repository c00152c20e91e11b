"""How long a text is to a reader: a Chinese, Japanese or Korean character says about as much as two
letters, takes twice their room, and is about as many tokens."""

from __future__ import annotations

import re

WIDE = re.compile(r"[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff01-\uff60]")


def width(text: str) -> int:
    """Characters of ``text``, wide ones counting two."""
    return len(text) if text.isascii() else len(text) + len(WIDE.findall(text))


def tokens(text: str) -> int:
    """About how many tokens of a language model ``text`` is: a wide character one, of others four
    letters one."""
    wide = 0 if text.isascii() else len(WIDE.findall(text))
    return wide + (len(text) - wide + 3) // 4
