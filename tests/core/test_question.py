"""How much each word of a question says, and how much of it a text covers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pytest

from localchat.core.question import MOST_TERMS, Question
from localchat.core.text.words import words

RARE = {"lighthous": 6.0, "built": 2.0}


def rarity(asked: Sequence[str]) -> Mapping[str, float]:
    return {word: RARE.get(word, 1.0) for word in asked}


def weight(question: Question, word: str) -> float:
    [found] = [term.weight for term in question.terms if word in term.words]
    return found


def test_rare_words_weigh_more_and_all_weights_together_are_one() -> None:
    question = Question.of("When was the lighthouse built there?", rarity)
    assert weight(question, "lighthous") == pytest.approx(3 * weight(question, "built"))
    assert sum(term.weight for term in question.terms) == pytest.approx(1)


def test_a_text_covers_the_weights_of_its_words() -> None:
    question = Question.of("lighthouse built", rarity)
    assert question.covered(words("A lighthouse on a rock.")) == pytest.approx(0.75)
    assert question.covered(words("A rock."), words("It was built.")) == pytest.approx(0.25)
    assert question.covered(words("Nothing of the kind.")) == 0


def test_neighbouring_words_count_where_they_are_neighbours_again() -> None:
    question = Question.of("copper kettle handle", rarity)
    half = words("The copper kettle has a broken handle.")
    assert question.pairs_covered(half) == pytest.approx(0.5)
    assert question.pairs_covered(words("The kettle is made of copper.")) == 0
    assert question.pairs_covered(words("copper kettle handle")) == pytest.approx(1)


def test_of_a_very_long_question_the_words_that_the_documents_have_are_kept() -> None:
    """Words that stand nowhere are rarer than any other, and would leave no room for them."""

    def held(asked: Sequence[str]) -> Mapping[str, float]:
        return {word: 2.0 if word in ("kettl", "copper") else 5.0 for word in asked}

    unknown = " ".join(f"word{number}" for number in range(3 * MOST_TERMS))
    question = Question.of(f"kettle {unknown} copper", held)
    assert len(question.terms) == MOST_TERMS
    assert [question.terms[n].words[0] for n in (0, -1)] == ["kettl", "copper"]


def test_words_in_quotation_marks_and_codes_are_meant_to_the_letter() -> None:
    question = Question.of("what does “copper” mean in a kettle", rarity)
    assert weight(question, "copper") == pytest.approx(2 * weight(question, "kettl"))
    code = Question.of("kettle error E4021", rarity)
    assert weight(code, "e4021") == pytest.approx(2 * weight(code, "kettl"))


def test_a_name_among_chinese_characters_weighs_as_much_as_its_characters_would() -> None:
    question = Question.of("灯塔由Eddystone公司建造吗", rarity)
    [name] = [term for term in question.terms if any("eddyston" in word for word in term.words)]
    pairs = [term.weight for term in question.terms if len(term.words[0]) == 2]
    assert name.weight > 2.9 * max(pairs)


@pytest.mark.parametrize(
    "text", ["", "   ", "?!", "的", "the", "🐛🐛", '" AND NEAR(*', "\u202e abc"]
)
def test_any_text_is_a_question(text: str) -> None:
    question = Question.of(text, rarity)
    assert 0 <= question.covered(words("The lighthouse was built.")) <= 1
    assert question.pairs_covered(["built"]) in (0, 1)


def test_a_very_long_question_is_cut_to_the_words_that_say_most() -> None:
    letters = "abcdefghijklmn"
    many = " ".join(f"{first}{second}stone" for first in letters for second in letters)
    text = f"stone {many} lighthouse " + "tea leaf " * 12_000
    began = time.perf_counter()
    question = Question.of(text, rarity)
    assert len(question.terms) == MOST_TERMS
    assert weight(question, "lighthous") == max(term.weight for term in question.terms)
    assert time.perf_counter() - began < 20
