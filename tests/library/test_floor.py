"""Whether the documents have anything to do with a question: how much evidence it takes."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from localchat.app import LocalChat
from localchat.chat.instant import instant_answer
from localchat.core.evidence import Vectors
from localchat.core.floor import ANSWERED, UNRELATED_UNMEASURED, Evidence, Found, floor_above
from localchat.core.floor import may_answer as may
from localchat.core.folder import DataFolder
from localchat.core.question import Question
from localchat.core.text.language import guess_language
from localchat.library import floor as measuring
from localchat.library.floor import FEWEST, everyday_questions
from localchat.library.library import Library
from tests.library.kit import WordEmbedder, add_text, opened

FLOOR = Evidence(together=0.5, words=0.25, near=0.3)
UNMEASURED = floor_above(UNRELATED_UNMEASURED)


def asked(text: str) -> Question:
    """Every word says as much as any other."""
    return Question.of(text, lambda words: dict.fromkeys(words, 1.0))


def found(text: str, near: float, above: str = "") -> list[Found]:
    return [Found(text, above, near)]


# What decides

TEA = "The green tea of the hills is steamed soon after it has been picked."


def test_nearness_and_words_add_up() -> None:
    question = asked("When is green tea steamed?")
    assert may(question, found(TEA, 0.2), FLOOR, knows=True)
    assert not may(asked("When are black cars sold?"), found(TEA, 0.2), FLOOR, knows=True)
    assert may(asked("When are black cars sold?"), found(TEA, 0.6), FLOOR, knows=True)


def test_where_the_embedder_does_not_know_the_language_the_words_alone_decide() -> None:
    text = "绿茶采摘以后很快就蒸青。"
    assert may(asked("绿茶什么时候蒸青？"), found(text, 0.0), FLOOR, knows=False)
    assert not may(asked("火车几点开往北京？"), found(text, 0.9), FLOOR, knows=False)


def test_the_words_of_titles_and_headings_count() -> None:
    question = asked("battery life")
    assert not may(question, found("It lasts ten hours.", 0.2), FLOOR, knows=False)
    assert may(question, found("It lasts ten hours.", 0.2, "Battery"), FLOOR, knows=False)


@pytest.mark.parametrize("text", ["", "?", "the of and", "🐛"])
@pytest.mark.parametrize("knows", [True, False])
def test_a_question_without_words_is_not_refused_for_want_of_them(text: str, knows: bool) -> None:
    assert may(asked(text), found(TEA, 0.35), FLOOR, knows=knows)


def test_a_single_word_may_have_been_another_one_for_the_same_thing() -> None:
    assert may(asked("beverage"), found(TEA, 0.35), FLOOR, knows=True)
    assert not may(asked("beverage price list"), found(TEA, 0.35), FLOOR, knows=True)


def test_words_are_not_missed_in_documents_of_another_language() -> None:
    question = asked("When is green tea steamed?")
    assert may(question, found("绿茶采摘以后很快就蒸青。", 0.35), FLOOR, knows=True)
    assert not may(question, found("火车七点开往北京。", 0.1), FLOOR, knows=True)


def test_the_floor_rises_with_what_unrelated_questions_reach_but_not_beyond_answered_ones() -> None:
    low, high = (
        floor_above(Evidence(together, words, near))
        for together, words, near in ((0.2, 0.1, 0.1), (0.4, 0.2, 0.3))
    )
    assert low.together < high.together < ANSWERED.together
    assert low.words < high.words < ANSWERED.words
    assert low.near < high.near < ANSWERED.near
    assert floor_above(Evidence(0.9, 0.9, 0.9)) == ANSWERED


def test_everyday_questions_are_in_the_language_that_they_are_listed_under() -> None:
    lists = everyday_questions()
    assert len({len(questions) for questions in lists.values()}) == 1
    for language, questions in lists.items():
        right = [guess_language(text) == language for text in questions]
        assert sum(right) >= len(right) - 1, language


# Measuring


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "REST", 0.0)


def text_of(chunks: int, about: str = "lamp") -> str:
    return "\n\n".join(
        f"# Section {n}\n\nThe {about} number {n} turns in {n} seconds, and the keeper cleans it."
        for n in range(chunks)
    )


def measured(library: Library) -> Evidence:
    until = time.monotonic() + 20
    while not library.floor_is_current and time.monotonic() < until:
        time.sleep(0.02)
    assert library.floor_is_current
    return library.meaning.floor("en")


def test_a_library_measures_itself_in_the_languages_of_its_documents(folder: DataFolder) -> None:
    embedder = WordEmbedder()
    with opened(folder, embedder) as library:
        add_text(library, "lamps.md", text_of(FEWEST))
        assert measured(library) != UNMEASURED
        everyday = everyday_questions()
        assert set(everyday["en"]) <= set(embedder.given)
        assert set(everyday["de"]).isdisjoint(embedder.given)
        assert library.meaning.floor("de") == library.meaning.floor("en")


def test_what_is_measured_is_kept_for_every_process_and_the_next_start(folder: DataFolder) -> None:
    with opened(folder) as library:
        add_text(library, "lamps.md", text_of(FEWEST))
        before = measured(library)
        with opened(folder, start=False) as other:
            assert other.meaning.floor("en") == before
    embedder = WordEmbedder()
    with opened(folder, embedder) as library:
        assert library.meaning.floor("en") == before
        time.sleep(0.3)
        assert embedder.given == []


def test_a_small_library_is_not_measured(folder: DataFolder) -> None:
    embedder = WordEmbedder()
    with opened(folder, embedder) as library:
        add_text(library, "lamps.md", text_of(FEWEST - 1))
        time.sleep(0.3)
        assert set(everyday_questions()["en"]).isdisjoint(embedder.given)
        assert measured(library) == UNMEASURED


def test_a_library_that_has_grown_is_measured_again(folder: DataFolder) -> None:
    with opened(folder) as library:
        add_text(library, "lamps.md", text_of(FEWEST))
        before = measured(library)
        add_text(library, "few.md", text_of(5, "bell"))
        assert library.floor_is_current
        everyday = "\n\n".join(f"# {n}\n\n{q}" for n, q in enumerate(everyday_questions()["en"]))
        add_text(library, "everyday.md", everyday)
        assert measured(library).words > before.words


def test_another_embedder_has_a_floor_of_its_own(folder: DataFolder) -> None:
    with opened(folder) as library:
        add_text(library, "lamps.md", text_of(FEWEST))
        measured(library)
        assert library.floors.floor("another", "en") == UNMEASURED


def test_without_an_embedder_the_words_still_have_their_floor(folder: DataFolder) -> None:
    with opened(folder) as library:
        add_text(library, "lamps.md", text_of(FEWEST))
        with_embedder = measured(library)
        assert library.floors.floor("", "en").words == with_embedder.words


def test_nothing_is_measured_while_an_answer_is_running(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "REST", 2.0)
    answering = False
    embedder = WordEmbedder()
    with opened(folder, embedder, busy=lambda: answering) as library:
        add_text(library, "lamps.md", text_of(FEWEST))
        answering = True
        time.sleep(2.5)
        assert set(everyday_questions()["en"]).isdisjoint(embedder.given)
        answering = False
        measured(library)


def test_an_embedder_that_fails_meanwhile_leaves_no_floor_behind(folder: DataFolder) -> None:
    from localchat.core.errors import EngineError

    def fail(texts: Sequence[str]) -> Vectors | None:
        if everyday_questions()["en"][3] in texts:
            raise EngineError("The search model has stopped.", "Try again.")
        return None

    with opened(folder, WordEmbedder(before=fail)) as library:  # type: ignore[arg-type]
        add_text(library, "lamps.md", text_of(FEWEST))
        until = time.monotonic() + 10
        while not library.meaning.error and time.monotonic() < until:
            time.sleep(0.02)
        assert library.meaning.error
        time.sleep(0.3)
        assert library.floors.floor("words-64", "en") == UNMEASURED


# With the real embedder

DOCUMENTS = {
    "lighthouse.md": "# The lighthouse\n\nThe lighthouse was built of granite in 1904. Its lamp "
    "turns once in ten seconds.\n\nThe keeper climbs 312 steps every evening.",
    "tea.md": "# Tea\n\nGreen tea is steamed soon after it is picked, so that the leaves stay "
    "green.\n\nBlack tea is left to wither and oxidise first.",
    "茶.md": "# 龙井茶\n\n龙井茶产于杭州西湖附近的山上，每年清明节以前采摘的最好。",
}
ANSWERED_HERE = [
    "When was the lighthouse built?",
    "How many steps does the keeper climb?",
    "Why do the leaves of green tea stay green?",
    "What happens to black tea first?",
    "lighthouse",
    "龙井茶产于哪里？",
    "什么时候采摘的龙井茶最好？",
]
NOT_HERE = [
    "hello",
    "Thank you very much!",
    "Who won the football world cup in 2014?",
    "What is the notice period of my rental contract?",
    "How do I reset my router?",
    "火车票多少钱？",
    "谁发明了缝纫机？",
]


def test_what_the_documents_say_is_answered_and_small_talk_is_not(chat: LocalChat) -> None:
    library = chat.library
    ids = [library.add_file(name, text.encode()).source_id for name, text in DOCUMENTS.items()]
    library.wait(i for i in ids if i is not None)

    def answered(question: str) -> bool:
        return bool(instant_answer(question, library.retriever().invoke(question), library.meaning))

    assert [question for question in ANSWERED_HERE if not answered(question)] == []
    assert [question for question in NOT_HERE if answered(question)] == []
