"""One question on its way: in a thread of its own, so that no page, tab or rerun can cut it off.

A page looks at ``answer`` as often as it likes, or waits for a change; it may stop the answer, or
go away: what was written is kept either way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata

from localchat.chat.answer import Answer, Turn
from localchat.chat.chain import Asked, Chain, Evidence, passage_of, stream
from localchat.chat.citations import cite, cite_quotes, clean, marked_by_quotes, settled
from localchat.chat.looking import Prepared
from localchat.chat.prompts import Packed
from localchat.core.errors import LocalChatError, QuestionTooLong
from localchat.core.evidence import Meaning

log = logging.getLogger(__name__)


class _Stopped(Exception):
    """The person pressed Stop while the engine was not yet theirs, or was loading."""


class Asking:
    """A question that is being answered.

    Args:
        question: As it was typed.
        history: Earlier turns, oldest first.
        chain: Made by ``build_chain``.
        by_quotes: The engine is the quotes: their citations are exact and need no search.
        model: The engine's name for people.
        meaning: Gives the embedding model of the moment, for finding the sentences that support
            the answer.
        question_limit: Characters.
        enter: Waits for the engine and loads it, telling the phases in chunks.
        leave: Called once when the engine is no longer needed.
        phase_of: Reads an engine's phase from a chunk.
        on_end: Called once, from the thread, with the final answer.
        sources: Ids of the sources that are asked; None: all.
        of: How many sources there are.
    """

    def __init__(
        self,
        question: str,
        history: Sequence[Turn],
        chain: Chain,
        *,
        by_quotes: bool,
        model: str,
        meaning: Callable[[], Meaning],
        question_limit: int,
        enter: Callable[[], Iterator[AIMessageChunk]],
        leave: Callable[[], None],
        phase_of: Callable[[AIMessageChunk], Any],
        on_end: Callable[[Answer], None] = lambda _: None,
        sources: frozenset[int] | None = None,
        of: int = 0,
    ) -> None:
        self.question = question
        self.phase: Any = None
        self._asked: Asked = {
            "question": question,
            "history": list(history),
            "enter": self._entering,
            "check": self._check,
            "sources": sources,
        }
        self._sources = sources
        self._of = of
        self._enter = enter
        self._leave = leave
        self._chain = chain
        self._meaning = meaning
        self._limit = question_limit
        self._phase_of = phase_of
        self._on_end = on_end
        self._answer = Answer(by_quotes=by_quotes, model=model)
        self._changed = threading.Condition()
        self._version = 0
        self._written = ""
        self._thought = ""
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._began = time.perf_counter()
        self._thread = threading.Thread(target=self._run, name="asking", daemon=True)

    @property
    def answer(self) -> Answer:
        """What there is so far."""
        return self._answer

    @property
    def running(self) -> bool:
        """Whether it goes on, or its end has yet to be written down."""
        return not self._ended.is_set()

    def start(self) -> Asking:
        self._thread.start()
        return self

    def stop(self) -> None:
        """End it: the model stops within a token or a batch, what is written stays."""
        self._stop.set()

    def wait(self, timeout: float | None = None) -> Answer:
        """Block until it has ended (or ``timeout`` seconds), and return the answer."""
        self._ended.wait(timeout)
        return self._answer

    def wait_for_change(self, version: int, timeout: float) -> int:
        """Block until there is something newer than ``version``; returns the newest version."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, timeout)
            return self._version

    def _run(self) -> None:
        try:
            self._answer_it()
        except _Stopped:
            self._end("stopped")
        except LocalChatError as error:
            self._end("failed", error=str(error))
        except Exception as error:
            log.exception("The question could not be answered")
            self._end(
                "failed",
                error=f"Something went wrong inside LocalChat ({type(error).__name__}). "
                "Ask again; the log has the details.",
            )
        finally:
            self._close_the_books()

    def _close_the_books(self) -> None:
        """Leave the engine and have the answer written down; the end is told whatever happens."""
        try:
            self._leave()
            self._on_end(self._answer)
        except LocalChatError as error:
            log.error("An answer could not be written down: %s", error)
            self._set(error=f"{self._answer.error} {error}".strip())
        finally:
            self._ended.set()

    def _entering(self) -> Iterator[AIMessageChunk]:
        """``enter``, given up at its next chunk after Stop: closing the chain's stream would wait
        until the engine is loaded, because LangChain reads this step in a thread of its own."""
        for chunk in self._enter():
            self._check()
            yield chunk

    def _check(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    def _answer_it(self) -> None:
        if len(self.question) > self._limit:
            raise QuestionTooLong(len(self.question), self._limit)
        with closing(stream(self._chain, self._asked)) as events:  # type: ignore[type-var]
            for event in events:
                self._take(event)
                # Before the answer ``_entering`` ends the stream by itself: LangChain reads what
                # came before a closed step to its end.
                if self._stop.is_set() and "answer" in event:
                    break
        if self._stop.is_set():
            self._end("stopped")
        else:
            self._end("done")

    def _take(self, event: dict[str, Any]) -> None:
        """One event of the chain's stream."""
        if "prepared" in event:
            self._take_prepared(event["prepared"])
        if "search" in event:
            looked_in = None if self._sources is None else len(self._sources)
            self._set(search=replace(event["search"], sources=looked_in, of=self._of))
        if "evidence" in event:
            evidence: Evidence = event["evidence"]
            passages = [passage_of(n, d) for n, d in enumerate(evidence["passages"], start=1)]
            self._set(
                state="answering",
                passages=tuple(passages),
                quotes=tuple(evidence["quotes"]),
                timings=self._timed("quotes"),
            )
        if "prompt" in event:
            packed: Packed = event["prompt"]
            self._set(left_out=packed.left_out, sent=packed.sent)
        if "loading" in event:
            self._take_chunk(event["loading"])
        if "answer" in event:
            self._take_chunk(event["answer"])

    def _take_prepared(self, prepared: Prepared) -> None:
        """How far the translation is, where the question needs one."""
        if prepared.chunk is not None:
            self._take_chunk(prepared.chunk)
        if prepared.translating and self._answer.state == "searching":
            self.phase = None
            self._set(state="translating")
        elif prepared.translations:
            self._set(state="searching")

    def _take_chunk(self, chunk: AIMessageChunk) -> None:
        phase = self._phase_of(chunk)
        if phase is not None:
            self.phase = phase
            self._set()
        if thought := chunk.additional_kwargs.get("reasoning_content"):  # as LangChain names it
            self._thought += thought
            self._set(thoughts=self._thought.strip())
        text = str(chunk.content)
        if text:
            timings = self._answer.timings
            if not self._written:
                timings = self._timed("first_token")
            self._written += text
            shown = self._written
            if not self._answer.by_quotes:
                shown = clean(settled(shown), len(self._answer.given))
            self._set(text=shown, timings=timings)
        if chunk.usage_metadata:
            self._take_end(chunk, chunk.usage_metadata)

    def _take_end(self, chunk: AIMessageChunk, usage: UsageMetadata) -> None:
        """What the engine says of the whole answer, in its last chunk."""
        details = usage.get("input_token_details", {})
        self._set(
            usage={
                "prompt_tokens": usage["input_tokens"],
                "kept_tokens": details.get("cache_read", 0),
                "answer_tokens": usage["output_tokens"],
            },
            speed=float(chunk.response_metadata.get("tokens_per_second", 0.0)),
            cut_off=chunk.response_metadata.get("finish_reason") == "length",
        )

    def _end(self, state: str, error: str = "") -> None:
        """Check the citations and close the books; whatever was written is kept."""
        answer = self._answer
        text, citations = self._written.strip(), answer.citations
        if answer.by_quotes:
            citations = cite_quotes(answer.quotes)
        elif text:
            written, text = text, clean(text, len(answer.given))
            self._set(written=written if written != text else "")
            citations = cite(text, answer.given, self._meaning())
            if answer.search and answer.search.translations:
                citations = marked_by_quotes(citations, answer.quotes)
        self._set(
            state=state, error=error, text=text, citations=citations, timings=self._timed("total")
        )

    def _timed(self, name: str) -> dict[str, float]:
        return {**self._answer.timings, name: round(time.perf_counter() - self._began, 3)}

    def _set(self, **changes: Any) -> None:
        with self._changed:
            self._answer = replace(self._answer, **changes)
            self._version += 1
            self._changed.notify_all()
