"""The chunks, from which both indexes are made."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

from localchat.core.database import Database
from localchat.core.evidence import Vectors
from localchat.core.vector_codes import Codes, codes, matrix, unit_rows, vector_bytes
from localchat.library.keywords import KeywordIndex
from localchat.library.rows import StoredChunk, chunk_of

# By way of the index on ``embedder``: in the table it stands behind the text, which may be long.
_MADE_BY = """
    EXISTS (SELECT 1 FROM revision INDEXED BY revision_by_embedder
            WHERE embedder = ? AND id = source.revision_id)
"""
_EMBEDDED = f"""
    FROM chunk JOIN source ON source.revision_id = chunk.revision_id
    JOIN vector ON vector.chunk_id = chunk.id
    WHERE {_MADE_BY}
"""
_LISTED = "IN (SELECT value FROM json_each(?))"


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
            " anchor, context, source.id AS source_id, source.title, source.name, source.origin"
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
        return KeywordIndex(self.database).search(asked, limit, sources)

    def ids(self, embedder: str) -> list[int]:
        """All visible chunks that have a vector which ``embedder`` made, oldest first."""
        rows = self.database.read(f"SELECT chunk.id {_EMBEDDED} ORDER BY chunk.id", embedder)
        return [row["id"] for row in rows]

    def visible_changes(self) -> int:
        """Another number whenever it may be another set of chunks, or of vectors, that is seen."""
        return int(self.database.read("SELECT number FROM visible_changes")[0][0])

    def sources_of(self, embedder: str) -> dict[int, int]:
        """The visible revisions that ``embedder`` made, each with its source: ids."""
        rows = self.database.read(f"SELECT id, revision_id FROM source WHERE {_MADE_BY}", embedder)
        return {row["revision_id"]: row["id"] for row in rows}

    def revisions_of(self, embedder: str, sources: Collection[int]) -> list[int]:
        """Those of the visible revisions that ``embedder`` made which are of ``sources``: ids."""
        rows = self.database.read(
            f"SELECT revision_id FROM source WHERE {_MADE_BY} AND id {_LISTED}",
            embedder,
            _list(sources),
        )
        return [row["revision_id"] for row in rows]

    def has_at_most(self, limit: int, revisions: Collection[int]) -> bool:
        """Whether these revisions have no more chunks than ``limit`` together."""
        rows = self.database.read(
            f"SELECT 1 FROM chunk WHERE revision_id {_LISTED} LIMIT ?", _list(revisions), limit + 1
        )
        return len(rows) <= limit

    def codes(self, revisions: Collection[int]) -> tuple[list[int], list[int], Codes]:
        """All vectors of these revisions as they are stored: their chunks' ids, the revisions' ids
        and one row for each."""
        rows = self.database.read(
            "SELECT chunk.id, revision_id, codes FROM chunk JOIN vector ON chunk_id = chunk.id"
            f" WHERE revision_id {_LISTED}",
            _list(revisions),
        )
        return (
            [row["id"] for row in rows],
            [row["revision_id"] for row in rows],
            codes(row["codes"] for row in rows),
        )

    def vectors(
        self, embedder: str, sources: Collection[int] | None = None
    ) -> tuple[list[int], Vectors]:
        """All visible vectors that ``embedder`` made, or only those of ``sources``, ids: their
        chunks' ids and one row for each."""
        revisions = (
            self.sources_of(embedder) if sources is None else self.revisions_of(embedder, sources)
        )
        ids, _, rows = self.codes(list(revisions))
        return ids, unit_rows(rows)

    def vectors_of(
        self, chunk_ids: Iterable[int], embedder: str
    ) -> tuple[list[int], list[int], Vectors]:
        """Those of these chunks that are visible and have a vector which ``embedder`` made: their
        ids, their sources' ids and one row for each."""
        rows = self.database.read(
            f"SELECT chunk.id, source.id AS source_id, codes {_EMBEDDED} AND chunk.id {_LISTED}",
            embedder,
            _list(chunk_ids),
        )
        return (
            [row["id"] for row in rows],
            [row["source_id"] for row in rows],
            matrix(row["codes"] for row in rows),
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


def _list(values: Iterable[int]) -> str:
    """As one value of a statement, which takes some thousands at most."""
    return json.dumps(list(values))


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
