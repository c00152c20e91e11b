"""What a model wrote is a translation, or it is none."""

from __future__ import annotations

import pytest
from langchain_core.messages import SystemMessage

from localchat.chat.answer import Translation
from localchat.chat.translation import (
    LANGUAGES,
    LONGEST_QUESTION,
    MOST_THOUGHT,
    cleaned,
    request,
    translate,
)
from tests.fake_engine import FakeEngine

QUESTION = "When is green tea steamed?"
GERMAN = "Wann wird grüner Tee gedämpft?"
CHINESE = "绿茶什么时候蒸青？"


@pytest.mark.parametrize(
    ("written", "language"),
    [
        (GERMAN, "de"),
        (f"  {GERMAN}\n\nThis means that …", "de"),
        (f"„{GERMAN}“", "de"),
        (f"**{GERMAN}**", "de"),
        (f"Translation: {GERMAN}", "de"),
        (f'German: "{GERMAN}"', "de"),
        (f"**Deutsch:** {GERMAN}", "de"),
        (f"{GERMAN} [1]", "de"),
        (CHINESE, "zh"),
        (f"译文：{CHINESE}", "zh"),
        (f"「{CHINESE}」", "zh"),
    ],
)
def test_what_a_model_says_round_a_translation_goes(written: str, language: str) -> None:
    assert cleaned(written, QUESTION, language) == (GERMAN if language == "de" else CHINESE)


@pytest.mark.parametrize(
    ("written", "language"),
    [
        ("", "de"),
        ("“”", "de"),
        (QUESTION, "de"),
        (f"Translation: {QUESTION.upper()}", "de"),
        ("It is steamed soon after it is picked, and that is why it stays green.", "de"),
        ("I am sorry, but as a language model I cannot do this. " * 5, "zh"),
        (GERMAN, "zh"),
        (f"{GERMAN} " * 10, "de"),
    ],
    ids=["nothing", "quotes", "echo", "echo in capitals", "an answer", "excuses", "other", "long"],
)
def test_what_cannot_be_a_translation_is_none(written: str, language: str) -> None:
    assert cleaned(written, QUESTION, language) == ""


def test_a_question_with_a_colon_of_its_own_keeps_it() -> None:
    question = "Question: what is the tea?"
    assert cleaned("Frage: was ist der Tee?", question, "de") == "Frage: was ist der Tee?"


def test_a_short_translation_without_common_words_is_taken() -> None:
    """Latin words without a common one among them seem to be English."""
    assert cleaned("Photosynthese Blatt?", "植物如何进行光合作用？", "de") == "Photosynthese Blatt?"


def test_the_request_follows_what_every_prompt_begins_with() -> None:
    engine = FakeEngine(default=GERMAN)
    [*_, last] = translate(QUESTION, "de", [SystemMessage("As always.")], engine)
    assert last == Translation("de", GERMAN)
    [[first, asked]] = engine.history
    assert first.content == "As always."
    assert asked.content == request(QUESTION, "de")
    assert "German (Deutsch)" in str(asked.content)
    assert str(asked.content).endswith(QUESTION)


def test_a_model_that_goes_on_after_the_line_is_stopped() -> None:
    engine = FakeEngine(default=f"{GERMAN}\nAnd on " + "and on " * 500, delay=0.001)
    assert list(translate(QUESTION, "de", [], engine))[-1] == Translation("de", GERMAN)
    assert engine.stopped == 1


def test_a_model_that_thinks_for_long_is_not_waited_for() -> None:
    thought = "Let me see. " * MOST_THOUGHT
    engine = FakeEngine(default=f"<think>{thought}</think>{GERMAN}")
    assert set(translate(QUESTION, "de", [], engine)) == {None}
    assert engine.stopped == 1


def test_a_model_that_thinks_a_little_translates() -> None:
    engine = FakeEngine(default=f"<think>German, then.</think>{GERMAN}")
    assert list(translate(QUESTION, "de", [], engine))[-1] == Translation("de", GERMAN)


@pytest.mark.parametrize(
    ("question", "language"), [("why " * (LONGEST_QUESTION // 4 + 1), "de"), (QUESTION, "xx")]
)
def test_what_is_no_question_or_has_no_language_we_know_costs_no_call(
    question: str, language: str
) -> None:
    engine = FakeEngine(default=GERMAN)
    assert list(translate(question, language, [], engine)) == []
    assert engine.history == []


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_is_named_in_its_own_words(language: str) -> None:
    assert LANGUAGES[language] in request(QUESTION, language)
