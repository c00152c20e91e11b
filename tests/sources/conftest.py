"""A real web server on loopback that misbehaves in every way a server can."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PAGE = (
    "<html><head><title>Tea | A site</title></head><body><h1>Tea</h1>"
    "<p>Green tea is steamed soon after it is picked, so that its leaves stay green.</p>"
    "</body></html>"
)


class Handler(BaseHTTPRequestHandler):
    """Each path is one behaviour; what was asked is kept in ``server.requests``."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))  # type: ignore[attr-defined]
        path, _, rest = self.path.strip("/").partition("/")
        try:
            getattr(self, f"at_{path.partition('?')[0]}", self.at_nowhere)(rest)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def give(
        self, body: bytes, media_type: str = "text/html; charset=utf-8", **headers: str
    ) -> None:
        status = int(headers.pop("status", "200"))
        self.send_response(status)
        if media_type:
            self.send_header("Content-Type", media_type)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def at_nowhere(self, _: str) -> None:
        self.give(b"Not here", status="404")

    def at_page(self, _: str) -> None:
        self.give(PAGE.encode(), Set_Cookie="tracked=yes; Path=/")

    def at_status(self, rest: str) -> None:
        self.give(b"<p>No.</p>", status=rest)

    def at_challenge(self, _: str) -> None:
        self.give(b"<title>Just a moment...</title>", status="403", Cf_Mitigated="challenge")

    def at_hop(self, rest: str) -> None:
        left = int(rest)
        self.give(b"", status="302", Location=f"/hop/{left - 1}" if left else "/page",
                  Set_Cookie="hop=1; Path=/")  # fmt: skip

    def at_loop(self, _: str) -> None:
        self.give(b"", status="301", Location="/loop")

    def at_to(self, rest: str) -> None:
        self.give(b"", status="302", Location=rest)

    def at_drip(self, _: str) -> None:
        self.give(b"", Content_Length="100000")
        for _n in range(200):
            self.wfile.write(b"a")
            self.wfile.flush()
            time.sleep(0.05)

    def at_driphead(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _n in range(200):
            self.wfile.write(b"a")
            self.wfile.flush()
            time.sleep(0.05)

    def at_silent(self, _: str) -> None:
        self.server.stopped.wait(10)  # type: ignore[attr-defined]

    def at_cut(self, _: str) -> None:
        self.give(b"<p>half", Content_Length="5000")
        self.close_connection = True

    def at_big(self, _: str) -> None:
        self.give(b"a" * 3_000_000)

    def at_stream(self, _: str) -> None:  # no length is announced
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        for _n in range(100):
            self.wfile.write(b"a" * 100_000)

    def at_bomb(self, _: str) -> None:
        self.give(gzip.compress(b"0" * 30_000_000), Content_Encoding="gzip")

    def at_twice(self, _: str) -> None:
        self.give(gzip.compress(gzip.compress(b"0" * 10_000)), Content_Encoding="gzip, gzip")

    def at_gzip(self, _: str) -> None:
        self.give(gzip.compress(PAGE.encode()), Content_Encoding="gzip")

    def at_damaged(self, _: str) -> None:
        self.give(b"this is not gzip", Content_Encoding="gzip")

    def at_empty(self, _: str) -> None:
        self.give(b"  \n")

    def at_as(self, rest: str) -> None:
        self.give(b"\x89PNG\x00\x00\x01\x02 no text", rest)

    def at_untyped(self, rest: str) -> None:
        self.give(b"# Notes\n\nRead me." if rest.endswith(".md") else b"\x00\x01\x02\x03" * 50, "")

    def at_named(self, _: str) -> None:
        self.give(b"Some text here.", "text/plain",
                  Content_Disposition="attachment; filename*=UTF-8''..%2F%E8%8C%B6%20notes.txt")  # fmt: skip  # noqa: E501

    def at_gbk(self, _: str) -> None:
        self.give(
            "<title>茶</title><p>绿茶采摘以后很快就蒸青。</p>".encode("gbk"),
            "text/html; charset=GBK",
        )

    def at_login(self, _: str) -> None:
        self.give(b"<title>Sign in</title><p>Welcome</p><form><input type=password></form>")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 50

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.stopped = threading.Event()
        self.base = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture(scope="session")
def running_server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.stopped.set()
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def server(running_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    running_server.requests.clear()
    return running_server
