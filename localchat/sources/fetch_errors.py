"""The sentences for everything that can go wrong on the way to an address."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from localchat.core.errors import FetchError
from localchat.sources.kinds import WHAT_CAN_BE_READ

if TYPE_CHECKING:
    import httpx

_SAVE = "Open it in your browser, save the page, and drop the file here."
_LATER = "Try again later, or open it in your browser, save the page, and drop the file here."
_WHAT = {"image": "an image", "video": "a video", "audio": "a sound", "font": "a font"}
_WHAT_EXACTLY = {
    "application/zip": "a zip archive",
    "application/gzip": "a compressed file",
    "application/epub+zip": "an e-book",
    "application/msword": "a Word document",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "a Word document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "a spreadsheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "a presentation",
}


def failed(address: str, error: Exception) -> FetchError:
    """For an error of httpx: the reason stands at the end of its chain of causes."""
    import httpx

    host = _site(address)
    causes = _causes(error)
    if isinstance(error, httpx.ProxyError):
        return FetchError(
            address,
            f"The proxy of this computer refused the way to {host} ({error}).",
            "Check the proxy settings (HTTPS_PROXY, ALL_PROXY), or switch the proxy off.",
        )
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return _tls(address, host, str(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return FetchError(
            address,
            f"There is no site named {host}, or this computer is not connected to the internet.",
            "Check the spelling of the address and the connection.",
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return FetchError(
            address,
            f"{host} refused the connection: nothing answers there.",
            "Check the address and its port, and whether the server is running.",
        )
    if isinstance(error, httpx.ConnectError):
        return FetchError(
            address,
            f"{host} could not be reached.",
            "Check whether this computer is connected to the internet, and try again.",
        )
    if isinstance(error, httpx.DecodingError):
        return FetchError(address, f"What {host} sent was damaged on the way.", _LATER)
    if isinstance(error, httpx.InvalidURL):
        return FetchError(address, "This address cannot be understood.", "Check its spelling.")
    return FetchError(address, f"{host} broke off before the page was complete.", _LATER)


def _tls(address: str, host: str, reason: str) -> FetchError:
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        what = f"{host} could not prove who it is: its certificate is not valid."
        next_step = (
            "Check the date of this computer. If the site is your own or your company's, "
            "set SSL_CERT_FILE to its certificate; else save the page in your browser and drop "
            "the file here."
        )
    else:
        what = f"No secure connection to {host} could be made."
        next_step = "If the site has no https, write http:// in front of the address."
    return FetchError(address, what, next_step)


def bad_status(address: str, response: httpx.Response) -> FetchError:
    status, host = response.status_code, _site(str(response.url))
    if "challenge" in response.headers.get("cf-mitigated", ""):
        what = f"{host} checks whether its visitor is a person, and does not answer a program"
        next_step = _SAVE
    elif status in (401, 403, 407, 451):
        what = f"{host} wants a login for this page, or refuses programs"
        next_step = "Save the page in your browser and drop the file here."
    elif status in (404, 410):
        what = f"{host} has no page at this address"
        next_step = "Check the address: the page may have moved."
    elif status == 429:
        what = f"{host} says that it was asked too often"
        next_step = "Wait some minutes and try again."
    elif status >= 500:
        what, next_step = f"{host} has a problem of its own", _LATER
    else:
        what, next_step = f"{host} did not give the page", _SAVE
    return FetchError(address, f"{what} (HTTP {status}).", next_step, status)


def bad_redirect(address: str, reason: str) -> FetchError:
    return FetchError(
        address,
        f"{_site(address)} never led to a page: {reason}.",
        "Open it in your browser and add the address where it ends up, or save the page there "
        "and drop the file here.",
    )


def too_slow(address: str, seconds: float) -> FetchError:
    return FetchError(
        address, f"{_site(address)} did not deliver the page within {seconds:g} seconds.", _LATER
    )


def too_big(address: str, size: int | None, limit: int) -> FetchError:
    has = "more" if size is None else f"{_megabytes(size)} MB"
    return FetchError(
        address,
        f"This page is too big: it has {has}, and the limit is {_megabytes(limit)} MB.",
        "Raise the limit in the settings, or save the part that you need and drop the file here.",
    )


def not_text(address: str, media_type: str) -> FetchError:
    what = _WHAT_EXACTLY.get(media_type) or _WHAT.get(media_type.partition("/")[0], "no text")
    return FetchError(
        address,
        f"At this address there is {what} ({media_type or 'of unknown type'}). {WHAT_CAN_BE_READ}",
        "If it holds text, save it as PDF or text and drop the file here.",
    )


def unknown_compression(address: str, encoding: str) -> FetchError:
    return FetchError(
        address, f"The page came compressed in a way that was not asked for ({encoding}).", _SAVE
    )


def no_client(address: str, error: Exception) -> FetchError:
    socks = "socks" in str(error).lower()
    return FetchError(
        address,
        "The proxy settings of this computer name a SOCKS proxy, which needs one more package."
        if socks
        else f"The proxy or certificate settings of this computer cannot be used ({error}).",
        "Install it with “pip install socksio”, or set HTTPS_PROXY to an http:// proxy."
        if socks
        else "Check the variables HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE.",
    )


def _site(address: str) -> str:
    return urlsplit(address).netloc or address


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f}".removesuffix(".0")


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
