"""What a model is told fits its window, and what did not fit is counted."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from localchat.chat.answer import Answer, Quote, Turn
from localchat.chat.prompts import (
    MESSAGE_OVERHEAD,
    NO_PASSAGES,
    NOTHING_STANDS_OUT,
    SYSTEM,
    Packed,
    pack,
)
from tests.chat.kit import LAMP, TEA, document


def count(text: str) -> int:
    return len(text.split())


def size(packed: Packed) -> int:
    return sum(count(str(message.content)) + MESSAGE_OVERHEAD for message in packed.messages)


def test_the_system_stands_first_and_the_question_last() -> None:
    packed = pack("How fast?", [document(LAMP, 1), document(TEA, 2)], [], [], 4096, count)
    system, last = packed.messages
    assert isinstance(system, SystemMessage)
    assert system.content == SYSTEM
    assert isinstance(last, HumanMessage)
    body = str(last.content)
    assert body.index("[1] Title 1") < body.index(LAMP) < body.index("[2] Title 2")
    assert body.endswith("Question: How fast?")
    assert packed.left_out == 0


def test_a_passage_tells_where_it_stands() -> None:
    packed = pack("Q?", [document(LAMP, 1, location="page 3 · Light")], [], [], 4096, count)
    assert "[1] Title 1, page 3 · Light\n" in str(packed.messages[-1].content)


def test_the_quotes_travel_with_the_question() -> None:
    packed = pack("Q?", [document(LAMP)], [Quote(1, 0, 8, "The lamp", 0.9)], [], 4096, count)
    assert packed.messages[-1].additional_kwargs["quotes"] == [{"number": 1, "text": "The lamp"}]


def test_a_model_is_told_where_nothing_stands_out() -> None:
    """Small models answer from whatever they are given."""
    quotes = [Quote(1, 0, 8, "The lamp", 0.9)]
    told = pack("Q?", [document(LAMP)], [], [], 4096, count).sent
    assert told.endswith(f"{NOTHING_STANDS_OUT}\n\nQuestion: Q?")
    assert LAMP in told, "what was found is not kept from it"
    assert pack("Q?", [], [], [], 4096, count).sent == f"{NO_PASSAGES}\n\nQuestion: Q?"
    assert NOTHING_STANDS_OUT not in pack("Q?", [document(LAMP)], quotes, [], 4096, count).sent


def test_what_does_not_fit_is_left_out_and_counted() -> None:
    passages = [document("word " * 100, n) for n in range(1, 11)]
    packed = pack("Q?", passages, [], [], count(SYSTEM) + 400, count)
    assert len(packed.passages) == 3
    assert packed.left_out == 7
    assert packed.passages == passages[:3]


def test_the_first_passage_is_cut_rather_than_left_out() -> None:
    packed = pack("Q?", [document("word " * 1_000)], [], [], count(SYSTEM) + 200, count)
    assert packed.left_out == 0
    assert 50 < str(packed.messages[-1].content).count("word") < 200


@pytest.mark.parametrize("seed", range(20))
def test_the_prompt_never_takes_more_than_its_room(seed: int) -> None:
    chance = random.Random(seed)
    passages = [document("word " * chance.randint(1, 400), n) for n in range(chance.randint(0, 8))]
    history = [
        Turn(n, "why " * chance.randint(1, 60), Answer(by_quotes=False, text="so " * chance.randint(1, 200)))  # noqa: E501
        for n in range(chance.randint(0, 6))
    ]  # fmt: skip
    room = chance.randint(count(SYSTEM) + 60, 1500)
    packed = pack("How many words are there?", passages, [], history, room, count)
    assert size(packed) <= room
    assert packed.left_out == len(passages) - len(packed.passages)
    assert len(packed.passages) >= min(len(passages), 1)


def conversation(turns: int, room: int, passages: int = 2) -> list[Packed]:
    """The prompts of so many turns, each of which follows from those before it."""
    prompts: list[Packed] = []
    history: list[Turn] = []
    for n in range(turns):
        found = [document(f"{LAMP} {n} " + "word " * 30, p) for p in range(passages)]
        prompts.append(pack(f"Question {n}?", found, [], history, room, count))
        answer = Answer(by_quotes=False, text=f"Answer {n}.", sent=prompts[-1].sent)
        history.append(Turn(n, f"Question {n}?", answer))
    return prompts


def said(packed: Packed) -> list[str]:
    return [str(message.content) for message in packed.messages]


def test_earlier_turns_stand_before_the_passages_oldest_first_as_they_were_sent() -> None:
    first, second, third = conversation(3, 4096)
    assert said(second)[:2] == said(first)
    assert said(second)[2] == "Answer 0."
    assert said(third)[: len(said(second))] == said(second)
    assert isinstance(third.messages[2], AIMessage)


def test_what_the_model_wrote_is_repeated_to_the_letter() -> None:
    answer = Answer(by_quotes=False, text="A. [1]", written="A. [1] [99]", sent="[1] T\n\nQ?")
    packed = pack("And?", [document(LAMP)], [], [Turn(1, "Q?", answer)], 4096, count)
    assert said(packed)[1:3] == ["[1] T\n\nQ?", "A. [1] [99]"]


def test_when_the_room_is_used_up_the_conversation_begins_anew_and_grows_again() -> None:
    prompts = conversation(12, 800)
    goes_on = [
        said(later)[: len(earlier.messages)] == said(earlier)
        for earlier, later in pairwise(prompts)
    ]
    assert 0 < goes_on.count(False) < goes_on.count(True)
    assert all(size(packed) <= 800 for packed in prompts)


def test_a_turn_too_long_with_its_passages_comes_without_them() -> None:
    answer = Answer(by_quotes=False, text="Brief.", sent="word " * 900)
    packed = pack("And?", [document(LAMP)], [], [Turn(1, "Q?", answer)], 1_000, count)
    assert said(packed)[1:3] == ["Q?", "Brief."]


def test_answers_by_quotes_and_answers_that_failed_are_no_history() -> None:
    history = [
        Turn(1, "One?", Answer(by_quotes=True, text="A quote [1]")),
        Turn(2, "Two?", Answer(by_quotes=False, text="", error="It died.")),
    ]
    assert len(pack("Q?", [document(LAMP)], [], history, 4096, count).messages) == 2


def test_long_earlier_turns_do_not_push_the_passages_out() -> None:
    history = [Turn(1, "One?", Answer(by_quotes=False, text="word " * 5_000))]
    packed = pack("Q?", [document(LAMP), document(TEA)], [], history, 1_000, count)
    assert (len(packed.messages), packed.left_out) == (2, 0)


def test_a_passage_of_which_nothing_fits_is_left_out() -> None:
    packed = pack("word " * 100, [document(LAMP)], [], [], 50, count)
    assert "The lamp of" not in str(packed.messages[-1].content)
    assert (packed.passages, packed.left_out) == ([], 1)
