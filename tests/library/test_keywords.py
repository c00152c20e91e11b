"""The keyword index: exactly BM25, in step with the sources, made anew when it is out of date."""

from __future__ import annotations

import math
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from localchat.core.database import Database
from localchat.core.folder import DataFolder
from localchat.core.migrations import MIGRATIONS
from localchat.core.text.words import question_words, words
from localchat.library import postings, segments
from localchat.library.chunks import Chunk
from localchat.library.keywords import K1, MOST_COUNTED, B, KeywordIndex
from localchat.library.store import Store
from localchat.sources.document import Document
from tests.library.kit import add_text, opened

AN_OLD_VERSION = 1


@pytest.fixture
def database(folder: DataFolder) -> Iterator[Database]:
    with closing(Database(folder.database)) as made:
        yield made


@pytest.fixture
def index(database: Database) -> KeywordIndex:
    return KeywordIndex(database)


def draft(database: Database, texts: Sequence[str]) -> tuple[int, int, list[int]]:
    """A source with one chunk for each text, not visible yet: its id, its revision's, theirs."""
    store = Store(database)
    source_id = store.add_source(f"sha256:{random.random()}", "name") or 0
    chunks, start = [], 0
    for text in texts:
        chunks.append(Chunk(start, start + len(text)))
        start += len(text)
    revision_id = store.draft(source_id, Document("", "".join(texts), "text", ()), chunks, "e")
    return source_id, revision_id, [chunk_id for chunk_id, _ in store.to_embed(revision_id)]


def publish(database: Database, *texts: str) -> tuple[int, list[int]]:
    """A visible source with one chunk for each text: its id and theirs."""
    source_id, revision_id, ids = draft(database, texts)
    Store(database).publish(source_id, revision_id)
    return source_id, ids


def found(index: KeywordIndex, question: str, sources: Sequence[int] | None = None) -> list[int]:
    return [i for i, _ in index.search(question_words(question), 50, sources)]


def settle(index: KeywordIndex) -> int:
    """Do all that is due; returns in how many pieces."""
    pieces = 0
    while index.rebuild_some():
        pieces += 1
    return pieces


def segment_sizes(database: Database) -> list[int]:
    return [row[0] for row in database.read("SELECT size FROM keyword_segment ORDER BY id")]


def some_text(chance: random.Random, number: int) -> str:
    """A sentence of common and rare words, as language has them."""
    return " ".join(f"word{int(200 ** chance.random())}" for _ in range(number))


def bm25(texts: dict[int, str], asked: Sequence[str]) -> dict[int, float]:
    """The formula, word by word."""
    counts = {i: Counter(words(text)) for i, text in texts.items()}
    mean = sum(count.total() for count in counts.values()) / len(counts)
    scores = dict.fromkeys(texts, 0.0)
    for word in asked:
        held = sum(word in count for count in counts.values())
        rarity = math.log(1 + (len(texts) - held + 0.5) / (held + 0.5))
        for i, count in counts.items():
            damping = K1 * (1 - B + B * count.total() / mean)
            scores[i] += rarity * count[word] / (count[word] + damping)
    return {i: score for i, score in scores.items() if score}


def test_the_scores_are_those_of_the_formula(database: Database, index: KeywordIndex) -> None:
    chance = random.Random(1)
    texts: dict[int, str] = {}
    sources = []
    for size in (1, 30, 2, 1, 7, 60, 1, 1, 3, 1):
        own = [some_text(chance, chance.randrange(3, 90)) for _ in range(size)]
        source_id, ids = publish(database, *own)
        texts |= dict(zip(ids, own, strict=True))
        sources.append((source_id, ids))
    asked = words("word1 word3 word17 word60 word150 nowhere")
    expected = bm25(texts, asked)
    scope = {sources[1][0], sources[4][0]}
    scoped = {i: expected[i] for i in (*sources[1][1], *sources[4][1]) if i in expected}
    for _ in ("as it was added", "merged"):
        assert dict(index.search(asked, 500)) == pytest.approx(expected, rel=1e-5)
        assert dict(index.search(asked, 500, scope)) == pytest.approx(scoped, rel=1e-5)
        best = [score for _, score in index.search(asked, 10)]
        assert best == pytest.approx(sorted(expected.values(), reverse=True)[:10], rel=1e-5)
        settle(index)
    assert len(segment_sizes(database)) < len(sources)


def test_a_word_that_comes_very_often_is_still_counted_as_often(
    database: Database, index: KeywordIndex
) -> None:
    _, [a, b] = publish(database, "tea " * 70_000, "tea coffee")
    assert found(index, "tea") == [a, b]
    assert index.document_counts(["tea", "coffe", "milk"]) == {"tea": 2, "coffe": 1, "milk": 0}


def test_only_the_sources_asked_for_are_searched(database: Database, index: KeywordIndex) -> None:
    a, [in_a] = publish(database, "green tea")
    b, [in_b, in_b_too] = publish(database, "black tea", "white tea")
    publish(database, "red tea")
    assert found(index, "tea", [a]) == [in_a]
    assert sorted(found(index, "tea", [a, b])) == [in_a, in_b, in_b_too]
    assert found(index, "tea", []) == []
    assert found(index, "tea", [10_000_000]) == []


def test_a_scope_of_many_thousand_sources_is_no_trouble(
    database: Database, index: KeywordIndex
) -> None:
    a, [in_a] = publish(database, "green tea")
    assert found(index, "tea", range(a, a + 100_000)) == [in_a]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("绿茶要在采摘后不久蒸制。", "绿茶怎么蒸？"),
        ("緑茶は摘んだ後すぐに蒸します。", "緑茶"),
        ("녹차는 수확 후 바로 찝니다.", "녹차"),
        ("ชาเขียวต้องนึ่งทันที", "ชาเขียว"),
        ("Зелёный чай пропаривают.", "зеленый чай"),
        ("الشاي الأخضر يُبخَّر", "الشاي"),
        ("Grüner Tee wird gedämpft.", "grüner Tee"),
    ],
)
def test_words_of_any_script_are_found(
    database: Database, index: KeywordIndex, text: str, question: str
) -> None:
    publish(database, "Something else altogether.")
    _, [chunk_id] = publish(database, text)
    assert found(index, question) == [chunk_id]


@pytest.mark.parametrize(
    "asked",
    [
        '"',
        "tea*",
        "NEAR(green tea)",
        "green AND NOT tea",
        "'); DROP TABLE posting; --",
        "words:tea",
        "%",
        "\x00",
        "🍵",
        "",
    ],
)
def test_a_word_is_only_a_word(database: Database, index: KeywordIndex, asked: str) -> None:
    publish(database, "green tea")
    assert index.search([asked], 10) == []
    assert index.document_counts([asked]) == {asked: 0}


def test_nothing_asked_or_nothing_there_finds_nothing(
    database: Database, index: KeywordIndex
) -> None:
    assert (index.search(["tea"], 10), index.count(), index.is_current) == ([], 0, True)
    publish(database, "green tea")
    assert index.search([], 10) == []
    assert index.search(["coffee"], 10) == []


def test_of_a_very_long_question_the_rarest_words_are_looked_for(
    database: Database, index: KeywordIndex
) -> None:
    common = [f"word{n}" for n in range(900)]
    publish(database, *[" ".join(common)] * 20)
    _, [rare] = publish(database, "samovar")
    question = " ".join([*common, "samovar", *(f"other{n}" for n in range(12_000))])
    assert len(question) > 100_000
    began = time.monotonic()
    assert rare in found(index, question)
    assert time.monotonic() - began < 2
    assert len(index.document_counts(question_words(question))) == MOST_COUNTED


def test_what_is_removed_is_gone_at_once_and_its_words_when_it_is_merged(
    database: Database, index: KeywordIndex
) -> None:
    added = [publish(database, "green tea", f"samovar {n}") for n in range(9)]
    settle(index)
    assert len(segment_sizes(database)) == 1
    for source_id, _ in added[:4]:
        Store(database).remove_source(source_id)
    left = [chunk_id for _, ids in added[4:] for chunk_id in ids]
    assert sorted(found(index, "tea samovar")) == left
    settle(index)
    assert sorted(found(index, "tea samovar")) == left
    assert index.document_counts(["tea", "2", "7"]) == {"tea": 5, "2": 0, "7": 1}
    for source_id, _ in added[4:]:
        Store(database).remove_source(source_id)
    assert database.read("SELECT * FROM posting") == []
    assert (index.count(), index.is_current) == (0, True)


def test_a_new_revision_takes_the_place_of_the_old_one(
    database: Database, index: KeywordIndex
) -> None:
    source_id, _ = publish(database, "green tea")
    store = Store(database)
    text = "black coffee"
    revision_id = store.draft(source_id, Document("", text, "text", ()), [Chunk(0, 12)], "e")
    assert found(index, "coffee") == []
    store.publish(source_id, revision_id)
    assert found(index, "tea") == []
    assert len(found(index, "coffee")) == 1


def test_a_source_removed_just_before_it_becomes_visible_leaves_nothing(
    database: Database, index: KeywordIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    source_id, revision_id, _ = draft(database, ["green tea"])
    store = Store(database)
    really = segments.indexed

    def removed_meanwhile(*chunk: object) -> postings.IndexedChunk:
        store.remove_source(source_id)
        return really(*chunk)  # type: ignore[arg-type]

    monkeypatch.setattr(segments, "indexed", removed_meanwhile)
    store.publish(source_id, revision_id)
    assert (found(index, "tea"), index.count()) == ([], 0)


def test_thousands_of_small_sources_stay_in_few_segments(
    database: Database, index: KeywordIndex
) -> None:
    chance = random.Random(2)
    expected = []
    for n in range(300):
        _, ids = publish(database, f"{some_text(chance, 5)} tea number{n}")
        expected += ids
        index.rebuild_some()
    settle(index)
    assert len(segment_sizes(database)) <= 7 * 3
    assert sum(segment_sizes(database)) == index.count() == 300
    assert [found(index, f"number{n}") for n in (0, 150, 299)] == [
        [expected[n]] for n in (0, 150, 299)
    ]
    assert len(index.search(["tea"], 500)) == 300


def test_no_segment_grows_beyond_what_two_bytes_can_count(
    monkeypatch: pytest.MonkeyPatch, database: Database, index: KeywordIndex
) -> None:
    assert np.iinfo(np.uint16).max >= postings.MOST_CHUNKS
    monkeypatch.setattr(segments, "MOST_CHUNKS", 20)
    _, ids = publish(database, *(f"tea {n}" for n in range(50)))
    for n in range(20):
        ids += publish(database, f"tea {n}", f"tea {n + 50}", f"tea {n + 100}")[1]
        settle(index)
    assert max(segment_sizes(database)) <= 20
    assert sorted(i for i, _ in index.search(["tea"], 500)) == ids


def test_searching_does_not_wait_for_one_who_writes(
    database: Database, index: KeywordIndex, folder: DataFolder
) -> None:
    _, [chunk_id] = publish(database, "green tea")
    with closing(Database(folder.database)) as other, database.write() as db:
        segments.forget(db, [chunk_id])
        began = time.monotonic()
        assert found(KeywordIndex(other), "tea") == [chunk_id]
        assert time.monotonic() - began < 1
    assert found(index, "tea") == []


def age(database: Database) -> None:
    """Make the index one of an older version, whose words were others."""
    with database.write() as db:
        db.execute("UPDATE keyword_segment SET version = ?", (AN_OLD_VERSION,))
        db.execute("UPDATE posting SET word = 'old' || word")


def test_words_of_an_older_version_are_found_until_they_are_replaced(
    database: Database, index: KeywordIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "BATCH", 4)
    added = [publish(database, *(f"tea {n}" for n in range(5))) for _ in range(3)]
    expected = [chunk_id for _, ids in added for chunk_id in ids]
    age(database)
    assert not index.is_current
    assert sorted(found(index, "oldtea")) == expected
    while index.rebuild_some():
        # Each chunk is there all the time, with the old words or the new ones, never both.
        assert sorted(found(index, "oldtea") + found(index, "tea")) == expected
    assert index.is_current
    assert sorted(found(index, "tea")) == expected
    assert found(index, "oldtea") == []


def test_a_source_removed_while_words_are_replaced_stays_away(
    database: Database, index: KeywordIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "BATCH", 2)
    source_id, _ = publish(database, "tea 1", "tea 2", "tea 3")
    _, kept = publish(database, "tea 4", "tea 5", "tea 6")
    age(database)
    assert index.rebuild_some()
    Store(database).remove_source(source_id)
    settle(index)
    assert sorted(found(index, "tea")) == kept
    assert index.count() == 3


def test_killed_while_words_are_replaced_it_goes_on(
    database: Database, index: KeywordIndex, folder: DataFolder
) -> None:
    _, ids = publish(database, *(f"tea {n}" for n in range(40)))
    age(database)
    script = """
import os, sys
from pathlib import Path
from localchat.core.database import Database
from localchat.library import segments
from localchat.library.keywords import KeywordIndex
segments.BATCH = 10
index = KeywordIndex(Database(Path(sys.argv[1])))
index.rebuild_some()
index.rebuild_some()
segments.add = lambda *_: os._exit(9)  # after the old words are crossed out
index.rebuild_some()
"""
    command = [sys.executable, "-c", script, str(folder.database)]
    assert subprocess.run(command, check=False).returncode == 9
    assert not index.is_current
    assert len(found(index, "tea")) == len(found(index, "oldtea")) == 20
    settle(index)
    assert sorted(found(index, "tea")) == ids


def library_before_segments(path: Path) -> None:
    """A library as it was when FTS5 kept the words: one visible source, one draft."""
    with closing(sqlite3.connect(path)) as db:
        for script in MIGRATIONS[:3]:
            db.executescript(script)
        db.executescript(
            """
            PRAGMA user_version = 3;
            INSERT INTO source (id, origin, name, title, added_at, revision_id)
                VALUES (1, 'a', 'a', 'Kettles', 'now', 1), (2, 'b', 'b', 'Lamps', 'now', NULL);
            INSERT INTO revision (id, source_id, text, text_sha256, characters, embedder, made_at)
                VALUES (1, 1, 'green tea', '', 9, 'e', 'now'), (2, 2, 'a lamp', '', 6, 'e', 'now');
            INSERT INTO chunk (id, revision_id, position, start, end, text)
                VALUES (7, 1, 0, 0, 9, 'green tea'), (8, 2, 0, 0, 6, 'a lamp');
            INSERT INTO chunk_words (rowid, words) VALUES (7, 'kettl green tea');
            """
        )


def test_a_library_that_had_its_words_in_fts5_is_indexed_anew(folder: DataFolder) -> None:
    library_before_segments(folder.database)
    with closing(Database(folder.database)) as database:
        index = KeywordIndex(database)
        assert not index.is_current
        assert settle(index) == 1
        assert index.is_current
        assert found(index, "kettles") == found(index, "tea") == [7]
        assert found(index, "lamp") == []


def test_an_old_library_is_brought_up_to_date_while_the_app_runs(folder: DataFolder) -> None:
    library_before_segments(folder.database)
    with opened(folder) as library:
        add_text(library, "coffee.txt", "Coffee is roasted.")
        index = KeywordIndex(library._store.database)
        until = time.monotonic() + 20
        while not index.is_current and time.monotonic() < until:
            time.sleep(0.05)
        assert index.is_current
        assert found(index, "kettle") == [7]
        assert len(found(index, "roasted coffee")) == 1
