"""A transformer of the Hugging Face hub in its child process: the graph turns tokens into a vector
for each of them; pooling is done here. Graphs that pool by themselves are taken as well. Models
whose weights lie in a file of their own beside the graph are read through its path.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from localchat.engines.child.wire import Message
from localchat.engines.child.worker import Tell
from localchat.engines.embeddings.identity import damaged
from localchat.engines.embeddings.onnx_session import (
    BATCH_TOKENS,
    Batches,
    Damaged,
    Ints,
    Tokens,
    errors_of_onnxruntime,
    open_session,
)
from localchat.engines.embeddings.spec import Pooling
from localchat.engines.embeddings.vectors import NotNumbers, Vectors, normalised, to_text

_DYNAMIC = b"DynamicQuantizeLinear"
"""What an 8-bit graph has that measures each batch anew: there a text's vector depends on the
others in its batch (cosine down to 0.96), so each goes alone."""


class TransformerEmbeddings:
    """One transformer in onnxruntime. See ``worker.EmbeddingBackend``."""

    def load(self, model: Message, tell: Tell) -> Message:
        self._name: str = model["name"]
        self._max_tokens: int = model["max_tokens"]
        self._graph = at = Path(model["graph"])
        tokenizer = Path(model["tokenizer"])
        try:
            session = open_session(self._graph, model["threads"])
            self._transformer = _Transformer.of(session, model["pooling"], model["dimensions"])
            self._batches = Batches(1 if _is_dynamic(self._graph) else BATCH_TOKENS)
            at = tokenizer
            self._tokens = Tokens(tokenizer.read_bytes())
        except (Damaged, OSError, ValueError) as error:
            raise damaged(self._name, at, str(error)) from error
        return {}

    def count(self, request: Message) -> list[int]:
        return self._tokens.count(request["texts"])

    def embed(self, request: Message, tell: Tell) -> Message:
        texts = [request["prefix"] + text for text in request["texts"]]
        # A tokenizer without marks makes nothing of an empty text.
        rows = [self._tokens.of(text, self._max_tokens) or [0] for text in texts]
        beside = request.get("beside", False)
        try:
            found = self._batches.embed(rows, self._transformer.run, tell.check, beside=beside)
        except Damaged as error:
            raise damaged(self._name, self._graph, str(error)) from error
        return {"vectors": to_text(found)}


@dataclass(frozen=True)
class _Transformer:
    session: Any
    pooling: Pooling
    output: str
    inputs: dict[str, str]
    dimensions: int

    @classmethod
    def of(cls, session: Any, pooling: Pooling, dimensions: int) -> _Transformer:
        """
        Raises:
            Damaged: the graph is no transformer that we know how to ask.
        """
        inputs = {one.name: one.type for one in session.get_inputs()}
        known = {"input_ids", "attention_mask", "token_type_ids", "position_ids"}
        if "input_ids" not in inputs or not inputs.keys() <= known:
            raise Damaged(f"it wants {', '.join(sorted(inputs))}")
        outputs = {one.name: one for one in session.get_outputs()}
        usual = ("last_hidden_state", "token_embeddings", "sentence_embedding", "embedding")
        output = next((name for name in usual if name in outputs), next(iter(outputs)))
        width = outputs[output].shape[-1]
        if isinstance(width, int) and width != dimensions:
            raise Damaged(f"its vectors have {width} numbers instead of {dimensions}")
        return cls(session, pooling, output, inputs, dimensions)

    def run(self, ids: Ints, mask: Ints) -> Vectors:
        """
        Raises:
            Damaged: the graph does not do what it should.
        """
        filled = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(ids),
            "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
        }
        kinds = {"tensor(int32)": np.int32}
        given = {
            name: filled[name].astype(kinds.get(kind, np.int64))
            for name, kind in self.inputs.items()
        }
        failures: tuple[type[Exception], ...] = (*errors_of_onnxruntime(), NotNumbers)
        try:
            hidden = self.session.run([self.output], given)[0]
            rows = hidden if hidden.ndim == 2 else pooled(hidden, mask, self.pooling)
            if rows.shape[1] != self.dimensions:
                raise Damaged(f"its vectors have {rows.shape[1]} numbers")
            return normalised(rows)
        except failures as error:
            raise Damaged(str(error) or "it makes no numbers") from error


def pooled(hidden: np.ndarray[Any, Any], mask: Ints, pooling: Pooling) -> Vectors:
    """One row for each text, from the vectors of its tokens where ``mask`` is 1."""
    hidden = hidden.astype(np.float32)
    match pooling:
        case "cls":
            rows = hidden[:, 0]
        case "last":
            rows = hidden[np.arange(len(hidden)), mask.sum(axis=1) - 1]
        case "mean":
            rows = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    return rows.astype(np.float32)


def _is_dynamic(model: Path) -> bool:
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(_DYNAMIC) >= 0
