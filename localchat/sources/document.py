"""What a reader makes of an address or a file: text plus structure.

All positions are characters into ``Document.text``, so that a citation can lead back to the exact
place. This is not LangChain's ``Document``, which is one passage with metadata.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["html", "markdown", "text", "pdf"]
BlockKind = Literal["heading", "paragraph", "list_item", "quote", "table_row", "code"]


@dataclass(frozen=True)
class Block:
    """One piece of structure, ``text[start:end]``. Blocks are in order and do not overlap."""

    start: int
    end: int
    kind: BlockKind = "paragraph"
    level: int = 0
    """For a heading: 1 to 6."""
    page: int | None = None
    """For kinds that have pages: 1 for the first."""
    anchor: str | None = None
    """For a heading of a web page: the fragment that leads to it."""


@dataclass(frozen=True)
class Document:
    """The text of one source. Blocks are joined by a newline or an empty line."""

    title: str
    text: str
    kind: Kind
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()
    """What a person should know: "3 of 12 pages have no text."."""
