"""The llama.cpp for the graphics card of this computer: `start.py --gpu KIND`.

A new build is made in a folder of its own and has to show there, in a process of its own, that it
finds a graphics card. Only then does it take the place of the one that worked before. So whatever
goes wrong, nobody is left with less than they had.
"""

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from starting import LOG, ROOT, VENV
from starting.engines import (
    LLAMA,
    can_load,
    cuda_version,
    failure_of,
    fetch,
    not_installed,
    pinned,
    ready_made,
    version_of,
    wheel_variants,
    why_not,
)
from starting.programs import CommandFailed, SetupError, ask_python, install, say, uninstall
from starting.toolkits import build_environment, has_nvidia_driver, missing_to_build, nvcc

KINDS = ("auto", "cuda", "vulkan", "metal", "none")
WORDS = {
    "cuda": "the NVIDIA card (CUDA)",
    "vulkan": "the graphics card (Vulkan)",
    "metal": "the graphics processor (Metal)",
    "none": "the processor",
}

NOT_OURS = "was here already"

BESIDE = VENV / "llama-beside"  # a new build, not yet proven
PROVEN = VENV / "llama-proven"  # one that works: it only has to be moved to its place
ENTRY = "localchat-entry.json"  # in PROVEN: what the record shall say about it
CLEARED = "localchat-place-is-clear"  # in PROVEN: the build before is out

FINDS_GPU = (
    "import llama_cpp; llama_cpp.llama_supports_gpu_offload() "
    "or sys.exit('it finds no graphics card that it can use')"
)
LIBRARY_SIGNS = ("libcu", "libvulkan", "cannot open shared object", "could not find module", "dll")
LIBRARIES = {
    "cuda": "NVIDIA's CUDA libraries are missing. Get them from "
    "https://developer.nvidia.com/cuda-downloads, or do without: python3 start.py --gpu vulkan",
    "vulkan": "Renew the driver of the graphics card; on Debian and Ubuntu: "
    "sudo apt install libvulkan1 mesa-vulkan-drivers",
}


class Way(NamedTuple):
    """How to get a build; without options for pip it is closed, and `how` says why."""

    how: str
    options: list[str] | None
    environment: Mapping[str, str] | None = None


def get_llama(wish: str, before: dict[str, Any], asked: bool) -> dict[str, Any]:
    """Get the build for one of KINDS; returns what the record shall say about llama.cpp.

    `before` is what it said so far. Where a build works that is not of the wished kind, another try
    is only made if somebody `asked`: a build from source may take half an hour.
    """
    before = move_in() or before  # a start that was killed may have had one ready
    pin = pinned(LLAMA)
    runs = why_not(LLAMA) is None
    works = runs and version_of(LLAMA) == pin
    here = kind_of(before) if works else ""
    kinds = kinds_for(wish, wheel_variants(platform.system(), platform.machine(), cuda_version()))
    if works and (here == kinds[0] or not asked):
        known = before if before.get("installed") else {"installed": True, "how": NOT_OURS}
        return told(known | {"gpu": here}, wish, []) if asked else known | {"gpu": here}
    if not works and "none" not in kinds:
        kinds.append("none")
    problems: list[str] = []
    for kind in kinds:
        if kind == here:
            break
        how = first_that_works(ways_to(kind, pin), pin, kind, problems)
        if how:
            return told({"installed": True, "how": how, "gpu": kind}, wish, problems)
    if runs:
        return told(before | {"installed": True, "gpu": kind_of(before)}, wish, problems)
    return told({"installed": False, "reason": in_one(problems)}, wish, [])


def told(entry: dict[str, Any], wish: str, problems: list[str]) -> dict[str, Any]:
    """Say what came out, and note in the entry why it is not better."""
    entry = {key: value for key, value in entry.items() if key != "note"}
    if not entry["installed"]:
        say(f"        LocalChat goes on without {LLAMA}. {entry['reason']}")
    else:
        say(f"        llama.cpp computes on {WORDS[entry['gpu']]}: {entry.get('how', NOT_OURS)}.")
        for problem in problems:
            say(f"        - {problem}")
        if problems:
            entry["note"] = in_one(problems)
            say(f"        Details: {LOG}")
    if not entry["installed"] or wish not in ("auto", entry["gpu"]):
        say(f"        To try again later: python3 start.py --gpu {wish}")
    elif (wish, entry["gpu"]) == ("auto", "none") and platform.system() != "Darwin":
        say("        If there is a graphics card of AMD or Intel: python3 start.py --gpu vulkan")
    return entry


def in_one(problems: list[str]) -> str:
    """One text of several sentences, of which some end with a command and no full stop."""
    return " ".join([f"{problem.rstrip('.')}." for problem in problems[:-1]] + problems[-1:])


def kinds_for(wish: str, variants: list[str]) -> list[str]:
    """The kinds to try, best first; `auto` follows the ready-made builds that could run here."""
    if wish != "auto":
        return [wish]
    kinds = {"metal": "metal", "cpu": "none"}
    return list(dict.fromkeys(kinds.get(variant, "cuda") for variant in variants))


def kind_of(entry: Mapping[str, Any]) -> str:
    """What the build in place computes on, from the record or, if it does not say, from itself."""
    noted = str(entry.get("gpu", ""))
    if noted in WORDS:
        return noted
    if failure_of(f"import sys; {FINDS_GPU}") is not None:
        return "none"
    if platform.system() == "Darwin":
        return "metal"
    return "vulkan" if "vulkan" in str(entry.get("how", "")) else "cuda"


# The ways to a kind


def ways_to(kind: str, version: str) -> Iterator[Way]:
    system, machine = platform.system(), platform.machine()
    obstacle = impossible(kind, system, machine, has_nvidia_driver)
    if obstacle:
        yield Way(obstacle, None)
        return
    environment = build_environment(kind, system, os.environ, nvcc())
    yield from ways_to_kind(kind, version, variants_of(kind), fetch, missing_to_build, environment)


def ways_to_kind(
    kind: str,
    version: str,
    variants: list[str],
    fetch: Callable[[str], str],
    missing: Callable[[str], list[str]],
    environment: Mapping[str, str],
) -> Iterator[Way]:
    """A generator: the next way is only looked for when the one before did not work."""
    for how, options in ready_made(version, variants, fetch, "--index-url"):
        yield Way(how, options)
    reasons = missing(kind)
    yield from (Way(reason, None) for reason in reasons)
    if reasons:
        return
    minutes = "10 to 40 minutes" if kind in ("cuda", "vulkan") else "about 5 minutes on two cores"
    say(f"        Building llama.cpp from its source: {minutes}, only once.")
    # pip keeps what it builds, and would hand over the one for the processor again.
    fresh = ["--no-binary", LLAMA, "--no-cache-dir"]
    yield Way(f"build made here from source ({kind})", fresh, environment)


def variants_of(kind: str) -> list[str]:
    """The ready-made builds of a kind that could run here, best first."""
    if kind == "cuda":
        found = wheel_variants(platform.system(), platform.machine(), cuda_version())
        return [variant for variant in found if variant.startswith("cu") and can_load(variant)]
    return ["cpu" if kind == "none" else kind]


def impossible(kind: str, system: str, machine: str, nvidia: Callable[[], bool]) -> str | None:
    """Why no build of this kind can run on such a computer; None where one may."""
    if system == "Darwin":
        if kind in ("cuda", "vulkan"):
            return "On a Mac the way to the graphics processor is: python3 start.py --gpu metal"
        if kind == "metal" and machine != "arm64":
            return "On a Mac with an Intel processor, the processor is the faster way."
        return None
    if kind == "metal":
        return "Metal is only on a Mac. Here: python3 start.py --gpu cuda (NVIDIA), or vulkan"
    if kind == "cuda" and not nvidia():
        return (
            "No NVIDIA card answers here (nvidia-smi). If there is one, install its driver from "
            "https://www.nvidia.com/drivers and restart the computer. "
            "For a card of another make: python3 start.py --gpu vulkan"
        )
    return None


# Trying one


def first_that_works(
    ways: Iterator[Way], version: str, kind: str, problems: list[str]
) -> str | None:
    """Put the first build in place that proves itself; returns how it was had."""
    for way in ways:
        if way.options is None:
            problems.append(way.how)
            continue
        try:
            trouble = try_beside(way, version, kind)
            if trouble is None:
                entry = {"installed": True, "how": way.how, "gpu": kind}
                (BESIDE / ENTRY).write_text(json.dumps(entry), "utf-8")
                BESIDE.rename(PROVEN)
                move_in()
                return way.how
            problems.append(trouble)
        finally:
            shutil.rmtree(BESIDE, ignore_errors=True)
    return None


def try_beside(way: Way, version: str, kind: str) -> str | None:
    """Install it into BESIDE and see it work there; returns what stands in the way."""
    shutil.rmtree(BESIDE, ignore_errors=True)
    target = ("--no-deps", "--target", BESIDE, f"{LLAMA}=={version}")
    try:
        install(*way.options or (), *target, env=way.environment)
        needs = needs_of(BESIDE)
        if needs:
            install(*needs, "-c", ROOT / "constraints.txt")
    except CommandFailed as failure:
        return not_installed(way.how, failure.output)
    proof = "import llama_cpp" if kind == "none" else FINDS_GPU
    trouble = failure_of(f"import sys; sys.path.insert(0, {str(BESIDE)!r}); {proof}")
    if trouble is None:
        return None
    lacks_library = any(sign in trouble.lower() for sign in LIBRARY_SIGNS)
    hint = f" {LIBRARIES[kind]}" if lacks_library and kind in LIBRARIES else ""
    return f"The {way.how} does not run on this computer ({trouble}).{hint}"


def needs_of(folder: Path) -> list[str]:
    """The packages that the build needs; those that are here already stay as they are."""
    import importlib.metadata

    (distribution,) = importlib.metadata.distributions(name=LLAMA, path=[str(folder)])
    return [need for need in distribution.requires or () if "extra ==" not in need]


def move_in() -> dict[str, Any]:
    """Exchange the build in place for the PROVEN one; returns its entry, empty where there is none.

    Whenever it is killed, the next call goes on from there. It needs no room on the disk.
    """
    if not PROVEN.exists():
        return {}
    if not (PROVEN / CLEARED).exists():
        take_out()
        (PROVEN / CLEARED).touch()
    asked = ask_python("-c", "import sysconfig; print(sysconfig.get_path('platlib'))")
    packages = Path(asked.stdout.strip())
    entry: dict[str, Any] = json.loads((PROVEN / ENTRY).read_text("utf-8"))
    for file in [path for path in PROVEN.rglob("*") if path.is_symlink() or not path.is_dir()]:
        if file.name not in (ENTRY, CLEARED, ".lock"):  # the last is uv's
            place = packages / file.relative_to(PROVEN)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
    PROVEN.rename(BESIDE)  # at one stroke, so that no half of it is taken for a build
    shutil.rmtree(BESIDE)
    return entry


def take_out() -> None:
    """Uninstall the build in place.

    Raises:
        SetupError: it is in use, and stays.
    """
    if not version_of(LLAMA):
        return
    try:
        uninstall(LLAMA)
    except CommandFailed as failure:
        raise SetupError(
            "The new llama.cpp is ready, but the one before could not be taken out: it may be in "
            "use. Close all windows of LocalChat, end its other programs, and start again."
        ) from failure
