"""Markdown, as CommonMark with tables: the text that a reader would see, without its marks.

The block structure comes from markdown-it. Its inline parser is asked only for text that has
marks in it, which makes a book of plain paragraphs fast.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localchat.core.errors import ReadError
from localchat.sources.builder import DocumentBuilder
from localchat.sources.cleaning import clean, joint
from localchat.sources.decoding import decode
from localchat.sources.document import BlockKind, Document
from localchat.sources.kinds import stem

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"(---|\+\+\+)[ \t]*\n(.*?\n)?(?:\1|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_TITLE = re.compile(r"^title\s*[:=]\s*(.+)$", re.MULTILINE | re.IGNORECASE)
_MARKS = re.compile(r"[\\`*_\[\]!<&~$]|\n")
_HEADING_ID = re.compile(r"\s*\{#([\w:.-]+)[^}]*\}\s*$")
_MATH = re.compile(r"\$\$(.+?)\$\$|\$(?![\s$])([^$\n]*[^\s$\\])\$(?!\d)", re.DOTALL)
_SOFT = "\x1f"  # a line end inside a paragraph, until it is known what stands around it
_SOFT_BREAK = re.compile(f"(.?){_SOFT}(?=(.?))", re.DOTALL)
_TAGS = re.compile(r"<!--.*?-->|<[^>]*>|\s+", re.DOTALL)


def read_markdown(content: bytes, *, name: str, charset: str | None = None) -> Document:
    text = clean(decode(content, charset, name)).replace(_SOFT, "")
    title, text = _front_matter(text)
    builder = DocumentBuilder()
    _add_blocks(builder, text)
    heading = builder.first_heading(1) or builder.first_heading()
    document = builder.build(title or heading or stem(name), "markdown")
    if not document.text:
        raise ReadError(name, f"There is no text in “{name}”.", "Choose a file that has text.")
    return document


def _front_matter(text: str) -> tuple[str, str]:
    """The title in the YAML or TOML block that static sites put in front, and the rest."""
    text = text.lstrip("\n")
    match = _FRONT_MATTER.match(text)
    if match is None or not re.search(r"^\w[\w-]*\s*[:=]", match.group(2) or "", re.MULTILINE):
        return "", text
    title = _TITLE.search(match.group(2))
    return (title.group(1).strip().strip("\"'") if title else ""), text[match.end() :]


def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.disable("inline")  # done here, only where it is needed
    parser.inline.ruler.before("escape", "formula", _formula)
    return parser


def _formula(state: StateInline, silent: bool) -> bool:
    """``$…$`` stays as it is written; its underscores and backslashes are no marks."""
    if state.src[state.pos] != "$":
        return False
    match = _MATH.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        state.pending += match.group(0)
    state.pos = match.end()
    return True


def _add_blocks(builder: DocumentBuilder, text: str) -> None:
    parser = _parser()
    environment: dict[str, object] = {}
    kinds: list[BlockKind] = ["paragraph"]
    row: list[str] = []
    level, in_cell = 0, False
    parser.options["maxNesting"] = 100  # a list in a list counts four
    tokens = parser.parse(text, environment)
    parser.options["maxNesting"] = 20  # for marks inside marks, where it costs time
    for token in tokens:
        match token.type:
            case "list_item_open":
                kinds.append("list_item")
            case "blockquote_open":
                kinds.append("quote")
            case "list_item_close" | "blockquote_close":
                kinds.pop()
            case "heading_open":
                level = int(token.tag[1])
            case "heading_close":
                level = 0
            case "tr_open":
                row = []
            case "th_open" | "td_open":
                in_cell = True
            case "th_close" | "td_close":
                in_cell = False
            case "tr_close":
                builder.add(" | ".join(row).rstrip(" |"), "table_row")
            case "fence" | "code_block":
                builder.add(token.content, "code")
            case "html_block":
                _add_html(builder, token.content)
            case "inline" if in_cell:
                row.append(" ".join(_plain(parser, token.content, environment).split()))
            case "inline" if level:
                _add_heading(builder, _plain(parser, token.content, environment), level)
            case "inline":
                builder.add(_plain(parser, token.content, environment), kinds[-1])


def _add_heading(builder: DocumentBuilder, text: str, level: int) -> None:
    match = _HEADING_ID.search(text)
    anchor = match.group(1) if match else None
    text = text[: match.start()] if match else text
    builder.add(" ".join(text.split()), "heading", level=level, anchor=anchor)


def _plain(parser: MarkdownIt, content: str, environment: dict[str, object]) -> str:
    """The text of one paragraph without its marks: links keep their words, images their alt."""
    if not _MARKS.search(content):
        return content
    tokens: list[Token] = []
    parser.inline.parse(content, parser, environment, tokens)
    return _SOFT_BREAK.sub(_soft_break, "".join(_inline_text(tokens)))


def _soft_break(match: re.Match[str]) -> str:
    return match.group(1) + joint(match.group(1), match.group(2))


def _inline_text(tokens: list[Token]) -> list[str]:
    parts: list[str] = []
    for token in tokens:
        match token.type:
            case "text" | "code_inline" | "text_special":
                parts.append(token.content)
            case "softbreak":
                parts.append(_SOFT)
            case "hardbreak":
                parts.append("\n")
            case "image":
                parts.extend(_inline_text(token.children or []))
            case "html_inline" if re.match(r"<(?:br|/?p)\b", token.content, re.IGNORECASE):
                parts.append("\n")
    return parts


def _add_html(builder: DocumentBuilder, markup: str) -> None:
    if not _TAGS.sub("", markup) and "alt" not in markup:
        return
    from localchat.sources.readers.html import parse
    from localchat.sources.readers.html_blocks import add_blocks

    soup = parse(markup)
    for tag in soup.find_all(["script", "style", "template", "svg"]):
        tag.decompose()
    add_blocks(builder, soup)
