"""Tells what a model thinks from what it answers, in a stream of text.

The marks are those of the chat templates of the families named below. Where a server or a
template tells the two apart by itself, this is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

THINKING_TOKENS = 2048
"""What thinking may take on top of the longest answer."""

Kind = Literal["thought", "text"]


@dataclass(frozen=True)
class Marks:
    open: str
    close: str


MARKS = (
    Marks("<think>", "</think>"),  # Qwen3, DeepSeek-R1, SmolLM3, Phi-4-mini-reasoning
    Marks("<thinking>", "</thinking>"),
    Marks("[THINK]", "[/THINK]"),  # Magistral
    Marks("<seed:think>", "</seed:think>"),  # Seed-OSS
    Marks("<|channel>thought\n", "<channel|>"),  # Gemma 4
    Marks("<|START_THINKING|>", "<|END_THINKING|>"),  # Command
    Marks(
        "<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>final<|message|>"
    ),  # gpt-oss
)
_ANSWERS = ("<|channel|>final<|message|>",)
"""What begins an answer that nothing was thought before."""
_OURS = {text for marks in MARKS for text in (marks.open, marks.close)}


class Splitter:
    """Feed it what the model writes, as it comes.

    Thinking stands at the beginning of an answer or not at all: a mark later in the text is
    somebody's example, and shown. ``prompt`` is what the model was given to read: some templates
    end it with the opening mark, and the model goes on from there.
    """

    def __init__(self, prompt: str = "") -> None:
        self._held = ""
        self._marks = next((m for m in MARKS if prompt.rstrip().endswith(m.open.rstrip())), None)
        self._over = False
        self._begun = False

    @property
    def thinking(self) -> bool:
        """Whether it is in the middle of a thought."""
        return self._marks is not None

    @property
    def answering(self) -> bool:
        """Whether all that comes from now on is the answer, and needs no ``add``."""
        return self._begun

    def add(self, text: str) -> Iterator[tuple[Kind, str]]:
        """What can be told apart now; what may be the beginning of a mark is held back."""
        self._held += text
        if not self._marks and not self._over:
            self._look_for_beginning()
        if self._marks:
            yield from self._thoughts(self._marks)
        if self._over and self._held:
            shown = self._held if self._begun else self._held.lstrip()
            self._held = ""
            if shown:
                self._begun = True
                yield "text", shown

    def finish(self) -> Iterator[tuple[Kind, str]]:
        """What was held back. A thought that never ended stays a thought."""
        held, self._held = self._held, ""
        if held.strip():
            yield ("thought" if self._marks else "text"), held

    def _look_for_beginning(self) -> None:
        start = self._held.lstrip()
        for marks in MARKS:
            if start.startswith(marks.open):
                self._marks, self._held = marks, start[len(marks.open) :]
                return
        for answer in _ANSWERS:
            if start.startswith(answer):
                self._over, self._held = True, start[len(answer) :]
                return
        beginnings = (*(marks.open for marks in MARKS), *_ANSWERS)
        self._over = bool(start) and not any(text.startswith(start) for text in beginnings)

    def _thoughts(self, marks: Marks) -> Iterator[tuple[Kind, str]]:
        before, found, after = self._held.partition(marks.close)
        if found:
            self._held, self._marks, self._over = after, None, True
            if before.strip():
                yield "thought", before
            return
        keep = overlap(self._held, marks.close)
        shown, self._held = (
            self._held[: len(self._held) - keep],
            self._held[len(self._held) - keep :],
        )
        if shown:
            yield "thought", shown


def overlap(text: str, mark: str) -> int:
    """How much of the end of ``text`` is a beginning of ``mark``, in characters."""
    for size in range(min(len(text), len(mark) - 1), 0, -1):
        if mark.startswith(text[-size:]):
            return size
    return 0


def is_mark(text: str) -> bool:
    """Whether a token with this text begins or ends a thought, so that it must not be dropped as
    other control tokens are."""
    return any(text and text in ours for ours in _OURS) and len(text) > 4
