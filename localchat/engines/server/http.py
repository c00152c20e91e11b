"""HTTP to a model server: one client with our limits, and errors in words for people.

No redirect is followed: it could lead the questions to another computer than the one agreed to.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from localchat.core.errors import ConsentNeeded
from localchat.engines.server.address import Address, read_address
from localchat.engines.server.errors import (
    CutOff,
    bad_key,
    bad_status,
    no_answer,
    no_client,
    not_a_server,
    transport_failed,
)

if TYPE_CHECKING:
    import httpx

LARGEST = 10_000_000
"""Bytes of the longest reply that is no stream."""


class Http:
    """An open way to the server at ``address``. Made by ``open_http``."""

    def __init__(self, client: httpx.AsyncClient, address: Address) -> None:
        self.address = address
        self._client = client

    async def ask(self, url: str, seconds: float, body: Any = None) -> Any:
        """The JSON at ``url``; a ``body`` is sent as JSON with POST. ``seconds`` for all of it.

        Raises:
            ServerError: nothing answers, not in time, or something else than JSON. Its ``status``
                is the server's, where that was not 200.
        """
        try:
            async with asyncio.timeout(seconds):
                try:
                    status, content = await self._ask_once(url, body)
                except CutOff:  # it had closed a connection that we still thought open
                    status, content = await self._ask_once(url, body)
        except TimeoutError as error:
            raise no_answer(self.address, seconds) from error
        if status != 200:
            raise bad_status(self.address, status, content)
        try:
            return json.loads(content)
        except ValueError as error:
            raise not_a_server(self.address, content) from error

    async def _ask_once(self, url: str, body: Any) -> tuple[int, bytes]:
        async with self.stream(url, body) as response:
            return response.status_code, await read_whole(response)

    @asynccontextmanager
    async def stream(self, url: str, body: Any = None) -> AsyncIterator[httpx.Response]:
        """The response to GET, or to POST with a ``body``, while it comes in.

        Raises:
            ServerError: nothing answers, or the connection broke.
        """
        method = "GET" if body is None else "POST"
        with transport_errors(self.address):
            async with self._client.stream(method, url, json=body) as response:
                yield response


@asynccontextmanager
async def open_http(
    url: str, key: SecretStr, agreed: bool, connect_seconds: float
) -> AsyncIterator[Http]:
    """A way to the server at ``url``.

    Raises:
        ConsentNeeded: it is another computer, and nobody ``agreed``; nothing was sent.
        ServerError: ``url`` is no address, or ``key`` cannot be sent.
    """
    address = read_address(url)
    if not address.here and not agreed:
        raise ConsentNeeded(address.host)
    async with _client(address, key, connect_seconds) as client:
        yield Http(client, address)


def _client(address: Address, key: SecretStr, connect_seconds: float) -> httpx.AsyncClient:
    import httpx

    headers = {
        "Accept": "application/json, text/event-stream",
        "Accept-Encoding": "identity",  # whoever packs a stream holds it back
    }
    if secret := key.get_secret_value().strip():
        if not (secret.isascii() and secret.isprintable()):
            raise bad_key(address)
        headers["Authorization"] = f"Bearer {secret}"
    try:
        return httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(None, connect=connect_seconds),
            follow_redirects=False,
            trust_env=not address.here,  # no proxy leads to this computer
            verify=_certificates(address),
        )
    except (ImportError, ValueError, OSError) as error:
        raise no_client(address, error) from error


def _certificates(address: Address) -> ssl.SSLContext:
    if address.here and address.root.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # none: loading them takes a while
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


async def read_whole(response: httpx.Response, limit: int = LARGEST) -> bytes:
    """The content of ``response``, cut off at ``limit`` bytes."""
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > limit:
            break
    return bytes(content[:limit])


@contextmanager
def transport_errors(address: Address) -> Iterator[None]:
    """Turns what httpx raises into a ``ServerError``."""
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        raise transport_failed(address, error) from error
