"""Questions to begin with, made from what is in the library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from localchat.core.text.language import guess_language
from localchat.core.text.width import width

MOST = 4
LONGEST = 70
"""Characters, wide ones counting two: a longer heading makes no good button."""


class Headings(Protocol):
    """What is asked of the library."""

    def headings(self, source_id: int) -> list[str]:
        """The innermost headings of a source, in order."""


class Titled(Protocol):
    """What is asked of a source."""

    @property
    def id(self) -> int: ...
    @property
    def title(self) -> str: ...


def suggest(library: Headings, sources: Sequence[Titled]) -> list[str]:
    """Up to four questions, one source after another: headings that are questions as they stand,
    others turned into one."""
    by_source = [_questions(library.headings(source.id), source.title) for source in sources[:MOST]]
    found: list[str] = []
    for turn in range(MOST):
        for questions in by_source:
            if turn < len(questions) and questions[turn] not in found:
                found.append(questions[turn])
    return found[:MOST]


def _questions(headings: Sequence[str], title: str) -> list[str]:
    usable = [heading for heading in headings if 4 <= width(heading) <= LONGEST]
    asked = [heading for heading in usable if heading.endswith(("?", "？"))]
    return asked or [_as_question(heading) for heading in usable] or [_as_question(title)]


def _as_question(heading: str) -> str:
    if guess_language(heading) == "zh":
        return f"关于“{heading}”说了什么？"
    return f"What do my documents say about {heading}?"
