"""Whatever happens to the process that runs a model, the next question is answered."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from langchain_core.messages import AIMessageChunk

from localchat.core.errors import EngineDied, EngineError, LoadError, ModelFileError
from localchat.engines.base import phase_of
from localchat.engines.child.engine import ChildEngine
from localchat.engines.gpt4all.engine import Gpt4AllEngine
from localchat.engines.llama.engine import LlamaCppEngine
from tests.engines.conftest import Models, eventually, lives
from tests.tiny_gguf import cut_short, write_tiny_gguf

KINDS = {"llama_cpp": LlamaCppEngine, "gpt4all": Gpt4AllEngine}
posix = pytest.mark.skipif(os.name == "nt", reason="signals as on Linux and macOS")
linux = pytest.mark.skipif(sys.platform != "linux", reason="a limit on memory as on Linux")
Make = Callable[..., ChildEngine]


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    made: list[ChildEngine] = []

    def new(path: Path, **settings: object) -> ChildEngine:
        kind = KINDS[request.param]
        engine = kind(path=path, **{"threads": 1, "context": 4096, **settings})  # type: ignore[arg-type]
        made.append(engine)
        return engine

    yield new
    for engine in made:
        engine.close()


def until(stream: Iterator[AIMessageChunk], wanted: str) -> None:
    for chunk in stream:
        if (phase := phase_of(chunk)) and phase.name == wanted:
            return
    raise AssertionError(f"it never came to {wanted}")


def answers_again(engine: ChildEngine, dead: int) -> None:
    assert engine.invoke("And now?", answer_tokens=8).text
    assert engine.pid != dead
    assert eventually(lambda: not lives(dead), 5)


@posix
@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "SIGABRT"])
@pytest.mark.parametrize("when", ["loading", "reading", "writing"])
def test_killed_while_it_works(when: str, how: str, make: Make, models: Models) -> None:
    engine = make(models.slow, answer_tokens=2000)
    stream = engine.stream("the question " * 500)
    until(stream, when)
    pid = engine.pid
    assert pid
    os.kill(pid, getattr(signal, how))
    if when == "loading":
        stream.close()  # it may have stepped down to safer settings and gone on
    else:
        with pytest.raises(EngineDied, match=f"stopped unexpectedly.*{how}"):
            list(stream)
    answers_again(engine, pid)


@posix
@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_killed_while_idle(how: str, make: Make, models: Models) -> None:
    engine = make(models.tiny)
    engine.invoke("Hi")
    pid = engine.pid
    assert pid
    os.kill(pid, getattr(signal, how))
    assert eventually(lambda: engine.phase.name == "failed")
    answers_again(engine, pid)


@posix
@pytest.mark.parametrize("when", ["reading", "writing"])
def test_one_that_hangs_is_ended(when: str, make: Make, models: Models) -> None:
    engine = make(models.slow, silence=3, answer_tokens=2000)
    stream = engine.stream("the question " * 500)
    until(stream, when)
    pid = engine.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(EngineDied, match="did not move for 3 seconds"):
        list(stream)
    answers_again(engine, pid)


def test_a_model_deleted_while_it_is_loaded_goes_on_and_is_missed_afterwards(
    make: Make, models: Models, tmp_path: Path
) -> None:
    path = Path(shutil.copy(models.tiny, tmp_path / "m.gguf"))
    engine = make(path)
    engine.load()
    path.unlink()
    assert engine.invoke("Hi").text
    engine.close()
    with pytest.raises(ModelFileError, match="There is no model file"):
        engine.invoke("Hi")


@pytest.mark.parametrize("harm", ["cut short", "empty", "of a kind that nobody knows", "text"])
def test_a_damaged_file_is_told_and_a_whole_one_in_its_place_answers(
    harm: str, make: Make, models: Models, tmp_path: Path
) -> None:
    path = Path(shutil.copy(models.tiny, tmp_path / "m.gguf"))
    match harm:
        case "cut short":
            cut_short(path)
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("This is not a model.")
        case _:
            write_tiny_gguf(path, architecture="martian")
    engine = make(path)
    with pytest.raises(ModelFileError, match=r"m\.gguf|“martian”"):
        engine.invoke("Hi")
    assert engine.phase.name == "failed"
    shutil.copy(models.tiny, path)
    assert engine.invoke("Hi").text


@linux
def test_memory_that_runs_out_steps_down_the_ladder_and_says_so(
    make: Make, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context of 2 million tokens needs gigabytes for this model; the child has 3 GB in all."""
    limit_memory(tmp_path, monkeypatch)
    engine = make(models.slow, context=2_000_000, steps_down=True)
    try:
        phases = [phase.note for phase in engine.loading()]
    except EngineError as error:
        pytest.fail(f"it did not step down: {error}")
    assert any("memory ran out" in note for note in phases)
    assert engine.context_tokens < 2_000_000
    assert "memory ran out" in engine.info["steps"][-1]
    assert engine.invoke("Hi", answer_tokens=8).text


@linux
def test_without_leave_to_step_down_it_offers_the_next_rung(
    make: Make, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_memory(tmp_path, monkeypatch)
    engine = make(models.slow, context=2_000_000, steps_down=False)
    with pytest.raises((LoadError, EngineDied), match="memory"):
        engine.load()
    assert engine.safer is not None
    assert engine.safer.changes == {"gpu_layers": 0, "context_tokens": 1_000_000}


def limit_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python runs this file in each process that begins with it in its path."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (3 * 10**9, 3 * 10**9))\n"
    (folder / "sitecustomize.py").write_text(limit)
    monkeypatch.setenv("PYTHONPATH", str(folder))
