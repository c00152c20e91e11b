"""What the library asks of embedding models; ``app.py`` hands them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from localchat.core.evidence import Vectors

BUILT_IN = "built-in"
"""The key of the model that comes with the app."""
BATCH = 64
"""Chunks embedded at most between two looks at whether to go on."""
BATCH_SECONDS = 4.0
"""How long an answer that begins, or the end of the app, waits for a batch at most; a slow embedder
gets smaller ones."""
PACE_MEMORY = 0.8
"""How much of the pace so far stays with each batch."""


class Embedder(Protocol):
    """Texts to vectors of length 1. Any thread may call anything at any time; all of it may raise
    a ``LocalChatError``."""

    @property
    def identity(self) -> str:
        """Kept with every vector: vectors of two identities are never compared."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of the languages whose meaning it knows."""

    @property
    def dimensions(self) -> int:
        """The length of a row."""

    @property
    def unrelated(self) -> float:
        """The mean cosine of texts that have nothing to do with each other."""

    @property
    def max_tokens(self) -> int:
        """What comes after so many tokens of a text, its own marks included, is not looked at."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text, without any marks round it."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of float32 for each text that is to be found."""

    def embed_questions(self, texts: Sequence[str]) -> Vectors:
        """One row of float32 for each text that is looked for."""

    def close(self) -> None:
        """Let go of its memory; whoever calls it again loads it again."""


class Embedders(Protocol):
    """The embedding models of this computer."""

    def get(self, key: str) -> Embedder:
        """The one that the library remembers as ``key``, always the same object.

        Raises:
            LocalChatError: it is not here any more.
        """


class Pace:
    """How fast an embedder has been lately."""

    def __init__(self) -> None:
        self._each: float | None = None

    @property
    def batch(self) -> int:
        """How many chunks to embed next."""
        if self._each is None or self._each * BATCH <= BATCH_SECONDS:
            return BATCH
        return max(1, int(BATCH_SECONDS / self._each))

    def note(self, chunks: int, seconds: float) -> None:
        """A batch was made."""
        each = seconds / chunks
        known = each if self._each is None else self._each
        self._each = PACE_MEMORY * known + (1 - PACE_MEMORY) * each

    def seconds_for(self, chunks: int) -> float | None:
        """About how long so many take; None: nothing was made yet."""
        return None if self._each is None else self._each * chunks
