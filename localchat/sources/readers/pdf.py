"""PDF: the text of each page, put back into paragraphs, by pypdf.

A PDF can be made to keep a reader busy for ever. So there are limits on pages and on the time for
one page and for all; what was given up is said in the notes. The time is checked at every drawing
operation of a page.
"""

from __future__ import annotations

import logging
import re
import struct
import threading
import time
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import TYPE_CHECKING

from localchat.core.errors import ReadError
from localchat.sources.builder import DocumentBuilder
from localchat.sources.cleaning import clean, one_line
from localchat.sources.document import Document
from localchat.sources.kinds import stem
from localchat.sources.readers.pdf_layout import paragraphs, without_running_lines

if TYPE_CHECKING:
    from pypdf import PdfReader

MOST_PAGES = 10_000
PAGE_SECONDS = 20.0
TOTAL_SECONDS = 1_200.0

# pypdf meets damage with whatever Python raises: besides its own errors these are known.
_DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, OSError,
    RecursionError, TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip
# Ligatures, and the look-alikes of Chinese characters that some PDF programs write (⽂ for 文).
_LOOK_ALIKES = re.compile("[\ufb00-\ufb06\u2e80-\u2fd5]")
_NO_TITLE = re.compile(
    r"(?:untitled|title|document\d*|microsoft word\b.*|[\d\W]*|"
    r".*\.(?:docx?|pdf|tex|dvi|indd|pptx?))$",
    re.IGNORECASE,
)


class _TooSlow(Exception):
    """A page took longer than any honest page does."""


@dataclass
class _Pages:
    """What came out of the pages: lines for each, and what went wrong."""

    lines: list[list[str]] = field(default_factory=list)
    count: int = 0
    empty: int = 0
    broken: int = 0
    unread: int = 0


def read_pdf(
    content: bytes,
    *,
    name: str,
    page_seconds: float = PAGE_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
) -> Document:
    """The limits are parameters for the tests; nobody else needs to change them."""
    with _listening() as warnings:
        reader = _open(content, name)
        pages = _read_pages(reader, name, page_seconds, total_seconds)
        metadata_title = _metadata_title(reader)
    _refuse_without_text(pages, name)
    builder = DocumentBuilder()
    for number, lines in enumerate(without_running_lines(pages.lines), start=1):
        for text, kind in paragraphs(lines):
            builder.add(text, kind, level=2 if kind == "heading" else 0, page=number)
    document = builder.build("", "pdf", _notes(pages, len(warnings)))
    return replace(document, title=metadata_title or _first_words(document) or one_line(stem(name)))


def _open(content: bytes, name: str) -> PdfReader:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    next_step = "Open it in a PDF viewer; if it shows there, print it to a new PDF and add that."
    try:
        reader = PdfReader(BytesIO(content), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise ReadError(
                name,
                f"“{name}” is locked with a password.",
                "Open it in a PDF viewer, save or print it without the password, and add that.",
            )
        if len(reader.pages) == 0:
            raise ReadError(name, f"The PDF “{name}” has no pages.", next_step)
    except (PyPdfError, *_DAMAGE) as error:
        raise ReadError(name, f"The PDF “{name}” is broken or cut short.", next_step) from error
    return reader


def _read_pages(reader: PdfReader, name: str, page_seconds: float, total: float) -> _Pages:
    from pypdf.errors import PyPdfError

    count = len(reader.pages)
    pages = _Pages(count=count)
    end = time.monotonic() + total
    for number in range(min(count, MOST_PAGES)):
        if time.monotonic() > end:
            break
        try:
            text = _page_text(reader, number, min(end, time.monotonic() + page_seconds))
        except (PyPdfError, _TooSlow, *_DAMAGE):
            pages.broken += 1
            pages.lines.append([])
            continue
        lines = [_tidy(line) for line in clean(text).split("\n")]
        pages.lines.append(lines)
        pages.empty += not any(any(map(str.isalnum, line)) for line in lines)
    pages.unread = count - len(pages.lines)
    return pages


def _page_text(reader: PdfReader, number: int, end: float) -> str:
    def check(*_: object) -> None:
        if time.monotonic() > end:
            raise _TooSlow

    return reader.pages[number].extract_text(visitor_operand_before=check)


def _tidy(line: str) -> str:
    line = _LOOK_ALIKES.sub(lambda match: unicodedata.normalize("NFKC", match.group()), line)
    return " ".join(line.split())


def _metadata_title(reader: PdfReader) -> str:
    from pypdf.errors import PyPdfError

    try:
        title = one_line(str((reader.metadata and reader.metadata.title) or ""))
    except (PyPdfError, *_DAMAGE):
        return ""
    return "" if _NO_TITLE.match(title) else title


def _first_words(document: Document) -> str:
    """The first block that has letters, when it is as short as a title."""
    for block in document.blocks:
        text = document.text[block.start : block.end]
        if sum(map(str.isalpha, text)) > 2:
            return text if len(text) <= 120 and not text.endswith((".", ",", "。", "-")) else ""
    return ""


def _refuse_without_text(pages: _Pages, name: str) -> None:
    if any(any(map(str.isalnum, line)) for lines in pages.lines for line in lines):
        return
    if pages.broken and pages.broken >= pages.empty:
        raise ReadError(
            name,
            f"None of the {_pages(pages.count)} of “{name}” could be read: the PDF is broken.",
            "Open it in a PDF viewer; if it shows there, print it to a new PDF and add that.",
        )
    raise ReadError(
        name,
        f"“{name}” has {_pages(pages.count)}, but no text in them: it is probably scanned, so its "
        "pages are pictures.",
        "Run it through text recognition (OCR) first, for example with OCRmyPDF, and add the "
        "result.",
    )


def _notes(pages: _Pages, warnings: int) -> tuple[str, ...]:
    notes = []
    if pages.empty:
        have = "has" if pages.empty == 1 else "have"
        notes.append(f"{pages.empty} of {_pages(pages.count)} {have} no text (scanned images?).")
    if pages.broken:
        notes.append(f"{pages.broken} of {_pages(pages.count)} could not be read.")
    if pages.unread:
        notes.append(
            f"Only the first {_pages(len(pages.lines))} of {pages.count} were read: "
            "the document is too large."
        )
    if warnings:
        notes.append("The PDF does not quite follow the standard; some of its text may be missing.")
    return tuple(notes)


def _pages(count: int) -> str:
    return "1 page" if count == 1 else f"{count:,} pages"


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collects the warnings that pypdf logs in this thread, and keeps them from the screen."""
    heard: list[str] = []
    thread = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread and len(heard) < 1_000:
                heard.append(record.getMessage())

    logger = logging.getLogger("pypdf")
    logger.propagate = False
    listener = Listener(logging.WARNING)
    logger.addHandler(listener)
    try:
        yield heard
    finally:
        logger.removeHandler(listener)
