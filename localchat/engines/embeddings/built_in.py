"""The built-in search model (see ``built_in_folder``); onnxruntime runs it in a child process."""

from __future__ import annotations

from pathlib import Path

from localchat.core.errors import ModelFileError
from localchat.engines.child.wire import Message
from localchat.engines.embeddings.batches import choose_threads
from localchat.engines.embeddings.built_in_folder import GRAPH, Manifest, damaged, read_manifest
from localchat.engines.embeddings.child_embedder import ONNX_PIECE, ChildEmbedder
from localchat.engines.embeddings.notes import Notes

ENGLISH = frozenset({"en"})
BUILT_IN_IDLE = 3_600.0
"""Seconds until its memory is given back: with about 100 MB it is small, and it is what most people
search with; who reads an answer for half an hour should find it ready."""


class BuiltInEmbedder(ChildEmbedder):
    """An embedder over ``folder``; ``threads`` None chooses (``choose_threads``)."""

    backend = "localchat.engines.embeddings.built_in_backend:BuiltInEmbeddings"
    piece = ONNX_PIECE
    runs_beside = True

    def __init__(
        self,
        folder: Path,
        threads: int | None = None,
        *,
        name: str = "all-MiniLM-L6-v2",
        languages: frozenset[str] = ENGLISH,
        notes: Notes | None = None,
        log: Path | None = None,
        idle: float = BUILT_IN_IDLE,
    ) -> None:
        super().__init__(name, languages, notes or Notes(), log, idle=idle)
        self.folder = folder
        self.threads = threads if threads is not None else choose_threads()[0]
        self._read: Manifest | None = None

    @property
    def identity(self) -> str:
        return self._manifest.identity

    @property
    def dimensions(self) -> int:
        return self._manifest.dimensions

    @property
    def max_tokens(self) -> int:
        return self._manifest.max_tokens

    def close(self) -> None:
        super().close()
        self._read = None

    @property
    def _manifest(self) -> Manifest:
        manifest = self._read = self._read or read_manifest(self.folder)
        return manifest

    def _model(self) -> Message:
        return {
            "folder": str(self.folder),
            "files": self._manifest.files,
            "max_tokens": self.max_tokens,
            "threads": self.threads,
        }

    def _damaged(self, reason: str) -> ModelFileError:
        return damaged(self.folder, GRAPH)
