"""Puts a ``Document`` together block by block, so that every position is right by construction."""

from __future__ import annotations

from localchat.sources.cleaning import clean_code, clean_prose, one_line
from localchat.sources.document import Block, BlockKind, Document, Kind

_TIGHT: frozenset[BlockKind] = frozenset({"list_item", "table_row"})


class DocumentBuilder:
    """Readers ``add`` blocks in reading order; what is empty after cleaning is left out."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._end = 0

    def add(
        self,
        text: str,
        kind: BlockKind = "paragraph",
        *,
        level: int = 0,
        page: int | None = None,
        anchor: str | None = None,
        tight: bool = False,
    ) -> None:
        """``tight`` joins this block to the one before by a newline instead of an empty line."""
        text = clean_code(text) if kind == "code" else clean_prose(text)
        if not text:
            return
        if self._blocks:
            before = self._blocks[-1].kind
            joint = "\n" if tight or (before == kind and kind in _TIGHT) else "\n\n"
            self._parts.append(joint)
            self._end += len(joint)
        start = self._end
        self._parts.append(text)
        self._end += len(text)
        self._blocks.append(Block(start, self._end, kind, level, page, anchor))

    def first_heading(self, level: int | None = None) -> str:
        """The text of the first heading (of ``level``), or nothing."""
        text = "".join(self._parts) if self._blocks else ""
        for block in self._blocks:
            if block.kind == "heading" and level in (None, block.level):
                return text[block.start : block.end]
        return ""

    def build(self, title: str, kind: Kind, notes: tuple[str, ...] = ()) -> Document:
        return Document(
            one_line(title), "".join(self._parts), kind, tuple(self._blocks), tuple(notes)
        )
