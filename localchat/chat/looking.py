"""What is looked for: the question, and where need be its translations, each with its passages.

Scores of passages can be compared only with those for the same question: what two searches found is
put in order by score × the square of the share of the question's words that stand in the passage.

Measured with XQuAD's questions in English and Chinese, the published question in the other language
for a translation, and the built-in embedder: nine of ten paragraphs in the other language, one in
the question's own. Among the first four is the right one of

- the nine, with the question itself: 22 % (English) and 10 % (Chinese); with the
  translation: 100 % and 100 %; with both: 100 % and 99 %;
- the one, with the question itself: 100 % and 99 %; with the translation: 8 % and 10 %; with both:
  97 % and 99 %.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.runnables import Runnable

from localchat.chat.answer import Translation
from localchat.chat.translation import translate
from localchat.core.errors import LocalChatError
from localchat.core.evidence import Meaning
from localchat.core.text.words import words

log = logging.getLogger(__name__)

FEW = 4
"""Passages: so many may always be there, where each search found less."""


@dataclass(frozen=True)
class Prepared:
    """How far the preparation of a search is; the last one is what came of it."""

    chunk: AIMessageChunk | None = None
    """Tells a phase of the engine that is waited for."""
    translating: bool = False
    translations: tuple[Translation, ...] = ()
    untranslated: tuple[str, ...] = ()
    """The languages, ISO 639-1, of which there is no translation."""
    failure: LocalChatError | None = None
    """Why the engine cannot be used: the search goes on without it, the answer cannot."""

    def __add__(self, later: Prepared) -> Prepared:
        """What LangChain makes of a stream of these for the next step: the last one counts."""
        return later


@dataclass(frozen=True)
class Translator:
    """Has questions translated that are in none of the documents' languages."""

    model: Runnable[Any, Any] | None
    """A chat model, bound to write translations; None: there is none that could."""
    languages: Callable[[str, frozenset[int] | None], Sequence[str]]
    """Into which languages (ISO 639-1) a question is to be translated before these sources (ids;
    None: all) are searched. Mostly into none."""

    def prepare(
        self,
        question: str,
        sources: frozenset[int] | None,
        before: Callable[[], Sequence[BaseMessage]],
        *,
        enter: Callable[[], Iterator[AIMessageChunk]],
        check: Callable[[], None],
    ) -> Iterator[Prepared]:
        """Translate ``question`` where it needs that. Yields how far it is, at the end what there
        is: a translation that fails is missing from it, and nothing else happens.

        Args:
            question: As it was typed.
            sources: Ids of the sources that are going to be searched; None: all.
            before: What prompts begin with; asked for once the engine is loaded.
            enter: Waits for the engine and loads it.
            check: Raises where this is to end.
        """
        wanted = tuple(self.languages(question, sources))
        if not wanted or self.model is None:
            yield Prepared(untranslated=wanted)
            return
        try:
            for chunk in enter():
                yield Prepared(chunk=chunk)
        except LocalChatError as error:
            yield Prepared(untranslated=wanted, failure=error)
            return
        done: list[Translation] = []
        try:
            for language in wanted:
                parts = translate(question, language, before(), self.model)
                with closing(parts):  # type: ignore[type-var]
                    for part in parts:
                        check()
                        done += [part] if part else []
                        yield Prepared(translating=True)
        except LocalChatError as error:
            log.warning("The question could not be translated: %s", error)
        missing = tuple(lang for lang in wanted if lang not in {t.language for t in done})
        yield Prepared(translations=tuple(done), untranslated=missing)


def fused(searches: Sequence[tuple[str, Sequence[Document]]], meaning: Meaning) -> list[Document]:
    """The best of what several searches found, each place of a text once; as many as the longest of
    them has, or ``FEW``.

    Args:
        searches: What was asked, and what was found with it, best first.
        meaning: Knows how much each word of a question says.
    """
    if len(searches) == 1:
        return list(searches[0][1])
    rated: list[tuple[float, Document]] = []
    for asked, documents in searches:
        question = meaning.question(asked)
        rated += [
            (d.metadata["score"] * question.covered(words(d.page_content)) ** 2, d)
            for d in documents
        ]
    kept: list[Document] = []
    for _, document in sorted(rated, key=lambda one: -one[0]):
        if not any(_overlap(document, other) for other in kept):
            kept.append(document)
    return kept[: max(FEW, *(len(documents) for _, documents in searches))]


def _overlap(one: Document, other: Document) -> bool:
    """Whether most of one text stands in the other. Neighbours share a few words, too."""
    a, b = one.metadata, other.metadata
    if a["revision_id"] != b["revision_id"]:
        return False
    common = min(a["end"], b["end"]) - max(a["start"], b["start"])
    return bool(2 * common > min(a["end"] - a["start"], b["end"] - b["start"]))
