"""Web pages: what is said on them, with their headings, lists, tables and code.

Parsed by BeautifulSoup on lxml. ``html_main`` leaves out what belongs to the site and not to the
page, ``html_blocks`` walks through the rest, ``html_shell`` tells pages that hold nothing for us.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localchat.core.errors import ReadError
from localchat.sources.builder import DocumentBuilder
from localchat.sources.cleaning import one_line
from localchat.sources.decoding import decode
from localchat.sources.document import Document
from localchat.sources.readers.html_blocks import add_blocks
from localchat.sources.readers.html_main import main_content
from localchat.sources.readers.html_shell import read_signs, refuse_shell

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
_XML_CHARSET = re.compile(rb"\s*<\?xml[^>]*encoding\s*=\s*[\"']([\w.:-]+)")


def read_html(
    content: bytes, *, name: str, charset: str | None = None, address: str | None = None
) -> Document:
    """``charset`` is what the server said; the page's own word counts after it."""
    origin = address or name
    markup = decode(content, charset or _declared(content), origin)
    soup = parse(markup)
    signs = read_signs(soup)  # before the scripts go
    title = _title(soup)
    builder = DocumentBuilder()
    add_blocks(builder, main_content(soup))
    document = builder.build(title or builder.first_heading() or name, "html")
    refuse_shell(signs, document.text, origin=origin, from_web=address is not None)
    if not document.text:
        raise ReadError(
            origin,
            "There is no text on this page.",
            "If your browser shows text there, save the page from the browser and drop the file "
            "here.",
        )
    return document


def parse(markup: str) -> BeautifulSoup:
    from bs4 import BeautifulSoup

    markup = _XML_DECLARATION.sub("", markup.replace("\x00", ""), count=1)
    if "<" not in markup:  # BeautifulSoup would warn that this looks like a file name
        markup = f"<p>{markup}</p>"
    encoded = markup.encode("utf-8", errors="replace")
    return BeautifulSoup(encoded, "lxml", from_encoding="utf-8")


def _declared(content: bytes) -> str | None:
    head = content[:4096]
    match = _XML_CHARSET.match(head) or _META_CHARSET.search(head)
    return match.group(1).decode("ascii", errors="replace") if match else None


def _title(soup: BeautifulSoup) -> str:
    """The page's name without the site's: what it gives for sharing, its title, or its heading."""
    shared = soup.find("meta", attrs={"property": "og:title"}) or soup.find(
        "meta", attrs={"name": "og:title"}
    )
    if shared is not None and (text := one_line(str(shared.get("content") or ""))):
        return text
    named = soup.find("title")
    title = one_line(named.get_text()) if named is not None else ""
    first = soup.find("h1")
    heading = one_line(first.get_text(" ", strip=True)).strip("#¶§ ") if first is not None else ""
    # "Page | Site": the first heading says where the page's own name ends.
    if heading and re.match(re.escape(heading) + r"\s*[|·•:»«—–-]", title):
        return heading
    return title or heading
