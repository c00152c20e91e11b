"""The identity of an embedding model: the same wherever its files lie and whatever it is called."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from localchat.core.errors import ModelFileError
from localchat.engines.embeddings.notes import Notes
from localchat.engines.embeddings.spec import EmbeddingSpec

RECIPE = 1
"""Raise it when the way from a text to its vector changes: vectors are then made anew."""
OTHER_MODEL = "Get it again, or choose another one, on the page “Models”."


def identity_of(spec: EmbeddingSpec, files: Sequence[Path], notes: Notes) -> str:
    """The identity of the model in ``files``; the first of them is the one of ``spec.digest``.

    Raises:
        ModelFileError: a file is missing or cannot be read.
    """
    try:
        sizes = [path.stat().st_size for path in files]
        digests = [
            spec.digest.lower() if spec.digest and path == files[0] else notes.sha256(path)
            for path in files
        ]
    except FileNotFoundError as error:
        raise missing(spec.name, Path(error.filename or spec.path)) from error
    except OSError as error:
        raise ModelFileError(
            spec.path,
            f"The embedding model “{spec.name}” cannot be read ({error.strerror or error}).",
            "Make its file readable, or choose another one on the page “Models”.",
        ) from error
    facts = [
        RECIPE,
        [*zip(sizes, digests, strict=True)],
        [spec.pooling, spec.max_tokens, spec.question_prefix, spec.document_prefix],
    ]
    return f"{spec.kind}/{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}"


def missing(name: str, path: Path) -> ModelFileError:
    """What is told where a file of the model ``name`` is not there."""
    return ModelFileError(
        path,
        f"The embedding model “{name}” is missing: there is no {path}.",
        OTHER_MODEL,
    )


def damaged(name: str, path: Path, reason: str = "") -> ModelFileError:
    """What is told where a file of the model ``name`` is there, and is not what it should be."""
    because = f": {reason.strip().splitlines()[0][:200]}" if reason.strip() else ""
    return ModelFileError(
        path,
        f"The embedding model “{name}” cannot be used: {path.name} is damaged, or of a kind "
        f"that LocalChat does not know{because}.",
        OTHER_MODEL,
    )
