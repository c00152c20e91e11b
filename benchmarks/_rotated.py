"""A second embedder for ``change_embedder``: the built-in one seen through a fixed rotation.

It is as good, as fast and as long, while its vectors have nothing to do with the other's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from localchat.core.database import Database
from localchat.core.evidence import Vectors
from localchat.core.folder import DataFolder
from localchat.core.settings import Settings
from localchat.library.embedder import BUILT_IN, Embedder
from localchat.library.library import Library

TITLE = "Records of the county"
"""Of the one document: every chunk is embedded with it, and no question is."""
ROTATED = "rotated"
"""The key of the second embedder."""


@dataclass(frozen=True)
class Rotated:
    """``embedder`` seen through a fixed rotation. The file ``made`` grows by a byte for each chunk
    that is embedded."""

    embedder: Embedder
    made: Path
    name: str = "The built-in model, rotated"

    @property
    def identity(self) -> str:
        return f"{self.embedder.identity}/rotated"

    @property
    def languages(self) -> frozenset[str]:
        return self.embedder.languages

    @property
    def dimensions(self) -> int:
        return self.embedder.dimensions

    @property
    def unrelated(self) -> float:
        return self.embedder.unrelated

    @property
    def max_tokens(self) -> int:
        return self.embedder.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self.embedder.count_tokens(texts)

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = rotated(self.embedder.embed(texts))
        with self.made.open("ab") as file:
            file.write(b"." * sum(text.startswith(TITLE) for text in texts))
        return rows

    def embed_questions(self, texts: Sequence[str]) -> Vectors:
        return rotated(self.embedder.embed_questions(texts))

    def close(self) -> None:
        """The built-in one goes on."""


def rotated(vectors: Vectors) -> Vectors:
    """Row by row, always by the same rotation."""
    found: Vectors = vectors @ _rotation(vectors.shape[1])
    return found


@lru_cache
def _rotation(size: int) -> Vectors:
    square = np.random.default_rng(0).standard_normal((size, size))
    return np.linalg.qr(square)[0].astype(np.float32)


@dataclass(frozen=True)
class Two:
    """The embedders: the built-in one, and the same rotated."""

    old: Embedder
    new: Rotated

    def get(self, key: str) -> Embedder:
        return {BUILT_IN: self.old, ROTATED: self.new}[key]


@contextmanager
def opened(folder: DataFolder, *, start: bool) -> Iterator[Library]:
    """A library on ``folder``; started as in the process that holds the lock."""
    from localchat.engines.embeddings.built_in import BuiltInEmbedder
    from localchat.models.minilm import embedder_folder

    folder.prepare()
    built_in = BuiltInEmbedder(embedder_folder())
    both = Two(built_in, Rotated(built_in, folder.root / "made"))
    with closing(Database(folder.database)) as database:
        library = Library(folder, database, both, Settings())
        if start:
            library.start()
        try:
            yield library
        finally:
            library.close()
