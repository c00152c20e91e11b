"""The way of a question through LocalChat, for ``engines``: chain, engine, child process.

All of it is the app's own but the search: the passages are made up, and so are the vectors that
choose sentences from them, because what is measured here is what comes after.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.retrievers import BaseRetriever

from benchmarks.shapes import SYLLABLES
from localchat.chat.answer import Answer, Turn
from localchat.chat.asking import Asking
from localchat.chat.chain import build_chain, stream
from localchat.core.evidence import Vectors
from localchat.core.floor import Evidence
from localchat.core.question import Question
from localchat.engines.base import Phase, phase_message, phase_of
from localchat.engines.llama.engine import LlamaCppEngine
from localchat.engines.room import EngineRoom

PASSAGES = 4
QUESTION = "What do these passages say of it?"


@dataclass
class Timed:
    """One question. Times are seconds; ``writing`` is from the first token to the last."""

    tokens_in: int
    tokens_out: int
    first_token: float
    writing: float
    kept: int = 0
    chunks: int = 0
    longest_silence: float = 0.0

    @property
    def reading_speed(self) -> float:
        return (self.tokens_in - self.kept) / self.first_token

    @property
    def writing_speed(self) -> float:
        return (self.tokens_out - 1) / self.writing


class MadeUp(BaseRetriever):
    """Finds as many passages of as many words as it is told to, each time others."""

    words: int = 100
    passages: int = PASSAGES
    seed: int = 0

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        self.seed += 1
        dice = random.Random(self.seed)
        known = {"source_id": 1, "title": "Made up", "name": "made up", "address": None}
        known |= {"location": "", "anchor": None, "similarity": 0.9, "score": 0.9}
        texts = [made_up(dice, self.words) for _ in range(self.passages)]
        return [Document(text, metadata=dict(known)) for text in texts]


def made_up(dice: random.Random, words: int) -> str:
    """So many words of the vocabulary in ``shapes``, one token each, with a full stop now and
    then."""
    first = SYLLABLES[:5]
    said = ["".join((dice.choice(first), dice.choice(SYLLABLES))) for _ in range(words)]
    return " ".join(f"{word}." if at % 12 == 11 else word for at, word in enumerate(said))


def made_up_prompt(tokens: int, seed: int) -> str:
    """A prompt of its own for each ``seed``."""
    return made_up(random.Random(f"prompt {seed}"), tokens)


class SameVectors:
    """No time goes into comparing texts."""

    languages = frozenset({"en"})
    unrelated = 0.0

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), 8), dtype=np.float32)
        vectors[:, 0] = 1
        return vectors

    def embed_question(self, text: str) -> Vectors:
        row: Vectors = self.embed([text])[0]
        return row

    def question(self, text: str) -> Question:
        """Every word says as much as any other."""
        return Question.of(text, lambda words: dict.fromkeys(words, 1.0))

    def floor(self, language: str) -> Evidence:
        """Anything may answer."""
        return Evidence(0.0, 0.0, 0.0)


@dataclass
class Ours:
    """LocalChat with a model. ``close`` it at the end."""

    path: Path
    answer_tokens: int
    temperature: float
    context: int | None = None
    threads: int | None = None
    gpu_layers: int | None = 0
    prompt: list[BaseMessage] = field(default_factory=list, init=False)
    """The last prompt that the chain made."""

    def __post_init__(self) -> None:
        self.engine = LlamaCppEngine(
            path=self.path, context=self.context, threads=self.threads, gpu_layers=self.gpu_layers
        )
        self.retriever = MadeUp()
        self.room = EngineRoom()
        self.chain = build_chain(
            self.retriever,
            self.engine.bind(answer_tokens=self.answer_tokens, temperature=self.temperature),
            room=lambda: self.engine.prompt_room(self.answer_tokens),
            count=self.engine.get_num_tokens,
            meaning=SameVectors,
        )
        self.engine.load()

    def close(self) -> None:
        self.engine.close()

    def make_prompts_of(self, tokens: int) -> None:
        """From now on the prompts have about so many tokens."""
        sizes = []
        for words in (20, 60):
            self.retriever.words = words
            with closing(stream(self.chain, _asked())) as events:  # type: ignore[type-var]
                self.prompt = next(
                    event["prompt"] for event in events if "prompt" in event
                ).messages
            sizes.append(self.engine.get_num_tokens_from_messages(self.prompt))
        slope = (sizes[1] - sizes[0]) / 40
        self.retriever.words = 20 + round((tokens - sizes[0]) / slope)

    def forget(self) -> None:
        """Have the model read something else, so that nothing of the next prompt is known to it."""
        for _ in self.engine.stream([HumanMessage("-")], answer_tokens=1):
            pass

    def ask(self) -> Timed:
        """Ask what was never asked before, and time what comes back."""
        self.forget()
        begun = last_event = time.perf_counter()
        silence = 0.0
        arrived: list[float] = []
        last = AIMessageChunk(content="")
        for event in stream(self.chain, _asked()):
            now = time.perf_counter()
            if "prompt" in event:
                self.prompt = event["prompt"].messages
            if "answer" not in event:
                continue
            last = event["answer"]
            if last.content:
                silence = max(silence, now - last_event) if arrived else 0.0
                last_event = now
                arrived.append(now)
        usage = last.usage_metadata
        assert usage is not None
        return Timed(
            tokens_in=usage["input_tokens"],
            tokens_out=usage["output_tokens"],
            kept=usage["input_token_details"]["cache_read"],
            first_token=arrived[0] - begun,
            writing=arrived[-1] - arrived[0],
            chunks=len(arrived),
            longest_silence=silence,
        )

    # The same with what stands behind a page: a question in a thread, which can be stopped

    def _asking(self, question: str, history: Sequence[Turn] = ()) -> Asking:
        visit = self.room.visit(self.engine)
        return Asking(
            question,
            history,
            self.chain,
            by_quotes=False,
            model=self.engine.title,
            meaning=SameVectors,
            question_limit=8_000,
            enter=lambda: (phase_message(phase) for phase in visit.enter()),
            leave=visit.leave,
            phase_of=phase_of,
        )

    def second_question(self) -> dict[str, int]:
        """A conversation of two questions: what of the second prompt was new, and what was read."""
        self.forget()
        history: list[Turn] = []
        for number, question in enumerate(("What is first?", "And what comes after it?")):
            answer: Answer = self._asking(question, history).start().wait()
            if answer.state != "done":
                raise RuntimeError(answer.error)
            history.append(Turn(number, question, answer))
        first, second = (turn.answer.usage for turn in history)
        known = first["prompt_tokens"] + first["answer_tokens"]
        return {
            "prompt_tokens": second["prompt_tokens"],
            "new_tokens": second["prompt_tokens"] - known,
            "tokens_read": second["prompt_tokens"] - second["kept_tokens"],
        }

    def stop_while_reading(self) -> dict[str, float]:
        """Ask, stop in the middle of the prompt, ask again: seconds until each thing happens."""
        self.forget()
        begun = time.perf_counter()
        asking = self._asking("What is all this?").start()
        asking.wait_for_change(0, 10)
        first_event = time.perf_counter() - begun
        version = 0
        while asking.running and not _reads(self.engine.phase):
            version = asking.wait_for_change(version, 0.01)
        at = self.engine.phase
        clicked = time.perf_counter()
        asking.stop()
        asking.wait(30)
        ended = time.perf_counter() - clicked
        while self.engine.phase.name != "ready" and time.perf_counter() - clicked < 30:
            time.sleep(0.001)
        idle = time.perf_counter() - clicked
        return {
            "first_event": first_event,
            "prompt_tokens": at.total,
            "read_before_stop": at.done,
            "ended": ended,
            "idle": idle,
            "next_question": self._starts_reading(clicked),
        }

    def _starts_reading(self, since: float) -> float:
        for chunk in self.engine.stream([HumanMessage("-")], answer_tokens=1):
            phase = phase_of(chunk)
            if phase and phase.name == "reading":
                return time.perf_counter() - since
        return float("nan")


def _reads(phase: Phase) -> bool:
    return phase.name == "reading" and phase.done > 0


def _asked() -> Any:
    return {"question": QUESTION, "history": []}


def rendered(messages: Sequence[BaseMessage]) -> str:
    """The text that ``shapes.CHAT_TEMPLATE`` makes of ``messages``."""
    roles = {"human": "user", "ai": "assistant"}
    turns = (
        f"<|im_start|>{roles.get(message.type, message.type)}\n{message.content}<|im_end|>\n"
        for message in messages
    )
    return "".join(turns) + "<|im_start|>assistant\n"
