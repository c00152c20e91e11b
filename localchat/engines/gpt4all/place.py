"""Where GPT4All runs a model. It knows three ways to a GPU: Metal on an Apple chip, CUDA where
NVIDIA's libraries are installed beside it, and Vulkan (which it calls kompute)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """``backend`` and ``device`` as GPT4All calls them (no device: the processor), how many
    ``layers`` go to the GPU, and why, for people."""

    backend: str
    device: str
    layers: int
    reason: str


def choose_place(
    wanted: int | None, layers: int, gpus: Callable[[], Sequence[str]], *, mac: bool, arm: bool
) -> Place:
    """Where a model of so many ``layers`` is to run. None leaves it to GPT4All, as it is made to
    be used: the GPU of an Apple chip, else the processor; -1 asks for all layers.

    ``gpus`` is asked for ``backend:name`` only where one is wanted: looking takes a moment.
    """
    if mac:
        return _on_mac(wanted, layers, arm)
    if not wanted:
        why = "as chosen" if wanted == 0 else "which GPT4All takes unless GPU layers are chosen"
        return Place("kompute", "", 0, f"on the CPU, {why}")
    found = gpus()
    if not found:
        return Place("kompute", "", 0, "on the CPU: GPT4All finds no GPU here that it can use")
    best = next((gpu for gpu in found if gpu.startswith("cuda:")), found[0])
    backend, _, name = best.partition(":")
    everything = layers + 1  # what chooses the next token counts as a layer
    taken = everything if wanted < 0 else min(wanted, everything)
    share = "all" if taken == everything else f"{taken} of {everything}"
    return Place(backend, name, taken, f"{share} layers on the GPU ({name}), as chosen")


def _on_mac(wanted: int | None, layers: int, arm: bool) -> Place:
    if not arm:
        return Place("auto", "", 0, "on the CPU: GPT4All uses no GPU of a Mac with an Intel chip")
    if wanted == 0:
        return Place("cpu", "", 0, "on the CPU, as chosen")
    why = "automatic" if wanted is None else "GPT4All knows all or none here"
    return Place("metal", "", layers + 1, f"all layers on the GPU of this Mac: {why}")
