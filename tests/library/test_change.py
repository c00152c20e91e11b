"""Changing the embedder: in the background, from the stored text, all at once, and after a kill."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localchat.core.database import Database
from localchat.core.errors import DiskFull, EngineError, LocalChatError
from localchat.core.evidence import Vectors
from localchat.core.folder import DataFolder
from localchat.core.vector_codes import matrix
from localchat.library.change_table import ChangeTable, LibraryState
from localchat.library.embedder import BATCH, BATCH_SECONDS, BUILT_IN, Pace
from localchat.library.library import Library
from localchat.library.vectors import ChromaIndex
from tests.library.kit import Shelf, WordEmbedder, add_text, opened
from tests.library.test_vectors import publish

CHUNKS = 3 * BATCH
QUESTION = "lamp number 7"


def shelf(dimensions: int = 64) -> tuple[Shelf, WordEmbedder, WordEmbedder]:
    """Two embedders on a shelf: the built-in one, and one with the key "new"."""
    old = WordEmbedder("old")
    new = WordEmbedder("new", name="New words", dimensions=dimensions)
    return Shelf({BUILT_IN: old, "new": new}), old, new


def varied_text(sections: int, about: str = "lamp") -> str:
    """Markdown with a heading and a chunk for each section, about as different as real ones are."""
    dice = random.Random(about)
    known = [
        "".join(dice.choices("bdfgklmnprstvz", k=2)) + dice.choice("aeiou") for _ in range(400)
    ]
    return "\n\n".join(
        f"## Section {n}\n\nThe {about} number {n} is {' '.join(dice.choices(known, k=40))}."
        for n in range(sections)
    )


def until(true: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def changed(library: Library) -> None:
    """Wait until no change is going on, and the index is that of the active embedder."""
    until(lambda: library.change is None)
    until(lambda: index_of(library) == library.meaning.identity)


def index_of(library: Library) -> str:
    chroma = library._index._chroma
    return chroma.embedder if chroma is not None else ""


def collections(folder: DataFolder) -> dict[str, int]:
    """What Chroma holds, read after the library was closed: embedder → chunks."""
    import chromadb
    from chromadb.config import Settings

    with closing(
        chromadb.PersistentClient(
            path=str(folder.chroma), settings=Settings(anonymized_telemetry=False)
        )
    ) as client:
        return {c.metadata["embedder"]: c.count() for c in client.list_collections()}


def assert_whole(folder: DataFolder, chunks: int, embedder: WordEmbedder) -> None:
    """Every chunk is there once, everywhere, with the vector that ``embedder`` makes of it."""
    with closing(Database(folder.database)) as database:
        rows = database.read(
            "SELECT source.title, heading, chunk.text, codes, revision.embedder FROM chunk"
            " JOIN vector ON chunk_id = chunk.id"
            " JOIN source ON source.revision_id = chunk.revision_id"
            " JOIN revision ON revision.id = chunk.revision_id"
        )
        assert len(rows) == chunks
        assert len({(row["title"], row["heading"], row["text"]) for row in rows}) == chunks
        assert {row["embedder"] for row in rows} == {embedder.identity}
        expected = embedder.embed([f"{r['title']}\n{r['heading']}\n{r['text']}" for r in rows])
        kept = matrix(row["codes"] for row in rows)
        np.testing.assert_allclose(kept, expected, atol=0.005)
        for table, number in (("chunk", chunks), ("vector", chunks), ("new_vector", 0)):
            assert database.read(f"SELECT count(*) FROM {table}")[0][0] == number, table
        in_words = database.read("SELECT total(size - removed) FROM keyword_segment")[0][0]
        assert in_words == chunks
    assert collections(folder) == {embedder.identity: chunks}


class Gate:
    """A hook for an embedder that lets some batches through and holds the rest."""

    def __init__(self, batches: int) -> None:
        self.left = batches
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, texts: Sequence[str]) -> None:
        if len(texts) < 2:  # a question, or the text that is tried first
            return
        if self.left == 0:
            self.reached.set()
            assert self.open.wait(15)
            return
        self.left -= 1


@contextmanager
def held(embedder: WordEmbedder, batches: int) -> Iterator[Gate]:
    gate = Gate(batches)
    embedder.before = gate
    try:
        yield gate
    finally:
        gate.open.set()


def similarity(library: Library, question: str = QUESTION) -> float:
    found = library.retriever(5).invoke(question)
    assert any("number 7" in document.page_content for document in found)
    return float(max(document.metadata["similarity"] for document in found))


@pytest.mark.parametrize("dimensions", [64, 32])
def test_the_old_embedder_answers_until_all_is_made_anew_and_then_the_new_one(
    folder: DataFolder, dimensions: int
) -> None:
    both, old, new = shelf(dimensions)
    with opened(folder, both) as library:
        source = add_text(library, "long.md", varied_text(CHUNKS))
        assert (library.embedder_key, library.change) == (BUILT_IN, None)
        before = similarity(library)
        with held(new, 1) as gate:
            library.change_embedder("new")
            assert gate.reached.wait(15)
            change = library.change
            assert change is not None
            assert (change.key, change.name, change.state) == ("new", "New words", "working")
            assert (change.done, change.total, change.error) == (BATCH, source.passages, "")
            assert change.seconds_left is not None
            assert library.embedder_key == BUILT_IN
            assert library.meaning.identity == "old"
            assert similarity(library) == before
        changed(library)
        assert library.embedder_key == "new"
        assert library.meaning.identity == "new"
        assert similarity(library) > 0.3
        assert old.closed == 1
        assert library.source(source.id) == source
    assert_whole(folder, source.passages, new)
    # Each chunk once, from the text that the library holds.
    assert len([text for text in new.given if "\n" in text]) == 2 * source.passages
    with opened(folder, both) as library:
        assert library.embedder_key == "new"
        assert similarity(library) > 0.3


def test_questions_are_answered_throughout_each_by_one_embedder(folder: DataFolder) -> None:
    both, _, new = shelf()
    new.before = lambda texts: time.sleep(0.1 if len(texts) > 1 else 0)
    answered: list[float] = []
    failed: list[BaseException] = []
    done = threading.Event()

    def ask(library: Library) -> None:
        try:
            while not done.is_set():
                answered.append(similarity(library))
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    with opened(folder, both) as library:
        add_text(library, "long.md", varied_text(CHUNKS))
        thread = threading.Thread(target=ask, args=(library,))
        thread.start()
        for key in ("new", BUILT_IN, "new"):
            library.change_embedder(key)
            changed(library)
        done.set()
        thread.join()
    assert failed == []
    # Vectors of two embedders that were compared would be far from each other.
    assert min(answered) > 0.3
    assert len(answered) > 10


def test_what_is_added_meanwhile_is_found_at_once_and_not_missing_afterwards(
    folder: DataFolder,
) -> None:
    both, _, new = shelf()
    new.before = lambda texts: time.sleep(0.05 if len(texts) > 1 else 0)
    with opened(folder, both) as library:
        long = add_text(library, "long.md", varied_text(2 * CHUNKS))
        library.change_embedder("new")
        tea = add_text(library, "tea.md", "# Tea\n\n## Green\n\nGreen tea is steamed early.")
        change = library.change
        assert change is not None
        assert change.done < long.passages
        [found] = library.retriever(1).invoke("steamed tea")
        assert found.metadata["source_id"] == tea.id
        assert found.metadata["similarity"] > 0.3
        lamp = add_text(library, "lamp.md", "# Lamp\n\n## Old\n\nThe old lamp is dark.")
        library.remove(lamp.id)
        changed(library)
        [found] = library.retriever(1).invoke("steamed tea")
        assert found.metadata["source_id"] == tea.id
        assert found.metadata["similarity"] > 0.3
    assert_whole(folder, long.passages + 1, new)


def test_what_is_removed_meanwhile_stays_away(folder: DataFolder) -> None:
    both, _, new = shelf()
    with opened(folder, both) as library:
        first = add_text(library, "first.md", varied_text(CHUNKS))
        kept = add_text(library, "kept.md", varied_text(20, "bell"))
        with held(new, 1) as gate:
            library.change_embedder("new")
            assert gate.reached.wait(15)
            library.remove(first.id)
        changed(library)
    assert_whole(folder, kept.passages, new)


def test_a_change_that_is_cancelled_leaves_nothing(folder: DataFolder) -> None:
    both, old, new = shelf()
    with opened(folder, both) as library:
        source = add_text(library, "long.md", varied_text(CHUNKS))
        with held(new, 2) as gate:
            library.change_embedder("new")
            assert gate.reached.wait(15)
            library.cancel_change()
            assert library.change is None
        time.sleep(0.3)
        assert library.embedder_key == BUILT_IN
        assert similarity(library) > 0.3
        assert new.closed > 0
        library.cancel_change()  # which is nothing any more
    assert_whole(folder, source.passages, old)


def test_choosing_the_active_one_again_cancels_and_another_one_replaces(
    folder: DataFolder,
) -> None:
    both, _, new = shelf()
    third = WordEmbedder("third", dimensions=16)
    both.embedders["third"] = third
    with opened(folder, both) as library:
        source = add_text(library, "long.md", varied_text(CHUNKS))
        with held(new, 1) as gate:
            library.change_embedder("new")
            assert gate.reached.wait(15)
            library.change_embedder("")
            assert library.change is None
            library.change_embedder("new")
            library.change_embedder("third")
        changed(library)
        assert library.embedder_key == "third"
    assert_whole(folder, source.passages, third)


def test_an_empty_library_changes_at_once(folder: DataFolder) -> None:
    both, _, new = shelf(32)
    with opened(folder, both) as library:
        library.change_embedder("new")
        changed(library)
        source = add_text(library, "long.md", varied_text(10))
        assert similarity(library) > 0.3
    assert_whole(folder, source.passages, new)


class Zeros(WordEmbedder):
    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.zeros((len(texts), self.dimensions), dtype=np.float32)


@pytest.mark.parametrize("key", ["gone", "zeros", "fails"])
def test_an_embedder_that_cannot_be_used_is_refused_with_a_sentence(
    folder: DataFolder, key: str
) -> None:
    both, _, _ = shelf()
    both.embedders["zeros"] = Zeros("zeros")
    both.embedders["fails"] = WordEmbedder("fails", before=refuse)
    with opened(folder, both) as library:
        add_text(library, "tea.txt", "Green tea is steamed soon after it is picked.")
        with pytest.raises(LocalChatError):
            library.change_embedder(key)
        assert (library.change, library.embedder_key) == (None, BUILT_IN)


def refuse(_: Sequence[str]) -> None:
    raise EngineError("The search model stopped.", "Try again.")


def crash(_: Sequence[str]) -> None:
    raise RuntimeError("out of order")


@pytest.mark.parametrize(("trouble", "told"), [(refuse, "stopped"), (crash, "out of order")])
def test_a_change_that_fails_says_so_and_goes_on_where_it_stopped(
    folder: DataFolder, trouble: Callable[[Sequence[str]], None], told: str
) -> None:
    both, _, new = shelf()
    batches = []

    def later(texts: Sequence[str]) -> None:
        if len(texts) > 1:
            batches.append(len(texts))
            if len(batches) > 1:
                trouble(texts)

    with opened(folder, both) as library:
        source = add_text(library, "long.md", varied_text(CHUNKS))
        new.before = later
        library.change_embedder("new")
        until(lambda: library.change is not None and library.change.state == "failed")
        change = library.change
        assert change is not None
        assert told in change.error
        assert (change.done, change.seconds_left) == (BATCH, None)
        assert similarity(library) > 0.3
        tea = add_text(library, "tea.md", "# Tea\n\n## Green\n\nGreen tea is steamed early.")
        assert tea.state == "ready"
        assert len(batches) == 2  # it is not tried again and again
        new.before = lambda _: None
        library.change_embedder("new")
        changed(library)
    assert len([text for text in new.given if "\n" in text]) == source.passages + 1
    assert_whole(folder, source.passages + 1, new)


def test_what_failed_is_tried_again_at_the_next_start(folder: DataFolder) -> None:
    both, _, new = shelf()
    with opened(folder, both) as library:
        source = add_text(library, "long.md", varied_text(CHUNKS))
        new.before = lambda texts: refuse(texts) if len(texts) > 1 else None
        library.change_embedder("new")
        until(lambda: library.change is not None and library.change.state == "failed")
    new.before = lambda _: None
    with opened(folder, both) as library:
        changed(library)
    assert_whole(folder, source.passages, new)


def test_it_rests_while_an_answer_is_running(folder: DataFolder) -> None:
    both, _, new = shelf()
    busy = threading.Event()
    with opened(folder, both, busy=busy.is_set) as library:
        source = add_text(library, "long.md", varied_text(20))
        busy.set()
        library.change_embedder("new")
        time.sleep(0.5)
        change = library.change
        assert change is not None
        assert (change.state, change.done) == ("resting", 0)
        busy.clear()
        changed(library)
    assert_whole(folder, source.passages, new)


def test_closing_in_the_middle_goes_on_at_the_next_start(folder: DataFolder) -> None:
    both, _, new = shelf()
    begun = threading.Event()

    def slowly(texts: Sequence[str]) -> None:
        if len(texts) > 1:
            begun.set()
            time.sleep(0.2)

    new.before = slowly
    with opened(folder, both) as library:
        source = add_text(library, "long.md", varied_text(CHUNKS))
        library.change_embedder("new")
        assert begun.wait(15)
    with opened(folder, both, start=False) as library:
        change = library.change
        assert change is not None
        assert (change.state, change.error) == ("working", "")
        assert 0 < change.done < CHUNKS
    with opened(folder, both) as library:
        changed(library)
    assert len([text for text in new.given if "\n" in text]) == source.passages
    assert_whole(folder, source.passages, new)


def test_a_disk_that_refuses_is_waited_for(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localchat.library.jobs.LONGEST_REST", 0.4)
    both, _, new = shelf()
    keep, refused = ChangeTable.keep, []

    def full(table: ChangeTable, *arguments: Any) -> bool:
        if len(refused) < 2:
            refused.append(arguments)
            raise DiskFull(folder.root)
        return keep(table, *arguments)

    monkeypatch.setattr(ChangeTable, "keep", full)
    with opened(folder, both) as library:
        source = add_text(library, "long.md", varied_text(20))
        library.change_embedder("new")
        changed(library)
    assert len(refused) == 2
    assert_whole(folder, source.passages, new)


def test_nothing_is_switched_while_one_chunk_has_no_vector_yet(folder: DataFolder) -> None:
    with closing(Database(folder.database)) as database:
        _, ids, vectors = publish(database, 5, "old")
        table = ChangeTable(database)
        table.aim("new", "new")
        assert table.keep("new", "new", ids[:4], vectors[:4])
        assert not table.switch("new", "new")
        assert table.keep("new", "new", ids[4:], vectors[4:])
        publish(database, 1, "old")  # became visible in the last moment
        assert not table.switch("new", "new")
        assert table.state().active == BUILT_IN
        [(last, _)] = table.lacking("new", 0, 10)
        assert not table.keep("third", "third", [last], vectors[:1])
        assert table.keep("new", "new", [last], vectors[:1])
        assert not table.switch("third", "third")
        assert table.switch("new", "new")
        assert table.state() == LibraryState("new", None, "", "")


def test_a_slow_embedder_gets_small_batches_so_that_an_answer_need_not_wait_long() -> None:
    pace = Pace()
    assert (pace.batch, pace.seconds_for(10)) == (BATCH, None)
    pace.note(BATCH, 0.5)
    assert pace.batch == BATCH
    for _ in range(30):
        pace.note(pace.batch, 1.0 * pace.batch)
    assert 1 <= pace.batch <= BATCH_SECONDS
    assert pace.seconds_for(10) == pytest.approx(10, rel=0.05)


def test_another_process_sees_the_switch_and_can_ask_for_one(folder: DataFolder) -> None:
    both, _, new = shelf(32)
    with opened(folder, both) as holder, opened(folder, shelf(32)[0], start=False) as other:
        source = add_text(holder, "long.md", varied_text(CHUNKS))
        assert similarity(other) > 0.3
        with held(new, 1) as gate:
            other.change_embedder("new")
            assert gate.reached.wait(15)
            change = other.change
            assert change is not None
            assert (change.done, change.seconds_left) == (BATCH, None)
            assert (other.meaning.identity, similarity(other) > 0.3) == ("old", True)
        changed(holder)
        assert (other.embedder_key, other.change) == ("new", None)
        assert (other.meaning.identity, similarity(other) > 0.3) == ("new", True)
    assert_whole(folder, source.passages, new)


# Killed

KILLED = """
import os, signal, sys
from pathlib import Path
from localchat.core.folder import DataFolder
from localchat.library import change_table, index, vectors
from tests.library.kit import opened
from tests.library.test_change import shelf

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def dies_after(times, function):
    def wrapper(*arguments):
        global times_left
        found = function(*arguments)
        times_left -= 1
        if times_left == 0:
            die()
        return found
    global times_left
    times_left = times
    return wrapper

where = sys.argv[2]
ChangeTable, ChromaIndex = change_table.ChangeTable, vectors.ChromaIndex
both, old, new = shelf()
with opened(DataFolder(Path(sys.argv[1])), both) as library:
    if where == "a batch is embedded":
        new.before = lambda texts: die() if len(texts) > 1 and len(new.given) > 60 else None
    elif where == "two batches are kept":
        ChangeTable.keep = dies_after(2, ChangeTable.keep)
    elif where == "the new index is filled":
        ChangeTable.switch = die
    elif where == "the new index is half filled":
        apply = ChromaIndex._apply
        def some(self, ids):
            apply(self, ids[:50])
            die()
        ChromaIndex._apply = some
    elif where == "it has switched":
        ChangeTable.switch = dies_after(1, ChangeTable.switch)
    elif where == "the old index is deleted":
        forget = ChromaIndex.forget
        def forget_then_die(self, others):
            forget(self, others)
            if self.embedder == "new":
                die()
        ChromaIndex.forget = forget_then_die
    library.change_embedder("new")
    threading_event = __import__("threading").Event()
    threading_event.wait(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("where", "made"),
    [
        ("a batch is embedded", BATCH),
        ("two batches are kept", 2 * BATCH),
        ("the new index is half filled", CHUNKS),
        ("the new index is filled", CHUNKS),
        ("it has switched", CHUNKS),
        ("the old index is deleted", CHUNKS),
    ],
)
def test_killed_anywhere_it_answers_and_goes_on_by_itself(
    folder: DataFolder, where: str, made: int
) -> None:
    both, _, new = shelf()
    with opened(folder, both) as library:
        source = add_text(library, "long.md", varied_text(CHUNKS))
        assert source.passages == CHUNKS
        until(lambda: index_of(library) == "old")
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(folder.root), where],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert child.returncode == -9, child.stderr.decode()
    with opened(folder, both, start=False) as library:
        assert similarity(library) > 0.3
    new.given.clear()
    with opened(folder, both) as library:
        assert similarity(library) > 0.3
        changed(library)
        assert library.embedder_key == "new"
        assert similarity(library) > 0.3
    assert len([text for text in new.given if "\n" in text]) == CHUNKS - made
    assert_whole(folder, CHUNKS, new)


def test_a_document_that_was_half_embedded_by_the_old_one_is_not_mixed(folder: DataFolder) -> None:
    both, old, new = shelf()
    with opened(folder, both) as library:
        first = add_text(library, "first.md", varied_text(20, "bell"))
        with held(old, 1) as gate:
            added = library.add_file("long.md", varied_text(CHUNKS).encode())
            assert gate.reached.wait(15)
            closing_down = threading.Thread(target=library.close)
            closing_down.start()
            time.sleep(0.2)
        closing_down.join()
    old.before = lambda _: None
    # As if the library had switched before this document had its turn again.
    with closing(Database(folder.database)) as database, database.write() as db:
        db.execute("UPDATE job SET state = 'settled' WHERE state IN ('waiting', 'running')")
    with opened(folder, both) as library:
        library.change_embedder("new")
        changed(library)
        library.retry(added.source_id or 0)
        [source] = library.wait([added.source_id or 0])
        assert source.state == "ready"
        assert similarity(library) > 0.3
    assert_whole(folder, first.passages + CHUNKS, new)


# The active embedder itself


def test_an_embedder_whose_vectors_became_others_makes_everything_anew_from_the_stored_text(
    folder: DataFolder,
) -> None:
    with opened(folder, WordEmbedder("first")) as library:
        source = add_text(library, "long.md", varied_text(CHUNKS))
    for original in folder.originals.iterdir():
        original.unlink()
    second = WordEmbedder("second")
    with opened(folder, second, start=False) as library:
        # Not made again yet: found by words, while the old vectors are never compared.
        found = library.retriever(5).invoke(QUESTION)
        assert {document.metadata["similarity"] for document in found} == {0.0}
        second.given.clear()
        library.start()
        until(lambda: similarity(library) > 0.3)
        changed(library)
        assert library.embedder_key == BUILT_IN
    assert_whole(folder, source.passages, second)
    assert len([text for text in second.given if "\n" in text]) == 2 * source.passages
    with opened(folder, again := WordEmbedder("second")) as library:
        time.sleep(0.5)
        assert library.change is None
        assert again.given == []


def test_what_is_added_while_the_active_one_is_made_whole_is_found_by_meaning(
    folder: DataFolder,
) -> None:
    with opened(folder, WordEmbedder("first")) as library:
        source = add_text(library, "long.md", varied_text(CHUNKS))
    second = WordEmbedder("second")
    with held(second, 1) as gate, opened(folder, second) as library:
        assert gate.reached.wait(15)
        added = library.add_file("tea.md", b"# Tea\n\n## Green\n\nGreen tea is steamed early.")
        library.cancel_change()
        assert library.change is not None  # what makes the active one whole is not cancelled
        gate.open.set()
        library.wait([added.source_id or 0])
        assert library.retriever(1).invoke("steamed tea")[0].metadata["similarity"] > 0.3
        changed(library)
    assert_whole(folder, source.passages + 1, second)


def test_where_the_embedder_is_gone_words_alone_answer_and_the_library_says_why(
    folder: DataFolder,
) -> None:
    both, _, new = shelf()
    with opened(folder, both) as library:
        source = add_text(library, "long.md", varied_text(20))
        library.change_embedder("new")
        changed(library)
    del both.embedders["new"]
    with opened(folder, both) as library:
        found = library.retriever(5).invoke(QUESTION)
        assert "number 7" in found[0].page_content
        assert "“new” is not here" in library.meaning.error
        assert library.meaning.languages == frozenset()
        advice = library.language_advice()
        assert advice is not None
        assert not advice.wants_another  # which is not what is the matter
        bad = add_text(library, "tea.txt", "Green tea is steamed soon after it is picked.")
        assert (bad.state, "“new” is not here" in bad.error) == ("failed", True)
        both.embedders["new"] = new
        assert library.meaning.error == ""
        assert similarity(library) > 0.3
        del both.embedders["new"]
        library.change_embedder(BUILT_IN)
        changed(library)
        library.retry(bad.id)
        assert library.wait([bad.id])[0].state == "ready"
    with closing(Database(folder.database)) as database:
        rows = database.read("SELECT embedder, count(*) FROM revision GROUP BY embedder")
        assert [tuple(row) for row in rows] == [("old", 2)]
    assert collections(folder) == {"old": source.passages + 1}


@pytest.mark.parametrize("fails_at", ["question", "passages"])
def test_an_embedder_that_fails_in_the_middle_of_a_question_leaves_it_to_the_words(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, fails_at: str
) -> None:
    monkeypatch.setattr("localchat.library.meaning.EMBEDDER_REST", 2)
    embedder = WordEmbedder()
    with opened(folder, embedder) as library:
        add_text(library, "long.md", varied_text(20))

        def before(texts: Sequence[str]) -> None:
            if (len(texts) == 1) == (fails_at == "question"):
                refuse(texts)

        embedder.before = before
        # Every chunk is about a lamp: none is so much likelier that no sentence is looked at.
        found = library.retriever(5).invoke("lamp")
        assert found
        assert "stopped" in library.meaning.error
        embedder.before = lambda _: None
        assert "stopped" in library.meaning.error  # it is not tried again at every question
        until(lambda: library.meaning.error == "")
        assert similarity(library) > 0.3


def test_chroma_out_of_order_does_not_stop_the_change(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: ChromaIndex) -> Iterator[int]:
        raise RuntimeError("no Chroma today")

    both, _, new = shelf()
    monkeypatch.setattr(ChromaIndex, "fill", broken)
    with opened(folder, both) as library:
        source = add_text(library, "long.md", varied_text(20))
        until(lambda: index_of(library) == "old")
        library.change_embedder("new")
        changed(library)
        assert similarity(library) > 0.3
    assert_whole(folder, source.passages, new)
    # The same where the index that is open has to learn what became of its own embedder.
    both.embedders["new"] = again = WordEmbedder("again")
    with opened(folder, both) as library:
        until(lambda: similarity(library) > 0.3)
        changed(library)
        until(lambda: not library._chunks.stale(1))
        time.sleep(0.2)
    assert_whole(folder, source.passages, again)


def test_a_real_embedder_is_changed_killed_at_half_and_started_again(
    search_model: None, tmp_path: Path
) -> None:
    """The benchmark that does it with 2,000 chunks, with fewer."""
    from benchmarks import change_embedder

    numbers = tmp_path / "numbers.json"
    assert change_embedder.main(["--chunks", "150", "--json", str(numbers)]) == 0
    found = json.loads(numbers.read_text(encoding="utf-8"))
    assert (found["chunks_before"], found["chunks_after"], found["doubles"]) == (150, 150, 0)
    assert 75 <= found["killed_at"] <= 150
    assert found["missed"] == []
