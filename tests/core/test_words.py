"""The words of the keyword index: the same for what is stored and for what is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from localchat.core.text.words import question_words, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Running quickly", ["run", "quick"]),
        ("The café's naïve FAÇADE", ["cafe", "naiv", "facad"]),
        ("ＦＵＬＬ　ｗｉｄｔｈ ﬁne", ["full", "width", "fine"]),
        ("COVID-19 in 2020, A4", ["covid", "19", "2020", "a4"]),
        ("绿茶", ["绿", "绿茶", "茶"]),
        ("GPU加速", ["gpu", "加", "加速", "速"]),
        ("東京タワー", ["東", "東京", "京", "京タ", "タ", "タワ", "ワ", "ワー", "ー"]),
        ("한국어", ["한", "한국", "국", "국어", "어"]),
        ("foo_bar(x)", ["foo", "bar", "x"]),
        ("what is the", []),
        ("的了是", []),
        ("🐛 !? \x00", []),
        ("", []),
    ],
)
def test_words_are_folded_and_stop_words_left_out(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("decompose", "Decomposed tasks"),
        ("agents", "an agent"),
        ("cafe", "Café"),
        ("café", "CAFE"),  # composed and decomposed accents
        ("蒸青", "绿茶采摘以后很快就蒸青。"),
        ("什么是绿茶？", "绿茶很好"),
        ("タワー", "東京タワーの高さ"),
        ("검색", "한국어 검색 엔진"),
        ("ประภา", "ประภาคารสูง"),
        ("the user's guide", "User’s guide"),
        ("user", "the user’s guide"),
    ],
)
def test_a_question_meets_its_text(asked: str, stored: str) -> None:
    assert set(question_words(asked)) & set(words(stored))


@pytest.mark.parametrize(
    ("asked", "stored"), [("茶叶", "叶茶"), ("が", "か"), ("12", "123"), ("art", "party")]
)
def test_what_is_another_word_is_no_whole_match(asked: str, stored: str) -> None:
    assert not set(question_words(asked)) <= set(words(stored))


def test_a_question_of_nothing_but_stop_words_keeps_them() -> None:
    assert question_words("What is the why?") == ["what", "is", "the", "why"]
    assert question_words("是什么") != []


def test_each_word_of_a_question_counts_once() -> None:
    assert question_words("tea, tea and more tea") == ["tea", "more"]


def test_threads_do_not_mix_up_their_words() -> None:
    given = [f"running{n % 7} decomposition connections flowers{n % 5}ly" for n in range(400)]
    expected = [words(text) for text in given]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(words, given)) == expected
