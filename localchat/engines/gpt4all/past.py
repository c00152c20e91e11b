"""Which part of a new prompt a model has in its memory already, told from the texts alone.

For a library that gives out tokens but takes only text. Text is cut into tokens afresh behind each
control token, so the beginning that two prompts share is the same tokens up to the last control
token in it. A format without control tokens is read as a whole each time.
"""

from __future__ import annotations

import re


class Past:
    """What the model was last given to read. ``control`` are texts and numbers of its tokens,
    ``begin`` is how many tokens the library puts before each prompt."""

    def __init__(self, control: dict[str, int], begin: int) -> None:
        self._control = control
        self._begin = begin
        texts = sorted((text for text in control if len(text) > 2), key=len, reverse=True)
        self._marks = re.compile("|".join(map(re.escape, texts))) if texts else None
        self._numbers = {control[text] for text in texts}
        self._text = ""

    def remember(self, prompt: str) -> None:
        """That ``prompt`` was given to the model, which may not have read it to its end."""
        self._text = prompt

    def of(self, prompt: str, read: list[int]) -> tuple[str, int]:
        """What of ``prompt`` is to be read, and how many tokens of what was ``read`` stay."""
        rest, keep = prompt, 0
        if not self._marks:
            return rest, keep
        places = (
            at for at, token in enumerate(read) if at >= self._begin and token in self._numbers
        )
        common = _common(self._text, prompt)
        for mark, at in zip(self._marks.finditer(self._text), places, strict=False):
            if mark.end() > common or self._control[mark[0]] != read[at]:
                break
            rest, keep = prompt[mark.start() :], at
        return rest, keep


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
