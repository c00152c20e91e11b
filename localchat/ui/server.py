"""The web server behind the window: localhost only, with a wall round what a page may load."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SCRIPT = Path(__file__).parents[2] / "streamlit_app.py"

# Whatever a page, a passage or a model's answer holds, the browser asks no other computer for it.
# Styles and scripts are Streamlit's own, from this server; it needs inline styles and eval.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' ws://localhost:* ws://127.0.0.1:* data: blob:",
        "worker-src 'self' blob:",
        "frame-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Wall:
    """ASGI middleware: ``HEADERS`` on every HTTP response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


@asynccontextmanager
async def _lifespan(_: object) -> AsyncIterator[None]:
    """Open the library while the browser is still loading the page; close it at the end."""
    from localchat.ui import resources

    threading.Thread(target=resources.warm_up, name="warm-up", daemon=True).start()
    yield
    resources.shut_down()


def run(port: int, address: str) -> None:
    """Serve until interrupted. ``address`` is what others are told who want this data folder."""
    from localchat.ui import resources

    resources.announced = address
    # Streamlit looks for .streamlit/config.toml where it is started.
    os.chdir(SCRIPT.parent)
    app = st.App(str(SCRIPT), middleware=[Middleware(Wall)], lifespan=_lifespan)
    app.run(
        config={
            "server.port": port,
            "server.headless": True,
            # For programs on this computer that drive the window, such as the tests.
            "server.enableAgentApi": os.environ.get("LOCALCHAT_AGENT_API") == "1",
        }
    )
