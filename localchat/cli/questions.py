"""The questions of ``search --questions``: one JSON line each, an object or just a string."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localchat.core.errors import LocalChatError
from localchat.library.rows import valid

UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class UnreadableQuestion(LocalChatError):
    """A line that holds no question."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"This line holds no question: {why}.",
            'Write {"question": "…"}, or the question alone in quotes, as JSON.',
        )


@dataclass(frozen=True)
class Question:
    """One line; what it leaves open is None."""

    text: str
    id: Any = None
    sources: tuple[str, ...] | None = None
    """Numbers, addresses or names."""
    collections: tuple[str, ...] | None = None
    """Names."""
    k: int | None = None


def lines_of(name: str) -> Iterator[tuple[int, str]]:
    """The lines of a file, or of what is piped in where ``name`` is “-”, with their numbers from 1;
    each as soon as it is there, empty ones left out.

    Raises:
        LocalChatError: there is no such file, or it cannot be read.
    """
    try:
        with sys.stdin.buffer if name == "-" else Path(name).expanduser().open("rb") as file:
            mark = file.peek(2)[:2]  # type: ignore[union-attr]
            encoding = "utf-16" if mark in UTF_16_MARKS else "utf-8-sig"
            # Only a line feed ends a line of JSON; other separators may stand inside a string.
            text = io.TextIOWrapper(file, encoding, errors="replace", newline="\n")
            for number, line in enumerate(text, start=1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise LocalChatError(
            f"“{name}” cannot be read ({error.strerror or error}).",
            "Name a file with one question in each line, as JSON.",
        ) from error


def read_question(line: str) -> Question:
    """What one line asks.

    Raises:
        UnreadableQuestion: it holds none.
    """
    try:
        given = json.loads(line, parse_constant=_refused, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise UnreadableQuestion(f"it is not JSON ({error})") from error
    if isinstance(given, str):
        given = {"question": given}
    if not isinstance(given, dict) or not isinstance(given.get("question"), str):
        raise UnreadableQuestion("there is no “question” in it that is a text")
    k = given.get("k")
    if k is not None and (isinstance(k, bool) or not isinstance(k, int) or k < 1):
        raise UnreadableQuestion("“k” is not a whole number of 1 or more")
    return Question(
        valid(given["question"]),
        given.get("id"),
        _names(given, "sources"),
        _names(given, "collections"),
        k,
    )


def _refused(name: str) -> Any:
    """NaN and the like, which Python reads and writes, and other readers of JSON do not."""
    raise ValueError(f"{name} is no number in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refused(digits)


def _names(given: dict[str, Any], key: str) -> tuple[str, ...] | None:
    value = given.get(key)
    if value is None:
        return None
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str | int) and not isinstance(name, bool) for name in names):
        raise UnreadableQuestion(f"“{key}” is not a list of names or numbers")
    return tuple(str(name) for name in names)
