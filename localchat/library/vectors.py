"""The vector index: Chroma, through langchain-chroma; and an exact search for when it is not there.

Chroma is an index and nothing more: it holds ids and vectors, no text, and is made again from
SQLite when it is missing, damaged or made by another embedder. Only the process that holds the
data folder's lock opens it (two writers lose items); every other one, and this one until Chroma is
open, searches the vectors in SQLite exactly, which takes milliseconds up to some 20,000 chunks.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from localchat.core.evidence import Vectors
from localchat.library.chunk_table import ChunkTable, matrix

if TYPE_CHECKING:
    from chromadb.api.client import Client

log = logging.getLogger(__name__)

Found = list[tuple[int, float]]
"""Chunk ids with the cosine to the question, best first."""


class VectorIndex(Protocol):
    """Finds the chunks whose vectors are nearest to a question's."""

    def search(self, vector: Vectors, limit: int) -> Found: ...


class ExactIndex:
    """Compares with every vector in SQLite. Always right, never stale, slow above 100,000."""

    def __init__(self, chunks: ChunkTable, embedder: str) -> None:
        self._chunks = chunks
        self._embedder = embedder

    def search(self, vector: Vectors, limit: int) -> Found:
        """The ``limit`` nearest chunks."""
        ids, vectors = self._chunks.vectors(self._embedder)
        if not ids:
            return []
        cosines = vectors @ vector
        best = np.argsort(-cosines)[:limit]
        return [(ids[i], float(cosines[i])) for i in best]


class ChromaIndex:
    """The embedded Chroma at ``path``, or the Chroma server at ``url``."""

    def __init__(self, chunks: ChunkTable, embedder: str, path: Path, url: str = "") -> None:
        from langchain_chroma import Chroma

        self._chunks = chunks
        self._client = _client(path, url)
        # Vectors of two embedders never meet, not even of the same length.
        name = f"chunks-{hashlib.sha256(embedder.encode()).hexdigest()[:16]}"
        self._store = Chroma(
            client=self._client,
            collection_name=name,
            collection_metadata={"embedder": embedder},
            collection_configuration={"hnsw": {"space": "cosine"}},
        )
        self._collection = self._client.get_collection(name, embedding_function=None)
        self._batch = min(1_000, self._client.get_max_batch_size())

    def search(self, vector: Vectors, limit: int) -> Found:
        """The ``limit`` nearest chunks, by an approximate search (HNSW)."""
        found = self._store.similarity_search_by_vector_with_relevance_scores(
            vector.tolist(), k=limit
        )
        return [(int(document.id or 0), 1.0 - distance) for document, distance in found]

    def catch_up(self) -> int:
        """Learn and forget what SQLite says is stale; returns how many chunks that were."""
        done = 0
        while ids := self._chunks.stale(self._batch):
            self._apply(ids)
            self._chunks.clear_stale(ids)
            done += len(ids)
        return done

    def check(self) -> None:
        """Have everything made again when this index and SQLite do not agree on what is there."""
        ids, _ = self._chunks.vectors(self._collection.metadata["embedder"])
        held = {int(i) for i in self._collection.get(include=[])["ids"]}
        if held != set(ids):
            log.info("The vector index holds %d of %d chunks; mending it", len(held), len(ids))
            self._chunks.mark_stale(held.symmetric_difference(ids))

    def close(self) -> None:
        """Let go of the files, which Windows would keep locked."""
        self._client.close()

    def _apply(self, ids: Sequence[int]) -> None:
        visible = self._chunks.chunks(ids)
        gone = [str(i) for i in ids if i not in visible]
        if gone:
            self._collection.delete(ids=gone)
        if visible:
            rows = list(visible.values())
            self._collection.upsert(
                ids=[str(row.id) for row in rows],
                embeddings=matrix(row.vector for row in rows),
                metadatas=[{"source": row.source_id} for row in rows],
                # langchain-chroma passes over entries without a document; the text is in SQLite.
                documents=[""] * len(rows),
            )


def open_chroma(chunks: ChunkTable, embedder: str, path: Path, url: str = "") -> ChromaIndex:
    """Open the index, bring it up to date, and make a damaged embedded one again.

    Raises:
        Exception: Chroma's own, where even an empty index cannot be opened.
    """
    try:
        return _opened(chunks, embedder, path, url)
    except Exception as error:
        if url:
            raise
        log.warning("The vector index cannot be read and is made again: %s", error)
        from chromadb.api.shared_system_client import SharedSystemClient

        # Chroma keeps the half-started system under its path, and would give it to us again.
        SharedSystemClient.clear_system_cache()
        shutil.rmtree(path, ignore_errors=True)
        return _opened(chunks, embedder, path, url)


def _opened(chunks: ChunkTable, embedder: str, path: Path, url: str) -> ChromaIndex:
    index = ChromaIndex(chunks, embedder, path, url)
    index.check()
    index.catch_up()
    return index


def _client(path: Path, url: str) -> Client:
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    if not url:
        # Annotated as the interface, which lacks close(); the object is always a Client.
        return cast("Client", chromadb.PersistentClient(path=str(path), settings=settings))
    from urllib.parse import urlsplit

    parts = urlsplit(url if "//" in url else f"http://{url}")
    client = chromadb.HttpClient(
        host=parts.hostname or "localhost",
        port=parts.port or 8000,
        ssl=parts.scheme == "https",
        settings=settings,
    )
    return cast("Client", client)
