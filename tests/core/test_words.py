"""The words of the keyword index: the same for what is stored and for what is asked."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from localchat.core.text.words import question_terms, question_words, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Running quickly", ["run", "quick"]),
        ("The café's naïve FAÇADE", ["cafe", "naiv", "facad"]),
        ("ＦＵＬＬ　ｗｉｄｔｈ ﬁne", ["full", "width", "fine"]),
        ("COVID-19 in 2020, A4", ["covid", "19", "2020", "a4", "covid19"]),
        ("Łódź, Ærø, Straße, Đà Nẵng", ["lodz", "aero", "strasse", "da", "nang"]),
        ("绿茶", ["绿", "绿茶", "茶"]),
        ("GPU加速", ["gpu", "加", "加速", "速"]),
        ("東京タワー", ["东", "东京", "京", "タワ"]),
        ("한국어", ["한국", "국어"]),
        ("책을 읽다", ["책", "책을", "읽", "읽다"]),
        ("หมา", ["หม", "มา", "หมา"]),
        ("燈塔與綠茶", ["灯", "灯塔", "塔", "塔与", "与绿", "绿", "绿茶", "茶"]),
        ("दीपस्तंभ की ऊँचाई", ["दीपस्तंभ", "ऊंच"]),
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
        ("1234", "1,234 people"),
        ("1,234", "1234 people"),
        ("10.000 Einwohner", "10,000 inhabitants"),
        ("10 000 habitants", "10000 habitants"),
        ("2435", "พ.ศ. ๒๔๓๕"),
        ("1892", "عام ١٨٩٢"),
        ("1892", "سال ۱۸۹۲"),
        ("1892", "सन् १८९२"),
        ("３.１４", "3.14"),
        ("gpt4", "GPT-4 is here"),
        ("GPT-4", "gpt4 is here"),
        ("x86-64", "x86 64"),
        ("コンピュータ", "コンピューターの電源"),
        ("ｺﾝﾋﾟｭｰﾀ", "コンピュータ"),
        ("图书馆", "市立圖書館"),
        ("圖書館", "市立图书馆"),
        ("مدرسه", "المدرسة"),
        ("الكُتُب", "كتب"),
        ("کتابها", "کتاب‌ها"),
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


def test_a_code_is_found_however_it_is_written_and_counts_as_often_as_it_has_parts() -> None:
    assert question_terms("GPT-4") == [("gpt", "gpt4"), ("4", "gpt4")]
    assert question_terms("Python 3.11") == [("python",), ("3", "3.11"), ("11", "3.11")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("It is written in C++.", "c++"),
        ("C# or F#?", "c#"),
        ("Python 3.11.2 is out", "3.11"),
        ("Python 3.11.2 is out", "3.11.2"),
        ("etwa 3,14", "3.14"),
        ("x86-64", "x8664"),
        ("对T-92的定位", "t92"),
    ],
)
def test_what_has_marks_inside_is_one_word_too(text: str, code: str) -> None:
    assert code in words(text)
    assert code in question_words(text)


def test_an_english_question_has_one_form_of_each_word() -> None:
    asked = "How many lighthouses were built on the rocks when Harold II died?"
    expected = [("mani",), ("lighthous",), ("built",), ("rock",), ("harold",), ("ii",), ("die",)]
    assert question_terms(asked, ["en", "zh", "ru"]) == expected


def test_a_question_has_a_form_for_each_language_of_the_library() -> None:
    assert question_terms("Häuser, houses", ["de"]) == [("hauser", "haus"), ("hous",)]
    assert question_words("Häuser, houses", ["de"]) == ["hauser", "haus", "hous"]
    assert question_terms("Häuser, houses") == [("hauser",), ("hous",)]


def test_a_word_is_stemmed_in_the_language_of_its_text() -> None:
    assert words("Häuser", "de") == words("Hauses", "de") == ["haus"]
    assert words("Häuser", "en") == ["hauser"]


def test_a_name_in_another_script_is_stemmed_as_english() -> None:
    assert set(question_words("running shoes")) <= set(words("Обувь Running Shoes стоит дорого."))


def test_each_word_of_a_question_counts_once() -> None:
    assert question_words("tea, tea and more tea") == ["tea", "more"]


@pytest.mark.parametrize(
    "asked",
    [
        "Wann ist das?",
        "¿Cuándo es?",
        "Когда это было?",
        "متى كان هذا؟",
        "これはいつですか",
        "언제",
        "อะไร",
        "何",
    ],
)
def test_a_question_in_any_language_keeps_some_word(asked: str) -> None:
    assert question_words(asked)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ("Wann wurde der Turm gebaut?", ["turm", "gebaut"]),
        ("¿Cuándo se construyó la torre?", ["constru", "torr"]),
        ("Когда была построена башня?", ["постро", "башн"]),
        ("متى بنيت المنارة؟", ["بني", "منار"]),
        ("灯台はいつですか", ["灯", "灯台", "台"]),
        ("등대는 언제입니까", ["등대"]),
    ],
)
def test_what_only_makes_it_a_question_is_left_out(asked: str, left: list[str]) -> None:
    assert [term[0] for term in question_terms(asked)] == left


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "?!.,-+#'",
        "'" * 50,
        "-1",
        "1.",
        "'1,234'",
        "🐛👩‍👩‍👧",
        "\u0301\u0301",
        "ー",
        "๋",
        "ๆ",
        "\ud800",
    ],
)
def test_odd_text_is_no_trouble(text: str) -> None:
    assert all(word.strip() for word in words(text))
    assert all(term and all(term) for term in question_terms(text, ["de", "ar", "xx"]))


def test_a_very_long_run_without_spaces_takes_time_in_proportion() -> None:
    began = time.process_time()
    words("灯塔很高，3.14米GPT-4" * 4_000)
    words("1,2" * 20_000)
    words("a-1" * 20_000)
    assert time.process_time() - began < 2


def test_threads_do_not_mix_up_their_words() -> None:
    given = [f"running{n % 7} decomposition connections flowers{n % 5}ly" for n in range(400)]
    expected = [words(text) for text in given]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(words, given)) == expected
