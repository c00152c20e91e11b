"""A library to test with: an embedder that writes down what it is given, and text to add."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from localchat.core.database import Database
from localchat.core.evidence import Vectors
from localchat.core.folder import DataFolder
from localchat.core.settings import Settings
from localchat.core.text.words import words
from localchat.library.library import Library
from localchat.library.rows import Source

SIZE = 64


@dataclass
class WordEmbedder:
    """A text's vector counts its words in 64 bins. ``given`` holds every text it ever embedded;
    ``before`` is called first, and may block or raise."""

    identity: str = "words-64"
    languages: frozenset[str] = frozenset({"en"})
    given: list[str] = field(default_factory=list)
    before: Callable[[Sequence[str]], None] = lambda _: None

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.before(texts)
        self.given += texts
        vectors = np.full((len(texts), SIZE), 1e-3, dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in words(text):
                row[zlib.crc32(word.encode()) % SIZE] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@contextmanager
def opened(
    folder: DataFolder,
    embedder: WordEmbedder | None = None,
    *,
    start: bool = True,
    **settings: object,
) -> Iterator[Library]:
    """A library on ``folder``; started, as the holder of the folder's lock would."""
    folder.prepare()
    database = Database(folder.database)
    library = Library(
        folder, database, embedder or WordEmbedder(), Settings.model_validate(settings)
    )
    if start:
        library.start()
    try:
        yield library
    finally:
        library.close()
        database.close()


def add_text(library: Library, name: str, text: str) -> Source:
    """Add a file and wait until it is in, or has failed."""
    added = library.add_file(name, text.encode())
    assert added.source_id is not None, added.message
    return library.wait([added.source_id])[0]


def long_text(sections: int, about: str = "lamp") -> str:
    """Markdown with a heading and some sentences for each section, each of them different."""
    return "\n\n".join(
        f"## Section {n}\n\n"
        + " ".join(f"Sentence {n}-{m} says something about the {about} number {n}." for m in range(12))  # noqa: E501
        for n in range(sections)
    )  # fmt: skip
