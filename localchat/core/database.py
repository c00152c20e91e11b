"""The SQLite file that holds the truth.

Write-ahead log (readers never wait for a writer), foreign keys, and migrations counted by
``PRAGMA user_version``: each entry of ``MIGRATIONS`` runs once, in its own transaction.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localchat.core.errors import DiskFull, FolderNotWritable, StorageError
from localchat.core.migrations import MIGRATIONS

BUSY_SECONDS = 30
"""How long one writer waits for another."""


class Database:
    """One SQLite file and a few connections to it, each lent to one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    def read(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """The rows that ``sql`` selects; they can be read by column name."""
        with self._plain_words(), self._borrowed() as connection:
            return connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row that ``sql`` selects, or None."""
        rows = self.read(sql, *values)
        return rows[0] if rows else None

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """For several reads of one moment: what is written meanwhile is not seen."""
        with self._plain_words(), self._borrowed() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of the block is kept, or nothing of it.

        Raises:
            DiskFull, FolderNotWritable: nothing was written.
        """
        with self._plain_words(), self._borrowed() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def close(self) -> None:
        """Close the connections; one that is in use is closed when it comes back."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else has meanwhile."""
        with self._lock:
            if self._closed:
                raise StorageError("LocalChat is closing.", "Start it again.")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            yield connection
        finally:
            with self._lock:
                if self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        # Lent from thread to thread, never used by two at once.
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.isolation_level = None
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self) -> None:
        """Bring the file up to date. Several processes may open a new one at the same moment."""
        with self._plain_words():
            self._use_write_ahead_log()
        # Not to wait for another process that writes just now, where there is nothing to do.
        if self.read("PRAGMA user_version")[0][0] == len(MIGRATIONS):
            return
        with self.write() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise StorageError(
                    f"The library in {self.path.parent} was made by a newer LocalChat.",
                    "Update LocalChat, or set LOCALCHAT_HOME to another folder.",
                )
            db.create_function("vector_codes", 1, _vector_codes, deterministic=True)
            for script in MIGRATIONS[version:]:
                for statement in _statements(script):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _use_write_ahead_log(self) -> None:
        """Kept in the file. SQLite does not wait for others here, so we do."""
        with self._borrowed() as connection:
            for _ in range(BUSY_SECONDS * 20):
                try:
                    connection.execute("PRAGMA journal_mode = WAL")
                    return
                except sqlite3.OperationalError as error:
                    if "locked" not in str(error):
                        raise
                    time.sleep(0.05)
            connection.execute("PRAGMA journal_mode = WAL")

    @contextmanager
    def _plain_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            said = str(error)
            if "full" in said:
                raise DiskFull(self.path.parent) from error
            if "readonly" in said or "unable to open" in said or "disk I/O" in said:
                raise FolderNotWritable(self.path.parent, said) from error
            if "locked" in said:
                raise StorageError(
                    f"The library in {self.path.parent} is busy in another program.",
                    "Try again in a moment.",
                ) from error
            if "malformed" in said or "not a database" in said:
                raise StorageError(
                    f"The library file {self.path} is damaged ({said}).",
                    "Restore it from a backup, or move it away to start with an empty library: "
                    "the originals of what was added are in the folder “originals”.",
                ) from error
            raise


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: ``executescript`` would end our transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _vector_codes(stored: bytes) -> bytes:
    """For a migration: what was kept as float32, as it is stored now."""
    from localchat.core.vector_codes import from_float32

    return from_float32(stored)
