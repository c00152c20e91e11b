"""The search by vectors: Chroma where it can be used, an exact search everywhere else.

Only the process that holds the data folder's lock opens Chroma (two writers lose items); every
other one, and this one while Chroma is not open, not up to date or that of another embedder,
searches exactly, which takes 11 ms at 100,000 chunks. So does whoever asks for some of the sources:
Chroma's own filter took 55 to 90 ms there, and to ask it for more and drop the rest finds nothing
where the question is about something else than the sources.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Generator
from pathlib import Path

from localchat.core.database import Database
from localchat.core.evidence import Vectors
from localchat.library.chunk_table import ChunkTable, ComingChunks
from localchat.library.exact import ExactIndex
from localchat.library.vectors import ChromaIndex, Found, fill_beforehand, open_chroma

log = logging.getLogger(__name__)

INDEX_REST = 60.0
"""Seconds until a vector index that failed is opened again."""


class LibraryIndex:
    """The vectors of one library, whose Chroma is at ``path``, or the server at ``url``."""

    def __init__(self, database: Database, path: Path, url: str = "") -> None:
        self._chunks = ChunkTable(database)
        self._coming = ComingChunks(database)
        self._path = path
        self._url = url
        self._chroma: ChromaIndex | None = None
        self._exact: ExactIndex | None = None
        self._rests_until = 0.0
        self._filling: tuple[str, Generator[int, None, None]] | None = None
        self._kept: set[str] = set()
        self._lock = threading.RLock()

    def search(
        self, embedder: str, vector: Vectors, limit: int, sources: Collection[int] | None = None
    ) -> Found:
        """The ``limit`` chunks whose vectors of ``embedder``, an identity, are nearest; with
        ``sources``, ids, only chunks of those."""
        index = self._chroma
        if sources is None and index is not None and self.is_ready(embedder):
            try:
                return index.search(vector, limit)
            except Exception as error:  # noqa: BLE001 - Chroma's errors share no base class
                log.warning("The vector index failed, searching without it: %s", error)
        exact = self._exact
        if exact is None or exact.embedder != embedder:
            self._exact = exact = ExactIndex(self._chunks, embedder)
        return exact.search(vector, limit, sources)

    def is_ready(self, embedder: str) -> bool:
        """Whether Chroma holds all the vectors of ``embedder``."""
        index = self._chroma
        return index is not None and index.embedder == embedder and not self._chunks.stale(1)

    def update(self, embedder: str, coming: str = "") -> None:
        """Bring Chroma up to date for ``embedder``, and forget all others but the one that is
        ``coming``. Where that fails the exact search goes on, and Chroma is opened again a while
        later."""
        exact = self._exact
        if exact is not None and exact.embedder == embedder:
            exact.keep_up()
        with self._lock:
            if time.monotonic() < self._rests_until:
                return
            try:
                index = self._opened(embedder)
                if self._kept != {embedder, coming}:
                    self._tidy(index, {embedder, coming})
                index.catch_up()
            except Exception:
                self._rests_until = time.monotonic() + INDEX_REST
                log.exception("The vector index cannot be used; searching without it")
                self._close()

    def fill(self, embedder: str) -> bool:
        """Have Chroma learn a piece of what ``embedder`` made for the time when it will be searched
        with; returns whether there is more. Where Chroma cannot be used there is not."""
        with self._lock:
            if self._chroma is None:
                return False
            try:
                if self._filling is None or self._filling[0] != embedder:
                    self._stop_filling()
                    pieces = fill_beforehand(self._coming, embedder, self._path, self._url)
                    self._filling = embedder, pieces
                if next(self._filling[1], 0):
                    return True
            except Exception as error:  # noqa: BLE001 - Chroma's errors share no base class
                log.warning("The new vector index cannot be filled beforehand: %s", error)
            self._stop_filling()
            return False

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._close()

    def _opened(self, embedder: str) -> ChromaIndex:
        if self._chroma is not None and self._chroma.embedder != embedder:
            self._close()
        if self._chroma is None:
            self._chroma = open_chroma(self._chunks, embedder, self._path, self._url)
        return self._chroma

    def _tidy(self, index: ChromaIndex, kept: set[str]) -> None:
        """A change has begun or ended."""
        self._stop_filling()
        index.check()
        # A server may hold another library's, too: of those only what was ours.
        known = self._kept if self._url else index.embedders()
        index.forget(known - kept)
        self._kept = kept

    def _stop_filling(self) -> None:
        filling, self._filling = self._filling, None
        if filling is not None:
            filling[1].close()

    def _close(self) -> None:
        index, self._chroma = self._chroma, None
        try:
            self._stop_filling()
            if index is not None:
                index.close()
        except Exception as error:  # noqa: BLE001 - Chroma's errors share no base class
            log.warning("The vector index could not be closed: %s", error)
