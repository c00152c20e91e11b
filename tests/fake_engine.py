"""An engine for tests: it says what was put in its queue and remembers what it was asked.

>>> engine = FakeEngine()
>>> engine.enqueue("Hello [1].")
>>> engine.invoke("Hi").content
'Hello [1].'
>>> engine.history[0][0].content
'Hi'
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from pydantic import Field, PrivateAttr

from localchat.core.errors import EngineError, PromptTooLong
from localchat.engines.base import (
    HEARTBEAT,
    Ended,
    Engine,
    Phase,
    last_chunk,
    phase_chunk,
    text_chunk,
    thought_chunk,
)
from localchat.engines.thinking import Splitter


class FakeEngine(Engine):
    """Obeys the contract. A token is a word; ``delay`` is the seconds that each takes.

    ``enqueue`` takes texts and errors: an error is raised in the place of an answer, and with
    nothing in the queue the answer is ``default``; what stands in it between ``<think>`` and
    ``</think>`` is thought, not said. ``stopped`` counts the answers cut off.
    """

    delay: float = 0.0
    context: int = 8192
    default: str = "I do not know."
    history: list[list[BaseMessage]] = Field(default_factory=list)
    closed: int = 0
    stopped: int = 0

    _replies: list[str | Exception] = PrivateAttr(default_factory=list)
    _turn: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _phase: Phase = PrivateAttr(default=Phase("unloaded"))
    _epoch: int = PrivateAttr(default=0)

    def enqueue(self, *replies: str | Exception) -> None:
        self._replies.extend(replies)

    @property
    def title(self) -> str:
        return "Fake"

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def context_tokens(self) -> int:
        return self.context

    @property
    def counts_exactly(self) -> bool:
        return True

    def get_num_tokens(self, text: str) -> int:
        return len(text.split())

    def loading(self) -> Iterator[Phase]:
        if self._phase.name in ("unloaded", "failed"):
            self._phase = Phase("ready")
            yield Phase("loading", 1000, 1000)

    def close(self) -> None:
        self.closed += 1
        self._epoch += 1
        self._phase = Phase("unloaded")

    @property
    def _llm_type(self) -> str:
        return "localchat-fake"

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        begun = time.monotonic()
        while not self._turn.acquire(timeout=HEARTBEAT / 2):
            yield phase_chunk(Phase("waiting", total=1))
        try:
            waited = time.monotonic() - begun
            for chunk in self._answer(messages, waited):  # noqa: UP028  # closing closes this one
                yield chunk
        except GeneratorExit:
            self.stopped += 1
            raise
        finally:
            if self._phase.name != "unloaded":
                self._phase = Phase("ready")
            self._turn.release()

    def _answer(self, messages: list[BaseMessage], waited: float) -> Iterator[ChatGenerationChunk]:
        for phase in self.loading():
            yield phase_chunk(phase)
        epoch = self._epoch
        self.history.append(list(messages))
        tokens = sum(self.get_num_tokens(str(message.text)) for message in messages)
        if tokens > self.context:
            raise PromptTooLong(tokens, self.context)
        yield self._at(Phase("reading", tokens, tokens))
        reply = self._replies.pop(0) if self._replies else self.default
        if isinstance(reply, Exception):
            raise reply
        yield self._at(Phase("writing"))
        begun = time.monotonic()
        words = re.findall(r"\s*\S+|\s+$", reply)
        splitter = Splitter()
        for word in words:
            until = time.monotonic() + self.delay
            while (left := until - time.monotonic()) > 0:
                time.sleep(min(left, HEARTBEAT / 2))
                yield text_chunk("")
            if self._epoch != epoch:
                raise EngineError("The model was unloaded before the answer was complete.")
            for kind, text in splitter.add(word):
                yield thought_chunk(text) if kind == "thought" else text_chunk(text)
        for kind, text in splitter.finish():
            yield thought_chunk(text) if kind == "thought" else text_chunk(text)
        seconds = time.monotonic() - begun
        timings = {"waiting": waited, "loading": 0.0, "reading": 0.0, "writing": seconds}
        speed = len(words) / max(seconds, 1e-6)
        yield last_chunk(self.title, Ended("stop", tokens, len(words), timings, per_second=speed))

    def _at(self, phase: Phase) -> ChatGenerationChunk:
        self._phase = phase
        return phase_chunk(phase)
