"""The built-in search model in its child process: a graph with its pooling inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localchat.engines.child.wire import Message
from localchat.engines.child.worker import Tell
from localchat.engines.embeddings.built_in_folder import GRAPH, TOKENIZER, damaged, read_verified
from localchat.engines.embeddings.onnx_session import (
    Batches,
    Damaged,
    Ints,
    Tokens,
    open_session,
)
from localchat.engines.embeddings.vectors import Vectors, to_text

SMALL_BATCH = 128
"""Tokens. A model as small as this one gains more from batches side by side, on one thread each,
than from threads within a batch: on two cores 64 texts of 150 tokens took 0.36 s instead of 0.49,
and the best six sentences of a search 8 ms instead of 12. A long text then goes alone; 200 texts of
ten words took 77 ms in batches of this size, 100 in batches of 512, and 176 alone."""


class BuiltInEmbeddings:
    """The folder of the built-in model in onnxruntime. See ``worker.EmbeddingBackend``."""

    def load(self, model: Message, tell: Tell) -> Message:
        folder = Path(model["folder"])
        graph, tokenizer = (
            read_verified(folder, name, model["files"].get(name)) for name in (GRAPH, TOKENIZER)
        )
        try:
            self._session = open_session(graph, 1)
            self._tokens = Tokens(tokenizer)
        except Damaged as error:
            raise damaged(folder, GRAPH) from error
        self._max_tokens = model["max_tokens"]
        self._batches = Batches(SMALL_BATCH, model["threads"])
        return {}

    def count(self, request: Message) -> list[int]:
        return self._tokens.count(request["texts"])

    def embed(self, request: Message, tell: Tell) -> Message:
        beside = request.get("beside", False)
        return {"vectors": to_text(self.vectors(request["texts"], tell.check, beside=beside))}

    def vectors(
        self, texts: list[str], check: Callable[[], None], *, beside: bool = False
    ) -> Vectors:
        """One row for each text, see ``Batches``."""
        rows = [self._tokens.of(text, self._max_tokens) for text in texts]
        return self._batches.embed(rows, self._run, check, beside=beside)

    def _run(self, ids: Ints, mask: Ints) -> Vectors:
        inputs = {"input_ids": ids, "attention_mask": mask}
        vectors: Vectors = self._session.run(["embedding"], inputs)[0]
        return vectors
