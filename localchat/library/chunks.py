"""Splitting a document into chunks: by structure first, then by whole sentences.

A chunk never crosses a heading and holds about ``CHUNK_WIDTH`` characters, a Chinese, Japanese or
Korean character counting two (it says about as much, and is about as many tokens). Neighbours in
one section share their border sentences, up to ``OVERLAP_WIDTH``, so that a thought which two
chunks cut apart stands whole in one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from localchat.core.text.sentences import sentence_spans
from localchat.core.text.width import WIDE, width
from localchat.sources.document import Block, Document

CHUNK_WIDTH = 800
OVERLAP_WIDTH = 100


@dataclass(frozen=True)
class Chunk:
    """``text[start:end]`` of its document."""

    start: int
    end: int
    heading: str = ""
    """The path of headings above it: "Chapter › Section"."""
    page: int | None = None
    anchor: str | None = None


@dataclass(frozen=True)
class _Section:
    heading: str
    anchor: str | None
    blocks: tuple[Block, ...]


def split(document: Document) -> list[Chunk]:
    """The chunks of ``document`` in order. Only headings with nothing below them are left out,
    except where a document is nothing but headings."""
    chunks = [chunk for section in _sections(document) for chunk in _split(document.text, section)]
    if chunks or not document.blocks:
        return chunks
    return list(_split(document.text, _Section("", None, document.blocks)))


def _sections(document: Document) -> Iterator[_Section]:
    path: list[tuple[int, str]] = []
    anchor: str | None = None
    blocks: list[Block] = []
    for block in document.blocks:
        if block.kind != "heading":
            blocks.append(block)
            continue
        if blocks:
            yield _Section(" › ".join(title for _, title in path), anchor, tuple(blocks))
            blocks = []
        path = [(level, title) for level, title in path if level < block.level]
        title = document.text[block.start : block.end]
        if title != document.title:
            path.append((block.level, title))
        anchor = block.anchor
    if blocks:
        yield _Section(" › ".join(title for _, title in path), anchor, tuple(blocks))


def _split(text: str, section: _Section) -> Iterator[Chunk]:
    pieces = [
        (start, end, block.page) for block in section.blocks for start, end in _cut(text, block)
    ]
    first = 0
    while first < len(pieces):
        last, size = first, width(text[pieces[first][0] : pieces[first][1]])
        while last + 1 < len(pieces) and pieces[last + 1][2] == pieces[first][2]:
            grown = size + width(text[pieces[last][1] : pieces[last + 1][1]])
            if grown > CHUNK_WIDTH:
                break
            last, size = last + 1, grown
        start, _, page = pieces[first]
        yield Chunk(start, pieces[last][1], section.heading, page, section.anchor)
        if last + 1 == len(pieces):
            return
        first = _step_back(text, pieces, first, last)


def _step_back(text: str, pieces: list[tuple[int, int, int | None]], first: int, last: int) -> int:
    """Where the next chunk begins: so many sentences back as fit the overlap, and still leave room
    for the next one, without which the chunk would lie wholly inside the one before."""
    following = last + 1
    begin = following
    if pieces[following][2] != pieces[last][2]:
        return begin
    while (
        begin - 1 > first
        and width(text[pieces[begin - 1][0] : pieces[last][1]]) <= OVERLAP_WIDTH
        and width(text[pieces[begin - 1][0] : pieces[following][1]]) <= CHUNK_WIDTH
    ):
        begin -= 1
    return begin


def _cut(text: str, block: Block) -> Iterator[tuple[int, int]]:
    """The sentences of a block; one that is longer than a chunk is cut at spaces."""
    for start, end in sentence_spans(text[block.start : block.end]):
        begin, stop = block.start + start, block.start + end
        # One character more than fits says as much as the whole rest, which may be megabytes.
        while width(ahead := text[begin : min(stop, begin + CHUNK_WIDTH + 1)]) > CHUNK_WIDTH:
            cut = begin + (CHUNK_WIDTH // 2 if WIDE.search(ahead) else CHUNK_WIDTH)
            space = max(text.rfind(mark, begin + 1, cut) for mark in (" ", "\n", "，", "、", "；"))
            cut = space + 1 if space > begin + (cut - begin) // 2 else cut
            yield begin, cut
            begin = cut
        if begin < stop:
            yield begin, stop
