"""onnxruntime and a tokenizer, as both kinds of ONNX models use them in their child processes.

Texts are sorted by length and go in batches of about 512 tokens: every text of a batch costs as
much as its longest one, and larger batches are slower (they leave the processor's cache).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localchat.core.errors import EngineMissing
from localchat.engines.embeddings.batches import batches
from localchat.engines.embeddings.texts import beginning
from localchat.engines.embeddings.vectors import Vectors

BATCH_TOKENS = 512
APART = 16
"""Tokens that a text may be shorter than the longest of its batch: to fill up more takes longer
than another run of the graph. The best six sentences of a search took 23 ms in one batch, and take
15 so; of a library that is indexed, where many texts are about as long, the time is the same."""
COUNTED_AT_ONCE = 1_000
"""Texts whose tokens are counted at once: the tokenizer keeps some hundred bytes for each token."""

Ints = NDArray[np.int64]


class Damaged(Exception):  # a caller knows which file it is and what to do about it
    """The bytes are not a model, or not a tokenizer, that can be used here."""


def open_session(model: bytes | Path, threads: int) -> Any:
    """An ``InferenceSession`` on the processor.

    Raises:
        EngineMissing: onnxruntime cannot be loaded here.
        Damaged: it is no model that onnxruntime can run.
    """
    runtime = _imported("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait by spinning would take the cores from a chat model that is running.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = str(model) if isinstance(model, Path) else model
    try:
        return runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except errors_of_onnxruntime() as error:
        raise Damaged(str(error)) from error


def errors_of_onnxruntime() -> tuple[type[Exception], ...]:
    """All that it raises: its errors have no base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = [one for one in vars(state).values() if isinstance(one, type)]
    return tuple(one for one in found if issubclass(one, Exception))


class Tokens:
    """Texts to numbers of tokens, with the marks that the model wants round a text."""

    def __init__(self, content: bytes) -> None:
        """
        Raises:
            EngineMissing: the package ``tokenizers`` cannot be loaded here.
            Damaged: ``content`` is no tokenizer.json.
        """
        try:
            self.tokenizer = _imported("tokenizers").Tokenizer.from_str(content.decode("utf-8"))
        except EngineMissing:
            raise
        except Exception as error:  # it raises nothing more precise
            raise Damaged(str(error)) from error
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def of(self, text: str, limit: int) -> list[int]:
        """The tokens of ``text``; of more than ``limit`` the first, and the mark at the end."""
        encoded = self.tokenizer.encode(beginning(text))
        ids: list[int] = encoded.ids
        if len(ids) <= limit:
            return ids
        return [*ids[: limit - 1], ids[-1]] if encoded.special_tokens_mask[-1] else ids[:limit]

    def count(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, without the marks."""
        counts: list[int] = []
        for start in range(0, len(texts), COUNTED_AT_ONCE):
            some = [beginning(text) for text in texts[start : start + COUNTED_AT_ONCE]]
            encoded = self.tokenizer.encode_batch_fast(some, add_special_tokens=False)
            counts += map(len, encoded)
        return counts


def padded(rows: Sequence[list[int]]) -> tuple[Ints, Ints]:
    """The tokens of a batch and its mask: shorter rows are filled up, and the mask says so."""
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    return ids, mask


class Batches:
    """Embeds batch by batch; while few texts are embedded beside many, the many wait after the
    batches that they are at."""

    def __init__(self, size: int = BATCH_TOKENS, at_once: int = 1) -> None:
        """
        Args:
            size: Tokens of a batch, filled up.
            at_once: How many batches run side by side.
        """
        self._size = size
        self._many = ThreadPoolExecutor(at_once, "many")
        self._beside = ThreadPoolExecutor(at_once, "few")
        self._few = threading.Lock()

    def embed(
        self,
        rows: Sequence[list[int]],
        run: Callable[[Ints, Ints], Vectors],
        check: Callable[[], None],
        *,
        beside: bool = False,
    ) -> Vectors:
        """What ``run`` makes of ``rows`` of tokens, at least one, in their order.

        Args:
            check: Called before each batch, by any thread; what it raises ends the work.
            beside: These are the few.
        """
        if beside:
            with self._few:
                return self._embed(self._beside, rows, run, check)

        def check_and_give_way() -> None:
            check()
            with self._few:
                pass

        return self._embed(self._many, rows, run, check_and_give_way)

    def _embed(
        self,
        threads: ThreadPoolExecutor,
        rows: Sequence[list[int]],
        run: Callable[[Ints, Ints], Vectors],
        check: Callable[[], None],
    ) -> Vectors:
        def embedded(batch: list[int]) -> Vectors:
            check()
            return run(*padded([rows[number] for number in batch]))

        order = list(batches([len(row) for row in rows], self._size, APART))
        parts = list(threads.map(embedded, order))
        vectors = np.empty((len(rows), parts[0].shape[1]), np.float32)
        vectors[np.concatenate(order)] = np.concatenate(parts)
        return vectors


def _imported(package: str) -> Any:
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise EngineMissing(
            f"The search model cannot run here: {error}.",
            "Run `python3 start.py` again; on Windows, install the Microsoft Visual C++ runtime.",
        ) from error
