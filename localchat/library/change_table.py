"""Which embedder is searched with, which one is changed to, and the vectors made for that so far.

The rows are the truth: a change that a crash cut off goes on from them, and every process that
has the database open sees the switch at the same moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from localchat.core.database import Database
from localchat.core.evidence import Vectors
from localchat.core.vector_codes import vector_bytes
from localchat.library.rows import text_to_index

_VISIBLE = "revision_id IN (SELECT revision_id FROM source)"
_MADE_BY = "revision_id IN (SELECT id FROM revision WHERE embedder = ?)"
# From the chunks outwards, so that the smallest ids come without sorting all of them.
_LACKING = f"""
    FROM chunk CROSS JOIN revision ON revision.id = chunk.revision_id
    CROSS JOIN source ON source.id = revision.source_id AND source.revision_id = revision.id
    WHERE chunk.id > ? AND NOT chunk.{_MADE_BY}
    AND NOT EXISTS (SELECT 1 FROM new_vector WHERE chunk_id = chunk.id AND embedder = ?)
"""


@dataclass(frozen=True)
class LibraryState:
    """The row of ``library_state``."""

    active: str
    """Key of the embedder whose vectors are searched."""
    target: str | None
    """Key of the embedder that is changed to. The active one where its vectors have become others,
    because its files were replaced."""
    identity: str
    """What the target calls itself, as kept with the vectors."""
    error: str
    """Why the change stands still; empty: it does not."""


class ChangeTable:
    """The tables ``library_state`` and ``new_vector`` in ``database``."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def state(self) -> LibraryState:
        row = self.database.read("SELECT * FROM library_state")[0]
        return LibraryState(row["active"], row["target"], row["identity"], row["error"])

    def aim(self, target: str, identity: str, instead_of: LibraryState | None = None) -> None:
        """Change to ``target``; vectors that were made for it before are kept. With ``instead_of``
        only where that state's target is still the same."""
        with self.database.write() as db:
            now = db.execute("SELECT target FROM library_state").fetchone()["target"]
            if instead_of is not None and now != instead_of.target:
                return
            db.execute(
                "UPDATE library_state SET target = ?, identity = ?, error = ''", (target, identity)
            )
            db.execute("DELETE FROM new_vector WHERE embedder != ?", (identity,))

    def clear_error(self) -> None:
        """Let a change that failed go on."""
        if self.state().error:
            with self.database.write() as db:
                db.execute("UPDATE library_state SET error = ''")

    def give_up(self) -> None:
        """Change to nothing, and forget what was made for it."""
        with self.database.write() as db:
            _settle(db)

    def fail(self, target: str, told: str) -> None:
        """Leave the change to ``target`` standing, for a reason that people can read."""
        with self.database.write() as db:
            db.execute("UPDATE library_state SET error = ? WHERE target = ?", (told, target))

    def has_others_than(self, identity: str) -> bool:
        """Whether anything visible was made by another embedder."""
        row = self.database.one(
            f"SELECT 1 FROM source WHERE revision_id IS NOT NULL AND NOT source.{_MADE_BY} LIMIT 1",
            identity,
        )
        return row is not None

    def lacking(self, identity: str, after: int, limit: int) -> list[tuple[int, str]]:
        """Visible chunks above the id ``after`` without a vector of ``identity``, in order: (id,
        text to embed)."""
        rows = self.database.read(
            f"SELECT chunk.id, chunk.heading, chunk.context, chunk.text, source.title {_LACKING}"
            " ORDER BY chunk.id LIMIT ?",
            after,
            identity,
            identity,
            limit,
        )
        return [
            (r["id"], text_to_index(r["title"], r["heading"], r["context"], r["text"]))
            for r in rows
        ]

    def progress(self, identity: str) -> tuple[int, int]:
        """How many chunks have a new vector, and how many need one."""
        total = self.database.read(
            f"SELECT count(*) FROM chunk WHERE {_VISIBLE} AND NOT {_MADE_BY}", identity
        )[0][0]
        done = self.database.read("SELECT count(*) FROM new_vector WHERE embedder = ?", identity)[
            0
        ][0]
        return min(done, total), total

    def keep(self, target: str, identity: str, chunk_ids: Sequence[int], vectors: Vectors) -> bool:
        """Keep one row of ``vectors`` with each chunk that is still there. False: ``target`` is
        not what is changed to any more, and nothing was kept."""
        with self.database.write() as db:
            if not _aims_at(db, target, identity):
                return False
            db.executemany(
                "INSERT OR REPLACE INTO new_vector SELECT id, ?, ? FROM chunk WHERE id = ?",
                [
                    (identity, vector_bytes(vector), chunk_id)
                    for chunk_id, vector in zip(chunk_ids, vectors, strict=True)
                ],
            )
        return True

    def switch(self, target: str, identity: str) -> bool:
        """From now on ``target``'s vectors are searched. False: something has none yet, or
        ``target`` is not what is changed to any more, and nothing happened."""
        with self.database.write() as db:
            if not _aims_at(db, target, identity):
                return False
            if db.execute(f"SELECT 1 {_LACKING} LIMIT 1", (0, identity, identity)).fetchone():
                return False
            db.execute(
                "INSERT OR REPLACE INTO vector SELECT chunk_id, new_vector.vector"
                " FROM new_vector JOIN chunk ON chunk.id = chunk_id"
                f" WHERE NOT {_MADE_BY}",
                (identity,),
            )
            db.execute(
                "UPDATE revision SET embedder = ?"
                " WHERE id IN (SELECT revision_id FROM source) AND embedder != ?",
                (identity, identity),
            )
            db.execute("UPDATE library_state SET active = ?", (target,))
            _settle(db)
        return True


def _settle(db: sqlite3.Connection) -> None:
    db.execute("UPDATE library_state SET target = NULL, identity = '', error = ''")
    db.execute("DELETE FROM new_vector")


def _aims_at(db: sqlite3.Connection, target: str, identity: str) -> bool:
    row = db.execute("SELECT target, identity FROM library_state").fetchone()
    return (row["target"], row["identity"]) == (target, identity)
