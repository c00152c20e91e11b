"""What the library asks of an embedding model; ``app.py`` hands one in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from localchat.core.evidence import Vectors


class Embedder(Protocol):
    """Texts to vectors of length 1."""

    @property
    def identity(self) -> str:
        """Kept with every vector: vectors of two identities are never compared."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of the languages whose meaning it knows."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of float32 for each text."""
