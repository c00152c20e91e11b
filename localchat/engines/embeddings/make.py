"""The one place that knows which kind of embedding model is which class."""

from __future__ import annotations

from pathlib import Path

from localchat.engines.embeddings.embedder import Embedder
from localchat.engines.embeddings.notes import Notes
from localchat.engines.embeddings.spec import EmbeddingSpec


def make_embedder(
    spec: EmbeddingSpec, *, log: Path | None = None, notes: Path | None = None
) -> Embedder:
    """The embedder for ``spec``. Nothing is read or started by this.

    Args:
        spec: The model.
        log: Where the messages of a child process go.
        notes: A JSON file that keeps what was found out about model files (their SHA-256, and
            ``Embedder.unrelated``); none: it is found out again in each process.
    """
    kept = Notes(notes)
    match spec.kind:
        case "built-in":
            from localchat.engines.embeddings.built_in import BuiltInEmbedder

            return BuiltInEmbedder(
                spec.path, name=spec.name, languages=spec.languages, notes=kept, log=log
            )
        case "onnx":
            from localchat.engines.embeddings.transformer import TransformerEmbedder

            return TransformerEmbedder(spec, kept, log)
        case "llama.cpp":
            from localchat.engines.embeddings.gguf import LlamaEmbedder

            return LlamaEmbedder(spec, kept, log)
        case "gpt4all":
            from localchat.engines.embeddings.gguf import Gpt4AllEmbedder

            return Gpt4AllEmbedder(spec, kept, log)
