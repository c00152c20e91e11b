"""What a model server says while it answers, as events: read from the lines of its stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from localchat.core.errors import EngineError, ServerError
from localchat.engines.server.address import Address
from localchat.engines.server.errors import CutOff, garbled, read_too_long, said_in
from localchat.engines.thinking import Kind, Splitter


@dataclass(frozen=True)
class Piece:
    """A piece of the answer, or of what the model thinks before it."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Counted:
    """The prompt has so many tokens, by the server's count (``exact``) or about."""

    tokens: int
    exact: bool


@dataclass(frozen=True)
class Reading:
    """So many tokens of the prompt are read, of those that need reading."""

    done: int
    total: int


@dataclass(frozen=True)
class NotYet:
    """The server loads a model, or is busy; it is asked again."""

    note: str


@dataclass(frozen=True)
class Window:
    """The server says how many tokens its context window has."""

    tokens: int


Event = Counted | Piece | Reading | NotYet | Window


@dataclass
class Reply:
    """How the answer ended, in the server's words; ``pieces`` were counted by us."""

    finish_reason: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, Any] = field(default_factory=dict)
    pieces: int = 0


class AnswerReader:
    """Reads the lines of a stream of server-sent events with OpenAI's chunks in them, until the
    answer (without what was thought before it) has ``most`` pieces.

    Each ``data:`` line is one chunk (JSON has no need for more). ``begun`` once a piece of the
    answer came, ``done`` at the mark that ends a stream. A server that does not stream sends the
    whole answer as one line, which is read as well.
    """

    def __init__(self, address: Address, most: int) -> None:
        self.reply = Reply()
        self.begun = False
        self.done = False
        self._left = most
        self._address = address
        self._splitter = Splitter()

    def line(self, line: str) -> Iterator[Event]:
        """What ``line`` says.

        Raises:
            PromptTooLong: the server says so.
            ServerError: the server reports an error, or the line is damaged.
        """
        name, colon, value = line.partition(":")
        if line.startswith("{"):
            data = line
        elif colon and name in ("data", "error"):
            data = value.strip()
        else:
            return
        if data == "[DONE]":
            self.done = True
            return
        try:
            chunk = json.loads(data)
        except ValueError as error:
            raise garbled(self._address) from error
        if not isinstance(chunk, dict):
            raise garbled(self._address)
        if name == "error" or chunk.get("error"):
            raise self._reported(chunk)
        yield from self._chunk(chunk)

    def end(self) -> Iterator[Event]:
        """What was held back.

        Raises:
            ServerError: the answer was cut off.
        """
        if not self.reply.finish_reason and not self.done:
            raise CutOff(self._address, begun=self.begun)
        for kind, text in self._splitter.finish():
            yield Piece(kind, text)

    def _chunk(self, chunk: dict[str, Any]) -> Iterator[Event]:
        for name in ("usage", "timings"):
            if isinstance(chunk.get(name), dict):
                setattr(self.reply, name, chunk[name])
        progress = chunk.get("prompt_progress")
        if isinstance(progress, dict):
            done, total, kept = (
                int(number(progress.get(name))) for name in ("processed", "total", "cache")
            )
            yield Reading(done - kept, total - kept)
        choices = chunk.get("choices")
        if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
            return
        choice = choices[0]
        delta = choice.get("delta") or choice.get("message") or {}
        yield from self._delta(delta if isinstance(delta, dict) else {})
        self.reply.finish_reason = str(choice.get("finish_reason") or self.reply.finish_reason)

    def _delta(self, delta: dict[str, Any]) -> Iterator[Event]:
        thought = _text(delta.get("reasoning_content") or delta.get("reasoning"))
        text = _text(delta.get("content"))
        if not thought and not text:
            return
        self.begun = True
        self.reply.pieces += 1
        if thought:
            yield Piece("thought", thought)
        for kind, part in self._splitter.add(text):
            yield Piece(kind, part)
            self._left -= kind == "text"
        if self._left <= 0:
            self.reply.finish_reason, self.done = "length", True

    def _reported(self, chunk: dict[str, Any]) -> EngineError:
        message, details = said_in(chunk if chunk.get("error") else {"error": chunk})
        return read_too_long(message, details) or ServerError(
            f"The server at {self._address.root} reports an error: {message or 'no reason given'}.",
            "Its own window or log says more.",
        )


def number(value: Any) -> float:
    """``value`` where it is a number, else 0: servers send what they like."""
    return value if isinstance(value, int | float) else 0


def _text(value: Any) -> str:
    if isinstance(value, list):  # in parts, as Mistral's servers send it
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""
