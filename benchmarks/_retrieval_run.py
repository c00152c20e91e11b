"""Both pipelines over one question set, for ``retrieval``."""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks._retrieval_measures import (
    SENTENCES,
    Ranked,
    beginning,
    is_hit,
    judge,
    quality,
    share,
    times,
)
from benchmarks._retrieval_ours import LocalChat, folder_bytes, stored_bytes
from benchmarks._retrieval_tutorial import Tutorial
from benchmarks._sets import Question, QuestionSet
from localchat.core.text.sentences import sentence_spans

TIMED = 200
"""Questions at most that are timed, with nothing remembered of those before."""
LONGEST = SENTENCES[-1]
TELL_EVERY = 500
PER_CHARACTERS = 500
"""The size of an index is told for so many characters of text."""

Numbers = dict[str, Any]


def measure(
    questions: QuestionSet, foreign: Sequence[Question] = (), *, scoped: bool = False
) -> dict[str, Numbers]:
    """The numbers of both pipelines, by their names.

    Args:
        questions: What to index and to ask.
        foreign: Questions that none of its documents answers.
        scoped: Ask each question of the documents of its article only.
    """
    return {
        "tutorial": measure_tutorial(questions, scoped),
        "localchat": measure_localchat(questions, foreign, scoped),
    }


def measure_tutorial(questions: QuestionSet, scoped: bool) -> Numbers:
    from localchat.engines.embeddings.built_in import BuiltInEmbedder
    from localchat.models.minilm import embedder_folder

    say = Progress(f"{questions.name}, tutorial")
    say(f"indexing {len(questions.documents)} documents")
    outcomes, seconds = [], []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        embedder = BuiltInEmbedder(embedder_folder())
        with Tutorial(questions, embedder, Path(folder)) as pipeline:
            for question in say.each(_mixed(questions.questions)):
                article = question.article if scoped else None
                began = time.perf_counter()
                found = pipeline.search(question.text, article)
                seconds.append(time.perf_counter() - began)
                outcomes.append(judge(question, found))
        stored = folder_bytes(Path(folder))
    return {
        **quality(outcomes),
        **_sizes(questions, pipeline, stored),
        **times("query", seconds[:TIMED]),
    }


def measure_localchat(questions: QuestionSet, foreign: Sequence[Question], scoped: bool) -> Numbers:
    say = Progress(f"{questions.name}, LocalChat")
    say(f"indexing {len(questions.documents)} documents")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with LocalChat(questions, Path(folder)) as pipeline:
            if pipeline.refused:
                say(f"{pipeline.refused} documents were not taken in")
            numbers = _answered(questions.questions, pipeline, scoped, say)
            numbers["unanswerable_refused"] = share(
                not pipeline.instant(q.text, q.article if scoped else None).quotes[LONGEST]
                for q in say.each(questions.impossible, "unanswerable questions")
            )
            numbers["foreign_refused"] = share(
                not pipeline.instant(q.text, None).quotes[LONGEST]
                for q in say.each(foreign, "questions of another set")
            )
        stored = stored_bytes(Path(folder))
    return {**numbers, **_sizes(questions, pipeline, stored)}


def _answered(
    questions: Sequence[Question], pipeline: LocalChat, scoped: bool, say: Progress
) -> Numbers:
    """What is measured with questions that have an answer."""
    outcomes, answers, shown, searching, answering = [], [], [], [], []
    for number, question in enumerate(say.each(_mixed(questions))):
        article = question.article if scoped else None
        instant = pipeline.instant(question.text, article, fresh=number < TIMED)
        searching.append(instant.search_seconds)
        answering.append(instant.seconds)
        answers.append((question, instant.quotes))
        shown.append((question, instant.shown))
        outcomes.append(judge(question, pipeline.search(question.text, article)))
    longest = [(question, quotes[LONGEST]) for question, quotes in answers]
    return {
        **quality(outcomes),
        **{f"instant{n}": _holding((q, quotes[n]) for q, quotes in answers) for n in SENTENCES},
        f"instant{LONGEST}_cut": _holding((q, beginning(s, LONGEST)) for q, s in longest),
        "instant_sentences": _mean_sentences(quotes for _, quotes in longest),
        "instant_shown": _holding(shown),
        "instant_shown_sentences": _mean_sentences(quotes for _, quotes in shown),
        **times("query", searching[:TIMED]),
        **times("instant", answering[:TIMED]),
        "answerable_refused": share(not quotes for _, quotes in longest),
    }


def _holding(answers: Iterable[tuple[Question, list[Ranked]]]) -> float | None:
    """How many instant answers hold an answer, in percent."""
    return share(any(is_hit(question, quote) for quote in quotes) for question, quotes in answers)


def _mean_sentences(answers: Iterable[list[Ranked]]) -> float | None:
    counts = [sum(len(sentence_spans(quote.text)) for quote in quotes) for quotes in answers]
    return round(statistics.mean(counts), 2) if counts else None


def _sizes(questions: QuestionSet, pipeline: Tutorial | LocalChat, stored: int) -> Numbers:
    characters = sum(len(document.text) for document in questions.documents)
    text = sum(len(document.text.encode("utf-8", "replace")) for document in questions.documents)
    return {
        "questions": len(questions.questions),
        "documents": len(questions.documents),
        "chunks": pipeline.chunks,
        "index_seconds": round(pipeline.index_seconds, 1),
        f"index_bytes_per_{PER_CHARACTERS}": round(
            (stored - text) / max(1, characters) * PER_CHARACTERS
        ),
    }


def _mixed(questions: Sequence[Question]) -> list[Question]:
    """In an order in which no two in a row are about the same text but by chance."""
    return random.Random(1).sample(questions, len(questions))


class Progress:
    """Tells on stderr how far a pipeline is."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __call__(self, said: str) -> None:
        print(f"{self._what}: {said}", file=sys.stderr, flush=True)

    def each(self, questions: Sequence[Question], kind: str = "questions") -> Iterator[Question]:
        """The questions, one after another."""
        for number, question in enumerate(questions):
            if number % TELL_EVERY == 0:
                self(f"{number} of {len(questions)} {kind}")
            yield question
