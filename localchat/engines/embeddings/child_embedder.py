"""An embedding model that runs in a child process (see ``child``): what every kind has in common.

Texts go to the child some at a time, so that a cancelled job ends soon, and little is lost with a
child that dies: what it was at is asked again of the next one, some times. Few texts (a question,
the sentences of an answer) do not wait for many (a library that is being indexed): they go past the
queue where the model can do two things at once, and else to its head, since of those who wait the
one with the least text comes first. A child without work is ended after a while (see ``idle``): its
memory is for the chat model.

The child keeps the app's own priority. A lower one would hold up questions as well, and a process
cannot go back to the one it had: beside two busy programs on two cores a question took 5 ms, and 33
at nice 10. What gives way while an answer runs are those who index (see ``library.jobs``).
"""

from __future__ import annotations

import logging
import threading
import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from localchat.core.errors import (
    EngineDied,
    EngineError,
    EngineMissing,
    LoadError,
    ModelFileError,
    Unloaded,
)
from localchat.engines.child.host import ChildHost
from localchat.engines.child.wire import Message
from localchat.engines.embeddings.batches import batches
from localchat.engines.embeddings.embedder import Embedder, OnBatch
from localchat.engines.embeddings.identity import OTHER_MODEL
from localchat.engines.embeddings.idle import IDLE, Idle
from localchat.engines.embeddings.notes import Notes
from localchat.engines.embeddings.texts import beginning
from localchat.engines.embeddings.vectors import Vectors, from_text

logger = logging.getLogger(__name__)

T = TypeVar("T")

TRIES = 3
"""How often a few texts are asked of a child that dies over them."""
COUNTED = 100_000
"""Bytes of text whose tokens are counted at once, about."""
ONNX_PIECE = 64_000
"""Bytes of text that go to onnxruntime at once, about: what a job embeds between two looks round.
The child sorts them by tokens; in pieces of 4,000 bytes they took 12 % longer, of 16,000 3 %."""
FEW = 16_000
"""Bytes of text that count as few: some 100 sentences, a third of what a job embeds at once."""
PIECE_BESIDE = 4_000
"""Bytes of few texts that go to the child at once: a question waits for one piece of sentences."""


class ChildEmbedder(Embedder):
    """One model in a child process; ``log`` is for what the child has to say, ``idle`` the seconds
    without work after which its memory is given back."""

    backend: ClassVar[str]
    """``module:Class`` of what runs in the child, see ``worker.EmbeddingBackend``."""
    piece: ClassVar[int]
    """Bytes of text, as UTF-8, that go to the child at once, about."""
    runs_beside: ClassVar[bool] = False
    """Whether the backend can embed a few texts while it embeds many."""
    question_prefix = ""
    document_prefix = ""

    def __init__(
        self,
        name: str,
        languages: frozenset[str],
        notes: Notes,
        log: Path | None = None,
        *,
        idle: float = IDLE,
    ) -> None:
        self.name = name
        self.languages = languages
        self._notes = notes
        self._host = ChildHost(self.backend, log=log)
        self._idle = Idle(idle, self._host.close)
        self._lock = threading.Lock()
        self._loaded = ""
        weakref.finalize(self, self._host.close)

    @abstractmethod
    def _model(self) -> Message:
        """What the backend needs to know to load it."""

    @abstractmethod
    def _damaged(self, reason: str) -> ModelFileError:
        """What is told where the model does not do what it should."""

    @property
    def pid(self) -> int | None:
        """The child's process id, or None where none runs."""
        return self._host.pid

    def embed(self, texts: Sequence[str], *, on_batch: OnBatch | None = None) -> Vectors:
        return self._embed(texts, self.document_prefix, on_batch)

    def embed_questions(self, texts: Sequence[str]) -> Vectors:
        return self._embed(texts, self.question_prefix)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        counts = [0] * len(texts)
        if not texts:
            return counts
        with self._at_work():
            cut, lengths = _measured(texts)
            for numbers in batches(lengths, COUNTED):
                ask = partial(self._ask_counts, [cut[number] for number in numbers], sum(lengths))
                found = self._again(ask)
                for number, count in zip(numbers, found, strict=True):
                    counts[number] = count
        return counts

    def start(self) -> None:
        if self.pid is not None:
            return
        try:
            with self._at_work():
                self._host.ask("load", model=self._model())
        except EngineError as error:
            logger.info("%s", error)

    def close(self) -> None:
        self._idle.cancel()
        self._host.close()

    def _embed(self, texts: Sequence[str], prefix: str, on_batch: OnBatch | None = None) -> Vectors:
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        if not texts:
            return vectors
        cut, lengths = _measured(texts)
        beside = self.runs_beside and sum(lengths) <= FEW
        ask = partial(self._ask_vectors, prefix=prefix, rank=sum(lengths), beside=beside)
        done = 0
        with self._at_work():
            for numbers in batches(lengths, PIECE_BESIDE if beside else self.piece):
                some = [cut[number] for number in numbers]
                vectors[numbers] = self._again(partial(ask, some))
                done += len(numbers)
                if on_batch is not None:
                    on_batch(done)
        return vectors

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """The child is not idle, and has the file that lies there now: one that was replaced is
        another model, and its vectors belong to another identity."""
        with self._idle.in_use():
            identity = self.identity
            with self._lock:
                if self._loaded not in ("", identity):
                    self._host.close()
                self._loaded = identity
            yield

    def _again(self, ask: Callable[[], T]) -> T:
        """What ``ask`` gets of this child or of the next."""
        for left in reversed(range(TRIES)):
            try:
                return ask()
            except EngineDied as error:
                logger.warning("the embedding model %s: %s", self.name, error)
                hung = error.code is None  # then it was we who ended it, and it would hang again
                if hung or not left:
                    often = "" if hung else f" {TRIES} times in a row"
                    raise EngineDied(
                        f"The embedding model “{self.name}” stopped{often}. {error.what}",
                        "Close other programs and try again, or choose another embedding model.",
                        error.code,
                    ) from error
        raise AssertionError("there is at least one try")

    def _ask_vectors(self, texts: list[str], *, prefix: str, rank: int, beside: bool) -> Vectors:
        answered = self._ask("embed", rank, beside=beside, texts=texts, prefix=prefix)
        found = from_text(answered["vectors"], len(texts))
        if found.shape[1] != self.dimensions:
            raise self._damaged(
                f"its vectors have {found.shape[1]} numbers instead of {self.dimensions}"
            )
        return found

    def _ask_counts(self, texts: list[str], rank: int) -> list[int]:
        counts: list[int] = self._ask("count", rank, texts=texts)["counts"]
        return counts

    def _ask(self, op: str, rank: int, **arguments: Any) -> Message:
        call = self._host.ask(op, rank=rank, model=self._model(), **arguments)
        try:
            return call.result()
        except Unloaded as error:
            raise EngineError(
                f"The embedding model “{self.name}” was closed while it was at work.", "Try again."
            ) from error
        except (ModelFileError, LoadError, EngineMissing) as error:
            told = self._for_people(error)
            raise told from (None if told is error else error)
        finally:
            call.cancel()

    def _for_people(self, error: ModelFileError | LoadError | EngineMissing) -> EngineError:
        """``error``, with what to do next where no chat model is concerned."""
        if not isinstance(error, LoadError):
            return error
        next_step = OTHER_MODEL
        if error.cause == "memory":
            next_step = "Close other programs and try again, or choose a smaller one."
        what = f"The embedding model “{self.name}” cannot be used. {error.what}"
        return LoadError(what, next_step, error.cause)


def _measured(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """What is looked at of each text, and its length in bytes: three or four of them are a token,
    in any script."""
    cut = [beginning(text) for text in texts]
    return cut, [len(text.encode()) for text in cut]
