"""What every test gets: a data folder of its own. And, on request, a web site and an open app."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from localchat.app import LocalChat
    from localchat.engines.embeddings.built_in import BuiltInEmbedder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data folder of this test: nobody's real one is ever touched."""
    for name in list(os.environ):
        if name.startswith("LOCALCHAT_") and name != "LOCALCHAT_EMBEDDER_FOLDER":
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("LOCALCHAT_HOME", str(folder))
    # Behind the welcome, which has tests of its own.
    monkeypatch.setenv("LOCALCHAT_WELCOME_STEP", "4")
    yield folder
    ours = logging.getLogger("localchat")
    for handler in list(ours.handlers):
        if str(tmp_path) in getattr(handler, "baseFilename", ""):
            ours.removeHandler(handler)
            handler.close()


@pytest.fixture(scope="session")
def kept_search_model() -> Iterator[BuiltInEmbedder]:
    """The real embedder, whose process serves all tests: each test's own would take half a second
    to start."""
    from localchat.engines.embeddings.built_in import BuiltInEmbedder
    from localchat.models.minilm import embedder_folder

    class Kept(BuiltInEmbedder):
        def close(self) -> None:
            """Not yet: the next test needs it."""

    if not (embedder_folder() / "manifest.json").exists():
        pytest.skip("the search model is not built here: run start.py")
    kept = Kept(embedder_folder())
    yield kept
    BuiltInEmbedder.close(kept)


@pytest.fixture
def search_model(kept_search_model: BuiltInEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test needs the real embedder: it is skipped where that is not built."""
    monkeypatch.setattr(
        "localchat.engines.embeddings.built_in.BuiltInEmbedder", lambda *_, **__: kept_search_model
    )


@pytest.fixture
def chat(search_model: None, home: Path) -> Iterator[LocalChat]:
    """The app on this test's data folder, as the window opens it."""
    from localchat.app import open_localchat

    opened = open_localchat(alone=True)
    yield opened
    opened.close()


class Site:
    """A web server on loopback. ``pages`` maps a path to HTML (or bytes and a media type);
    ``asked`` holds the paths that were asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, str | tuple[bytes, str]] = {}
        self.asked: list[str] = []
        self.before_answer: Callable[[str], None] = lambda _: None
        site = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                site.asked.append(self.path)
                site.before_answer(self.path)
                page = site.pages.get(self.path)
                body, media_type = (
                    page if isinstance(page, tuple) else ((page or "gone").encode(), "text/html")
                )
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        self.port = self._server.server_address[1]
        self.base = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    opened = Site()
    yield opened
    opened.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of two megabytes, where this computer lets us make one."""
    yield from _mounted(tmp_path / "small disk", "size=2m")


def _mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        )
    except OSError:
        pytest.skip("needs `mount`")
    if done.returncode != 0:
        pytest.skip("making a small disk needs more rights than this user has")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk that cannot be written to, not even by root."""
    yield from _mounted(tmp_path / "read-only disk", "ro,size=1m")
