"""The SQLite file that holds the truth: migrated once, all or nothing, told in sentences."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from localchat.core.database import Database
from localchat.core.errors import DiskFull, FolderNotWritable, StorageError
from localchat.core.migrations import MIGRATIONS

ADD = "INSERT INTO conversation (id, title, changed_at) VALUES (?, ?, 'now')"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "library.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(path)) as opened:
        yield opened


def count(database: Database) -> int:
    row = database.one("SELECT count(*) FROM conversation")
    assert row is not None
    return int(row[0])


def test_a_new_file_gets_every_migration_once(path: Path) -> None:
    for _ in range(2):
        with closing(Database(path)) as database:
            assert database.read("PRAGMA user_version")[0][0] == len(MIGRATIONS)
            assert database.read("PRAGMA journal_mode")[0][0] == "wal"
            assert database.read("PRAGMA foreign_keys")[0][0] == 1


def test_what_was_written_is_there_after_reopening(path: Path) -> None:
    with closing(Database(path)) as database, database.write() as db:
        db.execute(ADD, ("a", "茶 🍵"))
    with closing(Database(path)) as database:
        row = database.one("SELECT title FROM conversation")
        assert row is not None
        assert row["title"] == "茶 🍵"


def test_a_transaction_is_kept_as_a_whole_or_not_at_all(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as db:
        db.execute(ADD, ("a", "first"))
        raise RuntimeError
    assert count(database) == 0
    with pytest.raises(sqlite3.IntegrityError), database.write() as db:
        db.execute(ADD, ("a", "first"))
        db.execute(ADD, ("a", "again"))
    assert count(database) == 0
    with database.write() as db:
        db.execute(ADD, ("a", "first"))
    assert count(database) == 1


def test_threads_write_in_turns_and_lose_nothing(database: Database) -> None:
    failed: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for number in range(50):
                with database.write() as db:
                    db.execute(ADD, (f"{name}{number}", "t"))
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert count(database) == 200


def test_a_reader_does_not_wait_for_a_writer_and_sees_nothing_half(database: Database) -> None:
    seen: list[int] = []
    with database.write() as db:
        db.execute(ADD, ("a", "t"))
        reader = threading.Thread(target=lambda: seen.append(count(database)))
        reader.start()
        reader.join(5)
    assert seen == [0]
    assert count(database) == 1


def test_several_openers_of_a_new_file_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    """A window and a command that start at the same moment, for the first time."""
    failed: list[str] = []
    together = threading.Barrier(4)

    def open_it() -> None:
        for number in range(5):
            together.wait()
            try:
                Database(tmp_path / f"{number}.db").close()
            except Exception as error:  # noqa: BLE001 - told by the test
                failed.append(repr(error))
                together.abort()

    threads = [threading.Thread(target=_until_broken, args=(open_it,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def _until_broken(run: Callable[[], None]) -> None:
    with suppress(threading.BrokenBarrierError):
        run()


def test_the_library_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    Database(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="made by a newer LocalChat") as caught:
        Database(path)
    assert "Update LocalChat" in caught.value.next_step
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == 99


def test_a_file_that_is_no_database_is_told_in_a_sentence(path: Path) -> None:
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StorageError, match="is damaged") as caught:
        Database(path)
    assert str(path) in caught.value.what
    assert "originals" in caught.value.next_step


def test_a_database_with_a_hole_in_it_is_told_in_a_sentence(path: Path) -> None:
    with closing(Database(path)) as database, database.write() as db:
        for number in range(200):
            db.execute(ADD, (str(number), "t" * 1000))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 8192))
    with (
        pytest.raises(StorageError, match="is damaged"),
        closing(Database(path)) as database,
    ):
        database.read("SELECT * FROM conversation ORDER BY title")


def test_a_folder_in_the_place_of_the_file_is_told(path: Path) -> None:
    path.mkdir()
    with pytest.raises(FolderNotWritable):
        Database(path)


def test_a_full_disk_is_told_and_what_was_there_stays(small_disk: Path) -> None:
    with closing(Database(small_disk / "library.db")) as database:
        with pytest.raises(DiskFull):
            for number in range(100):
                with database.write() as db:
                    db.execute(ADD, (str(number), "t" * 100_000))
        kept = count(database)
        assert 0 < kept < 100
        assert database.read("PRAGMA integrity_check")[0][0] == "ok"
    with closing(Database(small_disk / "library.db")) as database:
        assert count(database) == kept


def test_closing_twice_is_fine(path: Path) -> None:
    database = Database(path)
    database.close()
    database.close()
