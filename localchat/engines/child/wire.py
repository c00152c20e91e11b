"""What the app and the child that runs a model say to each other: one JSON object per line.

Down: ``{"id", "op", "model", …}`` asks, ``{"id", "op": "cancel"}`` takes it back; what says
``"beside": true`` is done at once, while another request runs.
Up: ``{"id", "event", …}`` with the events ``started``, ``phase`` (the fields of ``base.Phase``),
``trying`` (the ``settings`` that a load is tried with), ``loaded`` (its ``info``), ``text``,
``thought``, and at the end ``done`` or ``error`` (``fatal`` where the child ends with it); and
``{"event": "alive"}`` where there is nothing to say but the work goes on.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from localchat.core.errors import (
    EngineDied,
    EngineError,
    EngineMissing,
    LoadError,
    ModelFileError,
    PromptTooLong,
)

Message = dict[str, Any]

_PLAIN: dict[str, type[EngineError]] = {
    kind.__name__: kind for kind in (EngineError, EngineMissing)
}
_NTSTATUS = {
    0xC0000005: "it touched memory that is not its own",
    0xC000001D: "it uses an instruction that this processor does not have",
    0xC0000409: "it found itself damaged",
}


def to_line(message: Message) -> bytes:
    """``message`` as one line of ASCII."""
    return json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def error_to_message(error: EngineError) -> Message:
    """What ``message_to_error`` needs to build ``error`` again on the other side."""
    kind = type(error).__name__
    if isinstance(error, PromptTooLong):
        return {"kind": kind, "tokens": error.tokens, "limit": error.limit}
    message: Message = {"kind": kind, "what": error.what, "next_step": error.next_step}
    if isinstance(error, ModelFileError):
        message["path"] = str(error.path)
    if isinstance(error, LoadError):
        message["cause"] = error.cause
    return message


def message_to_error(message: Message) -> EngineError:
    """The error that the child raised."""
    kind = message["kind"]
    if kind == "PromptTooLong":
        return PromptTooLong(message["tokens"], message["limit"])
    if kind == "ModelFileError":
        return ModelFileError(Path(message["path"]), message["what"], message["next_step"])
    if kind == "LoadError":
        return LoadError(message["what"], message["next_step"], message["cause"])
    return _PLAIN.get(kind, EngineError)(message["what"], message["next_step"])


def explain_exit(code: int, last_words: list[str]) -> EngineDied:
    """A child that ended by itself with ``code``, in a sentence for people."""
    reason = f"exit code {code}"
    next_step = "Ask again: it starts afresh."
    if code & 0xFFFFFFFF in _NTSTATUS:  # on Windows
        reason = f"{_NTSTATUS[code & 0xFFFFFFFF]} (exit code {code & 0xFFFFFFFF:#x})"
    elif code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        reason = {
            "SIGKILL": "killed (SIGKILL), most often because memory ran out",
            "SIGSEGV": "crashed (SIGSEGV)",
            "SIGABRT": "gave up (SIGABRT)",
            "SIGILL": "it uses an instruction that this processor does not have (SIGILL)",
        }.get(name, f"ended by {name}")
    if "SIGKILL" in reason:
        next_step += " If that happens again, choose a smaller model or a smaller context size."
    elif said := [line for line in last_words if line.strip()][-1:]:
        reason += f"; its last words: {said[0].strip()[:200]}"
    return EngineDied(
        f"The program that runs the model stopped unexpectedly ({reason}).", next_step, code
    )


def explain_silence(seconds: float) -> EngineDied:
    """A child that we ended because it had said nothing for ``seconds``."""
    return EngineDied(
        f"The program that runs the model did not move for {seconds:g} seconds and was ended.",
        "Ask again: it starts afresh.",
    )
