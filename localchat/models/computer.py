"""What this computer has, and what the llama.cpp that is installed here can use of it.

llama.cpp is never imported in the app's process: a short child process is asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

_ASK = """
import json, llama_cpp
print(json.dumps([llama_cpp.__version__, bool(llama_cpp.llama_supports_gpu_offload()),
                  llama_cpp.llama_print_system_info().decode("utf-8", "replace")]))
"""


@dataclass(frozen=True)
class Computer:
    """Cores and memory; ``available_bytes`` is what could be used at the moment of asking."""

    physical_cores: int
    logical_cores: int
    memory_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class LlamaBuild:
    """The installed llama-cpp-python. ``reason`` says in words why it is, or is not, usable."""

    version: str | None
    supports_gpu: bool
    reason: str
    system: str = ""

    @property
    def usable(self) -> bool:
        return self.version is not None


def this_computer() -> Computer:
    """Cores and memory of this computer, asked anew each time."""
    import psutil

    memory = psutil.virtual_memory()
    logical = psutil.cpu_count() or 1
    return Computer(
        physical_cores=psutil.cpu_count(logical=False) or logical,
        logical_cores=logical,
        memory_bytes=int(memory.total),
        available_bytes=int(memory.available),
    )


@cache
def llama_build() -> LlamaBuild:
    """What the installed llama.cpp can do. Takes a second the first time, then nothing."""
    try:
        asked = subprocess.run(
            [sys.executable, "-P", "-c", _ASK],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return LlamaBuild(None, False, f"llama.cpp could not be asked ({error})")
    return read_answer(asked.returncode, asked.stdout, asked.stderr)


def read_answer(code: int, out: str, err: str) -> LlamaBuild:
    """What the child process said, in words."""
    last_words = (err.strip().splitlines() or ["nothing said"])[-1]
    if code != 0:
        if "No module named 'llama_cpp'" in err:
            return LlamaBuild(None, False, "llama-cpp-python is not installed")
        if code < 0 or code > 255:
            return LlamaBuild(None, False, f"llama.cpp crashes on this computer (code {code})")
        return LlamaBuild(None, False, f"llama.cpp does not start: {last_words[:300]}")
    version, supports_gpu, system = json.loads(out.strip().splitlines()[-1])
    if supports_gpu:
        reason = "this llama.cpp can use the GPU"
    else:
        reason = "this llama.cpp was built without GPU support"
    return LlamaBuild(version, supports_gpu, reason, system)
