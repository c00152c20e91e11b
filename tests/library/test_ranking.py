"""How well passages answer: what is seen of them, and what it says for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from localchat.core.question import Question
from localchat.library.ranking import (
    FEATURES,
    FIRST,
    SECOND,
    SENTENCE_FEATURES,
    Candidate,
    Look,
    chance,
    keyword_scores,
    look,
)

SEEN = {name: number for number, name in enumerate(FEATURES)}


def rarity(asked: Sequence[str]) -> Mapping[str, float]:
    return {word: 3.0 if word == "lighthous" else 1.0 for word in asked}


def seen(question: str, *texts: str, above: str = "", near: float = 0.5) -> list[Look]:
    asked = Question.of(question, rarity)
    return look(asked, [Candidate(text, above, near) for text in texts])


def value(one: Look, name: str) -> float:
    return one.features[SEEN[name]]


def test_the_passage_with_the_rare_word_scores_more_than_the_one_with_the_common_word() -> None:
    question = Question.of("lighthouse keeper", rarity)
    rare, common, none = keyword_scores(question, [["lighthous"], ["keeper"], ["tea"]])
    assert rare > common > none == 0


def test_a_word_says_less_the_oftener_it_is_repeated_and_the_longer_the_passage() -> None:
    question = Question.of("keeper", rarity)
    once, twice, far = keyword_scores(
        question, [["keeper", "a"], ["keeper", "keeper"], ["keeper", *"abcdefghijklmnop"]]
    )
    assert once < twice < 2 * once
    assert far < once


def test_title_and_headings_count_as_words_of_the_passage() -> None:
    [plain] = seen("lighthouse keeper", "He climbs every evening.")
    [below] = seen("lighthouse keeper", "He climbs every evening.", above="The lighthouse keeper")
    assert value(plain, "words in the passage") == 0
    assert value(below, "words in the passage") == pytest.approx(1)
    assert value(below, "words in one sentence") == 0


def test_words_in_one_sentence_are_told_from_words_spread_over_the_passage() -> None:
    together, spread = seen(
        "copper kettle handle",
        "The copper kettle lost a handle. Nothing else was broken that day.",
        "The copper shines. Rain fell. A kettle sang. Snow fell. The handle is gone.",
    )
    assert value(together, "words in one sentence") > value(spread, "words in one sentence")
    assert value(together, "words in the passage") == value(spread, "words in the passage")
    assert together.sentences[0] == "The copper kettle lost a handle."


def test_the_best_sentence_is_not_a_question_or_a_caption() -> None:
    [one] = seen(
        "copper kettle",
        "Copper kettle. Where is the copper kettle? "
        "The copper kettle stands there, beside the old iron stove in the kitchen.",
    )
    assert one.sentences[0].endswith("kitchen.")


def test_nearness_and_keywords_are_also_seen_against_the_best_candidate() -> None:
    asked = Question.of("copper kettle", rarity)
    best, other = look(asked, [Candidate("A copper kettle.", "", 0.8), Candidate("Tea.", "", 0.4)])
    assert (value(best, "near, best = 1"), value(other, "near, best = 1")) == (1, 0.5)
    assert (value(best, "BM25, best = 1"), value(other, "BM25, best = 1")) == (1, 0)


@pytest.mark.parametrize("knows", [True, False])
def test_more_of_anything_good_makes_the_chance_larger(knows: bool) -> None:
    middling = Look((0.5,) * len(FEATURES), ())
    for name in ("near", "BM25, best = 1", "words in the passage", "neighbouring words"):
        better = list(middling.features)
        better[SEEN[name]] = 0.9
        assert chance(Look(tuple(better), ()), (), knows=knows) > chance(middling, (), knows=knows)
    assert 0 < chance(middling, (), knows=knows) < 1


def test_a_near_sentence_makes_the_chance_larger_also_where_it_is_the_second() -> None:
    middling = Look((0.5,) * len(FEATURES), ())
    far, second, first = (
        chance(middling, near, knows=True) for near in ((0.1, 0.1), (0.1, 0.9), (0.9, 0.1))
    )
    assert far < second < first


def test_a_list_of_references_comes_behind_a_text_that_has_as_many_words() -> None:
    question = Question.of("copper kettle", rarity)
    said = "The copper kettle is polished on Fridays."
    plain, listed = look(
        question,
        [Candidate(said, "", 0.5, "Kitchen"), Candidate(said, "", 0.5, "Kitchen › References")],
    )
    assert chance(plain, (), knows=True) > chance(listed, (), knows=True)
    assert chance(plain, (0.5, 0.5), knows=True) > chance(listed, (0.5, 0.5), knows=True)


def test_there_is_a_weight_for_each_feature() -> None:
    assert [len(FIRST[knows].weights) for knows in (True, False)] == [len(FEATURES)] * 2
    assert len(SECOND.weights) == len(FEATURES) + len(SENTENCE_FEATURES)


@pytest.mark.parametrize("question", ["", "?", "的", "🐛", '"'])
@pytest.mark.parametrize("text", ["", "7", "\n", "茶", "tea"])
def test_any_question_can_be_asked_of_any_passage(question: str, text: str) -> None:
    [one] = seen(question, text)
    assert len(one.features) == len(FEATURES)
    assert 0 <= chance(one, (), knows=False) <= 1


def test_no_candidates_no_looks() -> None:
    assert look(Question.of("What?", rarity), []) == []
