"""``read_document``: the one way from bytes to a ``Document``."""

from __future__ import annotations

from localchat.core.errors import ReadError
from localchat.sources.document import Document
from localchat.sources.kinds import READABLE_ENDINGS, kind_of

__all__ = ["READABLE_ENDINGS", "read_document"]


def read_document(
    content: bytes,
    *,
    name: str,
    media_type: str | None = None,
    charset: str | None = None,
    address: str | None = None,
) -> Document:
    """Finds the kind of ``content`` and reads it.

    ``address`` says that it comes from the web: a page that is a shell for JavaScript or a login is
    then a ``FetchError``. Everything else that cannot be read is a ``ReadError``.
    """
    origin = address or name
    if not content.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise ReadError(origin, f"“{name}” is empty.", "Choose a file that has text in it.")
    kind = kind_of(content, name, media_type)
    if kind in ("mhtml", "webarchive"):
        from localchat.sources.readers.saved_page import page_in_mhtml, page_in_webarchive

        unpack = page_in_mhtml if kind == "mhtml" else page_in_webarchive
        content, charset = unpack(content, name)
        kind = "html"
    if kind == "html":
        from localchat.sources.readers.html import read_html

        return read_html(content, name=name, charset=charset, address=address)
    if kind == "pdf":
        from localchat.sources.readers.pdf import read_pdf

        return read_pdf(content, name=name)
    if kind == "markdown":
        from localchat.sources.readers.markdown import read_markdown

        return read_markdown(content, name=name, charset=charset)
    from localchat.sources.readers.text import read_text

    return read_text(content, name=name, charset=charset)
