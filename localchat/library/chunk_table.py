"""The chunks, from which both indexes are made, and the keyword index itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from localchat.core.database import Database
from localchat.core.evidence import Vectors
from localchat.library.rows import StoredChunk, chunk_of

_VISIBLE_VECTORS = """
    FROM chunk JOIN source ON source.revision_id = chunk.revision_id
    JOIN revision ON revision.id = chunk.revision_id
    WHERE revision.embedder = ? AND vector IS NOT NULL
"""


class ChunkTable:
    """The visible chunks in ``database``. A chunk of a revision that is no longer there, or not
    yet, is never returned."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def chunks(self, chunk_ids: Iterable[int]) -> dict[int, StoredChunk]:
        """The visible ones of these chunks, by id."""
        ids = list(chunk_ids)
        marks = ",".join("?" * len(ids))
        rows = self.database.read(
            "SELECT chunk.*, source.id AS source_id, source.title, source.name, source.origin"
            " FROM chunk JOIN source ON source.revision_id = chunk.revision_id"
            f" WHERE chunk.id IN ({marks})",
            *ids,
        )
        return {row["id"]: chunk_of(row) for row in rows}

    def keyword_search(self, asked: Sequence[str], limit: int) -> list[tuple[int, float]]:
        """Chunks that hold any of the words, best first: (id, BM25 score, larger is better)."""
        if not asked:
            return []
        query = " OR ".join(f'"{word}"' for word in asked)
        rows = self.database.read(
            "SELECT rowid, bm25(chunk_words) AS score FROM chunk_words"
            " WHERE chunk_words MATCH ? ORDER BY score LIMIT ?",
            query,
            limit,
        )
        return [(row["rowid"], -row["score"]) for row in rows]

    def ids(self, embedder: str) -> list[int]:
        """All visible chunks that have a vector which ``embedder`` made, oldest first."""
        rows = self.database.read(f"SELECT chunk.id {_VISIBLE_VECTORS} ORDER BY chunk.id", embedder)
        return [row["id"] for row in rows]

    def vectors(self, embedder: str) -> tuple[list[int], Vectors]:
        """All visible vectors that ``embedder`` made: their chunks' ids and one row for each."""
        rows = self.database.read(f"SELECT chunk.id, chunk.vector {_VISIBLE_VECTORS}", embedder)
        return [row["id"] for row in rows], matrix(row["vector"] for row in rows)

    def stale(self, limit: int) -> list[int]:
        """Up to ``limit`` chunks that the vector index has yet to learn of, or to forget."""
        rows = self.database.read("SELECT chunk_id FROM stale_vector LIMIT ?", limit)
        return [row["chunk_id"] for row in rows]

    def clear_stale(self, chunk_ids: Sequence[int]) -> None:
        with self.database.write() as db:
            db.executemany("DELETE FROM stale_vector WHERE chunk_id = ?", [(i,) for i in chunk_ids])

    def mark_stale(self, chunk_ids: Iterable[int]) -> None:
        """The vector index has to look at these again."""
        with self.database.write() as db:
            db.executemany(
                "INSERT OR REPLACE INTO stale_vector VALUES (?)", [(i,) for i in chunk_ids]
            )


def matrix(vectors: Iterable[bytes]) -> Vectors:
    """Stored vectors as rows; an empty matrix where there are none."""
    rows = [np.frombuffer(vector, dtype="<f4") for vector in vectors]
    return np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float32)
