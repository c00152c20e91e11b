"""Text into and out of a model."""

from __future__ import annotations

import pytest

from localchat.engines.worker_text import Assembler, Disarm


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
