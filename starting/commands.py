"""What people ask start.py for."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from starting import LOG, PYTHON, ROOT
from starting.environment import set_up
from starting.gpu import KINDS
from starting.programs import CommandFailed, SetupError, app_environment, cause, run_logged, say

COMMANDS = (
    "add", "ask", "search", "sources", "remove", "collections", "models", "bench", "doctor",
)  # fmt: skip

HELP = """\
LocalChat: talk with your own documents on your own computer.

  python3 start.py                 open LocalChat in the browser
      --no-browser                 do not open the browser, only say the address
      --port N                     use this port
      --gpu KIND                   get the llama.cpp that uses the graphics card, and keep to it:
                                   auto, cuda (NVIDIA), vulkan, metal (Mac), none (processor)
      --repair                     install everything again, and try missing engines again
  python3 start.py COMMAND ...     the same from a terminal (COMMAND --help says more):
      add, ask, search, sources, remove, collections, models, bench, doctor
  python3 start.py test [...]      run all tests; what follows goes to pytest
  python3 start.py lock [...]      write constraints.txt again (--upgrade: newest versions)

The first start installs what is needed into the folder .venv and takes some minutes.
"""

LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"
CHECKS = {
    "Style: ruff check": ("-m", "ruff", "check"),
    "Layout: ruff format --check": ("-m", "ruff", "format", "--check"),
    "Types: mypy": ("-m", "mypy"),
    "Floors: lint-imports": ("-c", LINT_IMPORTS),
    "Behaviour: pytest": ("-m", "pytest", "-n", "2", "--dist", "loadfile"),
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_BROWSERS = ("/Applications/Google Chrome.app", "/Applications/Chromium.app")
FOR_BROWSER_TESTS = ("chromium", "fonts-noto-cjk")  # the fonts, so that Chinese is not drawn as □


def guarded(arguments: list[str]) -> int:
    """The edge: whatever goes wrong in the set-up becomes a sentence and an exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that pip is stopped too
    try:
        return main(arguments)
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130
    except SetupError as problem:
        say(f"\n{problem}\nDetails: {LOG}")
    except OSError as problem:
        say(f"\nLocalChat cannot be set up in {ROOT}. {cause(f'Error: {problem}')}")
    return 1


def main(arguments: list[str]) -> int:
    first, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if first in ("-h", "--help", "help"):
        sys.stdout.write(HELP)
        return 0
    if first == "test":
        return run_tests(rest)
    if first == "lock":
        return write_constraints(rest)
    if first in COMMANDS:
        set_up()
        return hand_over(arguments)
    if first and not first.startswith("-"):
        say(f'start.py does not know "{first}". It knows: {", ".join(COMMANDS)}, test, lock.')
        say("More with: python3 start.py --help")
        return 2
    return open_app(arguments)


def open_app(arguments: list[str]) -> int:
    usage = f"start.py [--no-browser] [--port N] [--gpu {'|'.join(KINDS)}] [--repair]"
    parser = argparse.ArgumentParser("start.py", usage=usage, add_help=False)
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--port", type=int)
    parser.add_argument("--gpu", choices=KINDS, default="")
    parser.add_argument("--repair", action="store_true")
    options = parser.parse_args(arguments)
    set_up(repair=options.repair, gpu=options.gpu)
    serve = ["serve"]
    if options.port is not None:
        serve += ["--port", str(options.port)]
    if options.no_browser:
        serve += ["--no-browser"]
    # Streamlit reads its settings from the folder it is started in.
    return hand_over(serve, folder=ROOT)


def hand_over(arguments: list[str], folder: Path | None = None) -> int:
    """Become `python -m localchat …`; where that is not possible, stand behind it until it ends."""
    command = [str(PYTHON), "-m", "localchat", *arguments]
    environment = app_environment()
    if os.name != "nt":
        os.chdir(folder or Path.cwd())
        os.execve(command[0], command, environment)  # noqa: S606
    with subprocess.Popen(command, env=environment, cwd=folder) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # it got the Ctrl+C as well, and ends in its own way
                continue


def run_tests(arguments: list[str]) -> int:
    set_up(with_tests=True)
    prepare_browser()
    results = {}
    for title, command in CHECKS.items():
        announce(f"\n== {title} ==")
        for_pytest = arguments if "pytest" in command else []
        results[title] = run_python(*command, *for_pytest)
    announce("\n== Summary ==")
    for title, code in results.items():
        announce(f"{'passed' if code == 0 else 'FAILED'}  {title}")
    return 1 if any(results.values()) else 0


def announce(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # before the program that writes next


def write_constraints(arguments: list[str]) -> int:
    set_up(with_tests=True)
    resolve = ["-m", "uv", "pip", "compile", "--quiet", "--no-config", "--universal"]
    silent = ["--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    requirements = ["requirements.txt", "requirements-engines.txt", "requirements-dev.txt"]
    target = ["--output-file", "constraints.txt"]
    oldest = ["--python-version", "3.11"]
    return run_python(*resolve, *oldest, *silent, *arguments, *requirements, *target)


def run_python(*command: str) -> int:
    return subprocess.run(
        [PYTHON, *command], cwd=ROOT, env=app_environment(), check=False
    ).returncode


def prepare_browser() -> None:
    """The browser tests drive a Chromium that is here; only a bare Debian of ours gets one."""
    found = any(map(shutil.which, BROWSERS)) or any(Path(app).exists() for app in MAC_BROWSERS)
    if found or sys.platform == "win32":  # Windows always has Edge
        return
    ours = os.geteuid() == 0 or "CI" in os.environ
    if not (ours and shutil.which("apt-get")):
        say("There is no Chromium or Chrome here, so the browser tests will be skipped.")
        say(f"To have them, on Debian and Ubuntu: sudo apt install {' '.join(FOR_BROWSER_TESTS)}")
        return
    say("Installing Chromium for the browser tests...")
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "--no-install-recommends"]
    apt = apt if os.geteuid() == 0 else ["sudo", "-n", *apt]
    try:
        run_logged(*apt, "update")
        run_logged(*apt, "install", *FOR_BROWSER_TESTS)
    except (CommandFailed, OSError):
        say(f"That did not work, so the browser tests will be skipped. Details: {LOG}")
