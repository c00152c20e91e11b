"""llama.cpp and GPT4All are optional: the ways to get them, best first.

Neither exists ready-made for every computer, and a ready-made one may crash on an older processor.
So an engine counts as installed only once a process of its own has imported it; when no way leads
there, the reason goes into the record and LocalChat works without it.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from starting import ROOT
from starting.programs import CommandFailed, SetupError, ask_python, cause, install, say, uninstall

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
            problems.append(f"The {how} could not be installed. {cause(failure.output)}")
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
    """None if the engine can be imported, which is tried in a process that may crash."""
    try:
        answer = ask_python("-c", f"import {MODULES[package]}")
    except subprocess.TimeoutExpired:
        return "loading it did not end within five minutes"
    if answer.returncode == 0:
        return None
    if answer.returncode < 0:
        return f"it ends with signal {-answer.returncode}; the processor may lack an instruction"
    return (answer.stderr.strip().splitlines() or ["no message"])[-1][:300]


def ways_to(package: str, version: str) -> Iterable[Way]:
    if package == GPT4ALL:
        return [("ready-made package", ["--only-binary", GPT4ALL])]
    variants = wheel_variants(platform.system(), platform.machine(), cuda_version())
    return ways_to_llama(version, variants, fetch, has_compiler)


def ways_to_llama(
    version: str,
    variants: list[str],
    fetch: Callable[[str], str],
    has_compiler: Callable[[], bool],
) -> Iterator[Way]:
    """A generator: the next way is only looked for when the one before did not work."""
    for variant in variants:
        index = f"{WHEELS}/{variant}"
        try:
            offered = f"llama_cpp_python-{version}-" in fetch(f"{index}/{LLAMA}/")
        except urllib.error.HTTPError:
            continue  # this variant is not published
        except (OSError, ValueError):
            yield "The index of ready-made builds does not answer.", None
            break
        if offered:
            options = ["--only-binary", LLAMA, "--extra-index-url", index]
            yield f"ready-made build ({variant})", options
    else:
        yield "There is no other ready-made build for this computer.", None
    if has_compiler():
        say("        Building llama.cpp from its source: about 5 minutes on two cores, only once.")
        yield "build made here from source", []
    else:
        yield f"There is no C++ compiler to build it with. {compiler_hint()}", None


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


def cuda_version() -> tuple[int, int] | None:
    """The newest CUDA that the NVIDIA driver can run; None where no such driver answers."""
    try:
        answer = subprocess.run(
            ["nvidia-smi"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return cuda_in(answer.stdout) if answer.returncode == 0 else None


def cuda_in(text: str) -> tuple[int, int] | None:
    """Newer drivers write "CUDA UMD Version"."""
    found = re.search(r"CUDA (?:\w+ )?Version\s*:\s*(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def has_compiler() -> bool:
    if os.name == "nt":
        return bool(shutil.which("cl")) or has_visual_studio()
    if sys.platform == "darwin":  # /usr/bin/cc is always there, and may only offer an installation
        return succeeds("xcode-select", "-p")
    c = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    cpp = (os.environ.get("CXX", ""), "c++", "g++", "clang++")
    return any(map(shutil.which, c)) and any(map(shutil.which, cpp))


def has_visual_studio() -> bool:
    programs = os.environ.get("PROGRAMFILES(X86)", "")
    vswhere = Path(programs, "Microsoft Visual Studio", "Installer", "vswhere.exe")
    tools = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"
    return vswhere.exists() and succeeds(vswhere, "-products", "*", "-requires", tools)


def succeeds(*command: str | Path) -> bool:
    """Ended well, and named something."""
    answer = subprocess.run(command, capture_output=True, check=False)
    return answer.returncode == 0 and bool(answer.stdout.strip())


def compiler_hint() -> str:
    if os.name == "nt":
        return 'Install "Visual Studio Build Tools" with "Desktop development with C++".'
    if sys.platform == "darwin":
        return "To have one: xcode-select --install"
    return "To have one, on Debian and Ubuntu: sudo apt install build-essential"
