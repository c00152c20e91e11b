"""How a llamafile is started on which system. Decides only, and starts nothing.

A llamafile is one file that runs on Linux, macOS and Windows, with or without a model in it. What
stands in each system's way is told by its own documentation; which arguments it takes by its
source: up to 0.9 that is a server of its own, from 0.10 on it is llama.cpp's.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from localchat.core.errors import ModelFileError

LARGEST_EXE = (1 << 32) - 1
"""Bytes of the largest program that Windows starts."""
ALL_LAYERS = 999


@dataclass(frozen=True)
class Wanted:
    """What to start, as the fields of ``LlamafileEngine`` say; ``name`` is for people."""

    path: Path
    weights: Path | None
    gpu_layers: int | None
    context: int | None
    threads: int | None
    silence: float
    start_seconds: float
    log: Path | None
    name: str


@dataclass(frozen=True)
class StartPlan:
    """``commands`` start it, the best one first. ``link`` must be another name of the file before
    that; ``executable`` says whether the file must be allowed to run."""

    commands: tuple[tuple[str, ...], ...]
    link: Path | None = None
    executable: bool = False


def plan_start(path: Path, size: int, system: str) -> StartPlan:
    """How to start the llamafile at ``path``, of ``size`` bytes, on ``system`` (as
    ``platform.system`` names it).

    Raises:
        ModelFileError: it cannot be started there, and what to do about that.
    """
    if size == 0:
        raise ModelFileError(path, f"{path.name} is empty.", "Download it again.")
    if system != "Windows":
        # A shell starts what the kernel does not know or takes for a program of Windows.
        return StartPlan(((str(path),), ("/bin/sh", str(path))), executable=True)
    if size > LARGEST_EXE:
        raise ModelFileError(
            path,
            f"Windows cannot start {path.name}: it has {size / 1e9:.1f} GB, and programs may have "
            "no more than 4.",
            "Download the same model as a GGUF file and choose that; or download llamafile "
            "itself, which is small and has no model in it, and choose it together with the GGUF.",
        )
    if path.suffix.lower() == ".exe":
        return StartPlan(((str(path),),))
    link = path.with_name(path.name + ".exe")
    return StartPlan(((str(link),),), link=link)


def arguments(
    port: int,
    *,
    weights: str,
    context: int,
    gpu_layers: int | None,
    threads: int,
    refused: Collection[str] = (),
) -> list[str]:
    """What a llamafile is started with. ``refused`` are arguments that it did not take; by
    ``--nobrowser`` a newer one is told from an older. ``gpu_layers``: None is automatic, -1 all.
    """
    newer = "--nobrowser" in refused
    given: list[tuple[str, ...]] = [("--server",), ("--nobrowser",)]
    if weights:
        given.append(("-m", weights))
    given += [("--host", "127.0.0.1"), ("--port", str(port))]
    given += [("-c", str(context)), ("-t", str(threads)), ("-np", "1")]
    if gpu_layers == 0:
        given += [("--gpu", "disable"), ("-ngl", "0")]
    elif gpu_layers is not None:
        given.append(("-ngl", str(gpu_layers if gpu_layers > 0 else ALL_LAYERS)))
    elif not newer:  # newer ones find out by themselves what fits
        given.append(("-ngl", str(ALL_LAYERS)))
    return [part for argument in given if argument[0] not in refused for part in argument]


_REFUSED = re.compile(
    r"(?:unknown|invalid|unrecognized) (?:argument|option):? ['\"]?(?P<after>-[\w-]+)"
    r"|(?P<before>-[\w-]+):? unknown argument",
    re.IGNORECASE,
)
_NEEDED = {"--host", "--port", "-m"}


def refused_argument(words: Sequence[str]) -> str | None:
    """The argument that a llamafile with these last ``words`` did not take, where it can be left
    out."""
    for line in words:
        if found := _REFUSED.search(line):
            name = found["after"] or found["before"]
            return None if name in _NEEDED else name
    return None


def port_was_taken(words: Sequence[str]) -> bool:
    """Whether these last ``words`` say that somebody else had the port."""
    return says(words, r"couldn't bind|failed to bind|address already in use|bind_to_port")


def needs_a_shell(refused: tuple[int, str] | None, words: Sequence[str]) -> bool:
    """Whether the system did not know what to do with the file, so that a shell has to start it:
    a kernel that does not know the format, or hands what looks like a program of Windows on."""
    if refused:
        return refused[0] in (errno.ENOEXEC, errno.EACCES)
    return says(words, r"run-detectors|\bwine\b|cannot execute binary file|WSL")


def says(words: Sequence[str], pattern: str) -> bool:
    return any(re.search(pattern, line, re.IGNORECASE) for line in words)
