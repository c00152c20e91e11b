"""Runs pip and the like: quiet, logged, visibly alive, and failing with a sentence."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from starting import LOG, MINOR, PYTHON, ROOT

SIGNS = {  # what installers write, in lower case, and what it means
    "The disk is full. LocalChat needs about 2 GB here; make room and start again.": (
        "no space left",
        "errno 28",
        "os error 28",
        "not enough space on the disk",
    ),
    "A download is not the file that was expected. Start again; if it stays so, do not use it.": (
        "do not match the hashes",
        "hash mismatch",
    ),
    "The network does not answer. Connect to it (or set your proxy), then start again.": (
        "name resolution",
        "newconnectionerror",
        "failed to establish",
        "connection refused",
        "network is unreachable",
        "getaddrinfo",
        "proxyerror",
        "dns error",
        "error sending request",
        "timed out",
    ),
}

BUILD_SAID = re.compile(r"CMake Error[^\n]*\n\s*([^\n]+)|(fatal error[: ][^\n]+)")


class SetupError(Exception):
    """A step failed. The message is for people: what happened, and what to do next."""


class CommandFailed(Exception):
    """A program failed; `output` is the end of what it wrote."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def cause(output: str) -> str:
    """What a failed installation means, in a sentence or two."""
    text = output.lower()
    for sentence, signs in SIGNS.items():
        if any(sign in text for sign in signs):
            return sentence
    build = BUILD_SAID.search(output)  # before what pip says about it, which is always the same
    if build:
        return f"The build ended with: {(build[1] or build[2]).strip()[:300]}"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines or ["none"]
    untried = sys.version_info >= (3, 15)
    hint = f" LocalChat was tried with Python 3.11 to 3.14; this is {MINOR}." if untried else ""
    return f"The last message was: {errors[-1][:300]}{hint}"


def run_logged(*command: str | Path, env: Mapping[str, str] | None = None) -> None:
    """Run a program with its output in the log, showing every now and then that it lives."""
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        log.flush()
        start = log.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=env
        )
        try:
            tell_time_until_it_ends(process, start)
        except BaseException:  # Ctrl+C and the like: leave no orphan that goes on installing
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        raise CommandFailed(read_log(start)[-20_000:])


def tell_time_until_it_ends(process: subprocess.Popen[bytes], start: int) -> None:
    began = time.monotonic()
    on_a_terminal = sys.stderr.isatty()
    while True:
        try:
            process.wait(timeout=1 if on_a_terminal else 30)
            break
        except subprocess.TimeoutExpired:
            line = f"        {clock(time.monotonic() - began)}  {doing(read_log(start))}"
            sys.stderr.write(f"\r{line:<78.78}" if on_a_terminal else f"{line}\n")
            sys.stderr.flush()
    if on_a_terminal:
        sys.stderr.write("\r" + " " * 78 + "\r")


def read_log(start: int) -> str:
    with LOG.open("rb") as log:
        log.seek(start)
        return log.read().decode("utf-8", "replace")


def doing(output: str) -> str:
    """Where pip is, from what it wrote so far (uv is done before anyone asks)."""
    found = re.findall(r"^Collecting ([\w.-]+)", output, re.MULTILINE)
    if "\nInstalling collected packages" in output:
        return f"unpacking {len(found)} packages"
    if "\nBuilding wheels" in output:
        return "building"
    return f"{len(found)} packages found, at {found[-1]}" if found else "still working"


def install(*arguments: str | Path, env: Mapping[str, str] | None = None) -> None:
    uv = shutil.which("uv")
    if uv:
        run_logged(uv, "pip", "install", "--python", PYTHON, *arguments, env=env)
    else:
        quiet = ("--disable-pip-version-check", "--no-input")
        run_logged(PYTHON, "-m", "pip", "install", *quiet, *arguments, env=env)


def uninstall(package: str) -> None:
    uv = shutil.which("uv")
    if uv:
        run_logged(uv, "pip", "uninstall", "--python", PYTHON, package)
    else:
        run_logged(PYTHON, "-m", "pip", "uninstall", "--yes", package)


def ask_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask the environment's Python something short."""
    return subprocess.run(
        [PYTHON, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        env=app_environment(),
        check=False,
    )


def app_environment() -> dict[str, str]:
    """LocalChat is found from any current folder, and files lying there cannot shadow modules."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    paths = [str(ROOT), environment.get("PYTHONPATH", "")]
    if environment.get("LOCALCHAT_HOME"):  # the app may be started in another folder than this
        environment["LOCALCHAT_HOME"] = str(Path(environment["LOCALCHAT_HOME"]).absolute())
    return environment | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONSAFEPATH": "1",
        "PYTHONUTF8": "1",
    }
