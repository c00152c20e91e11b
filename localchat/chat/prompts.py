"""What a model is told: how to answer, the passages, the question.

What stays the same stands first (the instructions, then earlier turns **as they were sent**, with
their passages), so that an engine which keeps its last prompt reads only what is new.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from localchat.chat.answer import Quote, Turn

SYSTEM = (
    "You answer questions from the numbered passages that come with each question. "
    "Use only what the passages say. "
    "After each statement put the number of the passage it rests on, like [1]. "
    "If the passages do not answer the question, say so in one sentence. "
    "Answer in the language of the question, briefly and clearly."
)
NOTHING_STANDS_OUT = (
    "No sentence in these passages clearly answers the question below. If they do not answer it, "
    "say that the documents do not answer it, in one sentence, and do not guess."
)
NO_PASSAGES = (
    "No passage was found for the question below. Say that the documents do not answer it, in one "
    "sentence, and do not guess."
)
"""Told with the passages, where nothing in them is an answer by the look of it."""
MESSAGE_OVERHEAD = 12
"""Tokens that a chat template puts round one message, at most, in the templates that are common."""
_FOOTNOTE = re.compile(r"\[(\d{1,3})\]")
EARLIER_SHARE = 0.5
"""The part of the room, at most, that earlier turns may take."""


@dataclass(frozen=True)
class Packed:
    """What fits the context window."""

    messages: list[BaseMessage]
    sent: str
    """The last message: passages and question, as the model reads them."""
    passages: list[Document]
    """The ones that were given, in the order of their numbers."""
    left_out: int
    """How many passages did not fit."""


def pack(
    question: str,
    passages: Sequence[Document],
    quotes: Sequence[Quote],
    history: Sequence[Turn],
    room: int,
    count: Callable[[str], int],
) -> Packed:
    """The prompt for ``question``, with as many passages as ``room`` tokens hold.

    At least the first passage is given, cut if need be: an answer from half a passage is better
    than one from none. Where there is no quote the model is told that nothing stands out.
    """
    before, left = beginning(question, history, room, count)
    note = "" if quotes else NOTHING_STANDS_OUT if passages else NO_PASSAGES
    left -= count(note)
    given: list[Document] = []
    texts: list[str] = []
    for passage in passages:
        text = _numbered(len(given) + 1, passage, passage.page_content)
        size = count(text) + 2
        if size > left and not given:
            text = _cut(text, left, count)
            size = left if len(text) > len(_numbered(1, passage, "")) else left + 1
        if size > left:
            break
        given.append(passage)
        texts.append(text)
        left -= size
    body = "\n\n".join([*texts, *([note] if note else []), f"Question: {question}"])
    last = HumanMessage(
        body,
        additional_kwargs={
            "quotes": [{"number": quote.number, "text": quote.text} for quote in quotes]
        },
    )
    return Packed([*before, last], body, given, len(passages) - len(given))


def beginning(
    question: str, history: Sequence[Turn], room: int, count: Callable[[str], int]
) -> tuple[list[BaseMessage], int]:
    """What stands before the last message of each prompt for ``question``, the same to the letter,
    and how many of ``room`` tokens are left for the passages."""
    left = room - count(SYSTEM) - count(question) - 3 * MESSAGE_OVERHEAD
    earlier, used = _earlier(history, int(left * EARLIER_SHARE), count)
    return [SystemMessage(SYSTEM), *earlier], left - used


def _earlier(
    history: Sequence[Turn], room: int, count: Callable[[str], int]
) -> tuple[list[BaseMessage], int]:
    """The latest turns that fit, oldest first, and their size in tokens.

    They grow from turn to turn until ``room`` is used up, and begin anew with the latest one then.
    To drop only the oldest each time would change the beginning of every prompt, and each would
    have to be read from there.
    """
    kept: list[BaseMessage] = []
    used = 0
    for turn in history:
        if not turn.answer.text or turn.answer.by_quotes:
            continue
        sent, size = _as_sent(turn, room, count)
        if used + size > room:
            kept, used = [], 0
        if size <= room:
            kept += [HumanMessage(sent), AIMessage(turn.answer.written or turn.answer.text)]
            used += size
    return kept, used


def _as_sent(turn: Turn, room: int, count: Callable[[str], int]) -> tuple[str, int]:
    """What was asked, with its passages where they fit, and the size of the turn in tokens."""
    answered = count(turn.answer.written or turn.answer.text) + 2 * MESSAGE_OVERHEAD
    size = count(turn.answer.sent) + answered
    if turn.answer.sent and size <= room:
        return turn.answer.sent, size
    return turn.question, count(turn.question) + answered


def _numbered(number: int, passage: Document, content: str) -> str:
    where = passage.metadata["location"]
    title = f"{passage.metadata['title']}, {where}" if where else passage.metadata["title"]
    # A document's own footnote marks must not be taken for the numbers of our passages.
    text = _FOOTNOTE.sub(r"(\1)", content)
    return f"[{number}] {title}\n{text}"


def _cut(text: str, room: int, count: Callable[[str], int]) -> str:
    """The longest beginning of ``text`` that is about ``room`` tokens."""
    while text and count(text) > room:
        text = text[: int(len(text) * 0.8)]
    return text
