"""Splitting a document into chunks: by structure first, then by whole sentences.

A chunk is filled with pieces (see ``pieces``) until one more would not fit. Then it ends at the
best border not far back: between two paragraphs rather than between two sentences. It never
crosses a heading or a page. Neighbours in one section share their border sentences, so that a
thought which two chunks cut apart stands whole in one of them.

Sections of a line each, as in a glossary, stay chunks of their own. Together, they would fill
fewer chunks, but what is asked for would be found less often in as many tokens of passages.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby

from localchat.library.pieces import Border, Count, Piece, counted, pieces_of
from localchat.library.sections import Section, sections
from localchat.sources.document import Document

WASTE = 0.25
"""The share of a chunk that may stay empty for the sake of a better border."""
HEAD = 0.25
"""The share of a chunk that its title and headings count for at most, and its context too."""
MARKS = 8
"""Tokens of the marks and the prefix that an embedder puts round a text, rather too many."""
_PROSE = frozenset({"paragraph", "quote", "list_item"})


@dataclass(frozen=True)
class Size:
    """How large a chunk is at most: whichever bound is met first. A character that is Chinese,
    Japanese or Korean counts two in a width (it says about as much, see ``core.text.width``)."""

    tokens: int = 220
    """Of the embedder, with title and headings, which are embedded in front of each chunk."""
    width: int = 870
    """An embedder has one token for a whole word of a script that it does not know."""
    overlap_tokens: int = 25
    overlap_width: int = 110

    def share(self, tokens: int, width: int) -> float:
        """How much of a chunk so much text fills: 1 is all of it."""
        return max(tokens / self.tokens, width / self.width)


SIZE = Size()
SIZE_BY_WIDTH = Size(width=640, overlap_width=80)
"""Of a text in a language that the embedder does not know: its tokens say nothing then. 320
Chinese characters: more of them find more per chunk, fewer find more per token."""


@dataclass(frozen=True)
class Chunk:
    """``text[start:end]`` of its document."""

    start: int
    end: int
    heading: str = ""
    """The path of headings above it: "Chapter › Section"."""
    page: int | None = None
    anchor: str | None = None
    context: str = ""
    """From before it, what it cannot be understood without: the header of a table whose rows it
    goes on with, the sentence that leads in to its list."""


def split(
    document: Document, count: Count, max_tokens: int | None, size: Size = SIZE
) -> list[Chunk]:
    """The chunks of ``document`` in order. Only headings with nothing below them are left out,
    except where a document is nothing but headings.

    Args:
        document: The text and its structure.
        count: Gives the tokens of each text; called a few times, with many texts.
        max_tokens: How many tokens the embedder looks at. None: tokens do not count, only widths,
            as for a language that the embedder does not know anyway.
        size: How large a chunk is at most; ``SIZE_BY_WIDTH`` goes with None.
    """
    if max_tokens is None:
        count, max_tokens = _count_none, size.tokens
    text, parts = document.text, sections(document)
    paths = list(dict.fromkeys(part.heading for part in parts))
    heads = dict(zip(paths, count([f"{document.title}\n{path}" for path in paths]), strict=True))
    cut = [piece for part in parts for piece in pieces_of(text, part.blocks, size.width)]
    pieces = counted(text, cut, count, most=_room(size, max_tokens, max_tokens).tokens)
    starts = [part.blocks[0].start for part in parts]
    chunks: list[Chunk] = []
    for number, inside in groupby(pieces, lambda piece: bisect_right(starts, piece.start) - 1):
        room = _room(size, max_tokens, heads[parts[number].heading])
        chunks += _chunks(text, parts[number], list(inside), room)
    return chunks


def _count_none(texts: Sequence[str]) -> list[int]:
    return [0] * len(texts)


def _room(size: Size, max_tokens: int, head: int) -> Size:
    """What is left of ``size`` below a title and headings of so many tokens."""
    looked_at = max(2, max_tokens - MARKS)
    left = size.tokens - min(head, int(size.tokens * HEAD))
    return replace(size, tokens=max(1, min(left, looked_at - min(head, looked_at // 2))))


def _chunks(text: str, part: Section, pieces: list[Piece], room: Size) -> Iterator[Chunk]:
    spans = {(piece.start, piece.end): piece for piece in pieces}
    for page, on_page in groupby(pieces, key=lambda piece: piece.page):
        filling = _Filling(list(on_page), spans, room)
        for first, last in filling:
            start, end = filling.pieces[first].start, filling.pieces[last].end
            context = filling.context(first)
            before = text[context.start : context.end] if context else ""
            yield Chunk(start, end, part.heading, page, part.anchor, before)


class _Filling:
    """Which pieces share a chunk, as (first, last); in time proportional to their number."""

    def __init__(
        self, pieces: list[Piece], spans: dict[tuple[int, int], Piece], size: Size
    ) -> None:
        self.pieces = pieces
        self._spans = spans
        self._size = size
        self._tokens = list(accumulate((piece.tokens for piece in pieces), initial=0))
        # With what stands between two pieces, which belongs to the second.
        self._widths = [0]
        for number, piece in enumerate(pieces):
            gap = piece.start - pieces[number - 1].end if number else 0
            self._widths.append(self._widths[-1] + gap + piece.width)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        first = 0
        while first < len(self.pieces):
            last = self._last(first)
            yield first, last
            if last + 1 == len(self.pieces):
                return
            first = self._next_first(first, last)

    def context(self, first: int) -> Piece | None:
        """What a chunk that begins with the piece ``first`` needs from before it, if it is short
        and was not itself cut into parts."""
        span = self.pieces[first].context
        piece = self._spans.get(span) if span else None
        if piece is None or self._size.share(piece.tokens, piece.width) > HEAD:
            return None
        tokens, width = self._between(first, first)
        fits = self._size.share(tokens + piece.tokens, width + piece.width) <= 1
        return piece if fits else None

    def _last(self, first: int) -> int:
        """Where the chunk ends that begins with the piece ``first``: at the best border near where
        it is full, or near the middle of what is left for it and a last one."""
        rest = self._fill(first, len(self.pieces) - 1)
        if rest <= 1:
            return len(self.pieces) - 1
        is_last_but_one = rest <= 2 * (1 - WASTE)
        least = (rest - WASTE) / 2 if is_last_but_one else 1 - WASTE
        most = least + WASTE
        last, best = first, None
        while self._fill(first, last + 1) <= most:
            last += 1
        for other in range(last, first - 1, -1):
            if self._fill(first, other) < least:
                break
            if best is None or self.pieces[other + 1].border > self.pieces[best + 1].border:
                best = other
        return last if best is None else best

    def _next_first(self, first: int, last: int) -> int:
        """Where the next chunk begins: so many sentences back as fit the overlap, and still leave
        room for the next one, without which the chunk would lie wholly inside the one before."""
        following = last + 1
        begin = following
        if self.pieces[following].kind not in _PROSE:
            return begin
        inside = self.pieces[following].border == Border.PART
        for back in range(last, first, -1):
            tokens, width = self._between(back, last)
            if (
                self.pieces[back].kind not in _PROSE
                or tokens > self._size.overlap_tokens
                or width > self._size.overlap_width
                or self._fill(back, following) > 1
            ):
                break
            if inside or self.pieces[back].border >= Border.SENTENCE:
                begin = back
        return begin

    def _fill(self, first: int, last: int) -> float:
        """How full a chunk with these pieces is, its context included: 1 is full."""
        context = self.context(first)
        tokens, width = self._between(first, last)
        if context:
            tokens, width = tokens + context.tokens, width + context.width
        return self._size.share(tokens, width)

    def _between(self, first: int, last: int) -> tuple[int, int]:
        """The tokens and the width from the beginning of one piece to the end of another."""
        gap = self.pieces[first].start - self.pieces[first - 1].end if first else 0
        return (
            self._tokens[last + 1] - self._tokens[first],
            self._widths[last + 1] - self._widths[first] - gap,
        )
