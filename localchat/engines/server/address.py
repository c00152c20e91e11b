"""The address of a model server, as a person types it, and whether it is on this computer."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from localchat.core.errors import ServerError

_ENDINGS = re.compile(r"(/chat/completions|/completions|/models|/)+$")
_VERSION = re.compile(r"/v\d+\w*(/|$)")
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # a server's words for "here"


@dataclass(frozen=True)
class Address:
    """``root`` is where a server's own pages are, ``api`` where the OpenAI-compatible ones are
    (it ends with ``/v1``, most often); neither ends with a slash."""

    root: str
    api: str
    host: str
    here: bool


def read_address(typed: str) -> Address:
    """``typed`` with or without ``http://``, ``/v1`` and a slash at the end.

    Raises:
        ServerError: it is no address of a server.
    """
    import httpx

    text = typed.strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        url = httpx.URL(text)
        host = url.host.rstrip(".").lower()
        port = url.port
    except (httpx.InvalidURL, ValueError) as error:
        raise _no_address(typed) from error
    usable = 0 < (port or 80) < 65_536 and not set(host) & set("% ")
    if url.scheme not in ("http", "https") or not host or not usable:
        raise _no_address(typed)
    if url.userinfo:
        raise ServerError(
            "This address has a name or a password in it.",
            "Write the address without it; the server's key has a field of its own.",
        )
    host = _EVERYWHERE.get(host, host)
    here = _is_loopback(host)
    if "://" not in typed and not here and port is None and not _is_number(host):
        url = url.copy_with(scheme="https")  # a site of the internet, whose name alone was typed
    url = url.copy_with(host=host, query=None, fragment=None)
    path = _ENDINGS.sub("", url.path)
    origin = str(url.copy_with(raw_path=b"/")).rstrip("/")
    api = f"{origin}{path}" if _VERSION.search(path) else f"{origin}{path}/v1"
    return Address(root=api.removesuffix("/v1"), api=api, host=host, here=here)


def is_this_computer(url: str) -> bool:
    """Whether ``url`` leads to this computer for sure: by ``localhost`` or a loopback number, and
    not by what some other name resolves to today. False for what is no address."""
    try:
        return read_address(url).here
    except ServerError:
        return False


def leads_to(url: str) -> str:
    """The other computer that ``url`` leads to; empty where it is this one.

    Raises:
        ServerError: it is no address of a server.
    """
    address = read_address(url)
    return "" if address.here else address.host


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(number, "ipv4_mapped", None)
    return bool((mapped or number).is_loopback)


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _no_address(typed: str) -> ServerError:
    return ServerError(
        f"“{typed.strip()[:100]}” is not the address of a server.",
        "It looks like http://localhost:11434 (Ollama) or http://localhost:1234 (LM Studio).",
    )
