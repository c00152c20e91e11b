"""Plain text: paragraphs by empty lines, in whatever encoding it comes."""

from __future__ import annotations

import re

from localchat.core.errors import ReadError
from localchat.sources.builder import DocumentBuilder
from localchat.sources.cleaning import clean, one_line
from localchat.sources.decoding import decode
from localchat.sources.document import Document
from localchat.sources.kinds import ending, stem

_LONG = 2_000
"""Characters from which a paragraph is cut at its line ends: logs and books have no empty lines."""

_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n\s*")
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+:.])\1{2,}")
_UNDERLINES = "=-~^\"'`#*+:."


def read_text(content: bytes, *, name: str, charset: str | None = None) -> Document:
    text = clean(decode(content, charset, name)).strip()
    builder = DocumentBuilder()
    underlined = ending(name) == "rst"
    for paragraph in _PARAGRAPHS.split(text):
        heading, rest = _heading(paragraph) if underlined else (None, paragraph)
        if heading is not None:
            builder.add(heading[0], "heading", level=heading[1])
        for number, piece in enumerate(_pieces(rest)):
            builder.add(piece, tight=number > 0)
    document = builder.build(builder.first_heading(1) or _first_line(text) or stem(name), "text")
    if not document.text:
        raise ReadError(name, f"“{name}” is empty.", "Choose a file that has text in it.")
    return document


def _first_line(text: str) -> str:
    """The first line, where it stands alone and is short, as titles do."""
    first, _, rest = text.partition("\n")
    line = one_line(first)
    alone = rest.startswith("\n") or rest[:200].lstrip(" \t").startswith("\n")
    if alone and 2 < len(line) <= 80 and line[-1] not in ".,;:。，；：" and not line.isnumeric():
        return line.strip("=-*# ")
    return ""


def _heading(paragraph: str) -> tuple[tuple[str, int] | None, str]:
    """A reStructuredText title, which has a line of marks below it, and what follows it."""
    lines = paragraph.split("\n")
    if len(lines) > 2 and _UNDERLINE.fullmatch(lines[0].strip()):
        lines = lines[1:]
    if len(lines) > 1 and lines[0].strip() and _UNDERLINE.fullmatch(lines[1].strip()):
        level = min(6, _UNDERLINES.index(lines[1].strip()[0]) + 1)
        return (lines[0], level), "\n".join(lines[2:])
    return None, paragraph


def _pieces(paragraph: str) -> list[str]:
    if len(paragraph) <= _LONG:
        return [paragraph]
    pieces: list[list[str]] = [[]]
    length = 0
    for line in paragraph.split("\n"):
        if length and length + len(line) > _LONG:
            pieces.append([])
            length = 0
        pieces[-1].append(line)
        length += len(line) + 1
    return ["\n".join(lines) for lines in pieces]
