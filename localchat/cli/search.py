"""search: the passages for one question, or for each line of a file."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from functools import cached_property
from typing import Any

from langchain_core.documents import Document

from localchat.app import LocalChat, open_localchat
from localchat.chat.answer import Quote
from localchat.chat.instant import instant_answer
from localchat.cli.named import as_typed, sources_named
from localchat.cli.questions import Question, lines_of, read_question
from localchat.core.errors import LocalChatError, QuestionTooLong
from localchat.library.rows import Source
from localchat.library.scope import Scope

LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}
"""What JSON may hold as it is, and some readers take for the end of a line."""


def search(arguments: argparse.Namespace) -> int:
    """Print the passages that the retriever finds."""
    with closing(open_localchat()) as chat:
        chat.embedders.start(chat.library.embedder_key)
        asking = _Search(chat, arguments)
        if arguments.questions is not None:
            return _each_line(asking, arguments)
        found = asking.passages(Question(as_typed(arguments.question)))
    listed = [_passage(n, one) for n, one in enumerate(found, start=1)]
    if arguments.json:
        print(json.dumps(listed, ensure_ascii=False, indent=2))
        return 0
    _print(listed)
    if not listed:
        print("Nothing found. `add` puts documents into the library.", file=sys.stderr)
    return 0


class _Search:
    """Asks one library, with what the command line says where a question leaves it open."""

    def __init__(self, chat: LocalChat, arguments: argparse.Namespace) -> None:
        self._chat = chat
        self._k: int | None = arguments.k
        self._tokens: int | None = arguments.tokens
        self._given = (tuple(arguments.source), tuple(arguments.collection))

    @cached_property
    def _sources(self) -> list[Source]:
        return self._chat.library.sources()

    def passages(self, question: Question) -> list[Document]:
        """The best passages first.

        Raises:
            QuestionTooLong: it is.
            LocalChatError: there is no source, or no collection, of that name.
        """
        limit = self._chat.settings.question_characters
        if len(question.text) > limit:
            raise QuestionTooLong(len(question.text), limit)
        retriever = self._chat.library.retriever(
            question.k or self._k, self._tokens, self._scope(question)
        )
        return retriever.invoke(question.text)

    def instant(self, question: Question, passages: Sequence[Document]) -> list[Quote]:
        """The sentences in ``passages`` that answer."""
        return instant_answer(question.text, passages, self._chat.library.meaning)

    def _scope(self, question: Question) -> Scope:
        if question.sources is None and question.collections is None:
            sources, collections = self._given
        else:
            sources, collections = question.sources or (), question.collections or ()
        known = self._chat.library.collections
        return Scope(
            frozenset(s.id for name in sources for s in sources_named(name, self._sources)),
            frozenset(known.named(name).id for name in collections),
        )


def _each_line(asking: _Search, arguments: argparse.Namespace) -> int:
    """One line out for one line in, as soon as it is answered; 1 where one could not be."""
    failed = False
    for number, line in lines_of(arguments.questions):
        question = None
        try:
            question = read_question(line)
            result = _answered(asking, question)
        except LocalChatError as error:
            failed = True
            result = {"error": str(error), "line": number}
            if question is not None and question.id is not None:
                result["id"] = question.id
        if arguments.json:
            print(json.dumps(result, ensure_ascii=False).translate(LINE_ENDS), flush=True)
        elif "error" in result:
            print(f"Line {number}: {result['error']}", file=sys.stderr)
        else:
            print(f"{result['question']}\n")
            _print(result["passages"])
    return 1 if failed else 0


def _answered(asking: _Search, question: Question) -> dict[str, Any]:
    began = time.perf_counter()
    found = asking.passages(question)
    searched = time.perf_counter()
    quotes = asking.instant(question, found)
    answered = time.perf_counter()
    return {
        "id": question.id,
        "question": question.text,
        "passages": [
            {
                **_passage(rank, document),
                "start": document.metadata["start"],
                "end": document.metadata["end"],
            }
            for rank, document in enumerate(found, start=1)
        ],
        "instant": [
            {"rank": quote.number, "text": quote.text, "start": quote.start, "end": quote.end}
            for quote in quotes
        ],
        "ms": round(1000 * (searched - began), 2),
        "instant_ms": round(1000 * (answered - searched), 2),
    }


def _passage(rank: int, document: Document) -> dict[str, Any]:
    known = document.metadata
    return {
        "rank": rank,
        "score": known["score"],
        "source": known["address"] or known["name"],
        "title": known["title"],
        "location": known["location"],
        "text": document.page_content,
    }


def _print(passages: Sequence[dict[str, Any]]) -> None:
    for item in passages:
        where = f", {item['location']}" if item["location"] else ""
        print(f"{item['rank']}. {item['title']}{where} ({item['source']}, {item['score']})")
        print(f"   {item['text']}\n")
