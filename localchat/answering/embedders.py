"""The models that search can use, by the key that the library remembers."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from localchat.core.errors import LocalChatError, ModelFileError
from localchat.core.folder import DataFolder
from localchat.library.embedder import BUILT_IN
from localchat.models.catalogue import entry as catalogue_entry
from localchat.models.gguf import read_gguf

if TYPE_CHECKING:
    from localchat.engines.embeddings.embedder import Embedder
    from localchat.engines.embeddings.spec import EmbeddingSpec, Pooling

MOST_TOKENS = 512
"""Of a text that is compared: chunks are shorter, and a longer window costs memory."""

POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "last": "last"}


class EmbedderShelf:
    """Makes each embedder once and keeps it. Nothing is loaded by that."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._made: dict[str, Embedder] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> Embedder:
        """The embedder that the library knows as ``key``: an id of the catalogue or the path of a
        GGUF file; empty is the built-in one.

        Raises:
            ModelFileError: its files are not here, or damaged.
        """
        from localchat.engines.embeddings.make import make_embedder

        with self._lock:
            if key not in self._made:
                self._made[key] = make_embedder(
                    self.spec(key),
                    log=self._folder.logs / "search-model.log",
                    notes=self._folder.measured.with_name("search-models.json"),
                )
            return self._made[key]

    def spec(self, key: str) -> EmbeddingSpec:
        """What is to be known for loading it.

        Raises:
            ModelFileError: its files are not here, or damaged.
        """
        if key in ("", BUILT_IN):
            return _built_in()
        known = catalogue_entry(key)
        return self._from_catalogue(key) if known else _from_file(Path(key))

    def start(self, key: str) -> None:
        """Begin to load the one known as ``key``, without waiting: a question is about to come.
        What is wrong with it is told when it is used."""
        with suppress(LocalChatError):
            self.get(key).start()

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            for embedder in self._made.values():
                embedder.close()
            self._made.clear()

    def forget(self, key: str) -> None:
        """Close the one known as ``key``, so that its files can be deleted."""
        with self._lock:
            embedder = self._made.pop(key, None)
        if embedder is not None:
            embedder.close()

    def _from_catalogue(self, key: str) -> EmbeddingSpec:
        from localchat.engines.embeddings.spec import EmbeddingSpec

        known = catalogue_entry(key)
        if known is None or known.embedding is None or known.wanted is None:
            return _built_in()
        paths = known.wanted.paths(self._folder.models)
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise ModelFileError(
                missing[0],
                f"The search model “{known.name}” is not on this computer any more.",
                "Fetch it again, or choose another search model, on the page “Models”.",
            )
        facts = known.embedding
        kind = known.engines[0]
        return EmbeddingSpec(
            key=known.id,
            name=known.name,
            kind=kind,
            path=known.wanted.folder(self._folder.models) if kind == "onnx" else paths[0],
            languages=frozenset(known.languages),
            dimensions=facts.dimensions,
            max_tokens=min(facts.max_tokens, MOST_TOKENS),
            pooling=facts.pooling,
            question_prefix=facts.question_prefix,
            document_prefix=facts.document_prefix,
        )


def _built_in() -> EmbeddingSpec:
    from localchat.engines.embeddings.spec import EmbeddingSpec
    from localchat.models.minilm import MAX_TOKENS, NAME, embedder_folder

    return EmbeddingSpec(
        key=BUILT_IN,
        name=NAME,
        kind="built-in",
        path=embedder_folder(),
        languages=frozenset({"en"}),
        dimensions=384,
        max_tokens=MAX_TOKENS,
    )


def _from_file(path: Path) -> EmbeddingSpec:
    """A GGUF file that nobody described: what it says of itself, and no prefixes."""
    from localchat.engines.embeddings.spec import EmbeddingSpec

    facts = read_gguf(path)
    if facts.can_answer or facts.ranks:
        raise ModelFileError(
            path,
            f"{path.name} is no model that makes texts comparable.",
            "Choose another one for search.",
        )
    return EmbeddingSpec(
        key=str(path),
        name=facts.name,
        kind="llama.cpp",
        path=path,
        languages=frozenset(facts.languages) or frozenset({"en"}),
        dimensions=facts.width,
        max_tokens=min(facts.context or MOST_TOKENS, MOST_TOKENS),
        pooling=POOLINGS.get(facts.pooling, "mean"),
    )
