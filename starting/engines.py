"""llama.cpp and GPT4All are optional: the ways to get them, best first.

Neither exists ready-made for every computer, and a ready-made one may crash on an older processor.
So an engine counts as installed only once a process of its own has imported it; when no way leads
there, the reason goes into the record and LocalChat works without it.
"""

import platform
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from starting import ROOT
from starting.programs import CommandFailed, SetupError, ask_python, cause, install, say, uninstall
from starting.toolkits import cuda_answer, missing_to_build

LLAMA, GPT4ALL = "llama-cpp-python", "gpt4all"
MODULES = {LLAMA: "llama_cpp", GPT4ALL: "gpt4all"}
WHEELS = "https://abetlen.github.io/llama-cpp-python/whl"
CUDA_BUILDS = ((13, 2), (13, 0), (12, 5), (12, 4), (12, 3), (12, 2), (12, 1), (11, 8))

Way = tuple[str, list[str] | None]  # how, and the options for pip; None: closed, and `how` says why


def get_engine(package: str, before: dict[str, Any]) -> dict[str, Any]:
    """Try one way after the other; returns what the record shall say about this engine."""
    pin = pinned(package)
    if version_of(package) == pin and why_not(package) is None:
        return before if before.get("installed") else {"installed": True, "how": "was here already"}
    problems = []
    for how, options in ways_to(package, pin):
        if options is None:
            problems.append(how)
            continue
        try:
            install(*options, f"{package}=={pin}", "-c", ROOT / "constraints.txt")
        except CommandFailed as failure:
            problems.append(not_installed(how, failure.output))
            continue
        trouble = why_not(package)
        if trouble is None:
            note = {"note": " ".join(problems)} if problems else {}
            return {"installed": True, "how": how, **note}
        problems.append(f"The {how} does not run on this computer ({trouble}).")
        uninstall(package)
    reason = " ".join(problems)
    say(f"        LocalChat goes on without {package}. {reason}")
    say("        To try again later: python3 start.py --repair")
    return {"installed": False, "reason": reason}


def pinned(package: str) -> str:
    """The version that was tested."""
    text = (ROOT / "constraints.txt").read_text("utf-8")
    found = re.search(rf"^{re.escape(package)}==([^\s;]+)", text, re.MULTILINE)
    if not found:
        raise SetupError(f"constraints.txt names no version of {package}. Get LocalChat again.")
    return found[1]


def version_of(package: str) -> str:
    script = f"import importlib.metadata as m; print(m.version({package!r}))"
    return ask_python("-c", script).stdout.strip()


def why_not(package: str) -> str | None:
    """None if the engine can be imported."""
    return failure_of(f"import {MODULES[package]}")


def failure_of(script: str) -> str | None:
    """None if the script ends well; it is tried in a process of its own, which may crash."""
    try:
        answer = ask_python("-c", script)
    except subprocess.TimeoutExpired:
        return "loading it did not end within five minutes"
    if answer.returncode == 0:
        return None
    if answer.returncode < 0:
        return f"it ends with signal {-answer.returncode}; the processor may lack an instruction"
    return (answer.stderr.strip().splitlines() or ["no message"])[-1][:300]


def not_installed(how: str, output: str) -> str:
    """Why pip, or uv, could not install a build, in words."""
    if "No matching distribution" in output or "No solution found" in output:
        return f"The {how} is not offered for this kind of computer."
    return f"The {how} could not be installed. {cause(output).rstrip('.')}."


def ways_to(package: str, version: str) -> Iterable[Way]:
    if package == GPT4ALL:
        return [("ready-made package", ["--only-binary", GPT4ALL])]
    variants = wheel_variants(platform.system(), platform.machine(), cuda_version())
    return ways_to_llama(version, filter(can_load, variants), fetch, missing_to_build)


def ways_to_llama(
    version: str,
    variants: Iterable[str],
    fetch: Callable[[str], str],
    missing: Callable[[str], list[str]],
) -> Iterator[Way]:
    """A generator: the next way is only looked for when the one before did not work."""
    yield from ready_made(version, variants, fetch, "--extra-index-url")
    reasons = missing("none")
    if reasons:
        yield " ".join(reasons), None
    else:
        say("        Building llama.cpp from its source: about 5 minutes on two cores, only once.")
        yield "build made here from source", []


def ready_made(
    version: str, variants: Iterable[str], fetch: Callable[[str], str], index_option: str
) -> Iterator[Way]:
    """The project's own builds of this version; the last way is closed, and says why."""
    tried: set[str] = set()
    for variant in variants:
        index = f"{WHEELS}/{variant}"
        if cuda_major(variant) in tried:  # what one lacks here, its brothers lack too
            continue
        try:
            offered = f"llama_cpp_python-{version}-" in fetch(f"{index}/{LLAMA}/")
        except urllib.error.HTTPError:
            continue  # this variant is not published
        except (OSError, ValueError):
            yield "The index of ready-made builds does not answer.", None
            return
        if offered:
            tried.add(cuda_major(variant) or variant)
            yield f"ready-made build ({variant})", ["--only-binary", LLAMA, index_option, index]
    yield f"There is no {'other ' if tried else ''}ready-made build for this computer.", None


def fetch(address: str) -> str:
    """Five seconds decide whether this index can be reached; pip alone would try for minutes."""
    with urllib.request.urlopen(address, timeout=5) as page:  # noqa: S310
        text: bytes = page.read()
    return text.decode("utf-8", "replace")


def wheel_variants(system: str, machine: str, cuda: tuple[int, int] | None) -> list[str]:
    """The project's own builds that could run here, best first."""
    if system == "Darwin":
        return ["metal", "cpu"] if machine == "arm64" else ["cpu"]
    if cuda is None:
        return ["cpu"]
    return [f"cu{major}{minor}" for major, minor in CUDA_BUILDS if (major, minor) <= cuda] + ["cpu"]


def cuda_major(variant: str) -> str:
    """12 where the variant is cu124; empty for a build without CUDA."""
    return variant[2:4] if variant.startswith("cu") else ""


def can_load(variant: str) -> bool:
    """False where NVIDIA's libraries that the build needs are missing for sure.

    The builds do not bring them, and each is hundreds of megabytes to download in vain.
    """
    major = cuda_major(variant)
    if not major or sys.platform != "linux":
        return True
    name = f"libcudart.so.{major}" + (".0" if major == "11" else "")
    return failure_of(f"import ctypes; ctypes.CDLL({name!r})") is None


def cuda_version() -> tuple[int, int] | None:
    """The newest CUDA that the NVIDIA driver can run; None where no such driver answers."""
    answer = cuda_answer()
    return None if answer is None else cuda_in(answer)


def cuda_in(text: str) -> tuple[int, int] | None:
    """Newer drivers write "CUDA UMD Version"."""
    found = re.search(r"CUDA (?:\w+ )?Version\s*:\s*(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None
