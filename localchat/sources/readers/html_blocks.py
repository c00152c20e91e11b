"""Walks through a web page and adds its blocks.

Text nodes are put together as they stand, since white space in HTML means what it means in the
browser: ``<b>Task</b> decomposition`` has its space already, ``H<sub>2</sub>O`` has none. The walk
keeps its own stack: a page nested a thousand levels deep must not exhaust Python's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localchat.sources.builder import DocumentBuilder
from localchat.sources.document import BlockKind

if TYPE_CHECKING:
    from bs4 import Tag
    from bs4.element import PageElement

_CELL = "\x1f"  # between the cells of a row, until it is written
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_KINDS: dict[str, BlockKind] = {
    "li": "list_item", "dt": "list_item", "dd": "list_item", "blockquote": "quote",
    "option": "list_item",
}  # fmt: skip
_BLOCK_TAGS = {
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details",
    "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header",
    "hgroup", "html", "legend", "li", "main", "menu", "nav", "ol", "optgroup", "option", "p",
    "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
}  # fmt: skip
_LAYOUT_SIGNS = ["table", "h1", "h2", "h3", "pre", "article"]
_POWER = re.compile(r"[+−–-]?[0-9nkmxij]{1,3}")
_NO_DESCRIPTION = re.compile(r"://|\.(?:png|jpe?g|gif|svg|webp|avif|bmp)$|^image\W*\d*$", re.I)


@dataclass
class _Open:
    """A block element whose end is not reached yet."""

    tag: Tag
    kind: BlockKind
    level: int = 0
    anchor: str | None = None
    atomic: bool = False
    """Heading or table row: everything inside is one block."""


def add_blocks(builder: DocumentBuilder, root: Tag) -> None:
    walker = _Walker(builder)
    stack: list[tuple[Tag, Iterator[PageElement]]] = []
    if walker.enter(root):
        stack.append((root, iter(root.children)))
    while stack:
        tag, children = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            walker.leave(tag)
        elif hasattr(child, "children"):
            element: Tag = child  # type: ignore[assignment]
            if walker.enter(element):
                stack.append((element, iter(element.children)))
        else:
            walker.text(child)
    walker.flush()


class _Walker:
    def __init__(self, builder: DocumentBuilder) -> None:
        from bs4.element import CData, NavigableString

        self._plain_text = (NavigableString, CData)
        self._builder = builder
        self._buffer: list[str] = []
        self._open: list[_Open] = []
        self._layout_tables: set[int] = set()

    def text(self, node: PageElement) -> None:
        # Comments, doctypes and the like are subclasses: only plain text is text.
        if type(node) in self._plain_text:
            self._buffer.append(re.sub(r"\s+", " ", str(node).replace(_CELL, "")))

    def enter(self, tag: Tag) -> bool:
        """Whether to go on with what is inside ``tag``."""
        name = tag.name
        atomic = bool(self._open) and self._open[-1].atomic
        if name in {"br", "hr", "img", "sup", "pre"}:
            return self._enter_special(tag, atomic)
        if atomic:
            if name in {"td", "th"} and self._open[-1].kind == "table_row":
                self._buffer.append(_CELL)
            elif name in _BLOCK_TAGS or name in _HEADINGS:
                self._buffer.append(" ")
            return True
        if name in _HEADINGS:
            self._start(_Open(tag, "heading", _HEADINGS[name], _anchor(tag), atomic=True))
        elif name == "tr" and not self._in_layout_table(tag):
            self._start(_Open(tag, "table_row", atomic=True))
        elif name in _BLOCK_TAGS:
            outer: BlockKind = self._open[-1].kind if self._open else "paragraph"
            self._start(_Open(tag, _KINDS.get(name, outer)))
        return True

    def leave(self, tag: Tag) -> None:
        if self._open and self._open[-1].tag is tag:
            self.flush()
            self._open.pop()
        elif tag.name in _BLOCK_TAGS or tag.name in _HEADINGS:
            self._buffer.append(" ")

    def flush(self) -> None:
        text = "".join(self._buffer)
        self._buffer.clear()
        now = self._open[-1] if self._open else None
        if now is None:
            self._builder.add(text)
        elif now.kind == "table_row":
            cells = [" ".join(cell.split()) for cell in text.split(_CELL)[1:]] or [text]
            if any(cells):
                self._builder.add(" | ".join(cells).rstrip(" |"), "table_row")
        elif now.kind == "heading":
            self._builder.add(" ".join(text.split()), "heading", level=now.level, anchor=now.anchor)
        else:
            self._builder.add(text, now.kind)

    def _start(self, block: _Open) -> None:
        self.flush()
        self._open.append(block)

    def _enter_special(self, tag: Tag, atomic: bool) -> bool:
        if tag.name == "br":
            self._buffer.append(" " if atomic else "\n")
        elif tag.name == "hr" and not atomic:
            self.flush()
        elif tag.name == "img":
            self._buffer.append(_description(tag))
        elif tag.name == "sup":
            return self._enter_raised(tag)
        elif tag.name == "pre":
            if atomic:
                return True
            self.flush()
            self._builder.add(_verbatim(tag), "code")
        return False

    def _enter_raised(self, tag: Tag) -> bool:
        """Raised digits behind a digit are a power or a footnote: 10^5 and 2020[1], not 105."""
        text = tag.get_text(strip=True)
        before = self._buffer[-1][-1:] if self._buffer else ""
        if text.isdigit() and tag.find("a") is not None:
            self._buffer.append(f"[{text}]")
            return False
        if before.isdigit() and _POWER.fullmatch(text):
            self._buffer.append(f"^{text}")
            return False
        return True

    def _in_layout_table(self, row: Tag) -> bool:
        """Whether the table only arranges the page; its cells are then blocks of their own."""
        table = row.find_parent("table")
        if table is None:
            return True
        if id(table) not in self._layout_tables:
            if not _only_arranges(table):
                return False
            self._layout_tables.add(id(table))
        return True


def _only_arranges(table: Tag) -> bool:
    if table.get("role") in ("presentation", "none") or table.find(_LAYOUT_SIGNS) is not None:
        return True
    rows = table.find_all("tr", limit=50)
    return all(len(row.find_all(["td", "th"], recursive=False)) < 2 for row in rows)


def _verbatim(pre: Tag) -> str:
    """Code as it stands; lines that are elements of their own keep their ends."""
    parts: list[str] = []
    for node in pre.descendants:
        name = getattr(node, "name", None)
        if name is None:
            parts.append(str(node))
        elif name == "br" or (name in {"div", "li", "tr", "p"} and _unfinished(parts)):
            parts.append("\n")
    return "".join(parts)


def _unfinished(parts: list[str]) -> bool:
    return bool(parts) and not parts[-1].endswith("\n")


def _anchor(heading: Tag) -> str | None:
    """The fragment that leads to a heading: its own, one inside it, or its section's."""
    own = heading.get("id")
    if own:
        return str(own)
    for inside in heading.find_all(["a", "span"]):
        if inside.get("id") or (inside.name == "a" and inside.get("name")):
            return str(inside.get("id") or inside.get("name"))
    parent = heading.parent
    if parent is not None and parent.name in {"section", "article", "div"} and parent.get("id"):
        first = parent.find(list(_HEADINGS))
        return str(parent["id"]) if first is heading else None
    return None


def _description(image: Tag) -> str:
    """What the page says that an image shows; never the image's address."""
    text = str(image.get("alt") or "").strip()
    classes = " ".join(image.get("class") or []).lower()
    if "math" in classes or "tex" in classes.split():
        return f" ${text}$ " if text else ""
    if len(text.split()) < 2 and len(text) < 6:
        return " "
    return " " if _NO_DESCRIPTION.search(text) else f" {text} "
