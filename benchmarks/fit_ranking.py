"""The weights with which passages and sentences are ranked, fitted anew.

    python3 start.py bench fit_ranking --data FILE_OR_FOLDER... [--scoped FILE_OR_FOLDER...]
        [--limit N] [--json [FILE]]

Asks the first half of each set's questions (see ``retrieval``) in a library of that set alone, and
in one of all sets together; those of ``--scoped`` sets, which mean nothing without it, of their own
article only. Finds the weights that most often put what holds the answer
first: the softmax of all candidates of a question, maximised by gradient ascent. What it prints
belongs into ``localchat/library/ranking.py`` and ``localchat/core/sentence_ranking.py``. Report
with the other half: ``bench retrieval --half second``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks._report import add_json_option, hand_over
from benchmarks._retrieval_ours import LocalChat
from benchmarks._sets import NotASet, Question, QuestionSet, find_files, fold, merged, read_sets
from localchat.core import sentence_ranking
from localchat.core.sentence_ranking import LONGEST, features, pieces_of, with_meaning
from localchat.core.text.language import guess_language
from localchat.library import ranking
from localchat.library.meaning import LibraryMeaning
from localchat.library.ranking import Candidate, look
from localchat.library.retriever import LOOKED_AT, HybridRetriever

Rows = npt.NDArray[np.float64]

STEPS = 1_500
PASSAGES = 6
STEADY = 1e-3
"""How much large weights cost (ridge)."""


@dataclass
class Examples:
    """Questions with at least one right and one wrong candidate."""

    rows: list[Rows] = field(default_factory=list)
    right: list[npt.NDArray[np.bool_]] = field(default_factory=list)

    def add(self, rows: Rows, right: list[bool]) -> None:
        if any(right) and not all(right):
            self.rows.append(rows)
            self.right.append(np.array(right))

    def columns(self, count: int) -> Examples:
        """With the first ``count`` features only."""
        return Examples([rows[:, :count] for rows in self.rows], self.right)


def main(argv: list[str]) -> int:
    """Fit and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench fit_ranking", description=__doc__.split("\n")[0])
    add_json_option(parser)
    parser.add_argument("--data", nargs="+", type=Path, metavar="FILE_OR_FOLDER", required=True)
    parser.add_argument("--scoped", nargs="+", type=Path, metavar="FILE_OR_FOLDER", default=[])
    parser.add_argument("--limit", type=int, help="questions of each set")
    arguments = parser.parse_args(argv)
    try:
        sets = read_sets(find_files(arguments.data))
        scoped = read_sets(find_files(arguments.scoped)) if arguments.scoped else []
    except NotASet as problem:
        print(problem, file=sys.stderr)
        return 1
    sets += [merged(sets)] if len(sets) > 1 else []
    passages = {True: Examples(), False: Examples()}
    sentences = {True: Examples(), False: Examples()}
    for questions in [*sets, *scoped]:
        chosen = questions.chosen("first", arguments.limit)
        print(f"{questions.name}: {len(chosen.questions)} questions", file=sys.stderr)
        _gather(chosen, questions in scoped, passages, sentences)
    numbers: dict[str, Any] = {}
    for knows in (True, False):
        if not passages[knows].rows:
            continue
        own = "known language" if knows else "unknown language"
        numbers[f"passages, {own}"] = {
            "FIRST": _fitted(passages[knows].columns(len(ranking.FEATURES))),
            **({"SECOND": _fitted(passages[knows])} if knows else {}),
        }
        numbers[f"sentences, {own}"] = {
            "FEATURES": _rounded(fit(sentences[knows].columns(len(sentence_ranking.FEATURES)))),
            "with MEANING_FEATURES": _rounded(fit(sentences[knows])),
        }
    lines = [f"{name}: {value}" for name, values in numbers.items() for value in values.items()]
    hand_over(numbers, lines, arguments.json)
    return 0


def _gather(
    questions: QuestionSet,
    scoped: bool,
    passages: dict[bool, Examples],
    sentences: dict[bool, Examples],
) -> None:
    """Look at what is found for each question, as the app does."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        LocalChat(questions, Path(home)) as ours,
    ):
        for asked in questions.questions:
            retriever = ours.retriever(asked.article if scoped else None, PASSAGES)
            meaning = retriever.meaning()
            knows = guess_language(asked.text) in meaning.languages
            passages[knows].add(*_passages(ours, retriever, meaning, asked))
            sentences[knows].add(*_sentences(ours, retriever, meaning, asked))


def _passages(
    ours: LocalChat, retriever: HybridRetriever, meaning: LibraryMeaning, asked: Question
) -> tuple[Rows, list[bool]]:
    question = meaning.question(asked.text)
    vector, near = retriever.nearest(asked.text, meaning)
    found = retriever.candidates(question, meaning, vector, dict(near))[:LOOKED_AT]
    looks = look(question, [Candidate(s.chunk.text, s.chunk.above, s.near) for s in found])
    near_them = retriever.sentences_near(meaning, vector, [seen.sentences for seen in looks])
    rows = [
        (*seen.features, *((some[0], max(some)) if some else (0.0, 0.0)))
        for seen, some in zip(looks, near_them, strict=True)
    ]
    right = [_is_right(ours, asked, one.chunk.source_id, one.chunk.text) for one in found]
    return np.array(rows), right


def _sentences(
    ours: LocalChat, retriever: HybridRetriever, meaning: LibraryMeaning, asked: Question
) -> tuple[Rows, list[bool]]:
    found = retriever.invoke(asked.text)
    pieces = pieces_of([document.page_content for document in found])
    chances = [document.metadata["score"] for document in found]
    vector = meaning.embed_question(asked.text)
    cosines = meaning.embed([piece.text[:LONGEST] for piece in pieces]) @ vector
    rows = with_meaning(features(meaning.question(asked.text), pieces, chances), cosines, meaning)
    sources = [document.metadata["source_id"] for document in found]
    return rows, [_is_right(ours, asked, sources[p.passage], p.text) for p in pieces]


def _is_right(ours: LocalChat, asked: Question, source_id: int, text: str) -> bool:
    said = fold(text)
    here = ours.document_of(source_id) == asked.document
    return here and any(answer in said for answer in asked.answers)


def fit(examples: Examples) -> Rows:
    """The weights with which the right candidates have most of the softmax; Adam."""
    widest = max(len(rows) for rows in examples.rows)
    count = examples.rows[0].shape[1]
    rows = np.zeros((len(examples.rows), widest, count))
    there = np.zeros((len(examples.rows), widest), dtype=bool)
    right = np.zeros_like(there)
    for number, (some, good) in enumerate(zip(examples.rows, examples.right, strict=True)):
        rows[number, : len(some)], right[number, : len(some)] = some, good
        there[number, : len(some)] = True
    weights, mean, square = (np.zeros(count) for _ in range(3))
    for step in range(1, STEPS + 1):
        scores = np.where(there, rows @ weights, -np.inf)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        among = np.where(right, shares, 0)
        among /= np.maximum(among.sum(axis=1, keepdims=True), 1e-12)
        slope = np.einsum("qc,qcf->f", shares - among, rows) / len(rows) + 2 * STEADY * weights
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        pace = 0.1 if step < STEPS // 2 else 0.02
        weights -= pace * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-9)
    return weights


def line(examples: Examples, weights: Rows) -> tuple[float, float]:
    """Slope and offset with which the weighted sums are the logarithm of the odds that a candidate
    is right: logistic regression, by Newton's method."""
    sums = np.concatenate([rows @ weights for rows in examples.rows])
    right = np.concatenate(examples.right).astype(float)
    design = np.column_stack([sums, np.ones_like(sums)])
    found = np.zeros(2)
    for _ in range(30):
        chance = 1 / (1 + np.exp(-design @ found))
        curve = design.T @ (design * (chance * (1 - chance))[:, None])
        found += np.linalg.solve(curve + 1e-6 * np.eye(2), design.T @ (right - chance))
    return float(found[0]), float(found[1])


def _fitted(examples: Examples) -> dict[str, Any]:
    weights = fit(examples)
    slope, offset = line(examples, weights)
    return {"weights": _rounded(weights), "slope": round(slope, 3), "offset": round(offset, 3)}


def _rounded(weights: Rows) -> list[float]:
    return [round(float(weight), 2) for weight in weights]
