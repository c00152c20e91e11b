"""What the chat tests talk with: a retriever of given passages, an embedder of words, an engine."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk
from langchain_core.retrievers import BaseRetriever

from localchat.chat.answer import Answer, Passage, Turn
from localchat.chat.asking import Asking
from localchat.chat.chain import Chain, build_chain
from localchat.core.evidence import UNRELATED, Vectors
from localchat.core.floor import Evidence
from localchat.core.question import Question
from localchat.core.text.words import words
from localchat.engines.base import Engine, phase_message, phase_of
from localchat.engines.room import EngineRoom


class WordMeaning:
    """A vector counts words."""

    languages = frozenset({"en"})
    unrelated = UNRELATED

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.full((len(texts), 64), 1e-3, dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in words(text):
                row[zlib.crc32(word.encode()) % 64] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed_question(self, text: str) -> Vectors:
        row: Vectors = self.embed([text])[0]
        return row

    def question(self, text: str) -> Question:
        """Every word says as much as any other."""
        return Question.of(text, lambda asked: dict.fromkeys(asked, 1.0))

    def floor(self, language: str) -> Evidence:
        """A little above the similarity of every ``document``: words have to be there, too."""
        return Evidence(together=0.51, words=0.01, near=0.51)


MEANING = WordMeaning()


def document(text: str, number: int = 1, **changes: Any) -> Document:
    """A passage as the library's retriever gives it."""
    known = {
        "source_id": number, "revision_id": number, "title": f"Title {number}",
        "name": f"file{number}.txt", "address": None, "location": "", "anchor": None,
        "start": 0, "end": len(text), "score": 1.0 - number / 100, "similarity": 0.5,
    }  # fmt: skip
    return Document(page_content=text, metadata={**known, **changes})


def passage(number: int, text: str) -> Passage:
    return Passage(number, number, f"Title {number}", f"file{number}.txt", None, "", None, text)


class Shelf(BaseRetriever):
    """Gives the same passages to every question."""

    documents: list[Document]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return self.documents


class Finder(BaseRetriever):
    """Gives the documents that share a word with the question, of ``sources`` where they are given.
    ``asked`` remembers the questions."""

    documents: list[Document]
    sources: frozenset[int] | None = None
    asked: list[str] = []  # noqa: RUF012 - pydantic copies it for each object

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        self.asked.append(query)
        return [
            document
            for document in self.documents
            if not set(words(query)).isdisjoint(words(document.page_content))
            and (self.sources is None or document.metadata["source_id"] in self.sources)
        ]


LAMP = "The lamp of the lighthouse turns once in ten seconds. It is old."
TEA = "Green tea is steamed soon after it is picked. The lamp is not about tea."
SHELF = [document(LAMP, 1), document(TEA, 2)]


def chain_of(engine: Engine, shelf: Sequence[Document] = tuple(SHELF), room: int = 4096) -> Chain:
    return build_chain(
        Shelf(documents=list(shelf)),
        engine,
        room=lambda: room,
        count=engine.get_num_tokens,
        meaning=WordMeaning,
    )


def translating_chain(
    engine: Engine, finder: BaseRetriever, into: Sequence[str] = ("de",), failure: str = ""
) -> Chain:
    """A chain over documents in another language than the question."""
    return build_chain(
        finder,
        engine,
        room=lambda: 4096,
        count=engine.get_num_tokens,
        meaning=WordMeaning,
        translator=engine,
        languages=lambda *_: into,
        failure=lambda: failure,
    )


def no_enter() -> Iterator[AIMessageChunk]:
    return iter(())


def asking_of(
    question: str,
    engine: Engine,
    *,
    chain: Chain | None = None,
    room: EngineRoom | None = None,
    by_quotes: bool = False,
    limit: int = 8_000,
    on_end: Callable[[Answer], None] = lambda _: None,
    history: Sequence[Turn] = (),
    sources: frozenset[int] | None = None,
    of: int = 0,
) -> Asking:
    """A question that has not begun, wired as ``LocalChat.ask`` does it."""
    visit = (room or EngineRoom()).visit(engine)
    return Asking(
        question,
        history,
        chain or chain_of(engine),
        by_quotes=by_quotes,
        model=engine.title,
        meaning=WordMeaning,
        question_limit=limit,
        enter=lambda: (phase_message(phase) for phase in visit.enter()),
        leave=visit.leave,
        phase_of=phase_of,
        on_end=on_end,
        sources=sources,
        of=of,
    )


def eventually(true: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether ``true`` becomes true within ``seconds``."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def threads_named(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())
