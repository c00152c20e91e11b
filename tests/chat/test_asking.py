"""One question on its way: whatever happens to it, what was written is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localchat.chat.answer import Answer
from localchat.core.errors import DiskFull, EngineDied, LoadError
from localchat.engines.base import Phase
from localchat.engines.quotes import QuotesEngine
from localchat.engines.room import EngineRoom
from tests.chat.kit import LAMP, asking_of, chain_of, eventually
from tests.fake_engine import FakeEngine

QUESTION = "How fast does the lamp of the lighthouse turn?"
TURNS = "The lamp of the lighthouse turns once in ten seconds"


class SlowToLoad(FakeEngine):
    """Takes four seconds to load."""

    def loading(self) -> Iterator[Phase]:
        for _ in range(200):
            time.sleep(0.02)
            yield Phase("loading", 10, 1000)


class SlowToRead(FakeEngine):
    """Takes four seconds to read the prompt."""

    def _answer(self, messages: object, waited: float) -> Iterator[object]:  # type: ignore[override]
        for _ in range(200):
            time.sleep(0.02)
            yield self._at(Phase("reading", 1, 1000))


def test_an_answer_with_its_passages_quotes_citations_and_times() -> None:
    ended: list[Answer] = []
    engine = FakeEngine(default=f"{TURNS} [1]. It is invented [9].")
    answer = asking_of(QUESTION, engine, on_end=ended.append).start().wait(10)
    assert answer.state == "done"
    assert answer.text == f"{TURNS} [1]. It is invented."
    [citation] = answer.citations
    shown = answer.passage(1)
    assert shown is not None
    assert shown.text[citation.start : citation.end] == f"{TURNS}."
    assert answer.quotes[0].text.startswith(f"{TURNS}.")
    assert answer.model == "Fake"
    assert set(answer.timings) == {"quotes", "first_token", "total"}
    assert answer.timings["quotes"] <= answer.timings["first_token"] <= answer.timings["total"]
    assert answer.usage["answer_tokens"] > 0
    assert ended == [answer]


def test_what_a_model_thinks_is_kept_apart_and_is_never_cited() -> None:
    engine = FakeEngine(default=f"<think>Passage [1] or [2]? Let me see.</think>{TURNS} [1].")
    answer = asking_of(QUESTION, engine).start().wait(10)
    assert answer.thoughts == "Passage [1] or [2]? Let me see."
    assert answer.text == f"{TURNS} [1]."
    assert [citation.number for citation in answer.citations] == [1]


def test_what_was_sent_and_written_is_kept_to_the_letter() -> None:
    engine = FakeEngine(default=f"{TURNS} [1]. It is invented [9].")
    answer = asking_of(QUESTION, engine).start().wait(10)
    assert answer.sent == engine.history[0][-1].text
    assert answer.written == f"{TURNS} [1]. It is invented [9]."


def test_an_answer_by_quotes_marks_its_exact_sentences() -> None:
    answer = asking_of(QUESTION, QuotesEngine(), by_quotes=True).start().wait(10)
    quote = answer.quotes[0].text
    assert quote.startswith(f"{TURNS}.")
    assert answer.text.startswith(f"{quote} [1]")
    [citation, *_] = answer.citations
    assert LAMP[citation.start : citation.end] == quote


@pytest.mark.parametrize(
    ("engine", "phase"),
    [
        (lambda: SlowToLoad(), "loading"),
        (lambda: SlowToRead(), "reading"),
        (lambda: FakeEngine(default="on and on " * 1_000, delay=0.02), "writing"),
    ],
    ids=["loading", "reading", "writing"],
)
def test_stop_works_in_every_phase(engine: Callable[[], FakeEngine], phase: str) -> None:
    made = engine()
    room = EngineRoom()
    asking = asking_of(QUESTION, made, room=room).start()
    assert eventually(lambda: asking.phase is not None and asking.phase.name == phase)
    if phase == "writing":
        assert eventually(lambda: len(asking.answer.text) > 10)
    began = time.monotonic()
    asking.stop()
    answer = asking.wait(10)
    assert time.monotonic() - began < 1
    assert answer.state == "stopped"
    assert answer.quotes != ()
    assert (answer.text != "") == (phase == "writing")
    assert not room.busy


def test_a_stopped_answer_keeps_what_was_written_and_its_citations() -> None:
    engine = FakeEngine(default=f"{TURNS} [1]. " + "More and more. " * 500, delay=0.01)
    asking = asking_of(QUESTION, engine).start()
    assert eventually(lambda: "[1]" in asking.answer.text)
    asking.stop()
    answer = asking.wait(10)
    assert answer.text.startswith(TURNS)
    assert [c.number for c in answer.citations] == [1]
    assert engine.stopped == 1


def test_a_model_that_dies_leaves_quotes_and_a_sentence() -> None:
    engine = FakeEngine()
    engine.enqueue(EngineDied("The model's process ended.", "Ask again."))
    answer = asking_of(QUESTION, engine).start().wait(10)
    assert (answer.state, answer.error) == ("failed", "The model's process ended. Ask again.")
    assert answer.quotes[0].text.startswith(f"{TURNS}.")
    engine.enqueue("It works again.")
    assert asking_of(QUESTION, engine).start().wait(10).text == "It works again."


def test_a_model_that_dies_in_the_middle_leaves_what_it_wrote() -> None:
    engine = FakeEngine(default=f"{TURNS} [1]. " + "More. " * 500, delay=0.01)
    asking = asking_of(QUESTION, engine).start()
    assert eventually(lambda: "[1]" in asking.answer.text)
    engine.close()
    answer = asking.wait(10)
    assert answer.state == "failed"
    assert answer.error
    assert answer.text.startswith(TURNS)
    assert [c.number for c in answer.citations] == [1]


def test_a_model_that_cannot_be_loaded_leaves_quotes_and_the_reason() -> None:
    class Broken(FakeEngine):
        def loading(self) -> Iterator[Phase]:
            raise LoadError("This file is cut short.", "Download it again.")

    answer = asking_of(QUESTION, Broken()).start().wait(10)
    assert answer.error == "This file is cut short. Download it again."
    assert answer.quotes != ()


def test_a_mistake_of_ours_is_told_without_its_insides() -> None:
    engine = FakeEngine()
    engine.enqueue(ZeroDivisionError("secret detail"))
    answer = asking_of(QUESTION, engine).start().wait(10)
    assert answer.state == "failed"
    assert "the log has the details" in answer.error
    assert "secret" not in answer.error


def test_a_question_that_is_too_long_gets_its_sentence_and_costs_nothing() -> None:
    engine = FakeEngine()
    answer = asking_of("why " * 25_000, engine).start().wait(10)
    assert answer.state == "failed"
    assert "100,000 characters" in answer.error
    assert "8,000" in answer.error
    assert engine.history == []


def test_half_a_citation_is_never_shown() -> None:
    engine = FakeEngine(default="It turns [ 1 , 2 ] slowly [ 7 ] on.", delay=0.01)
    asking = asking_of(QUESTION, engine).start()
    seen = {""}
    version = -1
    while asking.running:
        version = asking.wait_for_change(version, 0.2)
        seen.add(asking.answer.text)
    assert asking.wait(10).text == "It turns [1][2] slowly on."
    assert len(seen) > 3
    for text in seen:
        assert "7" not in text
        assert text.count("[") == text.count("]")


def test_what_did_not_fit_is_told_and_is_not_cited() -> None:
    engine = FakeEngine(default="It is steamed [2].")
    chain = chain_of(engine, room=130)
    answer = asking_of(QUESTION, engine, chain=chain).start().wait(10)
    assert answer.left_out == 1
    assert answer.text == "It is steamed."
    assert answer.citations == ()
    assert len(answer.passages) == 2


def test_nothing_found_is_said() -> None:
    engine = QuotesEngine()
    answer = (
        asking_of(QUESTION, engine, chain=chain_of(engine, []), by_quotes=True).start().wait(10)
    )
    assert answer.state == "done"
    assert "Nothing in your documents" in answer.text
    assert (answer.citations, answer.passages) == ((), ())


def test_who_sees_it_ended_finds_it_written_down() -> None:
    """A page that sees an answer end reads it from the database in the next moment."""
    written = threading.Event()

    def write(_: Answer) -> None:
        time.sleep(0.3)
        written.set()

    asking = asking_of(QUESTION, FakeEngine(default="Yes."), on_end=write).start()
    assert eventually(lambda: not asking.running)
    assert written.is_set()


def test_an_answer_that_cannot_be_written_down_ends_all_the_same() -> None:
    def refuse(_: Answer) -> None:
        raise DiskFull(Path("/somewhere"))

    room = EngineRoom()
    asking = asking_of(QUESTION, FakeEngine(default="Yes."), room=room, on_end=refuse).start()
    answer = asking.wait(2)
    assert not asking.running
    assert not room.busy
    assert answer.text == "Yes."
    assert "full" in answer.error


def test_one_that_waits_for_its_turn_can_be_stopped() -> None:
    room = EngineRoom()
    first = FakeEngine(default="on and on " * 80, delay=0.02)
    second = FakeEngine(default="Second.")
    one = asking_of(QUESTION, first, room=room).start()
    assert eventually(lambda: one.answer.text != "")
    two = asking_of(QUESTION, second, room=room).start()
    assert eventually(lambda: two.phase is not None and two.phase.name == "waiting")
    assert two.answer.quotes != ()
    two.stop()
    assert two.wait(2).state == "stopped"
    assert second.history == []
    one.stop()
    one.wait(5)


def test_two_questions_to_two_models_both_finish_one_after_the_other() -> None:
    room = EngineRoom()
    first = FakeEngine(default="one " * 20, delay=0.01)
    second = FakeEngine(default="two " * 5)
    one = asking_of(QUESTION, first, room=room).start()
    assert eventually(lambda: one.answer.text != "")
    two = asking_of(QUESTION, second, room=room).start()
    assert one.wait(10).text.count("one") == 20
    assert two.wait(10).text.count("two") == 5
    assert first.closed >= 1
