"""The built-in search model in its child process: a graph with its pooling inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localchat.engines.child.wire import Message
from localchat.engines.child.worker import Tell
from localchat.engines.embeddings.built_in_folder import GRAPH, TOKENIZER, damaged, read_verified
from localchat.engines.embeddings.onnx_session import (
    Damaged,
    Ints,
    Tokens,
    embed_in_batches,
    open_session,
)
from localchat.engines.embeddings.vectors import Vectors, to_text


class BuiltInEmbeddings:
    """The folder of the built-in model in onnxruntime. See ``worker.EmbeddingBackend``."""

    def load(self, model: Message, tell: Tell) -> Message:
        folder = Path(model["folder"])
        graph, tokenizer = (
            read_verified(folder, name, model["files"].get(name)) for name in (GRAPH, TOKENIZER)
        )
        try:
            self._session = open_session(graph, model["threads"])
            self._tokens = Tokens(tokenizer)
        except Damaged as error:
            raise damaged(folder, GRAPH) from error
        self._max_tokens = model["max_tokens"]
        return {}

    def count(self, request: Message) -> list[int]:
        return self._tokens.count(request["texts"])

    def embed(self, request: Message, tell: Tell) -> Message:
        return {"vectors": to_text(self.vectors(request["texts"], tell.check))}

    def vectors(self, texts: list[str], check: Callable[[], None]) -> Vectors:
        """One row for each text; ``check`` is called before each batch, and may raise."""
        rows = [self._tokens.of(text, self._max_tokens) for text in texts]
        return embed_in_batches(rows, self._run, check)

    def _run(self, ids: Ints, mask: Ints) -> Vectors:
        inputs = {"input_ids": ids, "attention_mask": mask}
        vectors: Vectors = self._session.run(["embedding"], inputs)[0]
        return vectors
