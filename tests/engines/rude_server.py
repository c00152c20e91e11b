"""A model server on loopback that behaves as it is told: well, or in one of many bad ways."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

MODEL = "polite"
ANSWER = ["Simple ", "prompting ", "[1], ", "说明 🐛."]
Way = Callable[["_Handler"], None]


class RudeServer:
    """``way`` says how it answers questions (see ``WAYS``), ``pages`` what it answers at other
    paths: JSON, or (status, JSON). ``asked`` holds method, path, headers and body of what came;
    ``left`` is set when somebody went away in the middle of an answer."""

    def __init__(self, port: int = 0) -> None:
        self.way = "good"
        self.pages: dict[str, Any] = {
            "/v1/models": {"data": [{"id": MODEL, "owned_by": "us", "max_model_len": 4096}]}
        }
        self.asked: list[tuple[str, str, dict[str, str], dict[str, Any]]] = []
        self.left = threading.Event()
        self.closing = threading.Event()
        self.refusals = 0
        owner = self

        class Handler(_Handler):
            server_of = owner

        self._server = _Quiet(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def questions(self) -> list[dict[str, Any]]:
        """The bodies of the questions."""
        return [body for _, path, _, body in self.asked if path.endswith("/chat/completions")]

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """That somebody goes away in the middle is what many of the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server_of: RudeServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._serve(json.loads(self.rfile.read(length) or b"{}"))

    def _serve(self, body: dict[str, Any]) -> None:
        owner = self.server_of
        path = self.path.partition("?")[0]
        owner.asked.append((self.command, path, dict(self.headers), body))
        self.body = body
        if path.endswith("/chat/completions"):
            WAYS[owner.way](self)
        elif path in owner.pages:
            page = owner.pages[path]
            status, page = page if isinstance(page, tuple) else (200, page)
            self.reply(status, page)
        else:
            self.reply(404, {"error": {"message": "no such page"}})

    def reply(self, status: int, body: Any, media: str = "application/json") -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    # Streaming

    def begin(self, media: str = "text/event-stream") -> None:
        self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send(self, content: bytes) -> None:
        try:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
            self.wfile.flush()
        except OSError:
            self.server_of.left.set()
            raise

    def say(self, text: str, **more: Any) -> None:
        self.chunk({"choices": [{"delta": {"content": text}, "finish_reason": None}], **more})

    def chunk(self, chunk: dict[str, Any]) -> None:
        self.send(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    def end(self, finish_reason: str | None = "stop", *, mark: bool = True) -> None:
        if finish_reason:
            self.chunk({"choices": [{"delta": {}, "finish_reason": finish_reason}]})
        if mark:
            self.send(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def hang_up(self) -> None:
        """Close the connection in the middle of whatever it is."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def wait_until_left(self) -> None:
        """Say nothing until the other side goes away."""
        while not self.server_of.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.02)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                self.server_of.left.set()
                break
        self.close_connection = True


def _good(handler: _Handler) -> None:
    handler.begin()
    for piece in ANSWER:
        handler.say(piece)
    handler.chunk({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    usage = {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24}
    handler.chunk({"choices": [], "usage": usage})
    handler.end(None)


def _echo(handler: _Handler) -> None:
    handler.begin()
    handler.say(handler.body["messages"][-1]["content"])
    handler.end()


def _slow(handler: _Handler) -> None:
    handler.begin()
    while not handler.server_of.closing.is_set():
        handler.say("on and on ")
        time.sleep(0.01)


def _stalls(handler: _Handler) -> None:
    handler.begin()
    handler.say("Simple ")
    handler.wait_until_left()


def _silent(handler: _Handler) -> None:
    handler.wait_until_left()


def _cut(handler: _Handler) -> None:
    handler.begin()
    handler.say("Simple ")
    handler.send(b'data: {"choices": [{"delta": {"content": "promp')
    handler.hang_up()


def _ends_too_early(handler: _Handler) -> None:
    handler.begin()
    handler.say("Simple ")
    handler.end(None, mark=False)


def _no_mark(handler: _Handler) -> None:
    handler.begin()
    handler.say("Simple")
    handler.end(mark=False)


def _hangs_up(handler: _Handler) -> None:
    handler.hang_up()


def _broken_utf8(handler: _Handler) -> None:
    handler.begin()
    handler.send(b'data: {"choices":[{"delta":{"content":"Simple \xff\xe8\xaf prompting"}}]}\n\n')
    handler.end()


def _split_utf8(handler: _Handler) -> None:
    handler.begin()
    line = 'data: {"choices":[{"delta":{"content":"说明 🐛"}}]}\n\n'.encode()
    for byte in line:
        handler.send(bytes([byte]))
    handler.end()


def _broken_json(handler: _Handler) -> None:
    handler.begin()
    handler.say("Simple ")
    handler.send(b'data: {"choices": [{"delta": {"content": "promp}]}\n\n')
    handler.end()


def _huge_line(handler: _Handler) -> None:
    handler.begin()
    for _ in range(3000):
        handler.send(b"x" * 1000)
    handler.end()


def _html(handler: _Handler) -> None:
    handler.reply(200, b"<!DOCTYPE html><title>Router</title>", "text/html")


def _error_within(handler: _Handler) -> None:
    handler.begin()
    handler.say("Simple ")
    handler.chunk({"error": {"message": "the GPU is on fire", "code": 500}})
    handler.end(None)


def _whole(handler: _Handler) -> None:
    message = {"role": "assistant", "content": "".join(ANSWER)}
    choices = [{"message": message, "finish_reason": "stop"}]
    handler.reply(200, json.dumps({"choices": choices}, indent=1).encode())


def _thinks(handler: _Handler) -> None:
    handler.begin()
    handler.chunk({"choices": [{"delta": {"reasoning_content": "Let me see. "}}]})
    handler.chunk({"choices": [{"delta": {"reasoning": "Yes."}}]})
    handler.say("Simple.")
    handler.end()


def _thinks_aloud(handler: _Handler) -> None:
    handler.begin()
    for piece in ("<th", "ink>Let me", " see.</thi", "nk>\n\nSimple."):
        handler.say(piece)
    handler.end()


def _nonsense(handler: _Handler) -> None:
    handler.begin()
    handler.chunk({"prompt_progress": {"processed": None, "total": "many"}, "choices": {}})
    handler.chunk({"choices": [None], "usage": {"prompt_tokens": "seven"}, "timings": []})
    handler.chunk({"choices": [{"delta": ["?"]}], "timings": {"prompt_ms": None}})
    handler.chunk({"usage": {"prompt_tokens_details": [], "completion_tokens": None}})
    handler.say("Simple.")
    handler.end()


def _particular(handler: _Handler) -> None:
    """Refuses what OpenAI's protocol does not know."""
    if "stream_options" in handler.body:
        handler.reply(400, {"error": {"message": "Unrecognized request argument"}})
    else:
        _good(handler)


def _refuses(status: int, body: Any, times: int = 0) -> Way:
    """Answers with ``status``; ``times`` given, well after so many refusals."""

    def way(handler: _Handler) -> None:
        handler.server_of.refusals += 1
        if times and handler.server_of.refusals > times:
            _good(handler)
        else:
            handler.reply(status, body)

    return way


def _redirects(handler: _Handler) -> None:
    handler.send_response(307)
    handler.send_header("Location", "http://127.0.0.2:9/v1/chat/completions")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


WAYS: dict[str, Way] = {
    "good": _good,
    "echo": _echo,
    "slow": _slow,
    "stalls": _stalls,
    "silent": _silent,
    "cut": _cut,
    "ends too early": _ends_too_early,
    "no mark": _no_mark,
    "hangs up": _hangs_up,
    "broken UTF-8": _broken_utf8,
    "split UTF-8": _split_utf8,
    "broken JSON": _broken_json,
    "huge line": _huge_line,
    "HTML": _html,
    "error within": _error_within,
    "whole": _whole,
    "thinks": _thinks,
    "thinks aloud": _thinks_aloud,
    "particular": _particular,
    "nonsense": _nonsense,
    "redirects": _redirects,
    "401": _refuses(401, {"error": {"message": "Invalid API key"}}),
    "403": _refuses(403, {"detail": "Forbidden"}),
    "404": _refuses(404, {"error": {"message": "model not found"}}),
    "500": _refuses(500, {"error": {"message": "out of memory: " + "x" * 5000}}),
    "400": _refuses(400, {"error": "the template refuses this"}),
    "busy": _refuses(429, {"error": {"message": "slow down"}}, times=2),
    "loads": _refuses(503, {"error": {"message": "Loading model"}}, times=2),
    "llama-server: too long": _refuses(
        400,
        {
            "error": {
                "code": 400,
                "message": "request (5000 tokens) exceeds the available context size (4096 "
                "tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 5000,
                "n_ctx": 4096,
            }
        },
    ),
    "OpenAI: too long": _refuses(
        400,
        {
            "error": {
                "message": "This model's maximum context length is 4096 tokens. However, your "
                "messages resulted in 5000 tokens.",
                "code": "context_length_exceeded",
            }
        },
    ),
    "vLLM: too long": _refuses(
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested "
            "5512 tokens (5000 in the messages, 512 in the completion).",
        },
    ),
    "LM Studio: too long": _refuses(
        400,
        {
            "error": "Trying to keep the first 5000 tokens when context the overflows. However, "
            "the model is loaded with context length of only 4096 tokens"
        },
    ),
}


@pytest.fixture
def rude(monkeypatch: pytest.MonkeyPatch) -> Iterator[RudeServer]:
    """A server that behaves well until it is told otherwise. No proxy is set."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    opened = RudeServer()
    yield opened
    opened.close()
