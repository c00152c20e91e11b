"""A library of any size for ``scale``: real sentences, put together anew, with vectors to match.

Only the sentences are embedded. A chunk's vector is the sum of its sentences' vectors and a little
noise of its own, brought to length 1: about what the embedder makes of the whole, a thousand times
as fast. The sentences of a document stand near each other where they were taken from, so that
documents have topics, as real ones do. All else is done by the app's own tables.
"""

from __future__ import annotations

import ast
import json
import random
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from localchat.core.database import Database
from localchat.core.evidence import Vectors
from localchat.core.text.sentences import sentence_spans
from localchat.core.text.words import question_words
from localchat.library.chunks import Chunk
from localchat.library.embedder import BATCH, Embedder
from localchat.library.store import Store
from localchat.sources.document import Document

ROOT = Path(__file__).resolve().parents[1]
SENTENCES = 6_000
"""Embedded at most."""
CHUNK = 800
"""Characters."""
NOISE = 0.25
"""The length of a chunk's own part, next to 1."""
SPREAD = 60
"""Sentences in a row of which a document is made, for the most part."""


@dataclass(frozen=True)
class Material:
    """Sentences in their order, a vector for each, and questions."""

    sentences: list[str]
    vectors: Vectors
    questions: list[str]


def material(data: Sequence[Path], embedder: Embedder) -> Material:
    """From files in SQuAD's format; without any, from texts that every computer has, with some
    words of a sentence for a question."""
    dice = random.Random(0)
    if data:
        texts, questions = _squad(data)
    else:
        texts, questions = [*_own_texts()], []
    sentences = list(dict.fromkeys(_sentences(texts)))[:SENTENCES]
    if not questions:
        for sentence in sentences:
            asked = question_words(sentence)
            questions.append(" ".join(dice.sample(asked, min(6, len(asked)))))
    dice.shuffle(questions)
    rows = [embedder.embed(sentences[at : at + BATCH]) for at in range(0, len(sentences), BATCH)]
    return Material(sentences, np.concatenate(rows), list(dict.fromkeys(questions)))


def fill(database: Database, embedder: str, made_of: Material, chunks: int) -> int:
    """Documents of 5 to 200 chunks, ``chunks`` in all, as ``embedder``, an identity, would have
    left them; returns the characters of their texts."""
    dice, noise = random.Random(1), np.random.default_rng(1)
    store, characters = Store(database), 0
    while chunks:
        number = min(chunks, round(5 * 40 ** dice.random()))
        chunks -= number
        text, spans, rows = _document(dice, made_of, number)
        own = noise.standard_normal(rows.shape, dtype=np.float32)
        rows = _unit(_unit(rows) + NOISE * _unit(own))
        source_id = store.add_source(f"sha256:{chunks}", f"Document {chunks}") or 0
        document = Document(f"Document {chunks}", text, "text", ())
        revision_id = store.draft(source_id, document, spans, embedder)
        ids = [chunk_id for chunk_id, _ in store.to_embed(revision_id)]
        store.set_vectors(ids, rows)
        store.publish(source_id, revision_id)
        characters += len(text)
    return characters


def _document(
    dice: random.Random, made_of: Material, number: int
) -> tuple[str, list[Chunk], Vectors]:
    """A text, its chunks (each begins with the last sentence of the one before) and the sums of
    their sentences' vectors."""
    count = len(made_of.sentences)
    topic = dice.randrange(count)
    text, at = "", 0
    spans: list[Chunk] = []
    rows: list[Vectors] = []
    start, last, chosen = 0, 0, list[int]()
    while len(spans) < number:
        elsewhere = dice.random() < 0.15
        at = dice.randrange(count) if elsewhere else (topic + dice.randrange(SPREAD)) % count
        last = len(text)
        text += made_of.sentences[at] + " "
        chosen.append(at)
        if len(text) - start >= CHUNK:
            spans.append(Chunk(start, len(text) - 1))
            rows.append(made_of.vectors[chosen].sum(axis=0))
            start, chosen = last, [at]
    return text, spans, np.stack(rows)


def _unit(rows: Vectors) -> Vectors:
    made: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return made


def _sentences(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        for start, end in sentence_spans(text):
            if 40 < end - start < CHUNK // 2:
                yield " ".join(text[start:end].split())


def _squad(data: Sequence[Path]) -> tuple[list[str], list[str]]:
    files = [f for path in data for f in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    paragraphs = [
        paragraph
        for file in files
        for article in json.loads(file.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
    ]
    return (
        [paragraph["context"] for paragraph in paragraphs],
        [qa["question"] for paragraph in paragraphs for qa in paragraph["qas"]],
    )


def _own_texts() -> Iterator[str]:
    """The app's own texts, and what Python's modules say of themselves."""
    for path in sorted(ROOT.glob("**/*.md")):
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts):
            yield path.read_text(encoding="utf-8")
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield ast.get_docstring(node) or ""
