"""A library to test with: an embedder that writes down what it is given, and text to add."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from localchat.core.database import Database
from localchat.core.errors import EngineMissing
from localchat.core.evidence import UNRELATED, Vectors
from localchat.core.folder import DataFolder
from localchat.core.settings import Settings
from localchat.core.text.words import words
from localchat.library.embedder import BUILT_IN, Embedder
from localchat.library.library import Library
from localchat.library.rows import Source

SIZE = 64


@dataclass
class WordEmbedder:
    """A text's vector counts its words in ``dimensions`` bins, which another ``identity`` fills in
    another order. ``given`` holds every text it ever embedded; ``before`` is called first, and may
    block or raise."""

    identity: str = "words-64"
    name: str = "Words"
    languages: frozenset[str] = frozenset({"en"})
    dimensions: int = SIZE
    max_tokens: int = 256
    unrelated: float = UNRELATED
    closed: int = 0
    given: list[str] = field(default_factory=list)
    before: Callable[[Sequence[str]], None] = lambda _: None

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.before(texts)
        self.given += texts
        vectors = np.full((len(texts), self.dimensions), 1e-3, dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in words(text):
                row[zlib.crc32((self.identity + word).encode()) % self.dimensions] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed_questions(self, texts: Sequence[str]) -> Vectors:
        return self.embed(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """A token for each four characters, as of English."""
        return [-(-len(text) // 4) for text in texts]

    def close(self) -> None:
        self.closed += 1


@dataclass
class Shelf:
    """The embedders of a computer, by key."""

    embedders: dict[str, Embedder]

    def get(self, key: str) -> Embedder:
        if key not in self.embedders:
            raise EngineMissing(f"The search model “{key}” is not here.", "Choose another one.")
        return self.embedders[key]


@contextmanager
def opened(
    folder: DataFolder,
    embedder: Embedder | Shelf | None = None,
    *,
    start: bool = True,
    busy: Callable[[], bool] = lambda: False,
    **settings: object,
) -> Iterator[Library]:
    """A library on ``folder``, with one embedder or a shelf of them; started, as the holder of the
    folder's lock would."""
    folder.prepare()
    database = Database(folder.database)
    shelf = (
        embedder if isinstance(embedder, Shelf) else Shelf({BUILT_IN: embedder or WordEmbedder()})
    )
    library = Library(folder, database, shelf, Settings.model_validate(settings), busy)
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
