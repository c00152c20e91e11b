"""Texts to vectors with the search model, through onnxruntime on the processor.

Knows a folder (``manifest.json``, ``model.onnx``, ``tokenizer.json``), not how it was made. Nothing
is read before the first use. Any thread may call anything at any time.

Texts are sorted by length and go in batches of about 512 tokens: every text of a batch costs as
much as its longest one, and larger batches are slower (they leave the processor's cache).
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from localchat.core.errors import EngineMissing, ModelFileError

BATCH_TOKENS = 512
MOST_THREADS = 4
LONGEST_TEXT = 50_000
"""Characters of a text that are looked at: far more than ``max_tokens`` ever needs."""


class OnnxEmbeddings(Embeddings):
    """An embedder over ``folder``; ``threads`` None chooses (``choose_threads``)."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self.folder = folder
        self.threads = threads if threads is not None else choose_threads()[0]
        self._lock = threading.Lock()
        self._manifest: dict[str, Any] | None = None
        self._loaded: _Loaded | None = None

    @property
    def identity(self) -> str:
        """Changes whenever the vectors may: vectors of two identities are never compared."""
        return str(self._read_manifest()["identity"])

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of the languages whose meaning it knows."""
        return frozenset({"en"})

    @property
    def dimensions(self) -> int:
        return int(self._read_manifest()["dimensions"])

    @property
    def max_tokens(self) -> int:
        """What comes after so many tokens of a text is not looked at."""
        return int(self._read_manifest()["max_tokens"])

    def embed(
        self, texts: Sequence[str], *, on_batch: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """One row of length 1 for each text, in their order.

        ``on_batch`` hears after each batch how many texts are done; what it raises ends the work.

        Raises:
            ModelFileError: the search model is missing or damaged.
            EngineMissing: onnxruntime cannot be loaded here.
        """
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        if not texts:
            return vectors
        loaded = self._load()
        encoded = [self._ids(loaded, text) for text in texts]
        done = 0
        for batch in _batches([len(ids) for ids in encoded]):
            vectors[batch] = loaded.run([encoded[number] for number in batch])
            done += len(batch)
            if on_batch is not None:
                on_batch(done)
        return vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """LangChain's form of ``embed``."""
        rows: list[list[float]] = self.embed(texts).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """LangChain's form of ``embed`` for one text."""
        return self.embed_documents([text])[0]

    def count_tokens(self, text: str) -> int:
        """How many tokens ``text`` has, with the two marks round it, as ``max_tokens`` counts."""
        return len(self._load().tokenizer.encode(text).ids)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each token begins and ends in ``text``, in characters, without the two marks."""
        encoded = self._load().tokenizer.encode(text, add_special_tokens=False)
        offsets: list[tuple[int, int]] = encoded.offsets
        return offsets

    def _ids(self, loaded: _Loaded, text: str) -> list[int]:
        ids: list[int] = loaded.tokenizer.encode(text[:LONGEST_TEXT]).ids
        limit = self.max_tokens
        return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]

    def _read_manifest(self) -> dict[str, Any]:
        if self._manifest is None:
            try:
                manifest = json.loads((self.folder / "manifest.json").read_bytes())
                for key in ("identity", "dimensions", "max_tokens", "files"):
                    manifest[key]
            except FileNotFoundError as error:
                raise self._missing() from error
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise self._damaged("manifest.json") from error
            self._manifest = manifest
        return self._manifest

    def _load(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                model, tokenizer = (
                    self._verified(name) for name in ("model.onnx", "tokenizer.json")
                )
                self._loaded = _loaded(model, tokenizer, self.threads)
            return self._loaded

    def _verified(self, name: str) -> bytes:
        expected = self._read_manifest()["files"].get(name)
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError as error:
            raise self._missing() from error
        except OSError as error:
            raise self._damaged(name) from error
        if hashlib.sha256(content).hexdigest() != expected:
            raise self._damaged(name)
        return content

    def _missing(self) -> ModelFileError:
        return ModelFileError(
            self.folder,
            f"The search model is missing from {self.folder}.",
            "Run `python3 start.py` again: it builds it anew.",
        )

    def _damaged(self, name: str) -> ModelFileError:
        return ModelFileError(
            self.folder / name,
            f"The search model is damaged ({self.folder / name}).",
            "Run `python3 start.py` again: it builds it anew.",
        )


@dataclass(frozen=True)
class _Loaded:
    session: Any
    tokenizer: Any

    def run(self, rows: Sequence[list[int]]) -> NDArray[np.float32]:
        """The vectors of one batch; shorter rows are filled up, and the mask says so."""
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        vectors: NDArray[np.float32] = self.session.run(["embedding"], inputs)[0]
        return vectors


def choose_threads() -> tuple[int, str]:
    """How many threads to embed with, and why."""
    usable = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    cores = max(min(usable, 2), usable // 2)
    if cores > MOST_THREADS:
        return MOST_THREADS, f"{MOST_THREADS} threads: more hardly help, and the chat needs some"
    return cores, f"{cores} threads: this computer has about {cores} cores"


def _loaded(model: bytes, tokenizer: bytes, threads: int) -> _Loaded:
    try:
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError as error:
        raise EngineMissing(
            f"The search model cannot run here: {error}.",
            "Run `python3 start.py` again; on Windows, install the Microsoft Visual C++ runtime.",
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait by spinning would take the cores from a chat model that is running.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    words = Tokenizer.from_str(tokenizer.decode("utf-8"))
    words.no_padding()
    words.no_truncation()
    return _Loaded(session, words)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of texts of about the same length, longest first: so time left is not told short."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
