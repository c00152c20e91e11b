"""The instant answer: sentences with their exact place, and the neighbours that they need."""

from __future__ import annotations

from itertools import pairwise

import pytest

from localchat.chat.instant import instant_answer, worth_showing
from tests.chat.kit import MEANING, document

ISLE = (
    "The Fastnet lighthouse stands alone in the sea. It was built there in 1904 of granite. "
    "Boats bring oil twice a month.\n\nAnother matter is the tea of the keepers, which is strong."
)


def test_a_quote_is_a_span_of_its_passage() -> None:
    passages = [document("Bees dance for others to see.", 1), document(ISLE, 2)]
    for quote in instant_answer("How strong is the tea of the keepers?", passages, MEANING):
        text = passages[quote.number - 1].page_content
        assert text[quote.start : quote.end] == quote.text


def test_a_sentence_that_leans_on_the_one_before_is_quoted_with_it() -> None:
    [quote] = instant_answer("When was it built of granite?", [document(ISLE)], MEANING, most=1)
    assert quote.text == ISLE[: ISLE.index(" Boats")]


def test_a_sentence_that_stands_by_itself_is_quoted_alone() -> None:
    [quote] = instant_answer("How often do boats bring oil?", [document(ISLE)], MEANING, most=1)
    assert quote.text == "Boats bring oil twice a month."


def test_a_paragraph_does_not_lean_on_another_one() -> None:
    text = "The tower is tall.\n\nIt is the tea that keeps them awake at night."
    [quote] = instant_answer("What keeps them awake at night?", [document(text)], MEANING, most=1)
    assert quote.text == "It is the tea that keeps them awake at night."


LIMITS = (
    "The keepers of the lighthouse have a few limits:\n\nOil: the tank holds enough for a month.\n"
    "Tea: there is less of it than they wish for. " + "The rest is said elsewhere at length. " * 9
)


def test_a_sentence_that_ends_in_a_colon_is_quoted_with_what_it_announces() -> None:
    [quote] = instant_answer("What limits have the keepers?", [document(LIMITS)], MEANING, most=1)
    assert quote.text.startswith(
        "The keepers of the lighthouse have a few limits:\n\nOil: the tank"
    )
    assert 150 < len(quote.text) < 350
    assert quote.text.endswith(".")


def test_what_a_sentence_announces_is_quoted_once_whichever_is_found_first() -> None:
    for question in ("What limits have the keepers?", "How much oil does the tank hold?"):
        quotes = instant_answer(question, [document(LIMITS)], MEANING)
        places = sorted((quote.start, quote.end) for quote in quotes)
        assert all(end <= start for (_, end), (start, _) in pairwise(places))
        assert sum("the tank holds enough" in quote.text for quote in quotes) == 1


def test_a_colon_at_the_end_of_a_passage_announces_nothing() -> None:
    text = "The keepers of the lighthouse have a few limits:"
    [quote] = instant_answer("What limits have the keepers?", [document(text)], MEANING)
    assert quote.text == text


def test_chinese_sentences_lean_as_well() -> None:
    text = "凯旋灯塔位于海边的岩石上。它建于1904年，用花岗岩砌成。船每月来两次。"
    [quote] = instant_answer("用花岗岩砌成的建于哪一年？", [document(text)], MEANING, most=1)
    assert quote.text.startswith("凯旋灯塔") and "1904" in quote.text


def test_sentences_that_follow_each_other_become_one_quote() -> None:
    text = "Green tea is steamed. Green tea is rolled. " + "Nothing else is said of anything. " * 3
    quotes = instant_answer(
        "How is green tea steamed and rolled?", [document(text)], MEANING, most=2
    )
    assert [quote.text for quote in quotes] == ["Green tea is steamed. Green tea is rolled."]


def test_the_same_sentence_from_two_sources_is_quoted_once() -> None:
    same = "Green tea is steamed soon after it is picked."
    passages = [document(same, 1), document(same, 2), document("Black tea is not.", 3)]
    quotes = instant_answer("When is green tea steamed?", passages, MEANING)
    assert [quote.text for quote in quotes].count(same) == 1


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_sentences_are_quoted_than_asked_for(most: int) -> None:
    passages = [
        document(f"Tea number {n} is green. Lamp number {n} is lit.", n) for n in range(1, 6)
    ]
    assert 1 <= len(instant_answer("Which tea is green?", passages, MEANING, most)) <= most


@pytest.mark.parametrize(
    "known",
    [{"title": "Green tea"}, {"location": "page 2 · Green tea"}, {"location": "Tea › Green tea"}],
)
def test_what_a_passage_is_called_adds_nothing_to_its_sentences(known: dict[str, str]) -> None:
    text = "Green tea\n\nGreen tea is steamed soon after it is picked, so it stays green."
    quotes = instant_answer("When is green tea steamed?", [document(text, **known)], MEANING)
    assert [quote.text for quote in quotes] == [text[11:]]


def test_a_text_of_one_line_is_quoted_though_it_is_its_title() -> None:
    text = "The code of the green safe is 4711."
    quotes = instant_answer("What is the code of the safe?", [document(text, title=text)], MEANING)
    assert [quote.text for quote in quotes] == [text]


def test_nothing_found_nothing_quoted() -> None:
    assert instant_answer("What is green?", [], MEANING) == []


def test_a_sentence_that_says_far_less_is_not_shown() -> None:
    text = "Sea otters hold hands while they sleep. Many animals rest on land. Some eat kelp."
    quotes = instant_answer(
        "Why do sea otters hold hands while they sleep?", [document(text)], MEANING
    )
    assert quotes[0].text == "Sea otters hold hands while they sleep."
    assert worth_showing(quotes)[0] == quotes[0]
    assert len(worth_showing(quotes)) < len(quotes)


def test_nothing_is_quoted_twice() -> None:
    passages = [document(ISLE)]
    quotes = instant_answer("When was the Fastnet lighthouse built of granite?", passages, MEANING)
    places = sorted((quote.start, quote.end) for quote in quotes)
    assert all(end <= start for (_, end), (start, _) in pairwise(places))
