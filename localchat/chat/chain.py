"""The chain, in LCEL: question → passages → quotes → loading → prompt → engine.

Every step adds a key to one dictionary, so a stream gives the passages, then the quotes, then the
model's chunks, each as soon as it is there. Nothing stands after the engine: a parser there would
swallow the closing of the stream and let the model run on to its last token. Use ``stream`` below.

Only where the documents are in another language than the question, and the embedder does not know
both, the engine is loaded first and translates the question (see ``chat.looking``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypedDict

from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
)

from localchat.chat.answer import Passage, Quote, Search, Turn
from localchat.chat.instant import instant_answer, worth_showing
from localchat.chat.looking import Prepared, Translator, fused
from localchat.chat.prompts import Packed, beginning, pack
from localchat.core.evidence import Meaning
from localchat.core.text.language import guess_language
from localchat.core.text.words import words


class Asked(TypedDict, total=False):
    """What goes into the chain."""

    question: str
    history: Sequence[Turn]
    enter: Callable[[], Iterator[AIMessageChunk]]
    """Waits for the engine and loads it; chunks tell the phases. Only a loaded model knows its
    context window and counts tokens."""
    check: Callable[[], None]
    """Called again and again before the search; raises where the question is to be given up."""
    sources: frozenset[int] | None
    """Ids of the sources to look in; None: all."""
    stack: ExitStack
    """Where the engine's stream is registered, to be closed."""


class Found(NamedTuple):
    """The passages, best first, and what the search took in seconds."""

    documents: list[Document]
    seconds: float


class Evidence(TypedDict):
    """The passages in the order of their numbers, and the best sentences in them."""

    passages: list[Document]
    quotes: list[Quote]


Chain = Runnable[Asked, dict[str, Any]]


def build_chain(
    retriever: BaseRetriever,
    engine: Runnable[Any, Any],
    *,
    room: Callable[[], int],
    count: Callable[[str], int],
    meaning: Callable[[], Meaning],
    translator: Runnable[Any, Any] | None = None,
    languages: Callable[[str, frozenset[int] | None], Sequence[str]] = lambda *_: (),
    failure: Callable[[], str] = lambda: "",
) -> Chain:
    """The chain for one engine.

    Args:
        retriever: Finds the passages. Where a question is asked of some sources only it is copied
            with its ``sources`` set.
        engine: A chat model, options bound.
        room: Says how many tokens the prompt may have: the context window less the answer's share.
        count: Counts the tokens of a text.
        meaning: Gives the embedding model of the moment, for picking sentences.
        translator: The same chat model, bound to write translations; None: it cannot.
        languages: Says into which languages a question has to be translated before these sources
            (ids; None: all) are searched.
        failure: Says why there is no embedder at work, for people; empty where there is one.
    """
    steps = _Steps(
        retriever, engine, room, count, meaning, Translator(translator, languages), failure
    )
    return (
        RunnablePassthrough.assign(prepared=RunnableGenerator(steps.prepare))
        .assign(found=RunnableLambda(steps.search))
        .assign(evidence=RunnableLambda(steps.gather))
        .assign(search=RunnableLambda(steps.tell))
        .assign(loading=RunnableGenerator(steps.load))
        .assign(prompt=RunnableLambda(steps.pack))
        .assign(answer=RunnableGenerator(steps.answer))
    )


@dataclass(frozen=True)
class _Steps:
    """The steps of a chain; each takes the dictionary that the ones before it filled."""

    retriever: BaseRetriever
    engine: Runnable[Any, Any]
    room: Callable[[], int]
    count: Callable[[str], int]
    meaning: Callable[[], Meaning]
    translator: Translator
    failure: Callable[[], str]

    def prepare(self, states: Iterator[dict[str, Any]]) -> Iterator[Prepared]:
        asked = _whole(states)

        def before() -> list[BaseMessage]:
            return beginning(asked["question"], asked["history"], self.room(), self.count)[0]

        for prepared in self.translator.prepare(  # noqa: UP028 - as in ``load``
            asked["question"],
            asked.get("sources"),
            before,
            enter=asked.get("enter", lambda: iter(())),
            check=asked.get("check", lambda: None),
        ):
            yield prepared

    def search(self, state: dict[str, Any]) -> Found:
        if "check" in state:
            # LangChain begins this step also when the one before it ends with an error.
            state["check"]()
        retriever, sources = self.retriever, state.get("sources")
        if sources is not None:
            retriever = retriever.model_copy(update={"sources": sources})
        prepared: Prepared = state["prepared"]
        began = time.perf_counter()
        asked = [*(translation.text for translation in prepared.translations), state["question"]]
        searches = [(text, retriever.invoke(text)) for text in asked]
        return Found(fused(searches, self.meaning()), time.perf_counter() - began)

    def gather(self, state: dict[str, Any]) -> Evidence:
        prepared: Prepared = state["prepared"]
        found, meaning = state["found"].documents, self.meaning()
        if not prepared.translations:
            return pick(state["question"], found, meaning)
        # The question as it is, too: a few of the documents may be in its own language.
        questions = [*(t.text for t in prepared.translations), state["question"]]
        picked = [(question, pick(question, found, meaning)) for question in questions]
        return max(picked, key=lambda one: _covered(one[0], one[1], meaning))[1]

    def tell(self, state: dict[str, Any]) -> Search:
        prepared: Prepared = state["prepared"]
        asked = guess_language(state["question"])
        looked_for = {translation.language for translation in prepared.translations} or {asked}
        return Search(
            language=asked,
            translations=prepared.translations,
            untranslated=prepared.untranslated,
            by_meaning=looked_for <= self.meaning().languages,
            failure=self.failure(),
            seconds=round(state["found"].seconds, 4),
        )

    def load(self, states: Iterator[dict[str, Any]]) -> Iterator[AIMessageChunk]:
        state = _whole(states)
        prepared: Prepared = state["prepared"]
        if prepared.failure is not None:
            raise prepared.failure
        if "enter" in state:
            for chunk in state["enter"]():  # noqa: UP028 - ``yield from`` would delay the closing
                yield chunk
        yield AIMessageChunk(content="")

    def pack(self, state: dict[str, Any]) -> Packed:
        evidence: Evidence = state["evidence"]
        return pack(
            state["question"],
            evidence["passages"],
            evidence["quotes"],
            state["history"],
            self.room(),
            self.count,
        )

    def answer(self, states: Iterator[dict[str, Any]]) -> Iterator[AIMessageChunk]:
        state = _whole(states)
        stack: ExitStack = state.get("stack") or ExitStack()
        chunks = self.engine.stream(state["prompt"].messages)
        yield from stack.enter_context(closing(chunks))  # type: ignore[type-var]


def _whole(states: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """All keys of a stream of dictionaries, each with its last value."""
    whole: dict[str, Any] = {}
    for part in states:
        whole.update(part)
    return whole


def stream(chain: Chain, asked: Asked) -> Iterator[dict[str, Any]]:
    """The events of one question. Closing this closes the engine's stream before it returns.

    LangChain closes what stands inside a chain only by letting go of it, and from Python 3.13 on
    that is not at once: the model would write on for nobody.
    """
    with ExitStack() as stack:
        # First LangChain, which may still be reading in a thread of its own, then the engine.
        events = chain.stream({**asked, "stack": stack})
        with closing(events):  # type: ignore[type-var]
            for event in events:  # noqa: UP028 - ``yield from`` would not pass through here
                yield event


def pick(question: str, found: Sequence[Document], meaning: Meaning) -> Evidence:
    """The sentences that answer best, and the passages in the order in which these cite them: the
    first quote rests on passage 1."""
    quotes = worth_showing(instant_answer(question, found, meaning))
    cited = dict.fromkeys(quote.number - 1 for quote in quotes)
    order = [*cited, *(n for n in range(len(found)) if n not in cited)]
    number_of = {passage: number for number, passage in enumerate(order, start=1)}
    return Evidence(
        passages=[found[n] for n in order],
        quotes=[replace(quote, number=number_of[quote.number - 1]) for quote in quotes],
    )


def _covered(question: str, evidence: Evidence, meaning: Meaning) -> float:
    """The share of ``question``, 0 to 1, whose words stand in its best quote: the scores of quotes
    can be compared only with those for the same question."""
    if not evidence["quotes"]:
        return 0.0
    return meaning.question(question).covered(words(evidence["quotes"][0].text))


def passage_of(number: int, document: Document) -> Passage:
    """A retrieved document as a numbered passage."""
    known = document.metadata
    return Passage(
        number=number,
        source_id=known["source_id"],
        title=known["title"],
        name=known["name"],
        address=known["address"],
        location=known["location"],
        anchor=known["anchor"],
        text=document.page_content,
        similarity=known["similarity"],
    )
