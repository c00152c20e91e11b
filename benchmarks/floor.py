"""How well the app tells questions that the documents answer from those that they do not.

    python3 start.py bench floor --data FILE_OR_FOLDER... [--limit N] [--documents N] [--json FILE]

Each set becomes a library, which measures its floor by itself (``localchat/library/floor.py``);
then come the questions that it answers, the set's own unanswerable ones, and those of every other
set in the same language, about articles that this one does not have. Told are how many of each kind
are refused: of the first half of the questions, which the constants in ``localchat/core/floor.py``
are chosen by, and of the second.

Below that stands what to choose them by: for each set, the evidence that a few percent of the
answered questions of the first half do not reach, and what nine of ten foreign ones do not.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._report import add_json_option, hand_over
from benchmarks._retrieval_measures import share
from benchmarks._retrieval_ours import LocalChat
from benchmarks._sets import NotASet, Question, QuestionSet, find_files, read_sets
from localchat.core.floor import Evidence, Found, may_answer
from localchat.core.text.language import guess_language

PER_KIND = 200
"""Questions of each kind and half."""
FEW = (0.02, 0.04, 0.05)
MOST_FOREIGN = 0.9
ANSWERABLE, UNANSWERABLE = "answerable", "unanswerable"


@dataclass(frozen=True)
class Seen:
    """What there is for a question."""

    evidence: Evidence
    refused: bool


def main(argv: list[str]) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench floor", description=__doc__.split("\n")[0])
    add_json_option(parser)
    parser.add_argument("--data", nargs="+", type=Path, metavar="FILE_OR_FOLDER", required=True)
    parser.add_argument("--limit", type=int, default=PER_KIND, help="questions of a kind and half")
    parser.add_argument("--documents", type=int, help="libraries of so many documents of each set")
    arguments = parser.parse_args(argv)
    try:
        sets = read_sets(find_files(arguments.data))
    except NotASet as problem:
        print(problem, file=sys.stderr)
        return 1
    numbers: dict[str, Any] = {}
    lines: list[str] = []
    for one in sets:
        library = one if arguments.documents is None else _smaller(one, arguments.documents)
        print(f"{one.name}: {len(library.documents)} documents", file=sys.stderr)
        numbers[one.name] = _measured(library, _asked(library, sets), arguments.limit)
        lines += _lines(one.name, numbers[one.name])
    hand_over(numbers, lines, arguments.json)
    return 0


def _smaller(questions: QuestionSet, count: int) -> QuestionSet:
    """With ``count`` of its documents, those articles left out of which none are there."""
    kept = random.Random(count).sample(
        range(len(questions.documents)), min(count, len(questions.documents))
    )
    place = {document: n for n, document in enumerate(kept)}
    some, impossible = (
        tuple(replace(q, document=place[q.document]) for q in asked if q.document in place)
        for asked in (questions.questions, questions.impossible)
    )
    return replace(
        questions,
        documents=tuple(questions.documents[n] for n in kept),
        articles=tuple(
            (title, frozenset(place[n] for n in inside if n in place))
            for title, inside in questions.articles
        ),
        questions=some,
        impossible=impossible,
    )


def _asked(here: QuestionSet, sets: Sequence[QuestionSet]) -> dict[str, tuple[Question, ...]]:
    """The questions to ask, by their kind."""
    titles = {title.casefold() for title, inside in here.articles if inside}
    asked = {ANSWERABLE: here.questions, UNANSWERABLE: here.impossible}
    for other in sets:
        if _language(other) == _language(here):
            about = [title.casefold() for title, _ in other.articles]
            asked[f"of {other.name}"] = tuple(
                q for q in other.questions if about[q.article] not in titles
            )
    return {kind: questions for kind, questions in asked.items() if questions}


def _language(questions: QuestionSet) -> str:
    guesses = [guess_language(q.text) for q in questions.questions[:PER_KIND]]
    return max(sorted(set(guesses)), key=guesses.count, default="")


def _measured(
    library: QuestionSet, asked: dict[str, tuple[Question, ...]], limit: int
) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        LocalChat(library, Path(home)) as ours,
    ):
        numbers: dict[str, Any] = {"chunks": ours.chunks, "refused": {}, "reached": {}}
        meaning = ours.retriever().meaning()
        language = _language(library)
        knows = language in meaning.languages
        numbers["counts"] = "together" if knows else "words"
        numbers["floor"] = round(_counting(meaning.floor(language), knows), 3)
        for kind, questions in asked.items():
            halves = []
            for half in ("first", "second"):
                some = replace(library, questions=questions).chosen(half, limit).questions
                halves.append([_seen(ours, question.text) for question in some])
            numbers["refused"][kind] = [share(one.refused for one in half) for half in halves]
            reached = [_counting(one.evidence, knows) for one in halves[0]]
            if reached:
                at = FEW if kind == ANSWERABLE else (MOST_FOREIGN,)
                levels = np.quantile(reached, at).round(3).tolist()
                numbers["reached"][kind] = dict(zip(map(str, at), levels, strict=True))
        return numbers


def _seen(ours: LocalChat, text: str) -> Seen:
    """As ``instant_answer`` sees it."""
    retriever = ours.retriever()
    meaning = retriever.meaning()
    found = [Found.of(one.page_content, one.metadata) for one in retriever.invoke(text)]
    question, language = meaning.question(text), guess_language(text)
    knows = language in meaning.languages
    may = may_answer(question, found, meaning.floor(language), knows=knows)
    return Seen(Evidence.of(question, found), not may)


def _counting(evidence: Evidence, knows: bool) -> float:
    """The kind of evidence that decides."""
    return evidence.together if knows else evidence.words


def _lines(name: str, numbers: dict[str, Any]) -> list[str]:
    lines = [f"{name}: {numbers['chunks']} chunks, floor {numbers['floor']} ({numbers['counts']})"]
    for kind, (first, second) in numbers["refused"].items():
        lines.append(
            f"  {kind:24} refused: {first} % of the first half, {second} % of the second;"
            f" reached: {numbers['reached'].get(kind, '')}"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
