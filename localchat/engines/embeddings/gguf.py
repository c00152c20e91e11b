"""An embedding model in a GGUF file, which llama.cpp or GPT4All runs in a child process."""

from __future__ import annotations

from pathlib import Path

from localchat.core.errors import EngineError, EngineMissing, LoadError, ModelFileError
from localchat.engines.child.wire import Message
from localchat.engines.embeddings.batches import choose_threads
from localchat.engines.embeddings.child_embedder import ChildEmbedder
from localchat.engines.embeddings.identity import OTHER_MODEL, damaged, identity_of
from localchat.engines.embeddings.idle import IDLE
from localchat.engines.embeddings.notes import Notes
from localchat.engines.embeddings.spec import EmbeddingSpec

MOST_TOKENS = 1_024
"""Memory grows with the longest text, and passages have some hundreds. A multilingual encoder in
llama.cpp looks at some 530 (see ``llama_model.MOST_OUTCOME_BYTES``)."""


class GgufEmbedder(ChildEmbedder):
    """The GGUF file of ``spec``. Its backend does one thing at a time."""

    piece = 2_000

    def __init__(
        self, spec: EmbeddingSpec, notes: Notes, log: Path | None = None, *, idle: float = IDLE
    ) -> None:
        super().__init__(spec.name, spec.languages, notes, log, idle=idle)
        self.spec = spec
        self.question_prefix = spec.question_prefix
        self.document_prefix = spec.document_prefix

    @property
    def identity(self) -> str:
        return identity_of(self.spec, [self.spec.path], self._notes)

    @property
    def dimensions(self) -> int:
        return self.spec.dimensions

    @property
    def max_tokens(self) -> int:
        return min(self.spec.max_tokens, MOST_TOKENS)

    def _model(self) -> Message:
        return {
            "path": str(self.spec.path),
            "pooling": self.spec.pooling,
            "max_tokens": self.max_tokens,
            "gpu_layers": self.spec.gpu_layers,
            "threads": choose_threads()[0],
        }

    def _damaged(self, reason: str) -> ModelFileError:
        return damaged(self.name, self.spec.path, reason)

    def _for_people(self, error: ModelFileError | LoadError | EngineMissing) -> EngineError:
        """The backends share their sentences with chat models."""
        if isinstance(error, ModelFileError):
            what = f"The embedding model “{self.name}” cannot be used. {error.what}"
            return ModelFileError(self.spec.path, what, OTHER_MODEL)
        if isinstance(error, EngineMissing):
            return EngineMissing(
                error.what,
                "“python3 start.py doctor” explains how to get it. Until then, choose another "
                "embedding model on the page “Models”.",
            )
        return super()._for_people(error)


class LlamaEmbedder(GgufEmbedder):
    """In llama.cpp."""

    backend = "localchat.engines.embeddings.llama_backend:LlamaEmbeddings"


class Gpt4AllEmbedder(GgufEmbedder):
    """In GPT4All."""

    backend = "localchat.engines.embeddings.gpt4all_backend:Gpt4AllEmbeddings"
