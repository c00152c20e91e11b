"""llama.cpp in the child process of an embedding model."""

from __future__ import annotations

from pathlib import Path

from localchat.core.errors import LoadError
from localchat.engines.child.wire import Message
from localchat.engines.child.worker import Tell
from localchat.engines.embeddings.llama_model import LlamaEmbeddingModel
from localchat.engines.embeddings.vectors import to_text
from localchat.engines.llama.failures import check_file


class LlamaEmbeddings:
    """One GGUF in llama.cpp. See ``worker.EmbeddingBackend``."""

    def __init__(self) -> None:
        self._tell: Tell | None = None

    def load(self, model: Message, tell: Tell) -> Message:
        path = Path(model["path"])
        check_file(path)
        self._model = loaded = LlamaEmbeddingModel(self._should_stop)
        loaded.open_file(path, model["gpu_layers"], tell.loading)
        loaded.make_room(model["pooling"], model["max_tokens"], model["threads"])
        return {"dimensions": loaded.dimensions, "max_tokens": loaded.max_tokens}

    def count(self, request: Message) -> list[int]:
        return [self._model.count(text) for text in request["texts"]]

    def _should_stop(self) -> bool:
        return self._tell is not None and self._tell.step()

    def embed(self, request: Message, tell: Tell) -> Message:
        self._tell = tell
        prefix = request["prefix"]
        rows = [self._model.tokens(prefix + text) for text in request["texts"]]
        try:
            return {"vectors": to_text(self._model.embed(rows))}
        except LoadError:
            tell.check()  # stopped in the middle
            raise
