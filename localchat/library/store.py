"""The library's rows: sources, their revisions, chunks and keywords. Plain SQL, no threads.

A source becomes visible as a whole or not at all: a new revision is written and embedded out of
sight, ``publish`` switches to it in one transaction and clears the old one away. Which chunks the
vector index has yet to learn of, or to forget, is written down in the same transaction
(``stale_vector``), so that a crash between the two loses nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from localchat.core.database import Database
from localchat.core.evidence import Vectors
from localchat.core.times import now
from localchat.core.vector_codes import vector_bytes
from localchat.library import segments
from localchat.library.chunks import Chunk
from localchat.library.job_table import queue, queue_twins, settle_as_done
from localchat.library.rows import (
    Source,
    source_of,
    text_digest,
    text_to_index,
)
from localchat.sources.document import Document

SOURCES = """
    SELECT source.*, job.state AS job_state, job.stage, job.done, job.total, job.error,
           revision.notes, revision.characters,
           (SELECT count(*) FROM chunk WHERE chunk.revision_id = source.revision_id) AS passages
    FROM source
    LEFT JOIN revision ON revision.id = source.revision_id
    LEFT JOIN job ON job.id = (SELECT max(id) FROM job WHERE job.source_id = source.id)
"""
_CHUNK_TEXTS = """
    SELECT chunk.id, source.title, heading, context, chunk.text
    FROM chunk JOIN revision ON revision.id = chunk.revision_id
    JOIN source ON source.id = revision.source_id
    WHERE chunk.revision_id = ?
"""


class Store:
    """The library's tables in ``database``."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # Sources

    def sources(self) -> list[Source]:
        """All sources, the newest first."""
        return [source_of(row) for row in self.database.read(f"{SOURCES} ORDER BY source.id DESC")]

    def source(self, source_id: int) -> Source | None:
        """One source, or None where it has been removed."""
        row = self.database.one(f"{SOURCES} WHERE source.id = ?", source_id)
        return source_of(row) if row else None

    def source_by_origin(self, origin: str) -> Source | None:
        row = self.database.one(f"{SOURCES} WHERE source.origin = ?", origin)
        return source_of(row) if row else None

    def add_source(
        self, origin: str, name: str, original: str | None = None, media_type: str | None = None
    ) -> int | None:
        """A new source with a job to take it in; returns its id. None: ``origin`` is here already,
        perhaps since a moment ago."""
        with self.database.write() as db:
            cursor = db.execute(
                "INSERT INTO source (origin, name, title, added_at, original, media_type)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (origin) DO NOTHING",
                (origin, name, name, now(), original, media_type),
            )
            if cursor.rowcount < 1:
                return None
            source_id = int(cursor.lastrowid or 0)
            queue(db, source_id)
        return source_id

    def keep_original(
        self, source_id: int, original: str, media_type: str, charset: str | None
    ) -> None:
        """Note where the fetched bytes are, so that they need not be fetched again."""
        with self.database.write() as db:
            db.execute(
                "UPDATE source SET original = ?, media_type = ?, charset = ? WHERE id = ?",
                (original, media_type, charset, source_id),
            )

    def uses_original(self, original: str) -> bool:
        """Whether the kept bytes belong to any source."""
        return self.database.one("SELECT 1 FROM source WHERE original = ?", original) is not None

    def forget_original(self, source_id: int) -> None:
        """The kept bytes are of no use: fetch them again at the next try."""
        with self.database.write() as db:
            db.execute("UPDATE source SET original = NULL WHERE id = ?", (source_id,))

    def remove_source(self, source_id: int) -> str | None:
        """Forget a source; returns the name of its original, if it had one. What was not taken in
        because of it waits for its turn."""
        with self.database.write() as db:
            row = db.execute("SELECT original FROM source WHERE id = ?", (source_id,)).fetchone()
            if row is None:
                return None
            queue_twins(db, source_id)
            _forget_chunks(
                db, "revision_id IN (SELECT id FROM revision WHERE source_id = ?)", source_id
            )
            db.execute("DELETE FROM source WHERE id = ?", (source_id,))
            original: str | None = row["original"]
        return original

    def span(self, revision_id: int, start: int, end: int) -> str:
        """``text[start:end]`` of a revision, in characters."""
        row = self.database.one(
            "SELECT substr(text, ?, ?) FROM revision WHERE id = ?",
            start + 1,
            end - start,
            revision_id,
        )
        return str(row[0]) if row else ""

    def text(self, source_id: int) -> str:
        """The visible text of a source; empty where nothing is visible yet."""
        row = self.database.one(
            "SELECT revision.text FROM source JOIN revision ON revision.id = source.revision_id"
            " WHERE source.id = ?",
            source_id,
        )
        return str(row["text"]) if row else ""

    def headings(self, source_id: int) -> list[str]:
        """The innermost headings of the visible chunks of a source, each once, in order."""
        rows = self.database.read(
            "SELECT heading FROM chunk JOIN source ON source.revision_id = chunk.revision_id"
            " WHERE source.id = ? AND heading != '' GROUP BY heading ORDER BY min(position)"
            " LIMIT 50",
            source_id,
        )
        return list(dict.fromkeys(row["heading"].split(" › ")[-1] for row in rows))

    # Revisions

    def draft(
        self, source_id: int, document: Document, chunks: Sequence[Chunk], embedder: str
    ) -> int:
        """Write a revision that nobody sees yet, its chunks without vectors; returns its id."""
        with self.database.write() as db:
            cursor = db.execute(
                "INSERT INTO revision"
                " (source_id, text, text_sha256, characters, notes, embedder, made_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    source_id,
                    document.text,
                    text_digest(document.text),
                    len(document.text),
                    "\n".join(document.notes),
                    embedder,
                    now(),
                ),
            )
            revision_id = int(cursor.lastrowid or 0)
            db.executemany(
                "INSERT INTO chunk"
                " (revision_id, position, start, end, text, heading, page, anchor, context)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        revision_id,
                        n,
                        c.start,
                        c.end,
                        document.text[c.start : c.end],
                        c.heading,
                        c.page,
                        c.anchor,
                        c.context,
                    )
                    for n, c in enumerate(chunks)
                ],
            )
            db.execute(
                "UPDATE source SET title = ?, kind = ? WHERE id = ?",
                (document.title, document.kind, source_id),
            )
        return revision_id

    def open_draft(self, source_id: int, embedder: str) -> int | None:
        """The revision that an interrupted job left half embedded by the same embedder."""
        row = self.database.one(
            "SELECT revision.id FROM revision JOIN source ON source.id = revision.source_id"
            " WHERE source.id = ? AND embedder = ? AND revision.id IS NOT source.revision_id"
            " ORDER BY revision.id DESC",
            source_id,
            embedder,
        )
        return int(row["id"]) if row else None

    def to_embed(self, revision_id: int) -> list[tuple[int, str]]:
        """The chunks of a revision that have no vector yet: (id, text to embed)."""
        rows = self.database.read(
            f"{_CHUNK_TEXTS} AND chunk.id NOT IN (SELECT chunk_id FROM vector) ORDER BY position",
            revision_id,
        )
        return [(row["id"], _with_headings(row)) for row in rows]

    def count_chunks(self, revision_id: int) -> int:
        row = self.database.one("SELECT count(*) FROM chunk WHERE revision_id = ?", revision_id)
        return int(row[0]) if row else 0

    def set_vectors(self, chunk_ids: Sequence[int], vectors: Vectors) -> None:
        """Keep one row of ``vectors`` with each chunk."""
        with self.database.write() as db:
            db.executemany(
                "INSERT OR REPLACE INTO vector SELECT id, ? FROM chunk WHERE id = ?",
                [(vector_bytes(v), i) for i, v in zip(chunk_ids, vectors, strict=True)],
            )

    def publish(self, source_id: int, revision_id: int) -> None:
        """Make a revision the visible one and clear the others away, in one step; with that the
        job is done."""
        # Before the transaction, for which others wait.
        with_words = {
            r["id"]: segments.indexed(
                r["id"], source_id, r["title"], r["heading"], r["context"], r["text"]
            )
            for r in self.database.read(_CHUNK_TEXTS, revision_id)
        }
        with self.database.write() as db:
            _forget_chunks(
                db,
                "revision_id IN (SELECT id FROM revision WHERE source_id = ? AND id != ?)",
                source_id,
                revision_id,
            )
            db.execute(
                "DELETE FROM revision WHERE source_id = ? AND id != ?", (source_id, revision_id)
            )
            # None where the source has been removed meanwhile.
            rows = db.execute("SELECT id FROM chunk WHERE revision_id = ?", (revision_id,))
            chunk_ids = [row["id"] for row in rows]
            segments.add(db, [with_words[chunk_id] for chunk_id in chunk_ids])
            db.executemany(
                "INSERT OR REPLACE INTO stale_vector VALUES (?)", [(i,) for i in chunk_ids]
            )
            db.execute("UPDATE source SET revision_id = ? WHERE id = ?", (revision_id, source_id))
            settle_as_done(db, source_id)

    def is_visible(self, source_id: int) -> bool:
        """Whether anything of a source is visible."""
        row = self.database.one(
            "SELECT 1 FROM source WHERE id = ? AND revision_id IS NOT NULL", source_id
        )
        return row is not None


def _forget_chunks(db: sqlite3.Connection, where: str, *values: object) -> None:
    """Take chunks out of the keyword index and note that the vector index has to follow."""
    chosen = f"SELECT id FROM chunk WHERE {where}"
    db.execute(f"INSERT OR REPLACE INTO stale_vector {chosen}", values)
    segments.forget(db, [row["id"] for row in db.execute(chosen, values)])


def _with_headings(row: sqlite3.Row) -> str:
    return text_to_index(row["title"], row["heading"], row["context"], row["text"])
