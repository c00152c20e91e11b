"""Text on its way into and out of a model: the chat template, and pieces of bytes to characters.

Runs in the child. Imports nothing of llama.cpp until a template is rendered.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable
from typing import Any

from localchat.core.errors import EngineError
from localchat.engines.thinking import overlap

Turn = dict[str, str]
"""``role`` (system, user, assistant) and ``content``."""

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PLAIN = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}\n\n"
    "{% else %}{{ message['role'] | capitalize }}: {{ message['content'] }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


class ChatFormat:
    """Turns messages into the one text that a model reads.

    Takes the template of the model's file. Where there is none, or one that cannot be read,
    ``note`` says so: ChatML where the vocabulary has its tokens, else plain roles and colons.
    """

    def __init__(self, template: str | None, bos: str, eos: str, *, has_chatml: bool) -> None:
        self.note = ""
        self.stop: list[str] = []
        self._render: Callable[..., Any] | None = None
        if template:
            try:
                self._render = _compile(template, bos, eos)
            except ValueError as error:
                self.note = f"The chat template in this file cannot be read ({error})"
        else:
            self.note = "This file has no chat template"
        if self._render:
            self.name = "its own"
        elif has_chatml:
            self.name = "ChatML"
            self._render = _compile(CHATML, bos, eos)
            self.stop = ["<|im_end|>"]
        else:
            self.name = "plain"
            self._render = _compile(PLAIN, bos, eos)
            self.stop = ["\nUser:", "\nAssistant:"]
        if self.note:
            self.note += f"; the {self.name} format is used. Answers may be worse than they could."

    def render(self, turns: list[Turn]) -> str:
        """The prompt up to where the answer begins.

        Raises:
            EngineError: the template refuses these messages.
        """
        assert self._render  # noqa: S101  # set by each way through __init__
        try:
            return str(self._render(turns))
        except ValueError:
            pass  # many templates know no system message, or want the roles to alternate
        try:
            return str(self._render(_alternating(turns)))
        except ValueError as error:
            raise EngineError(
                f"The chat template of this model refuses the conversation ({error}).",
                "Start a new chat, or choose another model.",
            ) from error


def _compile(template: str, bos: str, eos: str) -> Callable[[list[Turn]], str]:
    """A function that renders ``template``; whatever is wrong with it is a ``ValueError``."""
    import jinja2
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    wrong = (jinja2.TemplateError, TypeError, KeyError, AttributeError, ArithmeticError)
    try:
        formatter = Jinja2ChatFormatter(template=template, eos_token=eos, bos_token=bos)
    except wrong as error:
        raise ValueError(str(error)) from error

    def render(turns: list[Turn]) -> str:
        try:
            # Models that can think aloud before they answer are asked not to.
            return str(formatter(messages=turns, enable_thinking=False).prompt)  # type: ignore[arg-type]
        except wrong as error:
            raise ValueError(str(error)) from error

    return render


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
        text = self._held + self._decoder.decode(piece, last)
        self._held = ""
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
        found = [at for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            return text[: min(found)]
        if last:
            return text
        keep = max((overlap(text, stop) for stop in self._stop), default=0)
        if keep:
            text, self._held = text[:-keep], text[-keep:]
        return text
