"""Model files for the engine tests, written once per test process."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from localchat.engines.llama.engine import LlamaCppEngine
from tests.tiny_gguf import write_tiny_gguf

REPLY = "Task decomposition works by simple prompting [1], 按照说明, or with human inputs 🐛."
HAS_LLAMA = importlib.util.find_spec("llama_cpp") is not None  # never imported in this process
HAS_GPT4ALL = importlib.util.find_spec("gpt4all") is not None
needs_llama = pytest.mark.skipif(not HAS_LLAMA, reason="llama-cpp-python is not installed")


@dataclass(frozen=True)
class Models:
    """``tiny`` says REPLY; ``endless`` never ends; ``slow`` never ends and takes milliseconds."""

    tiny: Path
    endless: Path
    slow: Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    return Models(
        tiny=write_tiny_gguf(folder / "tiny.gguf", REPLY, spoken_by_byte="🐛"),
        endless=write_tiny_gguf(folder / "endless.gguf", "on and on it goes ", endless=True),
        slow=write_tiny_gguf(folder / "slow.gguf", "slowly it goes ", endless=True, slow=True),
    )


@pytest.fixture
def llama() -> Iterator[Callable[..., LlamaCppEngine]]:
    """Makes engines and closes them afterwards; one thread, so that tests can run side by side."""
    made: list[LlamaCppEngine] = []

    def make(path: Path, **settings: object) -> LlamaCppEngine:
        engine = LlamaCppEngine(path=path, **{"threads": 1, **settings})
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


def eventually(true: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether ``true`` becomes true within ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return true()


def lives(pid: int) -> bool:
    """Whether the process ``pid`` runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
