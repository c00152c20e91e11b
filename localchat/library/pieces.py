"""What chunks are made of: sentences, list items, table rows, lines of code.

A piece stands whole in a chunk. Only a sentence that is too long for one is cut into short parts,
at spaces, so that nearly every place in it is a good one to end a chunk at.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from localchat.core.text.sentences import sentence_spans
from localchat.core.text.width import WIDE, width
from localchat.sources.document import Block, BlockKind

Count = Callable[[Sequence[str]], list[int]]
"""The tokens of each text, without any marks round it."""
PART_WIDTH = 80
"""Characters, wide ones counting two, of a part of a sentence."""

_LEADS_IN = (":", "：")
_CELLS = " | "
_PART_ENDS = " \n\t\u3000,;，、；：—"


class Border(IntEnum):
    """How well a chunk may end before a piece, the higher the better."""

    GLUED = 0
    """A list's first item behind "You need:", a table's first row behind its header."""
    PART = 1
    SENTENCE = 2
    BLOCK = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """``text[start:end]`` of the document."""

    start: int
    end: int
    kind: BlockKind
    border: Border
    page: int | None
    width: int
    """Characters, wide ones counting two."""
    tokens: int = -1
    """-1: not counted yet."""
    context: tuple[int, int] | None = None
    """Where the piece is that this one is not understood without: the header of its table, what
    leads in to its list."""


def pieces_of(text: str, blocks: Sequence[Block], most_width: int) -> list[Piece]:
    """The pieces of ``blocks``, none of them wider than ``most_width``; not counted yet."""
    found: list[Piece] = []
    first: Block | None = None
    context: tuple[int, int] | None = None
    for block in blocks:
        cut = list(_cut(text, block, most_width))
        glued = False
        if first is None or block.kind != first.kind:
            first, context = block, None
            if block.kind in ("list_item", "code") and _leads_in(text, found):
                glued = True
                context = (found[-1].start, found[-1].end) if block.kind == "list_item" else None
        elif block.kind == "table_row" and context is None and _is_header(text, first, found):
            glued = True
            context = (first.start, first.end)
        if glued:
            cut[:1] = [replace(piece, border=Border.GLUED) for piece in cut[:1]]
        found += [replace(piece, context=context) for piece in cut] if context else cut
    return found


def counted(text: str, pieces: list[Piece], count: Count, most: int) -> list[Piece]:
    """``pieces`` with their tokens, those of more than ``most`` tokens cut into parts."""
    while todo := [number for number, piece in enumerate(pieces) if piece.tokens < 0]:
        counts = count([text[pieces[number].start : pieces[number].end] for number in todo])
        known = dict(zip(todo, counts, strict=True))
        grown: list[Piece] = []
        for number, piece in enumerate(pieces):
            tokens = known.get(number, piece.tokens)
            if tokens <= most or piece.end - piece.start == 1:
                grown.append(replace(piece, tokens=tokens) if number in known else piece)
            else:
                # As many as would have a quarter of ``most`` each, were the tokens spread evenly.
                grown += _parts(text, piece, max(1, piece.width * most // (4 * tokens)))
        pieces = grown
    return pieces


def _leads_in(text: str, before: Sequence[Piece]) -> bool:
    if not before or before[-1].kind == "heading":
        return False
    return text[before[-1].start : before[-1].end].endswith(_LEADS_IN)


def _is_header(text: str, row: Block, before: Sequence[Piece]) -> bool:
    """Whether ``row``, a table's first, is the piece before, and has columns."""
    whole = (before[-1].start, before[-1].end) == (row.start, row.end)
    return whole and _CELLS in text[row.start : row.end]


def _cut(text: str, block: Block, most_width: int) -> Iterator[Piece]:
    border, before = Border.BLOCK, block.start
    for start, end in _spans(text, block, most_width):
        if block.kind == "code" and text.count("\n", before, start) > 1:
            border = Border.BLOCK
        piece = Piece(start, end, block.kind, border, block.page, _width(text, start, end))
        if piece.width > most_width:
            yield from _parts(text, piece, min(PART_WIDTH, most_width))
        else:
            yield piece
        border, before = Border.SENTENCE, end


def _spans(text: str, block: Block, most_width: int) -> Iterable[tuple[int, int]]:
    """Lines of code, a table's row as it is, and the sentences of all else."""
    if block.kind == "code":
        return _lines(text, block.start, block.end)
    if block.kind == "table_row" and _width(text, block.start, block.end) <= most_width:
        return [(block.start, block.end)]
    inside = sentence_spans(text[block.start : block.end])
    return [(block.start + start, block.start + end) for start, end in inside]


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Those that are not empty."""
    for line in text[start:end].split("\n"):
        if line.strip():
            yield start, start + len(line)
        start += len(line) + 1


def _parts(text: str, piece: Piece, most_width: int) -> Iterator[Piece]:
    """``piece`` in parts that are no wider, cut at spaces and commas where there are any."""
    begin, border = piece.start, piece.border
    while begin < piece.end:
        end = _end_of_part(text, begin, piece.end, most_width)
        part = replace(piece, start=begin, end=end, border=border, tokens=-1)
        yield replace(part, width=_width(text, begin, end))
        begin, border = end, Border.PART


def _end_of_part(text: str, begin: int, stop: int, most_width: int) -> int:
    ahead = text[begin : min(stop, begin + most_width + 1)]
    if begin + len(ahead) == stop and width(ahead) <= most_width:
        return stop
    longest = max(1, math.floor(most_width / 2) if WIDE.search(ahead) else most_width)
    for end in range(begin + longest, begin + longest // 2, -1):
        if text[end - 1] in _PART_ENDS:
            return end
    end = min(begin + longest, stop)
    while end > begin + 1 and end < stop and unicodedata.category(text[end]).startswith("M"):
        end -= 1  # an accent or a vowel sign stays with its letter
    return end


def _width(text: str, start: int, end: int) -> int:
    return width(text[start:end])
