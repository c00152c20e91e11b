"""The child process that runs a model: ``python -m localchat.engines.child.worker module:Backend``.

Reads requests from stdin and writes events to stdout, one JSON object per line (see ``wire``).
The main thread works; a second thread reads, so that a cancel is heard while the model works and
the process ends at once when the app is gone; a third says "alive" as long as the work makes
steps. Whatever a library prints goes to stderr: file descriptor 1 is moved away first.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from typing import IO, Any, Protocol

from localchat.core.errors import EngineError, LoadError
from localchat.engines.child.wire import Message, error_to_message, to_line

logger = logging.getLogger(__name__)

ALIVE = 1.0
"""Seconds between two signs of life."""


class Cancelled(Exception):  # not an error: the person pressed Stop
    """The request was taken back."""


class Tell:
    """What a backend uses to report on one request, and to learn that it was taken back."""

    def __init__(self, number: int, send: Any) -> None:
        self.number = number
        self.cancelled = False
        self.steps = 0
        self._send = send
        self._last = 0.0

    def step(self) -> bool:
        """Count a step of work; True where the work should stop."""
        self.steps += 1
        return self.cancelled

    def check(self) -> None:
        """Count a step of work.

        Raises:
            Cancelled: the request was taken back.
        """
        if self.step():
            raise Cancelled

    def phase(
        self, name: str, done: int, total: int, per_second: float = 0, note: str = ""
    ) -> None:
        fields = {"name": name, "done": done, "total": total, "note": note}
        self.event("phase", **fields, per_second=round(per_second, 2))
        self._last = time.monotonic()

    def phase_now_and_then(self, name: str, done: int, total: int, per_second: float = 0) -> None:
        """As ``phase``, but at most some times per second."""
        if time.monotonic() - self._last > 0.25:
            self.phase(name, done, total, per_second)

    def loading(self, part: float) -> None:
        """Count a step of loading, of which ``part`` (0 to 1) is done."""
        self.step()
        self.phase_now_and_then("loading", int(part * 1000), 1000)

    def text(self, text: str) -> None:
        self.event("text", text=text)

    def thought(self, text: str) -> None:
        self.event("thought", text=text)

    def trying(self, **settings: int) -> None:
        """What a load is tried with (fields of ``ladder.Tried``), should it fail."""
        self.event("trying", settings=settings)

    def event(self, event: str, **fields: Any) -> None:
        self.steps += 1
        self._send({"id": self.number, "event": event, **fields})


class Loader(Protocol):
    """What runs in the child: it loads one model and keeps it."""

    def load(self, model: Message, tell: Tell) -> Message:
        """Load the model that ``model`` describes and return what is to be known about it."""


class Backend(Loader, Protocol):
    """What a kind of engine does in the child."""

    def count(self, request: Message) -> list[int]:
        """The tokens of each of ``texts``, or of all ``messages`` as a prompt.

        Called from another thread while ``answer`` runs.
        """

    def answer(self, request: Message, tell: Tell) -> Message:
        """Answer ``messages``, and return usage, timings and the reason of the end."""


class EmbeddingBackend(Loader, Protocol):
    """What a kind of embedding model does in the child."""

    def count(self, request: Message) -> list[int]:
        """The tokens of each of ``texts``, without marks."""

    def embed(self, request: Message, tell: Tell) -> Message:
        """The ``vectors`` of ``texts`` (see ``embeddings.vectors``), each behind ``prefix``.

        Called from another thread too while it runs, where its embedder asks ``beside``.
        """


class Worker:
    """The queue of one child, and its three threads. ``backend`` is a ``Backend`` or an
    ``EmbeddingBackend``: the app asks only for what it can do."""

    def __init__(self, backend: Any, requests: IO[bytes], events: IO[bytes]) -> None:
        self._backend = backend
        self._requests = requests
        self._events = events
        self._writing = threading.Lock()
        self._todo: queue.SimpleQueue[tuple[Message, Tell]] = queue.SimpleQueue()
        self._tells: dict[int, Tell] = {}
        self._info: Message | None = None

    def run(self) -> None:
        """Work until stdin closes."""
        threading.Thread(target=self._hear, daemon=True).start()
        threading.Thread(target=self._live, daemon=True).start()
        while True:
            request, tell = self._todo.get()
            self._serve(request, tell)
            self._tells.pop(tell.number, None)

    def _send(self, message: Message) -> None:
        line = to_line(message)
        with self._writing:
            try:
                self._events.write(line)
                self._events.flush()
            except OSError:
                os._exit(0)  # the app is gone

    def _hear(self) -> None:
        newest = 0
        for line in self._requests:
            request: Message = json.loads(line)
            number = request["id"]
            if request["op"] == "cancel" and number <= newest and number not in self._tells:
                continue  # too late: it is over
            newest = max(newest, number)
            tell = self._tells.setdefault(number, Tell(number, self._send))
            if request["op"] == "cancel":
                tell.cancelled = True  # kept for its request where it came before it
            elif request.get("beside") and self._info is not None:
                self._serve(request, tell)
                self._tells.pop(number, None)
            else:
                self._todo.put((request, tell))
        os._exit(0)  # the app is gone; nothing here is worth a moment more

    def _live(self) -> None:
        before = 0
        while True:
            time.sleep(ALIVE)
            now = sum(tell.steps for tell in list(self._tells.values()))
            if now != before:
                self._send({"event": "alive"})
            before = now

    def _serve(self, request: Message, tell: Tell) -> None:
        try:
            tell.event("started")
            if self._info is None:
                tell.phase("loading", 0, 1000)
                self._info = self._backend.load(request["model"], tell)
                tell.event("loaded", info=self._info)
            tell.check()
            tell.event("done", **self._do(request, tell))
        except Cancelled:
            tell.event("done", finish_reason="cancelled")
        except EngineError as error:
            self._fail(tell, error)
        except MemoryError:
            what = "There is not enough memory for this model."
            self._fail(tell, LoadError(what, "Choose a smaller one.", "memory"))
        except Exception as mistake:  # the edge: the app must hear of whatever it is
            logger.exception("request %s failed", request.get("op"))
            ours = EngineError(
                f"The program that runs the model made a mistake ({mistake!r:.300}).",
                "Its log has the details.",
            )
            self._fail(tell, ours)

    def _fail(self, tell: Tell, error: EngineError) -> None:
        """Tell it. Half a model is left where a load failed: the next one begins in a new child."""
        fatal = self._info is None
        tell.event("error", error=error_to_message(error), fatal=fatal)
        if fatal:
            os._exit(0)

    def _do(self, request: Message, tell: Tell) -> Message:
        match request["op"]:
            case "load":
                return {"info": self._info}
            case "count":
                return {"counts": self._backend.count(request)}
            case "answer":
                answered: Message = self._backend.answer(request, tell)
                return answered
            case "embed":
                embedded: Message = self._backend.embed(request, tell)
                return embedded
            case op:
                raise ValueError(f"unknown request {op}")


def main() -> None:
    """Move the pipes out of the way of everybody else, then work."""
    requests = os.fdopen(os.dup(0), "rb")
    events = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the app to handle
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    module, _, name = sys.argv[1].partition(":")
    backend: Loader = getattr(importlib.import_module(module), name)()
    Worker(backend, requests, events).run()


if __name__ == "__main__":
    # Not this module under another name: a backend imports its classes from the real one.
    importlib.import_module("localchat.engines.child.worker").main()
