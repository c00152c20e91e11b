"""Text on its way into and out of a model: the chat template, and pieces of bytes to characters.

Runs in the child, of any backend.
"""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Iterable

from localchat.core.errors import EngineError
from localchat.engines.chat_formats import FORMATS, Turn, compile_template
from localchat.engines.child.worker import Tell
from localchat.engines.thinking import Kind, Splitter, overlap

TELLING_PAUSE = 0.02
"""Seconds between two pieces of an answer. A telling takes as long as a token of a tiny model, and
nobody reads fifty pieces in a second."""


class ChatFormat:
    """Turns messages into the one text that a model reads.

    Takes the format that was ``chosen`` (a key of ``FORMATS``), or else the template of the
    model's file. Where there is none, or one that cannot be read, ``note`` says so: ChatML where
    the vocabulary has its tokens, else plain roles and colons.

    ``stop`` are texts that end an answer, ``marks`` is what no document may say to the model.
    """

    def __init__(
        self, template: str | None, bos: str, eos: str, *, has_chatml: bool, chosen: str = ""
    ) -> None:
        self.note = (
            f"The chat format “{chosen}” is not known" if chosen not in {"", *FORMATS} else ""
        )
        self.name = "its own"
        self.stop: list[str] = []
        self.marks: tuple[str, ...] = ()
        if chosen not in FORMATS:
            if template:
                try:
                    self._render = compile_template(template, bos, eos)
                    return
                except ValueError as error:
                    self.note = f"The chat template in this file cannot be read ({error})"
            else:
                self.note = "This file has no chat template"
            chosen = "chatml" if has_chatml else "plain"
            used = FORMATS[chosen].name
            self.note += f"; the {used} format is used. Answers may be worse than they could."
        taken = FORMATS[chosen]
        self.name, self.stop, self.marks = taken.name, list(taken.stop), taken.marks
        self._render = compile_template(taken.template, bos, eos)

    def render(self, turns: list[Turn], thinking: bool = False) -> str:
        """The prompt up to where the answer begins. ``thinking`` is whether a model that can
        think aloud before it answers may do so.

        Raises:
            EngineError: the template refuses these messages.
        """
        try:
            return self._render(turns, thinking)
        except ValueError:
            pass  # many templates know no system message, or want the roles to alternate
        try:
            return self._render(_alternating(turns), thinking)
        except ValueError as error:
            raise EngineError(
                f"The chat template of this model refuses the conversation ({error}).",
                "Start a new chat, or choose another model or another chat format.",
            ) from error


def _alternating(turns: list[Turn]) -> list[Turn]:
    """The same without a system message, and with user and assistant by turns."""
    merged: list[Turn] = []
    for turn in turns:
        role = "assistant" if turn["role"] == "assistant" else "user"
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += "\n\n" + turn["content"]
        else:
            merged.append({"role": role, "content": turn["content"]})
    return merged


class Disarm:
    """Breaks up what a document says that only we may say to the model: its control tokens."""

    def __init__(self, control_tokens: Iterable[str]) -> None:
        marks = sorted({text for text in control_tokens if len(text) > 2}, key=len, reverse=True)
        self._marks = re.compile("|".join(map(re.escape, marks))) if marks else None

    def __call__(self, text: str) -> str:
        if not self._marks:
            return text
        return self._marks.sub(lambda found: f"{found[0][0]}\u200b{found[0][1:]}", text)


class Assembler:
    """Bytes of tokens to text: whole characters only, no blank start, and none of ``stop``."""

    def __init__(self, stop: list[str]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = [text for text in stop if text]
        self._held = ""
        self._begun = False
        self.stopped = False

    def add(self, piece: bytes, *, last: bool = False) -> str:
        """What can be shown now; what may be the beginning of a stop text is held back."""
        text = self._decoder.decode(piece, last)
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
        return self._until_stop(self._held + text, last) if self._stop else text

    def _until_stop(self, text: str, last: bool) -> str:
        self._held = ""
        found = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            return text[: min(found)]
        keep = 0 if last else max(overlap(text, stop) for stop in self._stop)
        if keep:
            text, self._held = text[:-keep], text[-keep:]
        return text


class Speaker:
    """Tells what a model writes as it comes: what it thinks apart from what it answers.

    ``prompt`` is the text that it was given to read, ``stop`` are texts that end the answer.
    """

    def __init__(self, tell: Tell, prompt: str, stop: list[str]) -> None:
        self._tell = tell
        self._text = Assembler(stop)
        self._splitter = Splitter(prompt)
        self._waiting = ""
        self._told = 0.0

    @property
    def stopped(self) -> bool:
        """Whether one of the stop texts came."""
        return self._text.stopped

    @property
    def thinking(self) -> bool:
        """Whether the model is in the middle of a thought."""
        return self._splitter.thinking

    def say(self, piece: bytes) -> None:
        """One more token. What follows the last one closely is told with the next."""
        text = self._text.add(piece)
        if not self._splitter.answering:
            self._tell_apart(self._splitter.add(text))
            return
        self._waiting += text
        now = time.monotonic()
        if now - self._told > TELLING_PAUSE and self._waiting:
            self._told = now
            self._tell.text(self._waiting)
            self._waiting = ""

    def finish(self) -> None:
        """Tell what was held back, because it might have become a stop text or a mark."""
        if self._waiting:
            self._tell.text(self._waiting)
            self._waiting = ""
        if not self.stopped and (rest := self._text.add(b"", last=True)):
            self._tell_apart(self._splitter.add(rest))
        self._tell_apart(self._splitter.finish())

    def _tell_apart(self, parts: Iterable[tuple[Kind, str]]) -> None:
        for kind, text in parts:
            if kind == "text":
                self._tell.text(text)
            else:
                self._tell.thought(text)
