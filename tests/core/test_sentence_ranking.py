"""Which sentences of the passages answer: by words, kind, passage and meaning."""

from __future__ import annotations

import pytest

from localchat.core.sentence_ranking import EMBEDDED, answer_sentences
from tests.chat.kit import WordMeaning

MEANING = WordMeaning()
TOWER = (
    "The tower on Gull Rock is known to all sailors. It was lit in 1889 after four years of work. "
    "The tower was painted white. Who built the tower on Gull Rock? "
    "Its lamp burned colza oil and later petroleum."
)
BEES = "Bees dance to tell where flowers are. The round dance means that food is near."


def best(question: str, passages: list[str], chances: list[float]) -> str:
    found = answer_sentences(question, passages, chances, MEANING)[0]
    return passages[found.passage][found.start : found.end]


def test_the_sentence_with_the_questions_words_comes_first() -> None:
    said = best("What does the round dance mean?", [TOWER, BEES], [0.5, 0.5])
    assert said == "The round dance means that food is near."


def test_a_question_for_a_time_is_answered_by_a_sentence_with_a_date() -> None:
    passage = "The great tower was lit by a lamp. The great tower was lit in 1889. It is tall."
    assert "1889" in best("When was the great tower lit?", [passage], [0.9])
    assert "lamp" in best("By what was the great tower lit?", [passage], [0.9])


def test_a_question_does_not_answer_a_question() -> None:
    assert not best("Who built the tower on Gull Rock?", [TOWER], [0.9]).endswith("?")


def test_an_entry_of_a_list_of_references_comes_behind_what_says_something() -> None:
    entry = "[4] Reed et al. “Why do honey bees dance in the hive?” 2019."
    said = "Honey bees dance to tell where flowers are."
    assert best("Why do honey bees dance?", [f"{entry}\n\n{said}"], [0.9]) == said


def test_of_two_equal_sentences_the_one_in_the_likelier_passage_comes_first() -> None:
    passages = ["Green tea is steamed at once.", "Green tea is steamed at once."]
    found = answer_sentences("How is green tea made?", passages, [0.1, 0.9], MEANING)
    assert [one.passage for one in found] == [1, 0]


def test_chances_are_a_share_of_one_and_only_the_best_are_given() -> None:
    many = [" ".join(f"Sentence {n} speaks of the tower and of tea." for n in range(60))]
    found = answer_sentences("Which tower has tea?", many, [0.5], MEANING)
    assert len(found) == EMBEDDED
    assert sum(one.chance for one in found) == pytest.approx(1)
    assert [one.chance for one in found] == sorted((one.chance for one in found), reverse=True)


@pytest.mark.parametrize("passages", [[], [""], ["7"], ["\n\n"]])
def test_where_no_sentence_is_there_none_is_found(passages: list[str]) -> None:
    assert answer_sentences("What?", passages, [0.5] * len(passages), MEANING) == []


@pytest.mark.parametrize("question", ["", "?", "的", "the", "🐛", '" OR *', "من؟", "塔"])
def test_any_question_can_be_asked(question: str) -> None:
    assert len(answer_sentences(question, [TOWER, BEES], [0.5, 0.4], MEANING)) > 2


class NoMeaning(WordMeaning):
    """An embedder that knows no language: words alone decide."""

    languages = frozenset()


def test_where_the_embedder_knows_no_language_the_words_decide() -> None:
    found = answer_sentences(
        "灯塔高多少米", ["塔很旧。灯塔高三十米。", "茶是绿的。"], [0.6, 0.4], NoMeaning()
    )
    assert (found[0].passage, found[0].start) == (0, 4)
