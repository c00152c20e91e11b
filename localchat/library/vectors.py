"""The vector index: Chroma, through langchain-chroma; and an exact search for when it is not there.

Chroma is an index and nothing more: it holds ids and vectors, no text, and is made again from
SQLite when it is missing, damaged or made by another embedder. A damaged file may end the process
instead of raising: a mark beside the index, which is taken away once the index has found what it
holds, tells the next start. Only the process that holds the data folder's lock opens it (two
writers lose items); every other one, and this one while Chroma is not open or not up to date,
searches the vectors in SQLite exactly, which takes milliseconds up to some 20,000 chunks.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from localchat.core.errors import StorageError
from localchat.core.evidence import Vectors
from localchat.library.chunk_table import ChunkTable, matrix

if TYPE_CHECKING:
    from chromadb.api.client import Client

log = logging.getLogger(__name__)

PROBES = 24
"""Chunks that an index which is opened has to find, by their own vectors."""

Found = list[tuple[int, float]]
"""Chunk ids with the cosine to the question, best first."""


class IndexDamaged(Exception):
    """The index can be opened and does not hold what it was given."""


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
        while learned := self.catch_up_some():
            done += learned
        return done

    def catch_up_some(self) -> int:
        """As much of it as Chroma takes at once."""
        ids = self._chunks.stale(self._batch)
        if ids:
            self._apply(ids)
            self._chunks.clear_stale(ids)
        return len(ids)

    def check(self) -> None:
        """Have everything made again when this index and SQLite do not agree on what is there."""
        ids, held = self._visible(), self._held()
        if held != set(ids):
            log.info("The vector index holds %d of %d chunks; mending it", len(held), len(ids))
            self._chunks.mark_stale(held.symmetric_difference(ids))

    def probe(self) -> None:
        """Look for some of the chunks, by their own vectors, from the first to the last.

        Raises:
            IndexDamaged: other vectors are here than in SQLite, or what is nearest is not found.
        """
        held = self._held()
        known = [i for i in self._visible() if i in held]
        ids = known[:: max(1, len(known) // PROBES)] + known[-1:]
        if not ids:
            return
        rows = self._chunks.chunks(ids)
        ids = list(rows)
        vectors = matrix(row.vector for row in rows.values())
        here = self._collection.get(ids=[str(i) for i in ids], include=["embeddings"])
        by_id = dict(zip(here["ids"], np.asarray(here["embeddings"]), strict=True))
        stored = np.stack([by_id[str(i)] for i in ids])
        if not np.allclose(stored, vectors, atol=1e-3):
            raise IndexDamaged("it holds other vectors than SQLite")
        found = self._collection.query(query_embeddings=vectors, n_results=1, include=[])["ids"]
        nearest = self._chunks.chunks(int(i) for [i] in found)
        # The same text may stand in several chunks: any that is as near will do.
        missed = sum(
            int(i) not in nearest or float(matrix([nearest[int(i)].vector])[0] @ vector) < 0.999
            for [i], vector in zip(found, vectors, strict=True)
        )
        # The search is approximate, so that one may be missed for no fault.
        if missed > len(ids) // 8:
            raise IndexDamaged(f"it finds {len(ids) - missed} of {len(ids)} chunks")

    def _visible(self) -> list[int]:
        return self._chunks.ids(self._collection.metadata["embedder"])

    def _held(self) -> set[int]:
        return {int(i) for i in self._collection.get(include=[])["ids"]}

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
        StorageError: SQLite's.
        Exception: Chroma's own, where even an empty index cannot be opened.
    """
    if url:
        return _opened(chunks, embedder, path, url)
    mark = path.with_suffix(".opening")
    if mark.exists():
        log.warning("The app ended while it opened the vector index, which is made again")
        _wipe(path)
    mark.touch()
    try:
        index = _opened(chunks, embedder, path)
    except StorageError:  # not the index's fault
        mark.unlink()
        raise
    except Exception as error:  # noqa: BLE001 - Chroma's errors share no base class
        log.warning("The vector index cannot be read and is made again: %s", error)
        _wipe(path)
        index = _opened(chunks, embedder, path)
    mark.unlink()
    index.catch_up()
    return index


def _opened(chunks: ChunkTable, embedder: str, path: Path, url: str = "") -> ChromaIndex:
    """The index, tried: a search and a first change, either of which a damaged one may not
    survive. A server looks after its own files."""
    index = ChromaIndex(chunks, embedder, path, url)
    try:
        index.check()
        if not url:
            index.probe()
            index.catch_up_some()
        else:
            index.catch_up()
    except BaseException:
        index.close()
        raise
    return index


def _wipe(path: Path) -> None:
    """Delete what is at ``path``, whatever it is."""
    from chromadb.api.shared_system_client import SharedSystemClient

    # Chroma keeps the half-started system under its path, and would give it to us again.
    SharedSystemClient.clear_system_cache()
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for inside in path.iterdir():  # and not the folder, which may be a link to another disk
        if inside.is_dir() and not inside.is_symlink():
            shutil.rmtree(inside, ignore_errors=True)
        else:
            inside.unlink()


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
