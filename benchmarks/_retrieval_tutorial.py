"""The pipeline of LangChain's tutorial on retrieval, for ``retrieval``: as it stands there.

``RecursiveCharacterTextSplitter(chunk_size=500, chunk_overlap=0)``, all-MiniLM-L6-v2, Chroma as it
comes, ``similarity_search``. The embedding model is the one that comes with LocalChat, opened anew:
the same weights, with nothing remembered. The tutorial takes the first 4; more are asked for only
for the measures that need them, and the first 4 stay the same ones.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from benchmarks._retrieval_measures import MOST, Ranked
from benchmarks._sets import QuestionSet

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from langchain_core.embeddings import Embeddings

CHUNK_SIZE, CHUNK_OVERLAP = 500, 0
"""Characters."""
IN_IT = "yes"


class Tutorial:
    """Its index over ``questions.documents`` in ``folder``, made at once."""

    def __init__(self, questions: QuestionSet, embeddings: Embeddings, folder: Path) -> None:
        import chromadb
        from chromadb.config import Settings
        from langchain_chroma import Chroma
        from langchain_core.documents import Document
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        began = time.perf_counter()
        splitter = RecursiveCharacterTextSplitter(
            chunk_size=CHUNK_SIZE, chunk_overlap=CHUNK_OVERLAP
        )
        known = [
            Document(page_content=document.text, metadata={"document": n, "title": document.title})
            for n, document in enumerate(questions.documents)
        ]
        for number, (_, inside) in enumerate(questions.articles):
            for n in inside:
                # A key for each article: the same text may stand in several.
                known[n].metadata[_key(number)] = IN_IT
        chunks = splitter.split_documents(known)
        self._client = cast(
            "Client",
            chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False)),
        )
        self._store = Chroma(client=self._client, embedding_function=embeddings)
        at_once = self._client.get_max_batch_size()
        for start in range(0, len(chunks), at_once):
            self._store.add_documents(chunks[start : start + at_once])
        self.chunks = len(chunks)
        self.index_seconds = time.perf_counter() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def search(self, question: str, article: int | None) -> list[Ranked]:
        """The nearest chunks; with an article's number only those of its documents."""
        scope = None if article is None else {_key(article): IN_IT}
        found = self._store.similarity_search(question, k=MOST, filter=scope)
        return [Ranked(one.metadata["document"], one.page_content) for one in found]


def _key(article: int) -> str:
    return f"article {article}"
