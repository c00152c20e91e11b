"""The chain: each step is told as soon as it is there, and closing it closes the engine."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from localchat.chat.chain import pick, stream
from localchat.chat.instant import MOST
from localchat.engines.base import phase_of
from localchat.engines.quotes import NOTHING_FOUND, QUOTES, QuotesEngine
from tests.chat.kit import (
    LAMP,
    MEANING,
    SHELF,
    TEA,
    Finder,
    chain_of,
    document,
    no_enter,
    translating_chain,
)
from tests.fake_engine import FakeEngine

QUESTION = "How fast does the lamp of the lighthouse turn?"
ASKED: Any = {"question": QUESTION, "history": [], "enter": no_enter}


def test_passages_come_first_then_quotes_then_the_prompt_then_the_answer() -> None:
    engine = FakeEngine(default="It turns once in ten seconds [1].")
    keys: list[str] = []
    for event in chain_of(engine).stream(ASKED):
        keys += [key for key in event if key not in keys]
    wanted = ["found", "evidence", "loading", "prompt", "answer"]
    assert [key for key in keys if key in wanted] == wanted


def test_the_quotes_are_told_while_the_engine_is_still_loading() -> None:
    told, given_up = threading.Event(), threading.Event()

    def enter() -> Any:
        until = time.monotonic() + 2
        while not told.is_set():
            if time.monotonic() > until:
                given_up.set()
                return
            time.sleep(0.02)
            yield AIMessageChunk(content="")

    for event in chain_of(FakeEngine()).stream({**ASKED, "enter": enter}):
        if "evidence" in event:
            assert event["evidence"]["quotes"][0].text.startswith("The lamp of the lighthouse")
            told.set()
    assert not given_up.is_set()


def test_the_engine_is_given_the_passages_and_the_question() -> None:
    engine = FakeEngine(default="Yes.")
    for _ in chain_of(engine).stream(ASKED):
        pass
    [messages] = engine.history
    assert LAMP in str(messages[-1].content)
    assert TEA in str(messages[-1].content)
    assert str(messages[-1].content).endswith(QUESTION)


def test_closing_the_stream_stops_the_engine_at_once() -> None:
    engine = FakeEngine(default="on and on " * 1_000, delay=0.02)
    events = stream(chain_of(engine), ASKED)
    written = ""
    for event in events:
        if "answer" in event:
            written += str(event["answer"].content)
        if len(written) > 10:
            break
    began = time.monotonic()
    events.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 0.5
    assert engine.stopped == 1
    engine.enqueue("The next one works.")
    assert engine.invoke("Hi").content == "The next one works."


def test_an_error_of_the_engine_comes_through() -> None:
    from localchat.core.errors import EngineDied

    engine = FakeEngine()
    engine.enqueue(EngineDied("The model's process ended."))
    with pytest.raises(EngineDied, match="process ended"):
        for _ in chain_of(engine).stream(ASKED):
            pass


def test_the_quotes_answer_end_to_end() -> None:
    events = list(chain_of(QuotesEngine()).stream(ASKED))
    chunks = [event["answer"] for event in events if "answer" in event]
    answer = "".join(str(chunk.content) for chunk in chunks)
    assert answer.startswith("The lamp of the lighthouse turns once in ten seconds.")
    assert "[1]" in answer


def test_the_passage_of_the_best_quote_is_number_one() -> None:
    evidence = pick(QUESTION, [document(TEA, 1), document(LAMP, 2)], MEANING)
    assert evidence["passages"][0].page_content == LAMP
    best = evidence["quotes"][0]
    assert best.number == 1
    assert LAMP[best.start : best.end] == best.text
    for quote in evidence["quotes"]:
        text = evidence["passages"][quote.number - 1].page_content
        assert text[quote.start : quote.end] == quote.text


def test_few_quotes_each_once() -> None:
    many = [document(f"{LAMP} The lamp of the lighthouse turns, say {n}.", n) for n in range(1, 9)]
    evidence = pick(QUESTION, many, MEANING)
    texts = [quote.text for quote in evidence["quotes"]]
    assert 1 < len(texts) <= MOST
    assert len(set(texts)) == len(texts)
    assert pick(QUESTION, [], MEANING) == {"passages": [], "quotes": []}


def test_where_nothing_answers_there_is_no_quote() -> None:
    nothing = pick("Zebra quantum xylophone?", SHELF, MEANING)
    assert nothing["quotes"] == []
    assert len(nothing["passages"]) == 2


def test_only_the_sources_that_are_asked_are_looked_in() -> None:
    engine = FakeEngine(default="Yes.")
    finder = Finder(documents=SHELF)
    chain = translating_chain(engine, finder, into=())
    [found] = [e["found"] for e in chain.stream({**ASKED, "sources": None}) if "found" in e]
    assert [document.metadata["source_id"] for document in found.documents] == [1, 2]
    asked: Any = {**ASKED, "sources": frozenset({2})}
    [found] = [e["found"] for e in chain.stream(asked) if "found" in e]
    assert [document.metadata["source_id"] for document in found.documents] == [2]
    assert finder.sources is None, "the chain is shared by all conversations"


# The quotes engine by itself


def test_the_quotes_engine_says_its_quotes_with_their_numbers() -> None:
    from langchain_core.messages import HumanMessage

    quotes = [{"number": 2, "text": "It is so."}, {"number": 1, "text": "And so."}]
    engine = QuotesEngine()
    chunks = list(engine.stream([HumanMessage("Q?", additional_kwargs={QUOTES: quotes})]))
    assert "".join(str(c.content) for c in chunks) == "It is so. [2]\n\nAnd so. [1]"
    assert [phase.name for c in chunks if (phase := phase_of(c))] == ["writing"]
    assert any(chunk.usage_metadata for chunk in chunks)


def test_without_quotes_it_says_so() -> None:
    assert QuotesEngine().invoke("Q?").content == NOTHING_FOUND
