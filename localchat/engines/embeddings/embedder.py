"""The contract that every embedding model here keeps, and what they have in common.

``embed`` is for passages and sentences, ``embed_questions`` for questions: some models want
another prefix before each. Rows have length 1 and the order of the texts. Any thread may call
anything at any time; nothing is read before the first use; after ``close`` it can be used again.
Every model runs in a process of its own (see ``child_embedder``).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

from langchain_core.embeddings import Embeddings

from localchat.engines.embeddings.notes import Notes
from localchat.engines.embeddings.unrelated import mean_cosine
from localchat.engines.embeddings.vectors import Vectors

OnBatch = Callable[[int], None]


class Embedder(Embeddings):
    """Texts to vectors of length 1.

    Errors are sentences for people: EngineMissing (the package that runs it cannot be loaded),
    ModelFileError (files are missing or damaged), EngineError (it failed).
    """

    name: str
    """For people."""
    languages: frozenset[str]
    """ISO 639-1 codes of the languages whose meaning it knows."""
    _notes: Notes

    @property
    @abstractmethod
    def identity(self) -> str:
        """Changes whenever the vectors may: vectors of two identities are never compared."""

    @property
    @abstractmethod
    def dimensions(self) -> int: ...

    @property
    @abstractmethod
    def max_tokens(self) -> int:
        """What comes after so many tokens of a text is not looked at."""

    @property
    def unrelated(self) -> float:
        """The mean cosine of texts that have nothing to do with each other. Measured when first
        needed, which loads the model."""
        return self._notes.unrelated(
            self.identity, lambda: mean_cosine(self.embed, self.embed_questions, self.languages)
        )

    @abstractmethod
    def embed(self, texts: Sequence[str], *, on_batch: OnBatch | None = None) -> Vectors:
        """One row for each text, a passage or a sentence.

        ``on_batch`` hears after each batch how many texts are done; what it raises ends the work.
        """

    @abstractmethod
    def embed_questions(self, texts: Sequence[str]) -> Vectors:
        """One row for each question."""

    @abstractmethod
    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text alone: without prefix and marks, which ``max_tokens`` counts.
        May stop counting at ``max_tokens``, or at ``texts.LONGEST_TEXT`` characters."""

    @abstractmethod
    def start(self) -> None:
        """Begin to load it, without waiting for that: a question is about to come. Raises nothing:
        what is wrong is told by whatever comes next."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """LangChain's form of ``embed``."""
        rows: list[list[float]] = self.embed(texts).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """LangChain's form of ``embed_questions``, for one."""
        row: list[float] = self.embed_questions([text])[0].tolist()
        return row

    @abstractmethod
    def close(self) -> None:
        """Give its memory back."""
