"""A document as its sections: what stands below each heading, and which headings stand above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from localchat.sources.document import Block, Document

LONGEST_HEADING = 200
"""Characters. What is longer was marked up as a heading and is none."""


@dataclass(frozen=True)
class Section:
    """What stands below a heading, up to the next one of any level."""

    heading: str
    """The path of headings down to its own: "Chapter › Section", without the document's title."""
    anchor: str | None
    """The fragment of the address that leads to it."""
    blocks: tuple[Block, ...]


def sections(document: Document) -> list[Section]:
    """The sections of ``document`` in order. Only headings with nothing below them are left out,
    except where a document is nothing but headings."""
    found = list(_sections(document))
    if found or not document.blocks:
        return found
    return [Section("", None, document.blocks)]


def _sections(document: Document) -> Iterator[Section]:
    path: list[tuple[int, str]] = []
    anchor: str | None = None
    blocks: list[Block] = []
    for block in document.blocks:
        if block.kind != "heading" or block.end - block.start > LONGEST_HEADING:
            blocks.append(block)
            continue
        if blocks:
            yield _section(path, anchor, blocks)
            blocks = []
        path = [(level, title) for level, title in path if level < block.level]
        title = document.text[block.start : block.end]
        if title != document.title:
            path.append((block.level, title))
        anchor = block.anchor
    if blocks:
        yield _section(path, anchor, blocks)


def _section(path: list[tuple[int, str]], anchor: str | None, blocks: list[Block]) -> Section:
    return Section(" › ".join(title for _, title in path), anchor, tuple(blocks))
