"""One small embedding model of each kind, for the tests: what is written once per test process."""

from __future__ import annotations

import atexit
import importlib.util
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest

from localchat.engines.embeddings.built_in import BuiltInEmbedder
from localchat.engines.embeddings.child_embedder import ChildEmbedder
from localchat.engines.embeddings.embedder import Embedder
from localchat.engines.embeddings.gguf import Gpt4AllEmbedder, LlamaEmbedder
from localchat.engines.embeddings.make import make_embedder
from localchat.engines.embeddings.notes import Notes
from localchat.engines.embeddings.spec import EmbeddingSpec, Kind, Pooling
from localchat.engines.embeddings.transformer import TransformerEmbedder
from localchat.models.minilm import embedder_folder
from tests.tiny_bert import TinyBert
from tests.tiny_bert_gguf import write_bert_gguf, write_decoder_gguf
from tests.tiny_onnx import write_tiny_onnx

BERT = TinyBert()
ENGLISH = frozenset({"en"})


def _needs(package: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


_needs_search_model = pytest.mark.skipif(
    not (embedder_folder() / "manifest.json").exists(),
    reason="the search model is not built here: run start.py",
)

ALL = [
    pytest.param("built-in", marks=_needs_search_model),
    "onnx",
    pytest.param("llama.cpp encoder", marks=_needs("llama_cpp")),
    pytest.param("llama.cpp decoder", marks=_needs("llama_cpp")),
    pytest.param("gpt4all", marks=_needs("gpt4all")),
]
"""Names of specs, see ``spec_of``."""
CHOSEN = ALL[1:]
"""Those that a person can choose: with prefixes, in files that may be anywhere."""
GGUF = ALL[2:]


@dataclass(frozen=True)
class Files:
    onnx: Path
    encoder: Path
    decoder: Path


@cache
def files() -> Files:
    folder = Path(mkdtemp(prefix="embedders-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Files(
        onnx=write_tiny_onnx(folder / "onnx", BERT),
        encoder=write_bert_gguf(folder / "encoder.gguf", BERT),
        decoder=write_decoder_gguf(folder / "decoder.gguf"),
    )


def spec_of(which: str, /, **changes: object) -> EmbeddingSpec:
    """The spec of a small model; ``changes`` are to fields of it."""
    kind: Kind
    pooling: Pooling = "mean"
    dimensions, tokens = BERT.width, BERT.positions
    match which:
        case "built-in":
            kind, path, dimensions, tokens = "built-in", embedder_folder(), 384, 256
        case "onnx":
            kind, path = "onnx", files().onnx
        case "llama.cpp encoder":
            kind, path = "llama.cpp", files().encoder
        case "llama.cpp decoder":
            kind, path, pooling, tokens = "llama.cpp", files().decoder, "last", 1_024
        case _:
            kind, path = "gpt4all", files().encoder
    spec = EmbeddingSpec(which, "Tiny", kind, path, ENGLISH, dimensions, tokens, pooling)
    return replace(spec, **changes)  # type: ignore[arg-type]


def embedder_of(which: str, /, **changes: object) -> Embedder:
    return make_embedder(spec_of(which, **changes))


def idle_embedder_of(
    which: str, /, *, idle: float = 300, log: Path | None = None, **changes: object
) -> ChildEmbedder:
    """As ``embedder_of``; gives its memory back after ``idle`` seconds."""
    spec = spec_of(which, **changes)
    match spec.kind:
        case "built-in":
            return BuiltInEmbedder(spec.path, idle=idle, log=log)
        case "onnx":
            return TransformerEmbedder(spec, Notes(), log, idle=idle)
        case "llama.cpp":
            return LlamaEmbedder(spec, Notes(), log, idle=idle)
        case "gpt4all":
            return Gpt4AllEmbedder(spec, Notes(), log, idle=idle)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left * right).sum(axis=1)
