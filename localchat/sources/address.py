"""What people paste as web addresses, and the one form in which we know each of them.

Two addresses with the same normal form are the same source: adding both adds one.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, quote, urlsplit

from localchat.core.errors import FetchError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_FILE_ENDINGS = (
    "md",
    "txt",
    "html",
    "htm",
    "pdf",
    "docx",
    "rst",
    "markdown",
    "text",
    "log",
    "epub",
)
_OPENING = "<\"'`“”‘’«»「『《（([{"
_CLOSING = ">\"'`“”‘’«»」』》）}"
_PUNCTUATION = ".,;:!?。，、；：！？…"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_OTHER_SCHEMES = (
    "javascript",
    "data",
    "mailto",
    "tel",
    "about",
    "blob",
    "file",
    "magnet",
    "view-source",
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_ESCAPE = re.compile("%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

_MARKDOWN_LINK = re.compile(
    r"!?\[[^\]\n]*\]\(\s*<?((?:[^()\s<>]|\([^()\s]*\))+)>?(?:\s+[\"'][^\"'\n]*[\"'])?\s*\)"
)
_BULLET = re.compile(r"\s*(?:[-*+•‣·–—▪●○◦]\s+|\(?\d{1,4}(?:[.)]\s+|、)|\[[^\]\n]*\]:\s*|>\s+)")
_SEPARATORS = re.compile(r"[\s，；、|]+|[,;](?=\s|$|[a-z]+://|www\.)", re.IGNORECASE)


def normalise_address(text: str) -> str:
    """The one form of a web address, or a ``FetchError`` that says why ``text`` is none."""
    pasted = text.strip().strip("\u200b\u2060\ufeff").strip()
    bare = _peel(pasted)
    parts = _split(bare, pasted)
    host = _host(parts, pasted)
    try:
        port = parts.port
    except ValueError:
        raise _no_address(pasted, "its port is not a number from 0 to 65535") from None
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[parts.scheme.lower()]:
        shown += f":{port}"
    path = _escape(_without_dots(parts.path) or "/", "/:@!$&'()*+,;=~")
    query = f"?{_escape(parts.query, '/?:@!$&()*+,;=~[]')}" if parts.query else ""
    return f"{parts.scheme.lower()}://{shown}{path}{query}"


def addresses_in(text: str) -> list[tuple[str, str | FetchError]]:
    """Every address of a pasted text, in order and once each, as (what was pasted, the address).

    A line in which there is no address comes back with the error that says so. Words around an
    address that is written in full ("see https://… for more") are left alone.
    """
    found: list[tuple[str, str | FetchError]] = []
    seen: set[str] = set()
    for line in text.splitlines():
        for raw, result in _in_line(line):
            key = raw if isinstance(result, FetchError) else result
            if key not in seen:
                seen.add(key)
                found.append((raw, result))
    return found


def is_local(host: str) -> bool:
    """Whether a host is this computer or an address of the local network."""
    host = host.lower().strip("[]").rstrip(".")
    if host == "localhost" or host.endswith((".localhost", ".local")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private or address.is_loopback or address.is_link_local


def _in_line(line: str) -> list[tuple[str, str | FetchError]]:
    line = _MARKDOWN_LINK.sub(r" \1 ", line)
    line = _BULLET.sub("", line, count=1).strip()
    tokens = [token for word in _SEPARATORS.split(line) for token in _apart(word) if token]
    # In a sentence, a full stop after an address ends the sentence; alone it is part of it.
    closing = _CLOSING + (_PUNCTUATION if len(tokens) > 1 else "")
    peeled = [raw for token in tokens if (raw := _peel(token, closing))]
    pairs = [(raw, _try(raw)) for raw in peeled]
    if all(isinstance(result, str) for _, result in pairs):
        return pairs
    explicit = [pair for pair in pairs if "://" in pair[0] or pair[0].lower().startswith("www.")]
    if explicit:
        # "https://…" may stand right behind a word of a script without spaces.
        return [pair for raw, result in explicit for pair in _behind_words(raw, result)]
    if len(pairs) == 1:
        return pairs
    return [(line, _no_address(line, "there is no web address in this line"))]


def _apart(word: str) -> list[str]:
    """A comma may be part of a path, but not of the name of a site."""
    if "://" in word:
        return [word]
    site, slash, path = word.partition("/")
    *others, last = re.split("[,;]", site)
    return [*others, last + slash + path]


def _behind_words(raw: str, result: str | FetchError) -> list[tuple[str, str | FetchError]]:
    at = re.search(r"https?://", raw, re.IGNORECASE)
    if isinstance(result, FetchError) and at and at.start() and not raw[: at.start()].isascii():
        inner = _peel(raw[at.start() :], _CLOSING + _PUNCTUATION)
        return [(inner, _try(inner))]
    return [(raw, result)]


def _try(text: str) -> str | FetchError:
    try:
        return normalise_address(text)
    except FetchError as error:
        return error


def _peel(text: str, closing_marks: str = _CLOSING) -> str:
    """Without the quotes, brackets and punctuation that stand around an address in a sentence."""
    while True:
        before = text
        if not re.match(r"\[[0-9a-f.]*:[0-9a-f:.]*\]", text, re.IGNORECASE):  # not IPv6
            text = text.lstrip(_OPENING)
        text = text.rstrip(closing_marks)
        for opening, closing in ("()", "[]"):
            if text.endswith(closing) and text.count(closing) > text.count(opening):
                text = text[:-1]
        if text == before:
            return text


def _split(bare: str, pasted: str) -> SplitResult:
    """The parts of an address, after a scheme was added where none is written."""
    if not bare or any(character.isspace() for character in bare):
        raise _no_address(pasted, "it is empty" if not bare else "it has spaces in it")
    if re.match(r"[a-z]:[\\/]|\\\\|[~/.]", bare, re.IGNORECASE) and not bare.startswith("//"):
        raise FetchError(
            pasted,
            f"“{_short(pasted)}” is a path on this computer, not a web address.",
            "Drop the file on the library page, or give its path to “localchat add”.",
        )
    scheme = _SCHEME.match(bare)
    name = scheme.group(1).lower() if scheme else ""
    if name and (bare[len(name) :].startswith("://") or name in _OTHER_SCHEMES):
        if name not in _DEFAULT_PORTS:
            next_step = "Use an address that starts with https:// or http://."
            if name == "file":
                next_step = "Drop the file itself on the library page."
            raise FetchError(
                pasted,
                f"LocalChat fetches web pages only, and “{_short(pasted)}” starts with {name}:.",
                next_step,
            )
        whole = bare
    else:
        whole = _with_scheme(bare.removeprefix("//"), pasted)
    try:
        return urlsplit(whole.replace("\\", "/"))
    except ValueError:
        raise _no_address(pasted, "its brackets do not match") from None


def _with_scheme(bare: str, pasted: str) -> str:
    host = re.split(r"[/?#]", bare, maxsplit=1)[0]
    name = host.rsplit(":", 1)[0] if re.search(r":\d*$", host) else host
    local = is_local(name)
    ending = name.rstrip(".").rsplit(".", 1)[-1].lower()
    if host == bare and ending in _FILE_ENDINGS and "." in name:
        raise _no_address(pasted, "it looks like the name of a file")
    if "@" in host:
        raise _no_address(pasted, "it looks like an e-mail address")
    domain = "." in name and re.fullmatch(r"[^\W\d_]{2,}|xn--[a-z0-9-]+", ending)
    if not (local or domain or _is_ip(name)):
        raise _no_address(pasted, "a site's name has a dot in it, as in example.org")
    return f"{'http' if local else 'https'}://{bare}"


def _host(parts: SplitResult, pasted: str) -> str:
    import idna

    if parts.username is not None or parts.password is not None:
        raise FetchError(
            pasted,
            "This address has a user name or password in it, and LocalChat does not keep those.",
            "Log in with your browser, save the page, and drop the file here.",
        )
    host = (parts.hostname or "").rstrip(".")
    if not host:
        raise _no_address(pasted, "it names no site")
    if _is_ip(host):
        return str(ipaddress.ip_address(host))
    try:
        name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        name = ""
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise _no_address(pasted, "the name of the site has characters that no site can have")
    return name


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _without_dots(path: str) -> str:
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[max(1, len(kept) - 1) :]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


def _escape(text: str, safe: str) -> str:
    def tidy(match: re.Match[str]) -> str:
        character = chr(int(match.group(1), 16))
        return character if character in _UNRESERVED else match.group(0).upper()

    text = re.sub("%(?![0-9a-fA-F]{2})", "%25", text)
    return quote(_ESCAPE.sub(tidy, text), safe=safe + "%")


def _short(text: str, limit: int = 100) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _no_address(pasted: str, reason: str) -> FetchError:
    return FetchError(
        pasted,
        f"“{_short(pasted)}” is not a web address: {reason}.",
        "Write it as in https://example.org/page.",
    )
