"""Text from elsewhere, made fit to be shown: nothing in it is fetched, run or taken for markup.

A remote image in a passage or in a model's answer would make the browser ask another computer for
it, and the address could carry what the person wrote. This is the first wall; the second is the
Content-Security-Policy of ``server``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

# What CommonMark, its tables and strike-through, formulas and Streamlit's directives are made of;
# at the beginning of a line also what makes a list or a heading.
_MARKUP = re.compile(r"[\\`*_\[\]<>#!|~$&{}]|:(?=[\w+/-]*[:\[])|^[-+=]|(?<=^\d)[.)]|(?<=^\d\d)[.)]")
_CODE = re.compile(r"(```.*?(?:```|\Z)|``[^\n]+?``|`[^`\n]+`)", re.DOTALL)
_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\](?:\((?:[^()\n]|\([^()\n]*\))*\)|\[[^\]]*\])?", re.DOTALL)
_CITATION = re.compile(r"\[(\d{1,3})\](?!\()")


def plain(text: str) -> str:
    """``text`` as Markdown that shows its characters, on one line."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def answer_markdown(text: str) -> str:
    """A model's answer as Markdown: formatted, but without images and formulas-by-accident, its
    citations as small badges."""
    pieces = _CODE.split(text)
    shown = "".join(piece if n % 2 else _prose(piece) for n, piece in enumerate(pieces))
    # What looks like code to us may not be code to a Markdown parser: ask one.
    return shown.replace("![", "!\\[") if _has_image(shown) else shown


def _has_image(text: str) -> bool:
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").parse(text)
    return any(child.type == "image" for token in tokens for child in token.children or ())


def badge(number: int) -> str:
    """The mark of a citation in Markdown."""
    return f":green-badge[{number}]"


def marked(text: str, spans: Iterable[tuple[int, int]] = ()) -> str:
    """``text`` as HTML with each ``[start:end]`` of ``spans`` marked, line breaks kept, every
    character escaped."""
    style = "background:rgba(250,190,40,.38);color:inherit;border-radius:3px;padding:1px 2px"
    body, done = "", 0
    for start, end in sorted(spans):
        start = max(start, done)
        body += html.escape(text[done:start])
        body += f'<mark style="{style}">{html.escape(text[start:end])}</mark>'
        done = end
    body += html.escape(text[done:])
    return f'<div style="white-space:pre-wrap;overflow-wrap:anywhere" dir="auto">{body}</div>'


def aside(text: str) -> str:
    """``text`` as HTML that stands back behind an answer."""
    style = "white-space:pre-wrap;overflow-wrap:anywhere;opacity:.7;font-size:.9em"
    return f'<div style="{style}" dir="auto">{html.escape(text)}</div>'


def quote(text: str, number: int) -> str:
    """A quotation as HTML, with the number of the passage it stands in."""
    # Where a line begins: on the right in Arabic and Hebrew.
    rule = (
        "border-inline-start:3px solid rgba(20,160,145,.75);padding-block:1px;"
        "padding-inline-start:14px;margin:2px 0;overflow-wrap:anywhere"
    )
    mark = (
        "background:rgba(20,160,145,.16);border-radius:5px;padding:0 6px;font-size:.85em;"
        "white-space:nowrap"
    )
    words = html.escape(" ".join(text.split()))
    return f'<div dir="auto" style="{rule}">{words} <span style="{mark}">{number}</span></div>'


def _prose(text: str) -> str:
    # An image becomes its description; whatever else could still be read as one is broken up.
    text = _IMAGE.sub(lambda match: match["alt"], text).replace("![", "!\\[")
    text = text.replace("$", "\\$")
    return _CITATION.sub(lambda match: badge(int(match[1])), text)
