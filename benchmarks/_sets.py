"""Question sets in SQuAD's format: documents, questions, and the answers that stand in them.

Each ``context`` is a document with its article's title; the same text twice is one document. Not a
benchmark itself: it measures nothing.
"""

from __future__ import annotations

import json
import random
import sys
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

HALVES = ("first", "second", "all")


class NotASet(Exception):
    """A file that is no question set; the text says why."""


@dataclass(frozen=True)
class Document:
    """One ``context``."""

    title: str
    text: str


@dataclass(frozen=True)
class Question:
    """A question whose answer stands in ``documents[document]``."""

    id: str
    text: str
    document: int
    article: int
    answers: frozenset[str]
    """As ``fold`` writes them. None: the document says nothing about it."""


@dataclass(frozen=True)
class QuestionSet:
    """What one file holds, or several together."""

    name: str
    documents: tuple[Document, ...]
    articles: tuple[tuple[str, frozenset[int]], ...]
    """The title and the documents of each."""
    questions: tuple[Question, ...]
    impossible: tuple[Question, ...] = ()
    """Questions that their document does not answer (``is_impossible``)."""

    def chosen(self, half: str, limit: int | None) -> QuestionSet:
        """With a half of the questions, and at most ``limit`` of each kind, drawn at random but the
        same ones each time. Documents all stay."""
        return replace(
            self,
            questions=_some(_in_half(self.questions, half), limit),
            impossible=_some(_in_half(self.impossible, half), limit),
        )


def fold(text: str) -> str:
    """``text`` for comparing: without case, width, and the kind and amount of white space."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(plain.split())


def find_files(given: Sequence[Path]) -> list[Path]:
    """The files that are named, and each ``.json`` in the folders that are named, which may also
    hold something else.

    Raises:
        NotASet: there is no such file or folder.
    """
    found = []
    for path in given:
        if path.is_dir():
            inside = sorted(path.glob("*.json"))
            found += [file for file in inside if _looks_like_a_set(file)]
        elif path.is_file():
            found.append(path)
        else:
            raise NotASet(f"There is no file and no folder “{path}”.")
    return list(dict.fromkeys(found))


def read_sets(files: Iterable[Path]) -> list[QuestionSet]:
    """One set for each file, named like it; where two have the same name, the folder tells them
    apart.

    Raises:
        NotASet: a file is no question set.
    """
    files = list(files)
    names = [file.name.removesuffix(".json") for file in files]
    return [
        read_set(file, name if names.count(name) == 1 else f"{file.resolve().parent.name}/{name}")
        for file, name in zip(files, names, strict=True)
    ]


def read_set(path: Path, name: str) -> QuestionSet:
    """The set in one file.

    Raises:
        NotASet: it is none.
    """
    try:
        articles = json.loads(path.read_text(encoding="utf-8-sig"))["data"]
        read = _Reader()
        for article in articles:
            read.article(article)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise NotASet(f"“{path}” is not a question set in SQuAD's format ({reason}).") from error
    if not read.questions:
        raise NotASet(f"“{path}” has no question with an answer.")
    return read.result(name)


def merged(sets: Sequence[QuestionSet], name: str = "merged") -> QuestionSet:
    """All documents in one set, and all questions."""
    into = _Reader()
    for one in sets:
        first_article = len(into.articles)
        place = [into.document(document) for document in one.documents]
        into.articles += [(title, {place[n] for n in inside}) for title, inside in one.articles]
        for kind, questions in ((into.questions, one.questions), (into.impossible, one.impossible)):
            kind += [
                replace(q, document=place[q.document], article=first_article + q.article)
                for q in questions
            ]
    return into.result(name)


@dataclass
class _Reader:
    documents: dict[str, tuple[int, Document]] = field(default_factory=dict)
    articles: list[tuple[str, set[int]]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    impossible: list[Question] = field(default_factory=list)

    def document(self, document: Document) -> int:
        key = " ".join(document.text.split())
        return self.documents.setdefault(key, (len(self.documents), document))[0]

    def article(self, article: dict[str, Any]) -> None:
        title = str(article.get("title") or f"document {len(self.articles) + 1}")
        inside: set[int] = set()
        for paragraph in article["paragraphs"]:
            if not paragraph["context"].strip():
                continue
            number = self.document(Document(title, paragraph["context"]))
            inside.add(number)
            for asked in paragraph["qas"]:
                self._question(asked, number)
        self.articles.append((title, inside))

    def _question(self, asked: dict[str, Any], document: int) -> None:
        text = str(asked["question"])
        answers = frozenset(fold(answer["text"]) for answer in asked.get("answers") or ()) - {""}
        kind = str(asked.get("id") or text)
        if asked.get("is_impossible"):
            nothing: frozenset[str] = frozenset()
            self.impossible.append(Question(kind, text, document, len(self.articles), nothing))
        elif answers and text.strip():
            self.questions.append(Question(kind, text, document, len(self.articles), answers))

    def result(self, name: str) -> QuestionSet:
        return QuestionSet(
            name,
            tuple(document for _, document in self.documents.values()),
            tuple((title, frozenset(inside)) for title, inside in self.articles),
            tuple(self.questions),
            tuple(self.impossible),
        )


def _looks_like_a_set(path: Path) -> bool:
    try:
        known = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        known = None
    if isinstance(known, dict) and isinstance(known.get("data"), list):
        return True
    print(f"{path.name} is left out: it is not in SQuAD's format.", file=sys.stderr)
    return False


def _in_half(questions: Sequence[Question], half: str) -> list[Question]:
    wanted = {"first": {0}, "second": {1}, "all": {0, 1}}[half]
    return [q for q in questions if zlib.crc32(q.id.encode("utf-8", "replace")) % 2 in wanted]


def _some(questions: list[Question], limit: int | None) -> tuple[Question, ...]:
    if limit is None or len(questions) <= limit:
        return tuple(questions)
    return tuple(random.Random(0).sample(questions, limit))
