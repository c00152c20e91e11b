"""A question in another language than the documents is translated first, and found all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from localchat.chat.answer import Answer, Translation, Turn
from localchat.chat.looking import fused
from localchat.chat.prompts import SYSTEM
from localchat.core.errors import EngineDied, LoadError
from localchat.engines.base import Phase
from localchat.engines.room import EngineRoom
from tests.chat.kit import MEANING, Finder, asking_of, document, eventually, translating_chain
from tests.fake_engine import FakeEngine

QUESTION = "When is green tea steamed?"
GERMAN = "Wann wird grüner Tee nach der Ernte gedämpft?"
TEE = """Die Blätter wachsen an den Hängen der Berge.

Grüner Tee wird bald nach der Ernte gedämpft.

So bleibt er noch lange so, wie man ihn kennt."""
TURM = "Der Turm hat vierzig Stufen aus Holz. Die Lampe ist oben."
ENGLISH = "Green tea is steamed on the day when it is picked. It is kept in tins."
SAID = "It is steamed soon after the harvest [1]."


def german_shelf() -> Finder:
    return Finder(documents=[document(TURM, 1), document(TEE, 2)])


def test_the_passages_are_found_with_the_translation_and_with_the_question_itself() -> None:
    engine = FakeEngine()
    engine.enqueue(GERMAN, SAID)
    shelf = german_shelf()
    answer = asking_of(QUESTION, engine, chain=translating_chain(engine, shelf)).start().wait(10)
    assert shelf.asked == [GERMAN, QUESTION]
    assert (answer.state, answer.text) == ("done", SAID)
    assert answer.search is not None
    assert answer.search.translations == (Translation("de", GERMAN),)
    assert (answer.search.language, answer.search.by_meaning) == ("en", False)
    assert answer.passages[0].text == TEE


def test_the_sentences_are_picked_and_marked_by_the_translation() -> None:
    engine = FakeEngine()
    engine.enqueue(GERMAN, SAID)
    chain = translating_chain(engine, german_shelf())
    answer = asking_of(QUESTION, engine, chain=chain).start().wait(10)
    sentence = "Grüner Tee wird bald nach der Ernte gedämpft."
    assert answer.quotes[0].text.startswith(sentence)
    [citation] = answer.citations
    assert (citation.start, citation.end) == (answer.quotes[0].start, answer.quotes[0].end)


@pytest.mark.parametrize(
    ("translation", "quote"),
    [(GERMAN, "Grüner Tee wird bald"), ("Wo wachsen die Blätter am Berg?", "Die Blätter wachsen")],
)
def test_another_translation_picks_another_sentence(translation: str, quote: str) -> None:
    engine = FakeEngine()
    engine.enqueue(translation, SAID)
    chain = translating_chain(engine, Finder(documents=[document(TEE)]))
    answer = asking_of(QUESTION, engine, chain=chain).start().wait(10)
    assert answer.quotes[0].text.startswith(quote)


def test_the_answer_is_asked_for_in_the_question_s_own_words() -> None:
    engine = FakeEngine()
    engine.enqueue(GERMAN, SAID)
    chain = translating_chain(engine, german_shelf())
    asking_of(QUESTION, engine, chain=chain).start().wait(10)
    [_, prompt] = engine.history
    assert str(prompt[-1].content).endswith(f"Question: {QUESTION}")
    assert GERMAN not in str(prompt[-1].content)


def test_both_prompts_begin_alike_so_that_a_model_reads_that_once() -> None:
    engine = FakeEngine()
    engine.enqueue(GERMAN, SAID)
    earlier = Turn(
        1, "Hello?", Answer("done", by_quotes=False, text="Hi.", sent="Question: Hello?")
    )
    chain = translating_chain(engine, german_shelf())
    asking_of(QUESTION, engine, chain=chain, history=[earlier]).start().wait(10)
    translation, answer = engine.history
    assert [m.content for m in translation[:-1]] == [SYSTEM, "Question: Hello?", "Hi."]
    assert translation[:-1] == answer[:-1]


def test_a_document_in_the_question_s_own_language_is_found_as_well() -> None:
    """One English document among many German ones."""
    engine = FakeEngine()
    engine.enqueue("Wann wird die Minze oben gedämpft?", "On the day [1].")
    shelf = Finder(documents=[document(TURM, 1), document(ENGLISH, 2)])
    answer = asking_of(QUESTION, engine, chain=translating_chain(engine, shelf)).start().wait(10)
    assert {passage.text for passage in answer.passages} == {TURM, ENGLISH}
    assert answer.quotes[0].text.startswith("Green tea is steamed")


def test_a_question_that_needs_no_translation_asks_the_model_once() -> None:
    engine = FakeEngine(default=SAID)
    shelf = german_shelf()
    chain = translating_chain(engine, shelf, into=())
    answer = asking_of(QUESTION, engine, chain=chain).start().wait(10)
    assert shelf.asked == [QUESTION]
    assert len(engine.history) == 1
    assert answer.search is not None
    assert (answer.search.translations, answer.search.untranslated) == ((), ())


@pytest.mark.parametrize(
    "reply", [QUESTION, "", EngineDied("The model's process ended.")], ids=["echo", "empty", "dead"]
)
def test_without_a_translation_the_search_goes_on_and_says_what_is_missing(
    reply: str | Exception,
) -> None:
    engine = FakeEngine(default=SAID)
    engine.enqueue(reply)
    shelf = german_shelf()
    answer = asking_of(QUESTION, engine, chain=translating_chain(engine, shelf)).start().wait(10)
    assert shelf.asked == [QUESTION]
    assert (answer.state, answer.error) == ("done", "")
    assert answer.search is not None
    assert (answer.search.translations, answer.search.untranslated) == ((), ("de",))


def test_a_model_that_cannot_be_loaded_is_tried_once_and_leaves_what_was_found() -> None:
    tried = 0

    class Broken(FakeEngine):
        def loading(self) -> Iterator[Phase]:
            nonlocal tried
            tried += 1
            raise LoadError("This file is cut short.", "Download it again.")

    engine = Broken()
    chain = translating_chain(engine, Finder(documents=[document(ENGLISH)]))
    answer = asking_of(QUESTION, engine, chain=chain).start().wait(10)
    assert (answer.state, tried) == ("failed", 1)
    assert answer.error == "This file is cut short. Download it again."
    assert answer.quotes[0].text.startswith("Green tea is steamed")


@pytest.mark.parametrize("phase", ["loading", "translating"])
def test_stop_works_before_the_search(phase: str) -> None:
    class SlowToLoad(FakeEngine):
        def loading(self) -> Iterator[Phase]:
            for _ in range(200 if phase == "loading" else 1):
                time.sleep(0.02)
                yield Phase("loading", 10, 1000)

    engine = SlowToLoad(default=GERMAN, delay=0.5)
    room, shelf = EngineRoom(), german_shelf()
    asking = asking_of(QUESTION, engine, chain=translating_chain(engine, shelf), room=room).start()
    if phase == "loading":
        assert eventually(lambda: asking.phase is not None)
    else:
        assert eventually(lambda: asking.answer.state == "translating")
    began = time.monotonic()
    asking.stop()
    answer = asking.wait(10)
    assert time.monotonic() - began < 1
    assert (answer.state, answer.passages) == ("stopped", ())
    assert shelf.asked == []
    assert engine.stopped == (phase == "translating")
    assert not room.busy


def test_a_page_can_tell_that_the_question_is_being_translated() -> None:
    engine = FakeEngine(delay=0.05)
    engine.enqueue(GERMAN, SAID)
    chain = translating_chain(engine, german_shelf())
    asking = asking_of(QUESTION, engine, chain=chain).start()
    states: list[str] = []
    version = -1
    while asking.running:
        version = asking.wait_for_change(version, 0.2)
        states.append(asking.answer.state)
    told = dict.fromkeys([*states, asking.answer.state])
    assert [state for state in told if state != "searching"] == ["translating", "answering", "done"]


def test_why_there_was_no_search_by_meaning_is_kept_with_the_answer() -> None:
    engine = FakeEngine(default=SAID)
    reason = "The search model is missing. Get it again on the page “Models”."
    chain = translating_chain(engine, german_shelf(), into=(), failure=reason)
    answer = asking_of(QUESTION, engine, chain=chain).start().wait(10)
    assert answer.search is not None
    assert answer.search.failure == reason


def test_what_was_looked_in_is_kept_with_the_answer() -> None:
    engine = FakeEngine()
    engine.enqueue(GERMAN, SAID)
    asking = asking_of(
        QUESTION,
        engine,
        chain=translating_chain(engine, german_shelf()),
        sources=frozenset({2}),
        of=14,
    )
    answer = asking.start().wait(10)
    assert answer.search is not None
    assert (answer.search.sources, answer.search.of) == (1, 14)
    assert [passage.source_id for passage in answer.passages] == [2]
    assert Answer.from_json(answer.to_json()) == answer


# Several searches as one


def test_the_same_place_is_given_once_where_it_fits_best() -> None:
    by_translation = [document(TEE, 1, score=0.9, start=0, end=800)]
    own = [
        document(TEE, 1, score=1.0, start=100, end=900),
        document(TURM, 1, score=0.5, start=750, end=1500),
    ]
    found = fused([(GERMAN, by_translation), (QUESTION, own)], MEANING)
    assert [d.metadata["start"] for d in found] == [0, 750]


def test_what_holds_more_of_the_words_that_were_asked_comes_first() -> None:
    """The scores of two searches say nothing about each other."""
    german, english = document(TURM, 1, score=1.0), document(ENGLISH, 2, score=0.6)
    assert fused([(GERMAN, [german]), (QUESTION, [english])], MEANING) == [english, german]
    german = document(TEE, 1, score=0.9)
    assert fused([(GERMAN, [german]), (QUESTION, [english])], MEANING) == [german, english]


def test_there_are_no_more_than_one_search_finds() -> None:
    by_translation = [document(TEE, n, score=0.9) for n in range(1, 7)]
    own = [document(TURM, n, score=1.0) for n in range(7, 13)]
    found = fused([(GERMAN, by_translation), (QUESTION, own)], MEANING)
    assert [d.metadata["source_id"] for d in found] == [1, 2, 3, 4, 5, 6]
    assert fused([(QUESTION, own)], MEANING) == own


def test_where_each_search_finds_little_nothing_of_it_is_lost() -> None:
    searches = [
        (GERMAN, [document(TEE, 1)]),
        ("Wie viele Stufen hat der Turm?", [document(TURM, 2)]),
        (QUESTION, [document(ENGLISH, 3)]),
    ]
    assert {d.metadata["source_id"] for d in fused(searches, MEANING)} == {1, 2, 3}
