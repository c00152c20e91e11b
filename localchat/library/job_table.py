"""The jobs' rows: which source waits to be taken in, which is being, and what became of it.

The newest job of a source says how it is: ``waiting``, ``running``, ``done``, ``failed`` (``error``
says why) or ``same`` (another source has the same text, whose digest ``stage`` then holds). A job
is queued, and done, in the transaction that makes it so: these functions take an open one.
"""

from __future__ import annotations

import sqlite3

from localchat.core.database import Database
from localchat.core.times import now
from localchat.library.rows import text_digest

OPEN = "('waiting', 'running')"


class JobTable:
    """The table ``job`` in ``database``."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def next(self) -> tuple[int, int] | None:
        """The oldest job that is not settled, with its source: (job's id, source's id).

        One that is still ``running`` was left so by a process that ended, or by a disk so full
        that not even this could be noted: only one thread runs jobs, and it is the one that asks.
        """
        row = self.database.one(
            f"SELECT id, source_id FROM job WHERE state IN {OPEN} ORDER BY id LIMIT 1"
        )
        return (int(row["id"]), int(row["source_id"])) if row else None

    def note(self, job_id: int, **values: str | int) -> None:
        """Write down how a job is."""
        columns = ", ".join(f"{name} = ?" for name in values)
        with self.database.write() as db:
            db.execute(
                f"UPDATE job SET {columns}, changed_at = ? WHERE id = ?",
                (*values.values(), now(), job_id),
            )

    def retry(self, source_id: int) -> None:
        """Put a source back into the queue, where it is not in it already."""
        with self.database.write() as db:
            queue(db, source_id)

    def settle_as_same(self, job_id: int, source_id: int, text: str) -> bool:
        """Where another visible source has this text to the letter, the job ends with that."""
        with self.database.write() as db:
            twin = db.execute(
                "SELECT title FROM source JOIN revision ON revision.id = source.revision_id"
                " WHERE text_sha256 = ? AND source.id != ?",
                (text_digest(text), source_id),
            ).fetchone()
            if twin is None:
                return False
            told = (
                f"The same text is already in the library as “{twin['title']}”, "
                "so it was not added again."
            )
            db.execute(
                "UPDATE job SET state = 'same', stage = ?, error = ?, changed_at = ? WHERE id = ?",
                (text_digest(text), told, now(), job_id),
            )
        return True


def queue(db: sqlite3.Connection, source_id: int) -> None:
    """Have a source taken in, where it does not wait for that already."""
    db.execute(
        "INSERT INTO job (source_id, changed_at) SELECT id, ? FROM source WHERE id = ?"
        f" AND NOT EXISTS (SELECT 1 FROM job WHERE source_id = source.id AND state IN {OPEN})",
        (now(), source_id),
    )


def queue_twins(db: sqlite3.Connection, source_id: int) -> None:
    """Have the sources taken in that were not because this one has the same text."""
    db.execute(
        "INSERT INTO job (source_id, changed_at) SELECT source_id, ? FROM job"
        " WHERE id IN (SELECT max(id) FROM job GROUP BY source_id) AND state = 'same'"
        " AND stage IN (SELECT text_sha256 FROM revision JOIN source"
        " ON source.revision_id = revision.id WHERE source.id = ?) ORDER BY source_id",
        (now(), source_id),
    )


def settle_as_done(db: sqlite3.Connection, source_id: int) -> None:
    """What is being taken in has become visible."""
    db.execute(
        "UPDATE job SET state = 'done', stage = '', error = '', changed_at = ?"
        " WHERE source_id = ? AND state = 'running'",
        (now(), source_id),
    )
