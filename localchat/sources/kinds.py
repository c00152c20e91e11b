"""Which kind of document some bytes are: by their first characters, media type and file ending."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import unquote

from localchat.core.errors import ReadError
from localchat.sources.document import Kind

Reader = Literal[Kind, "mhtml", "webarchive"]

READABLE_ENDINGS: tuple[str, ...] = (
    "html", "htm", "xhtml", "mhtml", "mht", "webarchive", "md", "markdown", "txt", "text", "rst",
    "log", "pdf",
)  # fmt: skip
"""What the file picker offers. Other files are read too when they hold plain text."""

WHAT_CAN_BE_READ = "LocalChat reads web pages (HTML), PDF, Markdown and plain text."

_BY_ENDING: dict[str, Reader] = {
    "html": "html", "htm": "html", "xhtml": "html", "xht": "html", "shtml": "html",
    "mhtml": "mhtml", "mht": "mhtml", "webarchive": "webarchive",
    "md": "markdown", "markdown": "markdown", "mdown": "markdown", "mkd": "markdown",
    "txt": "text", "text": "text", "rst": "text", "log": "text", "pdf": "pdf",
}  # fmt: skip
_BY_MEDIA_TYPE: dict[str, Reader] = {
    "text/html": "html", "application/xhtml+xml": "html", "text/markdown": "markdown",
    "text/x-markdown": "markdown", "application/pdf": "pdf", "application/x-pdf": "pdf",
    "multipart/related": "mhtml", "message/rfc822": "mhtml",
    "application/x-webarchive": "webarchive",
}  # fmt: skip
_SAYS_NOTHING = {
    "", "application/octet-stream", "binary/octet-stream", "application/x-download",
    "application/force-download", "application/download", "application/unknown", "unknown/unknown",
}  # fmt: skip
_TEXT_LIKE = {
    "application/xml", "application/json", "application/x-ndjson", "application/javascript",
    "application/x-javascript", "application/yaml", "application/x-yaml", "application/toml",
    "application/x-tex", "application/x-sh", "application/x-subrip", "application/sql",
}  # fmt: skip
_UNREADABLE_ENDINGS = {
    "docx": "a Word document", "doc": "a Word document", "odt": "an OpenDocument text",
    "rtf": "a rich text file", "xlsx": "a spreadsheet", "xls": "a spreadsheet",
    "ods": "a spreadsheet", "pptx": "a presentation", "ppt": "a presentation",
    "odp": "a presentation", "epub": "an e-book", "mobi": "an e-book", "azw3": "an e-book",
}  # fmt: skip
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive or an Office file"), (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file"), (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"), (b"GIF8", "an image"), (b"II*\x00", "an image"),
    (b"MM\x00*", "an image"), (b"RIFF", "an image, a sound or a video"), (b"ID3", "a sound"),
    (b"OggS", "a sound or a video"), (b"fLaC", "a sound"), (b"\x1aE\xdf\xa3", "a video"),
    (b"\x1f\x8b", "a compressed file"), (b"BZh", "a compressed file"),
    (b"\xfd7zXZ", "a compressed file"), (b"7z\xbc\xaf", "a compressed file"),
    (b"Rar!", "a compressed file"), (b"(\xb5/\xfd", "a compressed file"),
    (b"\x7fELF", "a program"), (b"MZ\x90", "a program"), (b"\xcf\xfa\xed\xfe", "a program"),
    (b"SQLite format 3\x00", "a database"), (b"GGUF", "a model (put it into the models folder)"),
    (b"{\\rtf", "a rich text file"), (b"%!PS", "a PostScript file"), (b"wOF", "a font"),
)  # fmt: skip


def media_type_is_readable(media_type: str) -> bool:
    """Whether a server's media type may stand for text; types that say nothing may."""
    media_type = media_type.lower()
    return (
        media_type.startswith("text/")
        or media_type in _SAYS_NOTHING
        or media_type in _TEXT_LIKE
        or media_type in _BY_MEDIA_TYPE
        or (media_type.endswith(("+xml", "+json")) and not media_type.startswith("image/"))
    )


def says_nothing(media_type: str) -> bool:
    return media_type.lower() in _SAYS_NOTHING


def ending(name: str) -> str:
    """The ending of a file name, lower-case and without its dot."""
    return PurePosixPath(name.replace("\\", "/")).suffix.lower().lstrip(".")


def stem(name: str) -> str:
    """A file name without folders, ending and percent signs, for want of a better title."""
    path = PurePosixPath(unquote(name).replace("\\", "/"))
    return path.stem or path.name or name


def kind_of(content: bytes, name: str, media_type: str | None) -> Reader:
    """The reader for ``content``, or a ``ReadError`` that names what it is instead."""
    head = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"%PDF-" in content[:1024] and not head.startswith(b"<"):
        return "pdf"
    if head.startswith(b"bplist00") and b"WebMainResource" in content:
        return "webarchive"
    _refuse_known_binary(content, name)
    said = (media_type or "").partition(";")[0].strip().lower()
    by_type, by_ending = _BY_MEDIA_TYPE.get(said), _BY_ENDING.get(ending(name))
    by_content = _by_content(head)
    if "html" in (by_type, by_ending) and by_content == "mhtml":
        return "mhtml"
    if by_type == "pdf" and by_content == "html":
        return "html"
    return by_type or by_ending or by_content or "text"


def _by_content(head: bytes) -> Reader | None:
    start = head.lower()
    if start.startswith(
        (b"<!doctype html", b"<html", b"<head", b"<body", b"<title", b"<meta ")
    ) or (start.startswith((b"<?xml", b"<!--")) and b"<html" in start):
        return "html"
    if b"mime-version:" in start and b"multipart/related" in start:
        return "mhtml"
    return None


def _refuse_known_binary(content: bytes, name: str) -> None:
    what = next((what for magic, what in _MAGIC if content.startswith(magic)), None)
    if what is None and content[4:8] == b"ftyp":
        what = "a video or an image"
    if what is not None or ending(name) in {"doc", "rtf"}:
        what = _UNREADABLE_ENDINGS.get(ending(name), what or "no text")
        if what == "no text":
            return
        raise ReadError(
            name,
            f"“{name}” is {what}, which LocalChat cannot read. {WHAT_CAN_BE_READ}",
            "Save or export it as PDF or as text, and add that.",
        )
