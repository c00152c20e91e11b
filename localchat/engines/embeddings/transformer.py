"""An embedding model as the Hugging Face hub has it for ONNX: a transformer, and its tokenizer.

onnxruntime runs it in a child process (see ``transformer_backend``).
"""

from __future__ import annotations

from pathlib import Path

from localchat.core.errors import ModelFileError
from localchat.engines.child.wire import Message
from localchat.engines.embeddings.batches import choose_threads
from localchat.engines.embeddings.child_embedder import ONNX_PIECE, ChildEmbedder
from localchat.engines.embeddings.identity import damaged, identity_of, missing
from localchat.engines.embeddings.idle import IDLE
from localchat.engines.embeddings.notes import Notes
from localchat.engines.embeddings.spec import EmbeddingSpec


class TransformerEmbedder(ChildEmbedder):
    """A transformer in the folder ``spec.path``."""

    backend = "localchat.engines.embeddings.transformer_backend:TransformerEmbeddings"
    piece = ONNX_PIECE
    runs_beside = True

    def __init__(
        self, spec: EmbeddingSpec, notes: Notes, log: Path | None = None, *, idle: float = IDLE
    ) -> None:
        super().__init__(spec.name, spec.languages, notes, log, idle=idle)
        self.spec = spec
        self.question_prefix = spec.question_prefix
        self.document_prefix = spec.document_prefix

    @property
    def identity(self) -> str:
        model, tokenizer = self._files()
        # ``model.onnx_data`` or ``model.onnx.data``: the weights of a graph that has them outside.
        weights = sorted(path for path in model.parent.glob(f"{model.name}?*") if path.is_file())
        return identity_of(self.spec, [model, tokenizer, *weights], self._notes)

    @property
    def dimensions(self) -> int:
        return self.spec.dimensions

    @property
    def max_tokens(self) -> int:
        return self.spec.max_tokens

    def _files(self) -> tuple[Path, Path]:
        """The graph and the tokenizer.

        Raises:
            ModelFileError: they are not there.
        """
        folders = [self.spec.path, self.spec.path / "onnx"]
        graph, tokenizer = (
            next((folder / name for folder in folders if (folder / name).is_file()), None)
            for name in ("model.onnx", "tokenizer.json")
        )
        if graph is None:  # the only one may have a name of its own
            others = [path for folder in folders for path in folder.glob("*.onnx")]
            graph = others[0] if len(others) == 1 else None
        if graph is None or tokenizer is None:
            name = "tokenizer.json" if graph else "model.onnx"
            raise missing(self.spec.name, self.spec.path / name)
        return graph, tokenizer

    def _model(self) -> Message:
        graph, tokenizer = self._files()
        return {
            "name": self.name,
            "graph": str(graph),
            "tokenizer": str(tokenizer),
            "pooling": self.spec.pooling,
            "dimensions": self.dimensions,
            "max_tokens": self.max_tokens,
            "threads": choose_threads()[0],
        }

    def _damaged(self, reason: str) -> ModelFileError:
        return damaged(self.name, self._files()[0], reason)
