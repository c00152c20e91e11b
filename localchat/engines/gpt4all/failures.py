"""Why GPT4All does not run a model, in sentences for people, from what the library says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from localchat.core.errors import EngineError, EngineMissing, LoadError, ModelFileError
from localchat.engines.llama.failures import cause_of

_LLAMA = "Choose llama.cpp in the sidebar, or another model."
_UNKNOWN_TOKENS = re.compile(r"unknown pre-tokenizer type: '([^']*)'")


def why_not_made(path: Path, said: str) -> EngineError:
    """The failure to take a file, with the library's one reason."""
    if "nsupported model architecture" in said:
        kind = said.split(":")[-1].strip(" '\"")
        return ModelFileError(
            path, f"GPT4All cannot load models of the kind “{kind}”; llama.cpp can.", _LLAMA
        )
    if "AVX" in said:
        what = "GPT4All does not run on this processor, which is too old for it (it has no AVX)."
        return EngineMissing(what, "Choose llama.cpp in the sidebar.")
    return LoadError(f"GPT4All could not take {path.name} ({said[:300]}).", _LLAMA)


def why_no_gpu(name: str) -> LoadError:
    """The failure to begin on the GPU."""
    return LoadError(
        f"GPT4All could not start the GPU ({name}).",
        "Choose 0 GPU layers in the sidebar, so that the processor answers.",
        "gpu",
    )


def why_not_loaded(path: Path, said: Sequence[str], gpu_layers: int) -> EngineError:
    """The failure to load a file, after what the library ``said``."""
    words = "\n".join(said)
    if found := _UNKNOWN_TOKENS.search(words):
        return ModelFileError(
            path,
            f"GPT4All cannot load {path.name}: it cuts text into tokens in a way that is newer "
            f"than GPT4All (“{found[1]}”). llama.cpp can.",
            _LLAMA,
        )
    if "not within the file bounds" in words or "failed to read" in words:
        return ModelFileError(
            path,
            f"{path.name} is cut short or damaged: a part of the model is not there.",
            "Download it again.",
        )
    cause = cause_of(said, gpu_layers)
    if cause == "memory" or "failed to init context" in words:
        return LoadError(
            f"There is not enough memory for {path.name}.",
            "Choose a smaller model, a smaller context size, or fewer GPU layers.",
            "memory",
        )
    reason = next((line for line in said if "error" in line.lower()), said[-1] if said else "")
    because = f" ({reason.strip()[:300]})" if reason else ""
    return LoadError(
        f"GPT4All could not load {path.name}{because}.", _LLAMA, "gpu" if gpu_layers else ""
    )


def why_stuck(said: Sequence[str], gpu_layers: int) -> LoadError | None:
    """The failure to go on reading or writing; None where the library ``said`` nothing of it."""
    failed = [line for line in said if "ERROR: Failed" in line]
    if not failed:
        return None
    return LoadError(
        f"GPT4All could not go on ({failed[-1].strip()[:200]}); memory may have run out.",
        "Choose a smaller context size, or a smaller model.",
        cause_of(said, gpu_layers),
    )
