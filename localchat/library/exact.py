"""The exact search: the question's vector against every vector there is, or every one in scope.

What is asked of a few sources is read from SQLite each time. For more, the vectors are held in
memory as they are stored (a byte for each number: 38 MB for 100,000 chunks of 384), from the first
such search on, and only what has changed since is read again.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localchat.core.evidence import Vectors
from localchat.core.vector_codes import Codes, lengths
from localchat.library.chunk_table import ChunkTable
from localchat.library.vectors import Found

READ_EACH_TIME = 2_000
"""Chunks: so many are read from SQLite in 3 ms."""
BLOCK = 512
"""Rows made float32 at a time: as many as stay in the processor's own memory."""

_Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Held:
    """Vectors as they are stored, one row for each chunk."""

    chunks: _Ids
    revisions: _Ids
    codes: Codes
    lengths: npt.NDArray[np.float32]

    def nearest(self, vector: Vectors, limit: int, rows: _Ids | None = None) -> Found:
        """The ``limit`` nearest chunks, of these ``rows`` where they are given."""
        if rows is None:
            chunks, cosines = self.chunks, self._cosines(vector)
        elif len(rows) > len(self.chunks) // 2:  # to pick so many costs more than to compare all
            chunks, cosines = self.chunks[rows], self._cosines(vector)[rows]
        else:
            chunks = self.chunks[rows]
            picked = _Held(chunks, self.revisions[rows], self.codes[rows], self.lengths[rows])
            cosines = picked._cosines(vector)
        best = np.arange(len(chunks))
        if limit < len(chunks):
            best = np.argpartition(-cosines, limit)[:limit]
        best = best[np.argsort(-cosines[best], kind="stable")]
        return list(zip(chunks[best].tolist(), cosines[best].tolist(), strict=True))

    def _cosines(self, vector: Vectors) -> Vectors:
        dots = np.empty(len(self.chunks), dtype=np.float32)
        block = np.empty((BLOCK, self.codes.shape[1]), dtype=np.float32)
        for start in range(0, len(dots), BLOCK):
            codes = self.codes[start : start + BLOCK]
            floats = block[: len(codes)]
            np.copyto(floats, codes)
            np.dot(floats, vector, out=dots[start : start + len(codes)])
        return dots / self.lengths

    def without(self, gone: set[int]) -> _Held:
        """The rows of all other revisions."""
        kept = ~np.isin(self.revisions, list(gone))
        return _Held(self.chunks[kept], self.revisions[kept], self.codes[kept], self.lengths[kept])

    def plus(self, more: _Held) -> _Held:
        """These rows and more of them."""
        if not len(self.chunks) or not len(more.chunks):
            return self if len(self.chunks) else more
        return _Held(
            np.concatenate([self.chunks, more.chunks]),
            np.concatenate([self.revisions, more.revisions]),
            np.concatenate([self.codes, more.codes]),
            np.concatenate([self.lengths, more.lengths]),
        )


class ExactIndex:
    """The visible vectors that ``embedder``, an identity, made. Never stale; any thread may
    search."""

    def __init__(self, chunks: ChunkTable, embedder: str) -> None:
        self.embedder = embedder
        self._chunks = chunks
        self._held: _Held | None = None
        self._seen = -1
        self._lock = threading.Lock()

    def search(self, vector: Vectors, limit: int, sources: Collection[int] | None = None) -> Found:
        """The ``limit`` nearest chunks, of ``sources`` (ids) where they are given."""
        if sources is None:
            return self._current().nearest(vector, limit)
        revisions = self._chunks.revisions_of(self.embedder, sources)
        if self._held is None and self._chunks.has_at_most(READ_EACH_TIME, revisions):
            return self._read(revisions).nearest(vector, limit)
        held = self._current()
        rows = np.flatnonzero(np.isin(held.revisions, revisions))
        return held.nearest(vector, limit, rows)

    def keep_up(self) -> None:
        """Read what has changed, where the vectors are held: a search need not wait for it then."""
        if self._held is not None:
            self._current()

    def _current(self) -> _Held:
        with self._lock:
            # Before the vectors: what changes meanwhile is looked at again.
            changes = self._chunks.visible_changes()
            if self._held is None or changes != self._seen:
                self._held = self._followed(self._held)
                self._seen = changes
            return self._held

    def _followed(self, held: _Held | None) -> _Held:
        """``held``, as it has to be by now."""
        visible = set(self._chunks.sources_of(self.embedder))
        known: set[int] = set() if held is None else set(np.unique(held.revisions).tolist())
        if held is None or not known <= visible:
            held = self._read([]) if held is None else held.without(known - visible)
        return held.plus(self._read(visible - known))

    def _read(self, revisions: Collection[int]) -> _Held:
        chunks, of, codes = self._chunks.codes(revisions)
        return _Held(
            np.array(chunks, dtype=np.int64), np.array(of, dtype=np.int64), codes, lengths(codes)
        )
