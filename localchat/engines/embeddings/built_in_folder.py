"""The folder of the built-in search model, made when LocalChat is set up: ``manifest.json``,
``model.onnx`` and ``tokenizer.json``. Knows what is in it, not how it was made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from localchat.core.errors import ModelFileError

GRAPH = "model.onnx"
TOKENIZER = "tokenizer.json"
_MANIFEST = "manifest.json"
_NEXT_STEP = "Run `python3 start.py` again: it builds it anew."


@dataclass(frozen=True)
class Manifest:
    """What the folder holds; ``files`` has the SHA-256 of each file."""

    identity: str
    dimensions: int
    max_tokens: int
    files: dict[str, str]


def read_manifest(folder: Path) -> Manifest:
    """
    Raises:
        ModelFileError: it is missing or damaged.
    """
    try:
        found = json.loads((folder / _MANIFEST).read_bytes())
        return Manifest(
            str(found["identity"]),
            int(found["dimensions"]),
            int(found["max_tokens"]),
            dict(found["files"]),
        )
    except FileNotFoundError as error:
        raise _missing(folder) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise damaged(folder, _MANIFEST) from error


def read_verified(folder: Path, name: str, sha256: str | None) -> bytes:
    """The content of a file that is what it was when the folder was made.

    Raises:
        ModelFileError: it is missing or damaged.
    """
    try:
        content = (folder / name).read_bytes()
    except FileNotFoundError as error:
        raise _missing(folder) from error
    except OSError as error:
        raise damaged(folder, name) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise damaged(folder, name)
    return content


def damaged(folder: Path, name: str) -> ModelFileError:
    """What is told where the file ``name`` is there, and is not what it should be."""
    what = f"The search model is damaged ({folder / name})."
    return ModelFileError(folder / name, what, _NEXT_STEP)


def _missing(folder: Path) -> ModelFileError:
    return ModelFileError(folder, f"The search model is missing from {folder}.", _NEXT_STEP)
