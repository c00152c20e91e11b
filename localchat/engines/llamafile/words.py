"""What it means when a llamafile does not start or does not go on, in words for people."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from pathlib import Path

from localchat.core.errors import EngineDied, EngineError, LoadError, ModelFileError
from localchat.engines.child.wire import explain_exit
from localchat.engines.llamafile.plan import says

OR_A_GGUF = "Or choose a model that is a GGUF file."


@dataclass(frozen=True)
class Ended:
    """A llamafile at ``path`` that ended before it could answer. ``refused``: what the system said
    instead of starting it; else its exit ``code`` and last ``words``."""

    path: Path
    system: str
    code: int
    words: tuple[str, ...]
    refused: tuple[int, str] | None = None
    bare: bool = False
    """Whether it was started without separate weights."""

    @property
    def name(self) -> str:
        return self.path.name

    def says(self, pattern: str) -> bool:
        return says(self.words, pattern)


_MEMORY = (
    r"out of memory|cannot allocate|failed to allocate|unable to allocate|not enough memory|"
    r"OutOfDeviceMemory|OutOfHostMemory|bad_alloc|insufficient memory|buffer_type_alloc_buffer"
)
_GPU = r"CUDA error|ggml_metal\w*:? error|vk::|vulkan.*error|hipError|ROCm error"
_NO_MODEL = (
    r"no model (?:specified|path)|missing model|--model is required|models/7B/|"
    r"failed to open .*\.gguf|router mode"
)
_BROKEN = r"failed to load model|error loading model|invalid magic|unknown model architecture"


def explain_failure(ended: Ended) -> EngineError:
    """The same in words for people."""
    if ended.refused:
        return _explain_refusal(ended, *ended.refused)
    if ended.system == "Darwin" and (ended.code == -9 or ended.says(r"errno 1\b|not permitted")):
        return _blocked_by_macos(ended)
    if ended.system == "Darwin" and ended.says(r"xcrun|xcode|\bcc: "):
        return LoadError(
            f"{ended.name} needs Apple's “Command Line Tools” when it is started for the first "
            "time.",
            "Open the program Terminal, type  xcode-select --install  and press Return; when that "
            f"has ended, try again. {OR_A_GGUF}",
        )
    if ended.says(_MEMORY) or ended.code in (-9, 137):
        return LoadError(
            f"There was not enough memory to start {ended.name}.",
            "Choose a smaller context size or a smaller model, or close other programs.",
            "memory",
        )
    if ended.says(_GPU):
        return LoadError(
            f"{ended.name} could not use the GPU{_last_words(ended)}.",
            "Choose 0 layers on the GPU, so that the processor computes alone.",
            "gpu",
        )
    if ended.bare and ended.says(_NO_MODEL):
        return no_model(ended.path)
    if ended.says(_BROKEN):
        return ModelFileError(
            ended.path,
            f"{ended.name} could not load its model{_last_words(ended)}.",
            "Download a newer llamafile of this model, or choose another one.",
        )
    return LoadError(
        f"{ended.name} did not start. {explain_exit(ended.code, list(ended.words)).what}",
        "Try again; if that happens again, download it anew or choose another model.",
    )


def no_model(path: Path) -> EngineError:
    """A llamafile without a model, started alone."""
    return ModelFileError(
        path,
        f"{path.name} is llamafile without a model in it.",
        "Choose a GGUF file together with it, or a llamafile with a model in it.",
    )


def too_slow(name: str, seconds: float) -> EngineError:
    """One that runs but never answers."""
    return LoadError(
        f"{name} was started, but was not ready to answer after {seconds:,.0f} seconds, and was "
        "ended.",
        "Choose a smaller model, or try again when the computer has less to do.",
    )


def open_to_others(name: str) -> EngineError:
    """One that listens on the network, whatever we told it."""
    return LoadError(
        f"{name} would have let other computers of your network ask it, and was ended.",
        "Choose another llamafile, or a GGUF file.",
    )


def stopped_answering(name: str) -> EngineError:
    """One that runs, but broke off in the middle of an answer."""
    return EngineDied(
        f"{name} broke off in the middle of an answer.", "Ask again: it starts afresh."
    )


def _explain_refusal(ended: Ended, number: int, why: str) -> EngineError:
    windows = ended.system == "Windows"
    if windows and number in (225, 226):
        return LoadError(
            f"The virus scanner of this computer did not let {ended.name} start.",
            "If you trust where it comes from, allow it there. " + OR_A_GGUF,
        )
    if windows and number in (5, 1260, 4551):
        return LoadError(
            f"Windows did not let {ended.name} start ({why}).",
            "If you trust where it comes from: right-click the file, choose Properties, tick "
            "“Unblock” and try again. " + OR_A_GGUF,
        )
    if windows and number in (193, 216):
        return ModelFileError(
            ended.path,
            f"{ended.name} is no program that Windows can start ({why}).",
            "It may have been downloaded only in part: download it again.",
        )
    if ended.system == "Darwin" and number == errno.EPERM:
        return _blocked_by_macos(ended)
    if number in (errno.EACCES, errno.EPERM) and not windows:
        return LoadError(
            f"This computer does not let {ended.name} run ({why}).",
            "Move it to a folder of your own on this computer's own disk and choose it there.",
        )
    if number == errno.ETXTBSY and not windows:
        return LoadError(
            f"{ended.name} is still being written.", "Try again when the download has ended."
        )
    if number == errno.ENOMEM and not windows:
        return LoadError(
            f"There was not enough memory to start {ended.name}.", "Close other programs.", "memory"
        )
    return LoadError(f"{ended.name} could not be started ({why}).", OR_A_GGUF)


def _blocked_by_macos(ended: Ended) -> EngineError:
    return LoadError(
        f"macOS did not let {ended.name} start, because it does not know who made it.",
        "If you trust where it comes from: open System Settings, “Privacy & Security”, scroll "
        "down, press “Open Anyway” beside its name, and try again. " + OR_A_GGUF,
    )


def _last_words(ended: Ended) -> str:
    telling = [line for line in ended.words if re.search(r"error|fail", line, re.IGNORECASE)]
    said = [line.strip() for line in telling or ended.words if line.strip()][-1:]
    return f" ({said[0][:200]})" if said else ""
