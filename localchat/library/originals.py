"""The bytes as they were fetched or dropped, kept as files named by their sha256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from uuid import uuid4

from localchat.core.folder import storage_errors


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Originals:
    """A folder of files that never change."""

    def __init__(self, folder: Path, is_used: Callable[[str], bool]) -> None:
        self._folder = folder
        self._is_used = is_used

    def keep(self, content: bytes, name: str) -> str:
        """Keep ``content``; returns its name in the folder. The same bytes are kept once.

        Raises:
            DiskFull, FolderNotWritable: nothing was kept.
        """
        ending = PurePosixPath(name).suffix.lower()[:10]
        kept = digest(content) + (ending if ending[1:].isalnum() else "")
        path = self._folder / kept
        if not path.exists():
            with storage_errors(self._folder):
                # Two tabs may keep the same bytes at once: each writes a half of its own.
                half = self._folder / f"{uuid4().hex}.half"
                try:
                    half.write_bytes(content)
                    half.replace(path)
                finally:
                    half.unlink(missing_ok=True)
        return kept

    def read(self, name: str) -> bytes:
        """The bytes of ``name``.

        Raises:
            FileNotFoundError: somebody deleted it.
        """
        return (self._folder / name).read_bytes()

    def forget_unused(self, name: str) -> None:
        """Delete ``name`` where no source has it; nothing happens where it is not there."""
        if not self._is_used(name):
            (self._folder / name).unlink(missing_ok=True)
