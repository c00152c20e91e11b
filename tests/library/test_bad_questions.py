"""Questions that are none, or far too much of one: each is searched and answered like any other."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from langchain_core.documents import Document

from localchat.chat.answer import Quote
from localchat.chat.instant import instant_answer
from localchat.core.errors import EngineDied
from localchat.core.folder import DataFolder
from localchat.engines.embeddings.built_in import BuiltInEmbedder
from localchat.library.library import Library
from localchat.library.scope import Scope
from localchat.models.minilm import embedder_folder
from tests.library.kit import WordEmbedder, add_text, opened

ASKED = "When was the lighthouse at Quimby painted?"
PAINTED = "The lighthouse at Quimby was painted green in 1907 by a sailor."
TEXTS = {
    "lighthouse.txt": f"{PAINTED} It stands on a rock near the harbour, and may be visited in May.",
    "tea.txt": "Green tea is steamed soon after it is picked. The water must not boil.",
    "code.txt": "Error E4021 means that the NEAR sensor AND the far sensor do not agree.",
    "chinese.txt": "昆比的灯塔于1907年由一名水手漆成绿色。灯塔矗立在港口附近的一块岩石上。",
    "arabic.txt": "بنيت المنارة القديمة في الإسكندرية في القرن الثالث قبل الميلاد.",
}
SECONDS = 5.0
"""Within which any question is answered, on a slow computer that has other things to do."""

NOTHING_ASKED = [
    "",
    " ",
    "\n\t\u3000",
    "?",
    "。",
    "…!?¿",
    "\x00",
    "\ud800",
    "\u200b\u200f",
    "()",
]
ASKED_ODDLY = {
    f'"{ASKED}': "lighthouse.txt",
    "lighthouse* NEAR(painted, 2) AND OR NOT": "lighthouse.txt",
    "'; DROP TABLE chunk; -- lighthouse": "lighthouse.txt",
    "title:lighthouse ^painted -green {a b}": "lighthouse.txt",
    "%lighthouse_ [painted] \\ / \x00 sailor": "lighthouse.txt",
    "🙂 lighthouse 🗼🗼 painted 👩‍👩‍👧": "lighthouse.txt",
    "NEAR sensor AND far sensor": "code.txt",
    "e4021": "code.txt",
    "昆比 lighthouse 灯塔 是什么颜色 🙂": "chinese.txt",
    "昆": "chinese.txt",
    "متى بنيت المنارة في الإسكندرية؟": "arabic.txt",
    "\u202eالمنارة\u202c": "arabic.txt",
    "tea " * 25_000: "tea.txt",
    "x" * 99_990 + " steamed": "tea.txt",
    "漆" * 50_000 + "水手" * 25_000: "chinese.txt",
    "lighthouse " + " ".join(f"word{n}" for n in range(10_000)): "lighthouse.txt",
    ASKED + " ." * 50_000: "lighthouse.txt",
    ASKED + '"(' * 50_000: "lighthouse.txt",
    ASKED + "\n" * 100_000: "lighthouse.txt",
}
SAYS_LITTLE = ["🙂", "a", "e", "the of and", "what is it", "的", "是什么", "1", "ü", "и", "के", "ใ"]


@pytest.fixture(scope="module")
def embedder() -> Iterator[BuiltInEmbedder]:
    if not (embedder_folder() / "manifest.json").exists():
        pytest.skip("the search model is not built here: run start.py")
    made = BuiltInEmbedder(embedder_folder())
    yield made
    made.close()


@pytest.fixture(scope="module")
def library(
    embedder: BuiltInEmbedder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Library]:
    """One for all questions, which change nothing in it."""
    with opened(DataFolder(tmp_path_factory.mktemp("library")), embedder) as made:
        fill(made)
        yield made


def fill(library: Library) -> None:
    assert {add_text(library, name, text).state for name, text in TEXTS.items()} == {"ready"}


def answered(
    library: Library, question: str, scope: Scope | None = None
) -> tuple[list[str], list[Quote]]:
    """The names of the sources found, and the instant answer; each as it has to be."""
    began = time.monotonic()
    retriever = library.retriever() if scope is None else library.retriever(scope=scope)
    found = retriever.invoke(question)
    quotes = instant_answer(question, found, library.meaning)
    assert time.monotonic() - began < SECONDS
    _are_as_they_should_be(found, quotes)
    return [one.metadata["name"] for one in found], quotes


def _are_as_they_should_be(found: Sequence[Document], quotes: Sequence[Quote]) -> None:
    scores = [one.metadata["score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    for quote in quotes:
        assert found[quote.number - 1].page_content[quote.start : quote.end] == quote.text


@pytest.mark.parametrize("question", NOTHING_ASKED, ids=ascii)
def test_what_asks_nothing_is_answered_with_nothing(library: Library, question: str) -> None:
    _, quotes = answered(library, question)
    assert quotes == []
    assert not library.meaning.error


@pytest.mark.parametrize("question", SAYS_LITTLE, ids=ascii)
def test_what_says_little_does_no_harm(library: Library, question: str) -> None:
    answered(library, question)
    assert not library.meaning.error


@pytest.mark.parametrize(
    ("question", "first"),
    [pytest.param(*pair, id=ascii(pair[0][:20])) for pair in ASKED_ODDLY.items()],
)
def test_odd_questions_find_what_they_name(library: Library, question: str, first: str) -> None:
    names, _ = answered(library, question)
    assert names[0] == first
    assert not library.meaning.error


@pytest.mark.parametrize(
    "question", [ASKED, *NOTHING_ASKED[:4], "x" * 100_000], ids=lambda q: ascii(q[:9])
)
def test_an_empty_library_and_an_empty_collection_find_nothing(
    library: Library, embedder: BuiltInEmbedder, folder: DataFolder, question: str
) -> None:
    with opened(folder, embedder) as empty:
        assert answered(empty, question) == ([], [])
    assert answered(library, question, Scope(frozenset(), frozenset({999}))) == ([], [])


@pytest.mark.parametrize(
    "question", [*NOTHING_ASKED, *SAYS_LITTLE, *ASKED_ODDLY], ids=lambda q: ascii(q[:20])
)
def test_words_alone_answer_all_of_them_where_the_embedder_fails(
    failing: Library, question: str
) -> None:
    names, _ = answered(failing, question)
    first = ASKED_ODDLY.get(question)
    if first is not None:
        assert names[0] == first


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library whose embedder has died since."""

    def die(_: Sequence[str]) -> None:
        raise EngineDied("The embedding model stopped.", "Try again.")

    embedder = WordEmbedder()
    with opened(DataFolder(tmp_path_factory.mktemp("failing")), embedder) as made:
        fill(made)
        embedder.before = die
        yield made


def test_where_the_embedder_fails_in_the_middle_words_answer_and_it_is_told(
    folder: DataFolder,
) -> None:
    embedder = WordEmbedder()
    asked = 0

    def die_at_the_second(texts: Sequence[str]) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise EngineDied("The embedding model stopped.", "Try again.")

    with opened(folder, embedder) as made:
        fill(made)
        embedder.before = die_at_the_second  # the question is embedded, its sentences are not
        names, quotes = answered(made, ASKED)
        assert asked == 2
        assert names[0] == "lighthouse.txt"
        assert PAINTED in quotes[0].text
        assert made.meaning.error == "The embedding model stopped. Try again."


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_a_killed_search_model_is_started_again_for_the_question_that_waits(
    embedder: BuiltInEmbedder, library: Library
) -> None:
    answered(library, ASKED)
    stopped = embedder.pid
    assert stopped is not None
    os.kill(stopped, signal.SIGSTOP)  # it has the question, and will never answer
    results: list[tuple[list[str], list[Quote]]] = []
    other = ASKED.replace("painted", "made green")
    asking = threading.Thread(target=lambda: results.append(answered(library, other)))
    asking.start()
    time.sleep(0.3)
    os.kill(stopped, signal.SIGKILL)
    asking.join(30)
    names, quotes = results[0]
    assert names[0] == "lighthouse.txt"
    assert PAINTED in quotes[0].text
    assert embedder.pid not in (None, stopped)
    assert not library.meaning.error
