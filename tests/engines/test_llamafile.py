"""llamafile: how one is started where, and stand-ins of it run for real, polite and rude."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from localchat.core.errors import EngineDied, EngineError, LoadError, ModelFileError
from localchat.engines.base import phase_of
from localchat.engines.llamafile.engine import LlamafileEngine
from localchat.engines.llamafile.file import prepare
from localchat.engines.llamafile.plan import (
    LARGEST_EXE,
    StartPlan,
    arguments,
    needs_a_shell,
    plan_start,
    port_was_taken,
    refused_argument,
)
from localchat.engines.llamafile.words import Ended, explain_failure
from tests.engines.conftest import REPLY, Models, eventually, lives
from tests.engines.llamafiles import NEWER, needs_posix, needs_xllamacpp, write_llamafile
from tests.engines.test_contract import texts, until

GB = 10**9
HERE = Path("/models/m.llamafile")


# Deciding, for every system


@pytest.mark.parametrize("system", ["Linux", "Darwin"])
@pytest.mark.parametrize("size", [1, LARGEST_EXE + 1])
def test_linux_and_macos_start_any_size_and_ask_a_shell_next(system: str, size: int) -> None:
    commands = ((str(HERE),), ("/bin/sh", str(HERE)))
    assert plan_start(HERE, size, system) == StartPlan(commands, executable=True)


@pytest.mark.parametrize(
    ("name", "started", "link"),
    [
        ("m.llamafile", "m.llamafile.exe", "m.llamafile.exe"),
        ("m.llamafile.exe", "m.llamafile.exe", None),
        ("M.EXE", "M.EXE", None),
        ("llamafile-0.9.3", "llamafile-0.9.3.exe", "llamafile-0.9.3.exe"),
    ],
)
def test_windows_starts_what_ends_in_exe(name: str, started: str, link: str | None) -> None:
    plan = plan_start(Path(name), LARGEST_EXE, "Windows")
    assert plan == StartPlan(((started,),), link=Path(link) if link else None)


def test_windows_is_told_the_way_around_its_limit() -> None:
    with pytest.raises(ModelFileError, match=r"4\.3 GB.*no more than 4.*GGUF file"):
        plan_start(HERE, LARGEST_EXE + 1, "Windows")


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_an_empty_file_is_started_nowhere(system: str) -> None:
    with pytest.raises(ModelFileError, match="is empty"):
        plan_start(HERE, 0, system)


def test_the_second_name_for_windows_is_a_link_or_what_is_there(tmp_path: Path) -> None:
    path, link = tmp_path / "m 文.llamafile", tmp_path / "m 文.llamafile.exe"
    path.write_bytes(b"MZ")
    plan = StartPlan(((str(link),),), link=link)

    assert "added beside it" in prepare(plan, path)
    assert link.samefile(path)
    assert prepare(plan, path) == ""

    link.unlink()
    link.write_bytes(b"something else")
    with pytest.raises(ModelFileError, match="another file of that name"):
        prepare(plan, path)


def given(**chosen: object) -> str:
    usual = {"weights": "", "context": 8192, "gpu_layers": None, "threads": 3, "refused": ()}
    return " ".join(arguments(4711, **{**usual, **chosen}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chosen", "expected", "missing"),
    [
        ({}, "--server --nobrowser --host 127.0.0.1 --port 4711 -c 8192 -t 3 -np 1", "-m"),
        ({}, "-ngl 999", "--gpu"),
        ({"refused": {"--nobrowser"}}, "--server --host", "-ngl"),
        ({"refused": {"--nobrowser"}, "gpu_layers": -1}, "-ngl 999", "--nobrowser"),
        ({"refused": {"-np"}}, "-t 3 -ngl", "-np"),
        ({"gpu_layers": 0}, "--gpu disable -ngl 0", "999"),
        ({"gpu_layers": 12}, "-ngl 12", "999"),
        ({"weights": "/a b/m.gguf"}, "-m /a b/m.gguf", "/zip"),
    ],
)
def test_older_and_newer_ones_get_the_arguments_that_they_know(
    chosen: dict[str, object], expected: str, missing: str
) -> None:
    line = given(**chosen)
    assert expected in line
    assert missing not in line.split()


@pytest.mark.parametrize(
    ("line", "argument"),
    [
        ("error: unknown argument: --nobrowser", "--nobrowser"),
        ("error: invalid argument: -np", "-np"),
        ("/m.llamafile: --host unknown argument", None),
        ("error: invalid argument: --port", None),
        ("error: failed to load model", None),
    ],
)
def test_a_refused_argument_is_recognised(line: str, argument: str | None) -> None:
    assert refused_argument(["starting", line, "usage: ..."]) == argument


def test_a_taken_port_and_a_system_without_a_clue_are_recognised() -> None:
    assert port_was_taken(["couldn't bind to server socket: hostname=127.0.0.1 port=8080"])
    assert not port_was_taken(["failed to load model"])
    assert needs_a_shell((errno.ENOEXEC, "Exec format error"), ())
    assert needs_a_shell(None, ["run-detectors: unable to find an interpreter for ./m"])
    assert not needs_a_shell((errno.ENOENT, "No such file"), ())
    assert not needs_a_shell(None, ["failed to load model"])


def ended(system: str = "Linux", code: int = 1, *words: str, refused: object = None) -> EngineError:
    return explain_failure(Ended(HERE, system, code, words, refused, bare=True))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ended("Windows", refused=(225, "virus")), "virus scanner"),
        (ended("Windows", refused=(5, "Access is denied")), "Unblock"),
        (ended("Windows", refused=(193, "%1 is not a valid")), "only in part"),
        (ended("Windows", refused=(14001, "side by side")), r"could not be started \(side"),
        (ended("Darwin", refused=(errno.EPERM, "Operation not permitted")), "Open Anyway"),
        (ended("Darwin", -9), "Open Anyway"),
        (ended("Darwin", 1, "ape error: m: prog mmap failed w/ errno 1"), "Open Anyway"),
        (ended("Darwin", 1, "xcrun: error: invalid active developer path"), "xcode-select"),
        (ended("Linux", refused=(errno.EACCES, "Permission denied")), "folder of your own"),
        (ended("Linux", refused=(errno.ETXTBSY, "Text file busy")), "still being written"),
        (ended("Linux", 1, "error: --model is required"), "without a model"),
        (ended("Linux", 1, "error loading model: unknown model architecture: 'x'"), "newer"),
        (ended("Linux", -4), "an instruction that this processor does not have"),
        (ended("Linux", 3, "some words"), r"exit code 3; its last words: some words"),
    ],
)
def test_what_went_wrong_is_said_in_plain_words(error: EngineError, says: str) -> None:
    with pytest.raises(EngineError, match=says):
        raise error


@pytest.mark.parametrize(
    ("code", "line", "cause"),
    [
        (
            1,
            "ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory",
            "memory",
        ),
        (1, "llama_kv_cache_init: failed to allocate buffer for kv cache", "memory"),
        (137, "", "memory"),
        (-9, "", "memory"),
        (1, "CUDA error: no kernel image is available for execution on the device", "gpu"),
        (1, "something else", ""),
    ],
)
def test_what_safer_settings_could_save_is_told_apart(code: int, line: str, cause: str) -> None:
    error = ended("Linux", code, line)
    assert isinstance(error, LoadError)
    assert error.cause == cause


# Running, with stand-ins

Make = Callable[..., LlamafileEngine]


@pytest.fixture
def llamafile(tmp_path: Path) -> Iterator[Make]:
    """Makes a stand-in (see ``write_llamafile``) in a rude folder and an engine for it; what it
    writes goes to llamafile.log."""
    made: list[LlamafileEngine] = []

    def make(
        model: Path | None = None,
        how: dict[str, object] | None = None,
        shebang: bool = True,
        **fields: object,
    ) -> LlamafileEngine:
        path = tmp_path / "a folder 文件 🐛" / "m.llamafile"
        write_llamafile(path, model, shebang=shebang, **(how or {}))
        usual = {"log": tmp_path / "llamafile.log", "context": 4096, "start_seconds": 60}
        made.append(LlamafileEngine(path=path, **{**usual, **fields}))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@needs_posix
@needs_xllamacpp
class TestAnswers:
    @pytest.mark.parametrize("how", [{}, NEWER], ids=["older", "newer"])
    def test_older_and_newer_ones(
        self, how: dict[str, object], models: Models, tmp_path: Path, llamafile: Make
    ) -> None:
        notes = tmp_path / "notes"
        engine = llamafile(models.tiny, {**how, "notes": str(notes)}, context=None)
        assert engine.invoke("Hi").text == REPLY
        engine.close()
        assert engine.invoke("Hi").text == REPLY

        lines = [json.loads(line) for line in notes.read_text().splitlines()]
        assert ["--nobrowser" in line for line in lines] == [how is not NEWER] * 2
        log = (tmp_path / "llamafile.log").read_text()
        assert log.count("invalid argument") == (1 if how is NEWER else 0)  # it learns

    def test_what_was_chosen_is_told_with_reasons(self, models: Models, llamafile: Make) -> None:
        engine = llamafile(models.tiny, context=None)
        assert engine.info == {}
        engine.load()
        assert engine.context_tokens == 8192
        assert "automatic: 8,192 tokens" in engine.info["context_reason"]
        assert engine.info["gpu_reason"] == "3 of 5 layers on the GPU, automatic"
        assert engine.info["threads_reason"]
        assert "at port" in engine.phase.note
        assert engine.counts_exactly
        assert engine.title == "m"

    def test_it_is_loading_as_long_as_the_server_says_so(
        self, models: Models, llamafile: Make
    ) -> None:
        engine = llamafile(models.tiny, {"loads": 1.5})
        begun = time.monotonic()
        chunks = list(engine.stream("Hi"))
        names = [phase.name for chunk in chunks if (phase := phase_of(chunk))]
        assert time.monotonic() - begun > 1.4
        assert names.count("loading") > 5
        assert texts(chunks) == REPLY

    def test_a_runner_with_separate_weights(self, models: Models, llamafile: Make) -> None:
        engine = llamafile(weights=models.tiny)
        assert engine.invoke("Hi").text == REPLY
        assert engine.title == models.tiny.stem

    def test_one_that_no_kernel_knows_is_started_by_a_shell(
        self, models: Models, llamafile: Make
    ) -> None:
        assert llamafile(models.tiny, shebang=False).invoke("Hi").text == REPLY

    def test_one_that_may_not_run_is_allowed_to_and_that_is_told(
        self, models: Models, llamafile: Make
    ) -> None:
        engine = llamafile(models.tiny)
        engine.path.chmod(0o644)
        assert engine.invoke("Hi").text == REPLY
        assert "marked as a program" in engine.phase.note
        assert engine.path.stat().st_mode & 0o777 == 0o744

    @pytest.mark.parametrize("how", [{}, {"moves_on": False}], ids=["older", "newer"])
    def test_a_port_that_somebody_else_took(
        self, how: dict[str, object], models: Models, tmp_path: Path, llamafile: Make
    ) -> None:
        taken = {"taken": [str(tmp_path / "it happened")]}
        engine = llamafile(models.tiny, {**how, **taken})
        assert engine.invoke("Hi").text == REPLY
        assert (tmp_path / "it happened").exists()

    def test_questions_that_wait_are_answered_by_the_next_life(
        self, models: Models, llamafile: Make
    ) -> None:
        engine = llamafile(models.endless, answer_tokens=4000)
        first = engine.stream("Hi")
        until(first, "writing")
        answers: list[str] = []
        waiting = threading.Thread(
            target=lambda: answers.append(engine.invoke("Hi", answer_tokens=8).text)
        )
        waiting.start()
        time.sleep(0.3)
        assert engine.pid
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineDied):
            list(first)
        waiting.join(timeout=20)
        assert answers

    def test_counts_a_whole_prompt_as_it_is_read(self, models: Models, llamafile: Make) -> None:
        engine = llamafile(models.tiny)
        question = [SystemMessage("Answer."), HumanMessage("Why?")]
        answer = engine.invoke(question)
        assert answer.usage_metadata
        counted = engine.get_num_tokens_from_messages(question)
        assert counted == answer.usage_metadata["input_tokens"]


@needs_posix
class TestRude:
    def test_one_that_ends_at_once_has_its_last_words_quoted(self, llamafile: Make) -> None:
        engine = llamafile(how={"exits": 3, "says": "the cat is on the keyboard"})
        with pytest.raises(LoadError, match=r"did not start.*the cat is on the keyboard"):
            engine.invoke("Hi")
        assert engine.phase.name == "failed"
        assert "cat" in engine.phase.note
        with pytest.raises(LoadError, match="cat"):
            engine.load()

    def test_one_that_has_too_little_memory_offers_safer_settings(self, llamafile: Make) -> None:
        engine = llamafile(how={"exits": 1, "says": "ggml: failed to allocate 9 GB"})
        with pytest.raises(LoadError) as failed:
            engine.load()
        assert failed.value.cause == "memory"

    def test_one_that_floods_its_output_is_drained(self, llamafile: Make, tmp_path: Path) -> None:
        engine = llamafile(how={"exits": 1, "floods": 5_000_000})
        with pytest.raises(LoadError):
            engine.load()
        assert (tmp_path / "llamafile.log").stat().st_size < 3_000_000

    def test_one_that_is_never_ready_is_ended(self, llamafile: Make) -> None:
        engine = llamafile(how={"never": True}, start_seconds=1)
        stream = engine.stream("Hi")
        until(stream, "loading")
        assert eventually(lambda: bool(engine.pid))
        pid = engine.pid
        with pytest.raises(LoadError, match="not ready to answer after 1 seconds"):
            list(stream)
        assert pid and not lives(pid)

    def test_closing_while_it_starts_ends_it(self, llamafile: Make) -> None:
        engine = llamafile(how={"never": True, "deaf": True, "grandchild": "apart"})
        stream = engine.stream("Hi")
        until(stream, "loading")
        assert eventually(lambda: bool(engine.pid))
        pid = engine.pid
        closer = threading.Thread(target=engine.close)
        closer.start()
        with pytest.raises(EngineError, match="unloaded"):
            list(stream)
        closer.join(10)
        assert engine.phase.name == "unloaded"
        assert pid and not lives(pid)

    def test_a_stream_closed_while_it_starts_leaves_it_to_the_next(self, llamafile: Make) -> None:
        engine = llamafile(how={"never": True})
        stream = engine.stream("Hi")
        until(stream, "loading")
        assert eventually(lambda: bool(engine.pid))
        pid = engine.pid
        begun = time.monotonic()
        stream.close()
        assert time.monotonic() - begun < 0.5
        following = engine.stream("Hi")
        until(following, "loading")
        assert engine.pid == pid
        following.close()

    def test_no_file_no_weights_and_a_folder(self, tmp_path: Path, llamafile: Make) -> None:
        with pytest.raises(ModelFileError, match="There is no file at"):
            LlamafileEngine(path=tmp_path / "gone.llamafile").invoke("Hi")
        with pytest.raises(ModelFileError, match=r"There is no file at .*gone\.gguf"):
            llamafile(weights=tmp_path / "gone.gguf").load()
        with pytest.raises(ModelFileError, match="There is no file at"):
            LlamafileEngine(path=tmp_path).load()

    def test_what_is_no_program_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "m.llamafile"
        path.write_bytes(b"\x7fELF, but not really" + bytes(100))
        with pytest.raises(EngineError, match=r"did not start|could not be started"):
            LlamafileEngine(path=path).load()

    def test_pictures_are_refused_before_anything_is_started(self, llamafile: Make) -> None:
        engine = llamafile(how={"never": True})
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
        with pytest.raises(EngineError, match="text only"):
            engine.invoke([HumanMessage([picture])])
        assert engine.pid is None


@needs_posix
@needs_xllamacpp
class TestEnds:
    def test_one_that_dies_while_it_answers(self, models: Models, llamafile: Make) -> None:
        engine = llamafile(models.slow, answer_tokens=3000)
        stream = engine.stream("Hi")
        until(stream, "writing")
        assert engine.pid
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineDied, match=r"stopped unexpectedly.*memory"):
            list(stream)
        assert engine.phase.name == "failed"
        assert engine.invoke("Hi", answer_tokens=4).text

    def test_one_that_dies_while_nobody_asks(self, models: Models, llamafile: Make) -> None:
        engine = llamafile(models.tiny)
        engine.load()
        assert engine.pid
        os.kill(engine.pid, signal.SIGSEGV)
        assert eventually(lambda: engine.phase.name == "failed")
        assert "crashed" in engine.phase.note
        assert engine.pid is None
        assert engine.get_num_tokens("two words") > 0
        assert engine.invoke("Hi").text == REPLY

    def test_one_that_hangs_is_ended_and_started_anew(
        self, models: Models, llamafile: Make
    ) -> None:
        engine = llamafile(models.slow, answer_tokens=3000, silence=2)
        stream = engine.stream("Hi")
        until(stream, "writing")
        pid = engine.pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(EngineDied, match="did not move for 2"):
            list(stream)
        assert not lives(pid)
        assert engine.phase.name == "failed"
        assert engine.invoke("Hi", answer_tokens=4).text

    def test_a_key_in_the_environment_is_not_for_this_one(
        self, models: Models, llamafile: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("LLAMA_API_KEY", "somebody's secret")
        monkeypatch.setenv("LLAMA_ARG_PORT", "1")
        notes = tmp_path / "environment"
        llamafile(models.tiny, {"environment": str(notes)}).load()
        assert "LLAMA_" not in notes.read_text()

    def test_closing_ends_all_of_it(self, models: Models, llamafile: Make) -> None:
        engine = llamafile(models.tiny, {"grandchild": "apart", "deaf": True})
        engine.load()
        pid = engine.pid
        engine.close()
        engine.close()
        assert pid and not lives(pid)
        log = engine.log.read_text() if engine.log else ""
        grandchild = int(log.partition("grandchild ")[2].split()[0])
        assert eventually(lambda: not lives(grandchild), 5)
        assert engine.phase.name == "unloaded"

    def test_one_that_would_answer_the_whole_network_is_ended(
        self, models: Models, llamafile: Make
    ) -> None:
        engine = llamafile(models.tiny, {"host": "0.0.0.0"})
        with pytest.raises(LoadError, match="other computers of your network"):
            engine.load()
        assert engine.pid is None

    def test_an_engine_that_nobody_holds_ends_its_program(
        self, models: Models, tmp_path: Path
    ) -> None:
        path = write_llamafile(tmp_path / "m.llamafile", models.tiny)
        engine = LlamafileEngine(path=path)
        assert engine.invoke("Hi").text == REPLY
        pid = engine.pid
        assert pid
        del engine
        assert eventually(lambda: not lives(pid), 10)

    def test_an_app_that_is_killed_leaves_nothing_behind(
        self, models: Models, tmp_path: Path
    ) -> None:
        path = write_llamafile(tmp_path / "文 🐛" / "m.llamafile", models.slow, grandchild="apart")
        program = (
            "import sys\nfrom pathlib import Path\n"
            "from localchat.engines.llamafile.engine import LlamafileEngine\n"
            "engine = LlamafileEngine(path=Path(sys.argv[1]), answer_tokens=6000,"
            " log=Path(sys.argv[2]))\n"
            "for chunk in engine.stream('Hi'):\n"
            "    if chunk.text:\n        print(engine.pid, flush=True)\n"
        )
        log = tmp_path / "llamafile.log"
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path), str(log)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        ) as app:
            assert app.stdout
            pid = int(app.stdout.readline())
            grandchild = int(log.read_text().partition("grandchild ")[2].split()[0])
            assert lives(pid) and lives(grandchild)
            app.kill()
            app.wait(timeout=10)
            assert eventually(lambda: not lives(pid) and not lives(grandchild), 10)
