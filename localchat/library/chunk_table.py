"""The chunks, from which both indexes are made, and the keyword index itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from localchat.core.database import Database
from localchat.core.evidence import Vectors
from localchat.library.rows import StoredChunk, chunk_of, matrix, vector_bytes

# By way of the index on ``embedder``: in the table it stands behind the text, which may be long.
_EMBEDDED = """
    FROM chunk JOIN source ON source.revision_id = chunk.revision_id
    WHERE chunk.revision_id IN (SELECT id FROM revision WHERE embedder = ?)
    AND chunk.vector IS NOT NULL
"""


class ChunkTable:
    """The visible chunks in ``database``. A chunk of a revision that is no longer there, or not
    yet, is never returned."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def chunks(self, chunk_ids: Iterable[int]) -> dict[int, StoredChunk]:
        """The visible ones of these chunks, by id."""
        ids = list(chunk_ids)
        rows = self.database.read(
            "SELECT chunk.id, chunk.revision_id, position, start, end, chunk.text, heading, page,"
            " anchor, source.id AS source_id, source.title, source.name, source.origin"
            " FROM chunk JOIN source ON source.revision_id = chunk.revision_id"
            f" WHERE chunk.id IN ({_marks(ids)})",
            *ids,
        )
        return {row["id"]: chunk_of(row) for row in rows}

    def keyword_search(
        self, asked: Sequence[str], limit: int, sources: Collection[int] | None = None
    ) -> list[tuple[int, float]]:
        """Chunks that hold any of the words, best first: (id, BM25 score, larger is better); with
        ``sources``, ids, only chunks of those."""
        if not asked:
            return []
        query = " OR ".join(f'"{word}"' for word in asked)
        within, values = "", list(sources or ())
        if sources is not None:
            within = (
                " AND rowid IN (SELECT chunk.id FROM chunk JOIN source"
                " ON source.revision_id = chunk.revision_id"
                f" WHERE source.id IN ({_marks(values)}))"
            )
        rows = self.database.read(
            "SELECT rowid, bm25(chunk_words) AS score FROM chunk_words"
            f" WHERE chunk_words MATCH ?{within} ORDER BY score LIMIT ?",
            query,
            *values,
            limit,
        )
        return [(row["rowid"], -row["score"]) for row in rows]

    def ids(self, embedder: str) -> list[int]:
        """All visible chunks that have a vector which ``embedder`` made, oldest first."""
        rows = self.database.read(f"SELECT chunk.id {_EMBEDDED} ORDER BY chunk.id", embedder)
        return [row["id"] for row in rows]

    def vectors(
        self, embedder: str, sources: Collection[int] | None = None
    ) -> tuple[list[int], Vectors]:
        """All visible vectors that ``embedder`` made, or only those of ``sources``, ids: their
        chunks' ids and one row for each."""
        within, values = "", list(sources or ())
        if sources is not None:
            within = f" AND source.id IN ({_marks(values)})"
        rows = self.database.read(
            f"SELECT chunk.id, chunk.vector {_EMBEDDED}{within}", embedder, *values
        )
        return [row["id"] for row in rows], matrix(row["vector"] for row in rows)

    def vectors_of(
        self, chunk_ids: Iterable[int], embedder: str
    ) -> tuple[list[int], list[int], Vectors]:
        """Those of these chunks that are visible and have a vector which ``embedder`` made: their
        ids, their sources' ids and one row for each."""
        ids = list(chunk_ids)
        rows = self.database.read(
            f"SELECT chunk.id, source.id AS source_id, chunk.vector {_EMBEDDED}"
            f" AND chunk.id IN ({_marks(ids)})",
            embedder,
            *ids,
        )
        return (
            [row["id"] for row in rows],
            [row["source_id"] for row in rows],
            matrix(row["vector"] for row in rows),
        )

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


class ComingChunks(ChunkTable):
    """The visible chunks with the vectors that they will have once the library has switched to
    the embedder that it changes to: what the new vector index is filled with beforehand."""

    def ids(self, embedder: str) -> list[int]:
        """All visible chunks that have, or will have, a vector which ``embedder`` made."""
        rows = self.database.read(
            "SELECT chunk_id FROM new_vector WHERE embedder = ? ORDER BY chunk_id", embedder
        )
        return sorted({*super().ids(embedder), *(row["chunk_id"] for row in rows)})

    def vectors_of(
        self, chunk_ids: Iterable[int], embedder: str
    ) -> tuple[list[int], list[int], Vectors]:
        """As of any chunk table, the new vectors among them."""
        wanted = list(chunk_ids)
        ids, sources, vectors = super().vectors_of(wanted, embedder)
        rows = self.database.read(
            "SELECT chunk.id, source.id AS source_id, new_vector.vector FROM new_vector"
            " JOIN chunk ON chunk.id = new_vector.chunk_id"
            " JOIN source ON source.revision_id = chunk.revision_id"
            f" WHERE new_vector.embedder = ? AND chunk.id IN ({_marks(wanted)})",
            embedder,
            *wanted,
        )
        return (
            [*ids, *(row["id"] for row in rows)],
            [*sources, *(row["source_id"] for row in rows)],
            matrix([*map(vector_bytes, vectors), *(row["vector"] for row in rows)]),
        )


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
