"""What a model thinks, told apart from what it answers."""

from __future__ import annotations

import pytest

from localchat.engines.thinking import MARKS, Marks, Splitter, is_mark


def split(text: str, prompt: str = "", size: int = 1) -> tuple[str, str]:
    """Thoughts and answer of ``text``, given in pieces of ``size`` characters."""
    splitter = Splitter(prompt)
    parts = [
        part for at in range(0, len(text), size) for part in splitter.add(text[at : at + size])
    ]
    parts += splitter.finish()
    return (
        "".join(text for kind, text in parts if kind == "thought").strip(),
        "".join(text for kind, text in parts if kind == "text"),
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("marks", MARKS, ids=lambda marks: marks.open.strip())
def test_thoughts_of_every_family_are_told_apart_whatever_the_pieces(
    marks: Marks, size: int
) -> None:
    text = f"{marks.open}Let me see: 1 < 2.{marks.close}\n\nIt is 2."
    assert split(text, size=size) == ("Let me see: 1 < 2.", "It is 2.")


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize("prompt", ["<|assistant|>\n<think>\n", "…<think>"])
def test_a_prompt_may_have_begun_the_thought(prompt: str, size: int) -> None:
    assert split("Hm.\n</think>\n\nYes.", prompt, size) == ("Hm.", "Yes.")


def test_a_prompt_that_ended_the_thought_is_followed_by_the_answer() -> None:
    assert split("Yes.", "<|assistant|>\n<think>\n\n</think>\n\n") == ("", "Yes.")


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(
    "text", ["Plain.", "<b>bold</b>", "a <think> later </think> b", "<thin air", "[1] says so", "<"]
)
def test_an_answer_without_thoughts_stays_as_it_is(text: str, size: int) -> None:
    assert split(text, size=size) == ("", text)


def test_a_thought_that_never_ends_stays_a_thought() -> None:
    assert split("<think>On and on</thi") == ("On and on</thi", "")


def test_an_empty_thought_is_none() -> None:
    assert split("<think>\n\n</think>\n\nYes.") == ("", "Yes.")


def test_a_model_with_channels_may_answer_without_a_thought() -> None:
    assert split("<|channel|>final<|message|>Yes.") == ("", "Yes.")


def test_once_it_answers_nothing_is_looked_at_any_more() -> None:
    splitter = Splitter()
    assert not splitter.answering
    list(splitter.add("Yes, "))
    assert splitter.answering
    assert list(splitter.add("<think>no</think>")) == [("text", "<think>no</think>")]


def test_it_says_whether_a_thought_goes_on() -> None:
    splitter = Splitter()
    list(splitter.add("<think>Hm"))
    assert splitter.thinking
    list(splitter.add("</think>Yes"))
    assert not splitter.thinking


@pytest.mark.parametrize("text", ["<think>", "</think>", "[THINK]", "<|channel|>", "<|start|>"])
def test_marks_are_not_to_be_dropped(text: str) -> None:
    assert is_mark(text)


@pytest.mark.parametrize("text", ["", "<|end|>", "</s>", "<|im_start|>", ">"])
def test_other_control_tokens_are(text: str) -> None:
    assert not is_mark(text)
