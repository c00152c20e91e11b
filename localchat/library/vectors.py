"""The vectors of one embedder, searched by Chroma, through langchain-chroma.

Chroma is an index and nothing more: it holds ids and vectors, no text, and is made again from
SQLite when it is missing, damaged or of another make. Each embedder has a collection of its own.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from localchat.core.errors import StorageError
from localchat.core.evidence import Vectors
from localchat.library.chroma_files import (
    adapt,
    delete_unused,
    is_marked,
    marked,
    open_client,
    wipe,
)
from localchat.library.chunk_table import ChunkTable

if TYPE_CHECKING:
    from chromadb.api.collection_configuration import CreateHNSWConfiguration

log = logging.getLogger(__name__)

PROBES = 24
"""Chunks that an index which is opened has to find, by their own vectors."""

GRAPH: CreateHNSWConfiguration = {
    "space": "cosine",
    "ef_construction": 200,
    "max_neighbors": 16,
    "ef_search": 2_000,
}
"""Of the best ten of 100,000 chunks, many of them nearly alike, it finds 99.9 % in 6 ms, and of
1,500 questions none less than seven. Searched a quarter as far it takes 3.4 ms and finds 98.4 %,
and nothing at all for some questions, as with Chroma's own settings (100 and 100)."""

Found = list[tuple[int, float]]
"""Chunk ids with the cosine to the question, best first."""


class IndexDamaged(Exception):
    """The index can be opened and does not hold what it was given."""


class ChromaIndex:
    """The collection of ``embedder``, an identity, in the embedded Chroma at ``path`` or on the
    Chroma server at ``url``. Several may be open on one path at once."""

    def __init__(self, chunks: ChunkTable, embedder: str, path: Path, url: str = "") -> None:
        from langchain_chroma import Chroma

        self.embedder = embedder
        self._chunks = chunks
        self._files = None if url else path
        self._client = open_client(path, url)
        name = _collection_name(embedder)
        if not url:  # what a server holds is its own affair
            adapt(self._client, name, GRAPH)
        self._store = Chroma(
            client=self._client,
            collection_name=name,
            collection_metadata={"embedder": embedder},
            collection_configuration={"hnsw": GRAPH},
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
        """Note as stale where this index and SQLite do not agree on what is there."""
        if differing := self._differing():
            log.info("The vector index is mended: %d chunks differ", len(differing))
            self._chunks.mark_stale(differing)

    def fill(self) -> Iterator[int]:
        """Learn and forget, piece by piece, whatever ``check`` would find; yields how many chunks
        that were."""
        differing = self._differing()
        for start in range(0, len(differing), self._batch):
            piece = differing[start : start + self._batch]
            self._apply(piece)
            yield len(piece)

    def embedders(self) -> set[str]:
        """The identities of all embedders that have a collection here."""
        found = self._client.list_collections()
        return {str((one.metadata or {}).get("embedder", self.embedder)) for one in found}

    def forget(self, embedders: Iterable[str]) -> None:
        """Delete the collections of other embedders, with their files."""
        here = {collection.name for collection in self._client.list_collections()}
        for name in here.intersection(map(_collection_name, embedders)):
            self._client.delete_collection(name)
        if self._files is not None:
            delete_unused(self._files)

    def probe(self) -> None:
        """Look for some of the chunks, by their own vectors, from the first to the last.

        Raises:
            IndexDamaged: other vectors are here than in SQLite, or what is nearest is not found.
        """
        held = self._held()
        known = [i for i in self._visible() if i in held]
        ids, _, vectors = self._vectors_of(known[:: max(1, len(known) // PROBES)] + known[-1:])
        if not ids:
            return
        here = self._collection.get(ids=[str(i) for i in ids], include=["embeddings"])
        by_id = dict(zip(here["ids"], np.asarray(here["embeddings"]), strict=True))
        stored = np.stack([by_id[str(i)] for i in ids])
        if ((stored * vectors).sum(axis=1) < 0.99).any():
            raise IndexDamaged("it holds other vectors than SQLite")
        found = self._collection.query(query_embeddings=vectors, n_results=1, include=[])["ids"]
        near_ids, _, near = self._vectors_of({int(i) for [i] in found})
        nearest = dict(zip(near_ids, near, strict=True))
        # The same text may stand in several chunks: any that is as near will do.
        missed = sum(
            int(i) not in nearest or float(nearest[int(i)] @ vector) < 0.999
            for [i], vector in zip(found, vectors, strict=True)
        )
        # The search is approximate, so that one may be missed for no fault.
        if missed > len(ids) // 8:
            raise IndexDamaged(f"it finds {len(ids) - missed} of {len(ids)} chunks")

    def _visible(self) -> list[int]:
        return self._chunks.ids(self.embedder)

    def _vectors_of(self, ids: Iterable[int]) -> tuple[list[int], list[int], Vectors]:
        return self._chunks.vectors_of(ids, self.embedder)

    def _differing(self) -> list[int]:
        return sorted(self._held().symmetric_difference(self._visible()))

    def _held(self) -> set[int]:
        return {int(i) for i in self._collection.get(include=[])["ids"]}

    def close(self) -> None:
        """Let go of the files, which Windows would keep locked."""
        self._client.close()

    def _apply(self, ids: Sequence[int]) -> None:
        visible, _, vectors = self._vectors_of(ids)
        gone = [str(i) for i in set(ids).difference(visible)]
        if gone:
            self._collection.delete(ids=gone)
        if visible:
            self._collection.upsert(
                ids=[str(i) for i in visible],
                embeddings=vectors,
                # langchain-chroma passes over entries without a document; the text is in SQLite.
                documents=[""] * len(visible),
            )


def open_chroma(chunks: ChunkTable, embedder: str, path: Path, url: str = "") -> ChromaIndex:
    """Open the index, bring it up to date, and make a damaged embedded one again.

    Raises:
        StorageError: SQLite's.
        Exception: Chroma's own, where even an empty index cannot be opened.
    """
    if url:
        return _opened(chunks, embedder, path, url)
    if is_marked(path):
        log.warning("The app ended while it opened the vector index, which is made again")
        wipe(path)
    with marked(path):
        try:
            index = _opened(chunks, embedder, path)
        except StorageError:  # not the index's fault
            raise
        except Exception as error:  # noqa: BLE001 - Chroma's errors share no base class
            log.warning("The vector index cannot be read and is made again: %s", error)
            wipe(path)
            index = _opened(chunks, embedder, path)
    index.catch_up()
    return index


def fill_beforehand(
    chunks: ChunkTable, embedder: str, path: Path, url: str = ""
) -> Generator[int, None, None]:
    """Give ``embedder`` a collection that holds its ``chunks``, beside the one that is searched;
    yields after each piece how many chunks that were. ``path`` is open already."""
    with marked(path):
        index = ChromaIndex(chunks, embedder, path, url)
    try:
        with marked(path):
            pieces = index.fill()
            learned = next(pieces, 0)
        yield learned
        yield from pieces
    finally:
        index.close()


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


def _collection_name(embedder: str) -> str:
    return f"chunks-{hashlib.sha256(embedder.encode()).hexdigest()[:16]}"
