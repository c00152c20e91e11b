"""The exact search: right in any scope, however large, and whatever changes meanwhile."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from localchat.core import database as schema
from localchat.core.database import Database
from localchat.core.evidence import Vectors
from localchat.core.folder import DataFolder
from localchat.core.migrations import MIGRATIONS
from localchat.core.vector_codes import codes, matrix, vector_bytes
from localchat.library import exact as exact_module
from localchat.library.chunk_table import ChunkTable
from localchat.library.exact import ExactIndex
from localchat.library.index import LibraryIndex
from localchat.library.store import Store
from localchat.library.vectors import Found
from tests.library.test_vectors import publish

LIMIT = 7


@pytest.fixture
def database(folder: DataFolder) -> Iterator[Database]:
    with closing(Database(folder.database)) as made:
        yield made


@pytest.fixture(params=["read each time", "held in memory"])
def exact(
    request: pytest.FixtureRequest, database: Database, monkeypatch: pytest.MonkeyPatch
) -> ExactIndex:
    """The index as it searches a few chunks, and as it searches many."""
    if request.param == "held in memory":
        monkeypatch.setattr(exact_module, "READ_EACH_TIME", 0)
    monkeypatch.setattr(exact_module, "BLOCK", 16)
    return ExactIndex(ChunkTable(database), "e")


def unit(rows: Vectors) -> Vectors:
    made: Vectors = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return made


def nearest(ids: list[int], vectors: Vectors, asked: Vectors, limit: int) -> list[int]:
    """What is right, by the vectors as they were made."""
    return [ids[n] for n in np.argsort(-(vectors @ asked))[:limit]]


def ids_in(found: Found) -> list[int]:
    return [chunk_id for chunk_id, _ in found]


def test_in_every_scope_the_nearest_of_it_are_found_and_as_many_as_there_are(
    database: Database, exact: ExactIndex
) -> None:
    made = [publish(database, number) for number in (40, 3, 100, 1)]
    asked = unit(np.random.default_rng(5).standard_normal(8).astype(np.float32))
    for scope in ([0], [1], [3], [0, 1], [1, 2, 3], [0, 1, 2, 3]):
        ids = [i for n in scope for i in made[n][1]]
        vectors = np.concatenate([made[n][2] for n in scope])
        found = exact.search(asked, LIMIT, {made[n][0] for n in scope})
        assert ids_in(found)[:3] == nearest(ids, vectors, asked, 3)
        assert len(found) == min(LIMIT, len(ids))
        assert set(ids_in(found)) <= set(ids)
        assert [cosine for _, cosine in found] == sorted((c for _, c in found), reverse=True)
        by_id = dict(zip(ids, vectors @ asked, strict=True))
        assert all(cosine == pytest.approx(by_id[i], abs=0.01) for i, cosine in found)
    assert exact.search(asked, LIMIT) == exact.search(asked, LIMIT, {one[0] for one in made})


def test_a_scope_of_nothing_finds_nothing(database: Database, exact: ExactIndex) -> None:
    asked = np.eye(1, 8, dtype=np.float32)[0]
    assert exact.search(asked, LIMIT) == []
    publish(database, 5)
    assert exact.search(asked, LIMIT, set()) == []
    assert exact.search(asked, LIMIT, {999}) == []


def test_a_scope_of_more_sources_than_a_statement_takes_values(
    database: Database, exact: ExactIndex
) -> None:
    source_id, ids, vectors = publish(database, 5)
    many = {source_id, *range(1_000, 301_000)}
    assert ids_in(exact.search(vectors[2], 1, many)) == [ids[2]]


def test_whatever_is_added_removed_or_replaced_is_followed(
    database: Database, exact: ExactIndex
) -> None:
    dice = random.Random(0)
    there: dict[int, tuple[list[int], Vectors]] = {}
    for _ in range(30):
        if there and dice.random() < 0.4:
            gone = dice.choice(list(there))
            Store(database).remove_source(gone)
            del there[gone]
        else:
            source_id, ids, vectors = publish(database, dice.randrange(1, 30))
            there[source_id] = ids, vectors
        known = {i for ids, _ in there.values() for i in ids}
        asked = unit(np.array([dice.gauss(0, 1) for _ in range(8)], dtype=np.float32))
        assert set(ids_in(exact.search(asked, 10_000))) == known
        half = set(list(there)[::2])
        in_half = {i for one in half for i in there[one][0]}
        assert set(ids_in(exact.search(asked, 10_000, half))) == in_half


def test_vectors_of_another_embedder_are_not_compared(
    database: Database, exact: ExactIndex
) -> None:
    other, _, vectors = publish(database, 10, "another")
    mine, ids, _ = publish(database, 5)
    assert set(ids_in(exact.search(vectors[0], 50))) == set(ids)
    assert set(ids_in(exact.search(vectors[0], 50, {mine, other}))) == set(ids)
    assert exact.search(vectors[0], 50, {other}) == []


def test_after_a_switch_of_embedders_the_new_vectors_are_searched(database: Database) -> None:
    _, ids, before = publish(database, 10, "old")
    exact = ExactIndex(ChunkTable(database), "new")
    assert exact.search(before[0], 5) == []
    with database.write() as db:
        db.executemany(
            "UPDATE vector SET codes = ? WHERE chunk_id = ?",
            [(vector_bytes(-row), i) for row, i in zip(before, ids, strict=True)],
        )
        db.execute("UPDATE revision SET embedder = 'new'")
    [(found, cosine)] = exact.search(-before[4], 1)
    assert (found, cosine) == (ids[4], pytest.approx(1, abs=1e-3))


def test_with_chroma_open_a_scope_is_kept_to_all_the_same(
    database: Database, folder: DataFolder
) -> None:
    first, ids, vectors = publish(database, 30)
    _, others, _ = publish(database, 30)
    index = LibraryIndex(database, folder.chroma)
    with closing(index):
        assert not index.is_ready("e")
        index.update("e")
        assert index.is_ready("e")
        assert set(ids_in(index.search("e", vectors[0], 60))) == {*ids, *others}
        assert set(ids_in(index.search("e", vectors[0], 60, {first}))) == set(ids)


def test_a_vector_is_kept_in_a_byte_for_each_number() -> None:
    rows = unit(np.random.default_rng(0).standard_normal((200, 384)).astype(np.float32))
    kept = [vector_bytes(row) for row in rows]
    assert {len(one) for one in kept} == {384}
    again = matrix(kept)
    assert np.linalg.norm(again, axis=1) == pytest.approx(1, abs=1e-6)
    assert (again * rows).sum(axis=1).min() > 0.9998
    assert np.abs(again @ rows.T - rows @ rows.T).max() < 0.003
    assert [vector_bytes(row) for row in again] == kept  # nothing more is lost the second time


def test_no_vector_and_vectors_of_zeros_are_kept_too() -> None:
    assert matrix([]).shape == codes([]).shape == (0, 0)
    nothing = np.zeros(4, dtype=np.float32)
    assert matrix([vector_bytes(nothing)]).tolist() == [[0, 0, 0, 0]]


def test_a_library_of_before_keeps_its_vectors(
    folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were float32, in the rows of the chunks."""
    path = tmp_path / "old.db"
    [at] = [n for n, script in enumerate(MIGRATIONS) if "CREATE TABLE vector (" in script]
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", MIGRATIONS[:at])
        Database(path).close()
    rows = unit(np.random.default_rng(1).standard_normal((4, 8)).astype(np.float32))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO source VALUES (1, 'a', 'a', 'a', '', '', NULL, NULL, NULL, 1)")
        db.execute(
            "INSERT INTO revision (id, source_id, text, text_sha256, characters, embedder, made_at)"
            " VALUES (1, 1, 'text', '', 4, 'e', '')"
        )
        db.executemany(
            "INSERT INTO chunk (id, revision_id, position, start, end, text, vector)"
            " VALUES (?, 1, ?, 0, 4, 'text', ?)",
            [(n + 1, n, row.astype("<f4").tobytes()) for n, row in enumerate(rows[:3])]
            + [(4, 3, None)],
        )
        db.execute(
            "INSERT INTO new_vector VALUES (4, 'next', ?)", (rows[3].astype("<f4").tobytes(),)
        )
    with closing(Database(path)) as database:
        ids, vectors = ChunkTable(database).vectors("e")
        assert ids == [1, 2, 3]
        np.testing.assert_allclose(vectors, rows[:3], atol=0.005)
        coming = database.read("SELECT vector FROM new_vector")
        np.testing.assert_allclose(matrix([coming[0]["vector"]]), rows[3:], atol=0.005)
        assert ids_in(ExactIndex(ChunkTable(database), "e").search(rows[1], 1)) == [2]
        assert [chunk_id for chunk_id, _ in Store(database).to_embed(1)] == [4]
