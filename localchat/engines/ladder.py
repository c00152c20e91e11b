"""The ladder: when a model does not load, the next safer setting, and why.

Fewer layers on the GPU, then none, then a smaller context window. What stands below the last rung
is a smaller model, and that is for the person to choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from localchat.core.errors import EngineDied, EngineError, LoadError
from localchat.engines.choices import SMALLEST_CONTEXT

Trouble = Literal["memory", "gpu"]
FEW_LAYERS = 4
_OUT_OF_MEMORY = (-9, 137)  # how Linux ends a process that took too much
_GAVE_UP = (-6, -11, 134, 139, 0xC0000005, 0xC0000409)


@dataclass(frozen=True)
class Tried:
    """What a load was tried with; ``layers`` are all that the model has, 0 where nobody knows."""

    gpu_layers: int = 0
    layers: int = 0
    context: int = 0


@dataclass(frozen=True)
class Rung:
    """Safer settings than those that failed, and why they are taken, for people."""

    gpu_layers: int
    context: int
    reason: str

    @property
    def changes(self) -> dict[str, int]:
        """As fields of the settings; no context means that it stays as it is."""
        context = {"context_tokens": self.context} if self.context else {}
        return {"gpu_layers": self.gpu_layers, **context}


def trouble_of(error: EngineError, tried: Tried) -> Trouble | None:
    """Whether safer settings may help against ``error``; None where they cannot."""
    if isinstance(error, LoadError):
        return error.cause or None
    if not isinstance(error, EngineDied) or error.code is None:
        return None
    if error.code in _OUT_OF_MEMORY:
        return "memory"
    if error.code & 0xFFFFFFFF in {code & 0xFFFFFFFF for code in _GAVE_UP}:
        return "gpu" if tried.gpu_layers else "memory"
    return None


def next_rung(tried: Tried, trouble: Trouble) -> Rung | None:
    """The next safer setting after ``tried``; None on the last rung."""
    if tried.gpu_layers:
        what = "the GPU could not run it" if trouble == "gpu" else "memory ran out"
        fewer = tried.gpu_layers // 2
        if trouble == "gpu" or fewer < FEW_LAYERS:
            return Rung(0, tried.context, f"{what}: now on the processor alone")
        return Rung(fewer, tried.context, f"{what}: now with {fewer} layers on the GPU")
    if trouble == "memory" and tried.context > SMALLEST_CONTEXT:
        smaller = max(tried.context // 2, SMALLEST_CONTEXT)
        return Rung(0, smaller, f"memory ran out: now with a context of {smaller:,} tokens")
    return None
