"""A page that a browser saved as one file: MHTML (Chrome, Edge) or web archive (Safari)."""

from __future__ import annotations

import email
import email.policy
import plistlib
from xml.parsers.expat import ExpatError

from localchat.core.errors import ReadError


def page_in_mhtml(content: bytes, name: str) -> tuple[bytes, str | None]:
    """The first page in the file, and its encoding where that is said."""
    message = email.message_from_bytes(content, policy=email.policy.compat32)
    for part in message.walk():
        if part.get_content_type() in ("text/html", "application/xhtml+xml"):
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes) and payload.strip():
                return payload, part.get_content_charset()
    raise _no_page(name)


def page_in_webarchive(content: bytes, name: str) -> tuple[bytes, str | None]:
    """The main page of the archive, and its encoding where that is said."""
    try:
        main = plistlib.loads(content)["WebMainResource"]
        data, charset = main["WebResourceData"], main.get("WebResourceTextEncodingName")
    except (
        plistlib.InvalidFileException, ExpatError, KeyError, TypeError, ValueError, IndexError,
        OverflowError, RecursionError, AttributeError,
    ) as error:  # fmt: skip
        raise _no_page(name) from error
    if not isinstance(data, bytes) or not data.strip():
        raise _no_page(name)
    return data, charset if isinstance(charset, str) else None


def _no_page(name: str) -> ReadError:
    return ReadError(
        name,
        f"There is no complete web page in “{name}”.",
        "Save the page again, as HTML if your browser offers that, and drop the file here.",
    )
