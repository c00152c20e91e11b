"""How one answer goes: what is asked of the server, and the chunks that tell of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from langchain_core.outputs import ChatGenerationChunk

from localchat.core.errors import PromptTooLong, ServerError
from localchat.engines.base import (
    Ended,
    Phase,
    phase_chunk,
    text_chunk,
    thought_chunk,
)
from localchat.engines.choices import SHORTEST_ANSWER, room_for_prompt
from localchat.engines.server.count import count_prompt, estimate_prompt
from localchat.engines.server.errors import CutOff
from localchat.engines.server.http import Http
from localchat.engines.server.kinds import Facts, Kind
from localchat.engines.server.reader import (
    Counted,
    Event,
    NotYet,
    Piece,
    Reading,
    Reply,
    Window,
    number,
)
from localchat.engines.server.state import ServerState
from localchat.engines.server.stream import Patience, chat, request_body, why_it_broke_off
from localchat.engines.thinking import THINKING_TOKENS

logger = logging.getLogger(__name__)

NOW_AND_THEN = 0.25
CAN_BE_STOPPED: tuple[Kind, ...] = ("llama-server", "vllm", "ollama")
"""Servers that let us ask a model not to think first."""


@dataclass(frozen=True)
class Question:
    """What is asked, of which server. ``context`` is the window in tokens, where it is ``known``
    and not assumed; ``wrong`` is a factor for estimates of tokens."""

    facts: Facts
    turns: list[dict[str, str]]
    writing: dict[str, Any]
    stop: list[str]
    context: int
    known: bool
    patience: Patience
    wrong: float = 1.0

    @property
    def most(self) -> int:
        """The longest answer, in tokens."""
        return int(self.writing["answer_tokens"])

    @property
    def most_with_thoughts(self) -> int:
        """The same, with what is thought before it: also where that cannot be switched off, since
        such a model would think until nothing is left for its answer."""
        facts = self.facts
        stubborn = facts.kind not in CAN_BE_STOPPED or "gpt-oss" in facts.model.lower()
        return self.most + (THINKING_TOKENS if self.writing["thinking"] or stubborn else 0)


async def count(
    http: Http, facts: Facts, turns: list[dict[str, str]], wrong: float, *, thinking: bool
) -> Counted:
    """The tokens of the prompt: the server's count, or ours.

    Raises:
        ServerError: it does not answer.
    """
    if facts.can_count:
        try:
            tokens = await count_prompt(http, facts, turns, thinking=thinking)
        except ServerError as error:
            if error.status is None:
                raise
            logger.info("the server does not count tokens after all: %s", error.what)
        else:
            return Counted(tokens, exact=True)
    return Counted(round(estimate_prompt(turns) * wrong), exact=False)


async def answer(http: Http, question: Question, tell: Callable[[Event], None]) -> Reply:
    """Ask ``question``, tell what comes, and return how it ended.

    Raises:
        PromptTooLong: by our count or by the server's.
        ServerError: see ``stream.chat``.
    """
    facts, writing = question.facts, question.writing
    thinking, most = bool(writing["thinking"]), question.most_with_thoughts
    counted = await count(http, facts, question.turns, question.wrong, thinking=thinking)
    if question.known:
        limit = room_for_prompt(question.context, writing["answer_tokens"])
        if counted.tokens > limit:
            raise PromptTooLong(counted.tokens, limit)
        most = min(most, max(question.context - counted.tokens, SHORTEST_ANSWER))
    tell(counted)
    body = request_body(facts, question.turns, writing, most, question.stop)
    try:
        try:
            return await chat(http, body, question.most, question.patience, tell)
        except CutOff as error:
            if not error.begun and facts.kind == "llama-cpp-python":
                await why_it_broke_off(http, body, question.patience)
            raise
    except PromptTooLong as error:
        tell(Window(error.limit))
        tokens, limit = error.tokens or counted.tokens, error.limit or question.context
        raise PromptTooLong(tokens, limit) from error


class Course:
    """What ``answer`` tells, as chunks, and what was measured on the way. ``spent`` are the
    seconds of the phases before."""

    def __init__(self, state: ServerState, most: int, spent: dict[str, float]) -> None:
        self.counted = Counted(0, exact=False)
        self._state = state
        self._most = most
        self._spent = spent
        self._sent = time.monotonic()
        self._first = 0.0
        self._told = 0.0
        self._pieces = 0
        self._said = 0

    def take(self, event: Event) -> Iterator[ChatGenerationChunk]:
        """The chunks that tell of ``event``."""
        now = time.monotonic()
        match event:
            case Counted(tokens):
                self.counted = event
                yield self._tell(Phase("reading", 0, tokens))
            case Window(tokens):
                self._state.learned_context(tokens)
            case NotYet(note):
                yield self._tell(Phase("loading", 0, 1000, note=note))
            case Reading(done, total):
                per_second = done / max(now - self._sent, 1e-6)
                yield self._tell(Phase("reading", done, total, round(per_second, 2)))
            case Piece(kind, text):
                if not self._first:
                    self._first = now
                    yield self._tell(Phase("writing", 0, self._most))
                self._pieces += 1
                self._said += kind == "text"
                yield thought_chunk(text) if kind == "thought" else text_chunk(text)
                if now - self._told > NOW_AND_THEN:
                    speed = round(self._pieces / max(now - self._first, 1e-6), 2)
                    yield self._tell(Phase("writing", self._said, self._most, speed))

    def end(self, reply: Reply) -> Ended:
        """The sums, with the server's own numbers where it gives them."""
        now = time.monotonic()
        first = self._first or now
        usage, timings = reply.usage, reply.timings
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else 0
        tokens_in = int(number(usage.get("prompt_tokens")))
        tokens_out = int(
            number(usage.get("completion_tokens")) or number(timings.get("predicted_n"))
        )
        seconds = {
            **self._spent,
            "reading": number(timings.get("prompt_ms")) / 1000 or first - self._sent,
            "writing": number(timings.get("predicted_ms")) / 1000 or now - first,
        }
        out = tokens_out or reply.pieces
        speed = number(timings.get("predicted_per_second")) or out / max(now - first, 1e-6)
        if tokens_in and not self.counted.exact:
            self._state.learned(tokens_in, self.counted.tokens)
        return Ended(
            "length" if reply.finish_reason == "length" else "stop",
            tokens_in or self.counted.tokens,
            out,
            seconds,
            kept=int(number(timings.get("cache_n")) or number(cached)),
            per_second=round(speed, 2),
            estimated=not tokens_out or not (tokens_in or self.counted.exact),
        )

    def _tell(self, phase: Phase) -> ChatGenerationChunk:
        self._told = time.monotonic()
        self._state.tell(self, phase)
        return phase_chunk(phase)
