"""How to let llama.cpp use the graphics card of this computer, in words for a neighbour.

The window shows this beside "this llama.cpp was built without GPU support". What the command that
is named here does is told in the folder ``starting``.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from localchat.models.computer import LlamaBuild, llama_build

NVIDIA = "0x10de"
NOT_REAL = {"0x1af4", "0x15ad", "0x1414", "0x80ee", "0x1b36", "0x1234"}
"""Makers of the pretended cards in virtual machines, as PCI numbers them."""

_WORDS = {"cuda": "NVIDIA card", "vulkan": "graphics card", "metal": "graphics processor"}


def gpu_advice(
    system: str,
    machine: str,
    build: LlamaBuild,
    nvidia: bool,
    setup: Mapping[str, Any],
    card: bool | None = None,
) -> str:
    """One to four sentences of plain text; empty where ``build`` uses a GPU or does not run at all.

    Args:
        system: as from ``platform.system()``: "Linux", "Darwin", "Windows".
        machine: as from ``platform.machine()``: "arm64" is Apple silicon on a Mac.
        build: the llama.cpp that is installed.
        nvidia: whether there is an NVIDIA card, or its driver.
        setup: what ``start.py`` wrote down; empty where it did not set up.
        card: whether there is a graphics card of any make; None where nobody knows.
    """
    if build.supports_gpu or not build.usable:
        return ""
    wish, made_for, note = _noted(setup)
    if made_for in _WORDS:
        return (
            f"This llama.cpp was made for the {_WORDS[made_for]}, but does not find it now. "
            "Restart the computer; if that does not help, renew the driver of the card. "
            f"To use the processor for good: {_start(system, 'none')}"
        )
    if wish in _WORDS and note:
        return (
            f"The last try with --gpu {wish} did not work: {note.rstrip('.')}. "
            f"To try again: {_start(system, wish)}"
        )
    chosen = "It was chosen with --gpu none. " if wish == "none" else ""
    return chosen + _by_computer(system, machine, nvidia, card)


def _by_computer(system: str, machine: str, nvidia: bool, card: bool | None) -> str:
    if system == "Darwin":
        if machine == "arm64":
            return f"This Mac has a graphics processor. {_start(system, 'metal')}"
        return (
            "On a Mac with an Intel processor, the processor is the fast way: "
            "there is nothing to change."
        )
    if nvidia:
        return f"This computer has an NVIDIA card. {_start(system, 'cuda')}"
    if card is False:
        return (
            "No graphics card was found in this computer, so the processor is the fast way: "
            "there is nothing to change."
        )
    if card:
        return (
            "This computer has a graphics processor that may be faster. To try it: "
            f"{_start(system, 'vulkan')}"
        )
    return (
        "No NVIDIA card was found. If this computer has a card of another make, such as AMD or "
        f"Intel: {_start(system, 'vulkan')}"
    )


def _start(system: str, kind: str) -> str:
    program = "start.bat" if system == "Windows" else "python3 start.py"
    return f"Close LocalChat, and start it once with: {program} --gpu {kind}"


def _noted(setup: Mapping[str, Any]) -> tuple[str, str, str]:
    """What was asked for, what the build in place was made for, and why that is not the same."""
    engines = setup.get("engines")
    engine = engines.get("llama-cpp-python") if isinstance(engines, dict) else None
    engine = engine if isinstance(engine, dict) else {}
    return str(setup.get("gpu", "")), str(engine.get("gpu", "")), str(engine.get("note", ""))


@cache
def advice_here() -> str:
    """``gpu_advice`` for this computer, found out once; takes milliseconds where ``llama_build()``
    was asked before, and never raises."""
    makers = _makers()
    nvidia = shutil.which("nvidia-smi") is not None or NVIDIA in (makers or ())
    card = None if makers is None else bool(makers)
    return gpu_advice(
        platform.system(), platform.machine(), llama_build(), nvidia, _setup(), nvidia or card
    )


def _makers(devices: Path = Path("/sys/class/drm")) -> set[str] | None:
    """Who made the graphics processors here that can compute; None where that is not told."""
    if platform.system() != "Linux":
        return None
    makers = set()
    for device in devices.glob("renderD*"):
        try:
            makers.add((device / "device" / "vendor").read_text("ascii").strip())
        except (OSError, ValueError):
            makers.add("")  # part of the main chip, as on boards with an ARM processor
    return makers - NOT_REAL


def _setup() -> dict[str, Any]:
    """What ``start.py`` wrote down about this environment."""
    try:
        notes = json.loads(Path(sys.prefix, "localchat-setup.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}
