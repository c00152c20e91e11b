"""A question in the language of the documents, for the search: one short call of the chat model.

An embedder that knows one language only, and words, find nothing for a question in another one. The
model that is going to answer can write the question again in the documents' language. Small models
do more than they were told (quotation marks, “Translation:”, the answer), so what they write is
cleaned, and dropped where it cannot be a translation: a wrong one would be worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable

from localchat.chat.answer import Translation
from localchat.core.text.language import guess_language
from localchat.core.text.width import width

LANGUAGES = {
    "ar": "Arabic (العربية)", "de": "German (Deutsch)", "el": "Greek (Ελληνικά)", "en": "English",
    "es": "Spanish (español)", "fa": "Persian (فارسی)", "fr": "French (français)",
    "he": "Hebrew (עברית)", "hi": "Hindi (हिन्दी)", "it": "Italian (italiano)",
    "ja": "Japanese (日本語)", "ko": "Korean (한국어)", "nl": "Dutch (Nederlands)",
    "pl": "Polish (polski)", "pt": "Portuguese (português)", "ru": "Russian (русский)",
    "sv": "Swedish (svenska)", "th": "Thai (ไทย)", "tr": "Turkish (Türkçe)",
    "uk": "Ukrainian (українська)", "vi": "Vietnamese (Tiếng Việt)", "zh": "Chinese (中文)",
}  # fmt: skip
"""ISO 639-1 → as a model is told it: the name in its own script keeps small models to that."""
LONGEST_QUESTION = 400
"""Characters, wide ones counting two: a longer one is a text, and is not translated."""
TRANSLATION_TOKENS = 256
"""A question of the longest kind in a script of which a character takes several tokens."""
MOST_THOUGHT = 400
"""Characters: a model that thinks longer than this before it translates is not waited for."""
WRITING = {
    "answer_tokens": TRANSLATION_TOKENS,
    "temperature": 0.0,
    "repeat_penalty": 1.0,
    "thinking": False,
}
"""How a model writes a translation, in the names of an engine's options."""

_SAME_SCRIPT = (
    frozenset({"de", "en", "es", "fr", "it", "nl", "pl", "pt", "sv", "tr", "vi"}),
    frozenset({"ru", "uk"}),
    frozenset({"ar", "fa"}),
    frozenset({"ja", "zh"}),
)
_LABEL = re.compile(r"^[*_\s]*([^\n:：]{1,40})[:：][*_\s]*(?=\S)")
_LABEL_WORD = re.compile(
    r"translat|traduc|tradu[zç]|übersetz|vertal|перевод|翻译|译文|翻訳|번역|ترجم|question|answer|"
    r"frage|pregunta|domanda|问题|質問",
    re.IGNORECASE,
)
_CITATIONS = re.compile(r"\s*\[\d{1,3}\]")
_QUOTES = "\"'`*_“”„«»‘’‹›「」『』《》 \t"


def request(question: str, language: str) -> str:
    """What the model is told."""
    return (
        f"Translate the question below into {LANGUAGES[language]}. Do not answer it. Keep names "
        f"and numbers. Write only the translation, on one line.\n\n{question}"
    )


def translate(
    question: str, language: str, before: Sequence[BaseMessage], model: Runnable[Any, Any]
) -> Iterator[Translation | None]:
    """Ask ``model`` for ``question`` in ``language``. Yields None while it is at it: whoever reads
    can close this, which stops the model; at the end the translation, if there is one.

    Args:
        question: As it was typed.
        language: ISO 639-1.
        before: What the next prompt begins with. The request follows it, so that a model which
            keeps its last prompt reads none of it twice.
        model: A chat model, with ``WRITING`` bound.

    Raises:
        EngineError: it could not answer.
    """
    if language not in LANGUAGES or width(question) > LONGEST_QUESTION:
        return
    text, thought = "", 0
    chunks: Iterator[AIMessageChunk] = model.stream(
        [*before, HumanMessage(request(" ".join(question.split()), language))]
    )
    with closing(chunks):  # type: ignore[type-var]
        for chunk in chunks:
            thought += len(chunk.additional_kwargs.get("reasoning_content", ""))
            text += str(chunk.content)
            line_is_full = "\n" in text.lstrip() or width(text) > _longest(question)
            if line_is_full or thought > MOST_THOUGHT:
                break
            yield None
    found = cleaned(text, question, language)
    if found:
        yield Translation(language, found)


def cleaned(text: str, question: str, language: str) -> str:
    """The translation in what a model wrote, or nothing where there is none in it."""
    line = _CITATIONS.sub("", next(iter(text.strip().splitlines()), ""))
    label = _LABEL.match(line)
    if label and not _LABEL.match(question) and _is_label(label[1], language):
        line = line[label.end() :]
    line = line.strip(_QUOTES)
    if not line or width(line) > _longest(question) or _bare(line) == _bare(question):
        return ""
    return line if _may_be(guess_language(line), guess_language(question), language) else ""


def _longest(question: str) -> int:
    # Width: a Thai or German question may be twice as long as the same one in English.
    return 40 + 3 * width(question)


def _is_label(text: str, language: str) -> bool:
    names = re.findall(r"\w+", LANGUAGES[language].casefold())
    return bool(_LABEL_WORD.search(text)) or any(name in text.casefold() for name in names)


def _bare(text: str) -> str:
    return re.sub(r"\W+", "", text).casefold()


def _may_be(guess: str, asked: str, language: str) -> bool:
    """Whether what seems to be in ``guess`` may be a translation into ``language``. A short text
    cannot always be told from one in another language of the same script."""
    alike = any({guess, language} <= script for script in _SAME_SCRIPT)
    return guess == language or (guess != asked and alike)
