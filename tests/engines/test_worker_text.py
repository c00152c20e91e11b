"""Text into and out of a model."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from localchat.engines.child.text import TELLING_PAUSE, Assembler, Disarm, Speaker
from localchat.engines.child.worker import Tell


@pytest.mark.parametrize("text", ["plain", "你好，世界", "🐛🐛", "mixed ü 好 🐛 end"])
def test_characters_come_whole_whatever_the_pieces(text: str) -> None:
    assembler = Assembler([])
    shown = [assembler.add(bytes([byte])) for byte in text.encode()]
    assert "".join(shown) + assembler.add(b"", last=True) == text
    assert not any("�" in piece for piece in shown)


def test_half_a_character_at_the_end_is_shown_as_such() -> None:
    assembler = Assembler([])
    assert assembler.add("好".encode()[:2]) == ""
    assert assembler.add(b"", last=True) == "�"


def test_an_answer_does_not_begin_with_blanks() -> None:
    assembler = Assembler([])
    assert [assembler.add(piece) for piece in (b" ", b"\n", b" Yes", b" ", b"no")] == [
        "",
        "",
        "Yes",
        " ",
        "no",
    ]


@pytest.mark.parametrize("pieces", [["Yes.\nUser: x"], ["Yes.", "\n", "User", ":", " x"]])
def test_a_stop_text_ends_the_answer_and_is_not_shown(pieces: list[str]) -> None:
    assembler = Assembler(["\nUser:"])
    shown = ""
    for piece in pieces:
        shown += assembler.add(piece.encode())
        if assembler.stopped:
            break
    assert assembler.stopped
    assert shown == "Yes."


def test_what_only_looked_like_a_stop_text_is_shown_after_all() -> None:
    assembler = Assembler(["\nUser:"])
    shown = "".join(assembler.add(piece) for piece in (b"a", b"\nUs", b"eful"))
    assert shown + assembler.add(b"", last=True) == "a\nUseful"


def test_disarm_breaks_control_tokens_and_nothing_else() -> None:
    disarm = Disarm(["<|end|>", "</s>", ""])
    assert disarm("a < b and <b>x</b>") == "a < b and <b>x</b>"
    assert "<|end|>" not in disarm("x<|end|>y</s>")
    assert disarm("x<|end|>y").replace("\u200b", "") == "x<|end|>y"


# What is told of it


class Heard:
    """Takes what a ``Tell`` sends, and joins it by kind."""

    def __init__(self) -> None:
        self.text = self.thought = ""
        self.pieces = 0

    def __call__(self, message: dict[str, str]) -> None:
        self.text += message["text"] if message["event"] == "text" else ""
        self.thought += message["text"] if message["event"] == "thought" else ""
        self.pieces += 1


def speak(text: str, prompt: str = "", stop: Sequence[str] = ()) -> tuple[Heard, Speaker]:
    heard = Heard()
    speaker = Speaker(Tell(1, heard), prompt, [*stop])
    for byte in text.encode():
        speaker.say(bytes([byte]))
        if speaker.stopped:
            break
    speaker.finish()
    return heard, speaker


def test_everything_is_told_in_the_end() -> None:
    heard, _ = speak("Yes, 你好 🐛 and so on. " * 20)
    assert heard.text == "Yes, 你好 🐛 and so on. " * 20
    assert heard.thought == ""


def test_what_comes_fast_is_told_in_few_pieces() -> None:
    heard, _ = speak("so on " * 2000)
    assert heard.pieces < 200


def test_what_comes_slowly_is_told_at_once() -> None:
    heard = Heard()
    speaker = Speaker(Tell(1, heard), "", [])
    for word in (b"one ", b"two ", b"three"):
        speaker.say(word)
        assert heard.text.endswith(word.decode())
        time.sleep(TELLING_PAUSE * 1.5)


def test_thoughts_are_told_apart() -> None:
    heard, _ = speak("<think>Hm.</think>\n\nYes. ", stop=["User:"])
    assert (heard.thought, heard.text) == ("Hm.", "Yes. ")


def test_a_stop_text_ends_what_is_told() -> None:
    heard, speaker = speak("Yes. User: and", stop=["User:"])
    assert speaker.stopped
    assert heard.text == "Yes. "


def test_it_knows_when_a_thought_goes_on() -> None:
    _, speaker = speak("Hm", prompt="<think>")
    assert speaker.thinking
    _, speaker = speak("Hm</think>Yes", prompt="<think>")
    assert not speaker.thinking
