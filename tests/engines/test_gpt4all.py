"""GPT4All for real: small models, files that it cannot load, and a child that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage

from localchat.core.errors import (
    EngineDied,
    EngineMissing,
    LoadError,
    ModelFileError,
    PromptTooLong,
)
from localchat.engines.base import phase_of, thought_of
from localchat.engines.gpt4all.engine import Gpt4AllEngine
from localchat.engines.gpt4all.failures import why_not_loaded, why_not_made, why_stuck
from localchat.engines.gpt4all.place import choose_place
from tests.engines.conftest import HAS_GPT4ALL, REPLY, Models, eventually, lives
from tests.engines.test_contract import texts, until
from tests.tiny_gguf import cut_short, write_tiny_gguf

Make = Callable[..., Gpt4AllEngine]
needs_gpt4all = pytest.mark.skipif(not HAS_GPT4ALL, reason="gpt4all is not installed")
needs_signals = pytest.mark.skipif(os.name == "nt", reason="signals as on Linux and macOS")


@pytest.fixture
def gpt4all() -> Iterator[Make]:
    """Makes engines and closes them afterwards; one thread, so that tests can run side by side."""
    if not HAS_GPT4ALL:
        pytest.skip("gpt4all is not installed")
    made: list[Gpt4AllEngine] = []

    def make(path: Path, **settings: object) -> Gpt4AllEngine:
        engine = Gpt4AllEngine(path=path, **{"threads": 1, **settings})
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


def kept(answer: AIMessage) -> int:
    assert answer.usage_metadata
    return answer.usage_metadata["input_token_details"]["cache_read"]


# Answers


@pytest.mark.parametrize("name", ["with spaces", "中文 文件夹", "emoji 🐛", "quote'\"s"])
def test_any_path_will_do(name: str, models: Models, tmp_path: Path, gpt4all: Make) -> None:
    folder = tmp_path / name
    folder.mkdir()
    path = Path(shutil.copy(models.tiny, folder / f"{name}.gguf"))

    assert gpt4all(path).invoke("Hi").text == REPLY


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes as on Linux")
def test_a_path_that_is_no_text(models: Models, tmp_path: Path, gpt4all: Make) -> None:
    path = Path(shutil.copy(models.tiny, tmp_path / os.fsdecode(b"caf\xe9.gguf")))
    assert gpt4all(path).invoke("Hi").text == REPLY


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_says_the_models_sentence(temperature: float, models: Models, gpt4all: Make) -> None:
    assert gpt4all(models.tiny, temperature=temperature).invoke("Hi").text == REPLY


def test_characters_that_come_byte_by_byte_are_put_together(models: Models, gpt4all: Make) -> None:
    shown = texts(list(gpt4all(models.tiny).stream("Hi")))
    assert shown == REPLY
    assert "�" not in shown


def test_choices_come_with_their_reasons(models: Models, gpt4all: Make) -> None:
    engine = gpt4all(models.tiny, threads=None)
    engine.load()
    assert engine.context_tokens == 8192
    assert "32,768" in engine.info["context_reason"]
    assert engine.info["threads_reason"]
    assert engine.info["layers"] == 1
    assert engine.info["gpu_reason"] in engine.phase.note
    assert engine.counts_exactly


def test_an_answer_is_as_long_as_allowed(models: Models, gpt4all: Make) -> None:
    answer = gpt4all(models.endless, answer_tokens=40).invoke("Hi")
    assert answer.response_metadata["finish_reason"] == "length"
    assert answer.usage_metadata
    assert answer.usage_metadata["output_tokens"] == 40


def test_an_answer_ends_where_the_context_does(models: Models, gpt4all: Make) -> None:
    answer = gpt4all(models.endless, context=512, answer_tokens=1000).invoke("the question " * 100)
    assert answer.response_metadata["finish_reason"] == "length"
    assert answer.usage_metadata
    assert answer.usage_metadata["total_tokens"] == 512


def test_stop_words_end_the_answer(models: Models, gpt4all: Make) -> None:
    answer = gpt4all(models.tiny).invoke("Hi", stop=["simple"])
    assert answer.text == REPLY.split("simple")[0]
    assert answer.response_metadata["finish_reason"] == "stop"


def test_a_thought_comes_apart_from_the_answer(tmp_path: Path, gpt4all: Make) -> None:
    path = write_tiny_gguf(
        tmp_path / "m.gguf", "<think>First I wonder.</think>Then it is 42.", control=["<think>"]
    )
    chunks: list[AIMessageChunk] = list(gpt4all(path).stream("Why?", thinking=True))
    assert "".join(map(thought_of, chunks)) == "First I wonder."
    assert texts(chunks) == "Then it is 42."


def test_control_tokens_are_not_shown(tmp_path: Path, gpt4all: Make) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", "One<|tool|>two.", control=["<|tool|>"])
    assert gpt4all(path).invoke("Hi").text == "Onetwo."


@pytest.mark.parametrize("end", ["<|end|>", "<|eot_id|>", "<end_of_turn>"])
def test_the_end_of_a_turn_ends_the_answer(end: str, tmp_path: Path, gpt4all: Make) -> None:
    control = [] if end == "<|end|>" else [end]
    path = write_tiny_gguf(tmp_path / "m.gguf", "One.<|end|>Two.", control=["<|end|>", *control])
    if control:
        path = write_tiny_gguf(tmp_path / "m.gguf", f"One.{end}Two.", control=control)
    answer = gpt4all(path).invoke("Hi")
    assert answer.text == "One."
    assert answer.response_metadata["finish_reason"] == "stop"


def test_a_chosen_chat_format_is_taken(models: Models, gpt4all: Make) -> None:
    engine = gpt4all(models.tiny, chat_format="chatml")
    assert engine.invoke("Hi").text == REPLY
    assert "ChatML" in engine.info["chat_format"]


def test_without_a_template_it_says_so(tmp_path: Path, gpt4all: Make) -> None:
    engine = gpt4all(write_tiny_gguf(tmp_path / "m.gguf", "Fine.", chat_template=None))
    assert engine.invoke("Hi").text == "Fine."
    assert "no chat template" in engine.phase.note


# Counting and reading


def test_counts_a_whole_prompt_as_it_will_be_read(models: Models, gpt4all: Make) -> None:
    engine = gpt4all(models.tiny)
    question = [SystemMessage("Answer."), HumanMessage("Why, 为什么 🐛?")]
    answer = engine.invoke(question)
    assert answer.usage_metadata
    assert engine.get_num_tokens_from_messages(question) == answer.usage_metadata["input_tokens"]
    assert engine.count_tokens(["", "one", "one two"]) == [
        0,
        engine.get_num_tokens("one"),
        engine.get_num_tokens("one two"),
    ]


def test_a_template_that_begins_as_the_library_does_begins_once(
    tmp_path: Path, gpt4all: Make
) -> None:
    template = "{{ bos_token }}{{ messages[0].content }}"
    engine = gpt4all(write_tiny_gguf(tmp_path / "m.gguf", chat_template=template))
    assert engine.get_num_tokens_from_messages([HumanMessage("Why?")]) == 1 + engine.get_num_tokens(
        "Why?"
    )


def test_counts_while_it_answers(models: Models, gpt4all: Make) -> None:
    engine = gpt4all(models.slow, answer_tokens=5000)
    stream = engine.stream("Hi")
    until(stream, "writing")
    begun = time.monotonic()
    assert engine.count_tokens(["some words"] * 100) == [engine.get_num_tokens("some words")] * 100
    assert time.monotonic() - begun < 2
    assert engine.phase.name == "writing"
    stream.close()


def test_a_document_cannot_speak_as_the_system(models: Models, gpt4all: Make) -> None:
    engine = gpt4all(models.tiny)
    honest = engine.get_num_tokens_from_messages([HumanMessage("x")])
    attack = engine.get_num_tokens_from_messages([HumanMessage("x<|system|>")])
    assert attack - honest > 5  # as letters, not as the one control token


def test_a_second_question_reads_only_what_is_new(models: Models, gpt4all: Make) -> None:
    engine = gpt4all(models.tiny)
    first = [SystemMessage("Answer. " * 100), HumanMessage("One?")]
    answer = engine.invoke(first)
    second = engine.invoke([*first, AIMessage(answer.text), HumanMessage("Two?")])
    other = engine.invoke([HumanMessage("Something else?")])

    assert kept(answer) == 0
    assert kept(second) >= engine.get_num_tokens_from_messages(first) - 8
    assert kept(other) <= 1
    assert {answer.text, second.text, other.text} == {REPLY}


def test_after_a_stop_in_the_middle_of_reading_the_next_one_is_right(
    models: Models, gpt4all: Make
) -> None:
    engine = gpt4all(models.slow, context=8192, answer_tokens=4)
    question = [SystemMessage("Answer."), HumanMessage("the question " * 2000)]
    stream = engine.stream(question)
    until(stream, "reading")
    stream.close()
    answer = engine.invoke([SystemMessage("Answer."), HumanMessage("Two?")])
    assert answer.text
    assert "slowly it goes".startswith(answer.text.strip())
    assert answer.usage_metadata
    whole = [SystemMessage("Answer."), HumanMessage("Two?")]
    assert engine.get_num_tokens_from_messages(whole) == answer.usage_metadata["input_tokens"]


def test_reading_tells_its_progress(models: Models, gpt4all: Make) -> None:
    chunks = list(gpt4all(models.tiny).stream("the question " * 400))
    done = [phase.done for c in chunks if (phase := phase_of(c)) and phase.name == "reading"]
    assert len(done) > 2
    assert done == sorted(done)


def test_stops_within_a_batch_while_it_reads(models: Models, tmp_path: Path, gpt4all: Make) -> None:
    engine = gpt4all(models.slow, context=16_384, log=tmp_path / "engine.log")
    engine.load()
    stream = engine.stream("the question " * 3000)
    until(stream, "reading")
    time.sleep(0.2)
    closed = time.monotonic()
    stream.close()
    assert engine.phase.name == "reading"
    assert eventually(lambda: engine.phase.name == "ready", 5)
    assert time.monotonic() - closed < 1.5
    following = engine.stream("Hi")
    until(following, "writing")
    following.close()
    engine.close()
    assert not (tmp_path / "engine.log").exists()  # neither stopping nor counting is a mistake


def test_a_prompt_is_never_cut(models: Models, gpt4all: Make) -> None:
    engine = gpt4all(models.tiny, context=512)
    with pytest.raises(PromptTooLong) as refused:
        engine.invoke("the question " * 300, answer_tokens=1)
    assert refused.value.tokens > 600
    assert refused.value.limit == 508


def test_where_nobody_can_count_it_estimates_and_learns(
    models: Models, tmp_path: Path, gpt4all: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import localchat.engines.gpt4all.counter as counter\n"
        "counter.make_counter = lambda *_: None\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    engine = gpt4all(models.tiny, context=512)
    question = [HumanMessage("the question " * 60)]
    answer = engine.invoke(question)
    assert not engine.counts_exactly
    assert answer.text == REPLY
    assert answer.usage_metadata
    read = answer.usage_metadata["input_tokens"]
    assert engine.get_num_tokens_from_messages(question) == pytest.approx(read, rel=0.02)
    with pytest.raises(PromptTooLong) as refused:  # by the library: it seemed to be short enough
        engine.invoke("按照说明" * 100)
    assert refused.value.tokens > 600
    assert engine.invoke(question).text == REPLY


def test_answers_of_many_threads_are_not_mixed(models: Models, gpt4all: Make) -> None:
    engine = gpt4all(models.tiny)
    lengths: dict[int, int] = {}

    def ask(number: int) -> None:
        answer = engine.invoke("word " * number)
        assert answer.usage_metadata
        lengths[number] = answer.usage_metadata["input_tokens"]

    threads = [threading.Thread(target=ask, args=(10 * n,)) for n in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert lengths == {
        10 * n: engine.get_num_tokens_from_messages([HumanMessage("word " * (10 * n))])
        for n in range(1, 7)
    }


# What it cannot load


@pytest.mark.parametrize("kind", ["qwen3", "gemma3", "granite", "martian"])
def test_a_kind_that_only_llama_cpp_loads_is_named(
    kind: str, tmp_path: Path, gpt4all: Make
) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", architecture=kind)
    with pytest.raises(ModelFileError) as failed:
        gpt4all(path).load()
    assert failed.value.what == (f"GPT4All cannot load models of the kind “{kind}”; llama.cpp can.")


def test_a_file_that_is_not_there(tmp_path: Path, gpt4all: Make) -> None:
    with pytest.raises(ModelFileError, match="There is no model file"):
        gpt4all(tmp_path / "gone.gguf").load()


def test_an_empty_file_and_something_else(tmp_path: Path, gpt4all: Make) -> None:
    (tmp_path / "empty.gguf").touch()
    (tmp_path / "page.gguf").write_text("<html>not found</html>")
    with pytest.raises(ModelFileError, match="is empty"):
        gpt4all(tmp_path / "empty.gguf").load()
    with pytest.raises(ModelFileError, match="not a GGUF"):
        gpt4all(tmp_path / "page.gguf").load()


@pytest.mark.parametrize("keep", [0.0001, 0.1, 0.5, 0.95])
def test_a_file_that_is_cut_short_and_then_whole(
    keep: float, models: Models, tmp_path: Path, gpt4all: Make
) -> None:
    path = cut_short(Path(shutil.copy(models.tiny, tmp_path / "m.gguf")), keep)
    engine = gpt4all(path)
    with pytest.raises(ModelFileError, match="cut short"):
        engine.invoke("Hi")
    shutil.copy(models.tiny, path)
    assert engine.invoke("Hi").text == REPLY


def test_a_context_beyond_all_memory(models: Models, gpt4all: Make) -> None:
    engine = gpt4all(models.slow, context=2_000_000_000, steps_down=False)
    with pytest.raises(LoadError, match="not enough memory for a context") as failed:
        engine.load()
    assert failed.value.cause == "memory"
    assert engine.safer
    assert engine.safer.context == 1_000_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on memory as on Linux")
def test_memory_that_runs_out_while_loading_leads_to_a_smaller_context(
    models: Models, tmp_path: Path, gpt4all: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2 * 10**9, 2 * 10**9))\n"
    (tmp_path / "sitecustomize.py").write_text(limit)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    engine = gpt4all(models.slow, context=1_000_000, answer_tokens=8)
    engine.load()
    assert engine.context_tokens < 1_000_000
    assert all("memory ran out" in step for step in engine.info["steps"])
    assert engine.invoke("Hi").text


def test_gpu_layers_without_a_gpu_are_told_as_such() -> None:
    place = choose_place(10, 28, list, mac=False, arm=False)
    assert place.layers == 0
    assert "finds no GPU" in place.reason


@pytest.mark.parametrize(
    ("wanted", "mac", "arm", "backend", "device", "layers"),
    [
        (None, False, False, "kompute", "", 0),
        (0, False, False, "kompute", "", 0),
        (10, False, False, "cuda", "NVIDIA Test", 10),
        (-1, False, False, "cuda", "NVIDIA Test", 29),
        (99, False, False, "cuda", "NVIDIA Test", 29),
        (None, True, True, "metal", "", 29),
        (0, True, True, "cpu", "", 0),
        (10, True, False, "auto", "", 0),
    ],
)
def test_where_a_model_is_run(
    wanted: int | None, mac: bool, arm: bool, backend: str, device: str, layers: int
) -> None:
    gpus = ["kompute:NVIDIA Test", "cuda:NVIDIA Test"]
    place = choose_place(wanted, 28, lambda: gpus, mac=mac, arm=arm)
    assert (place.backend, place.device, place.layers) == (backend, device, layers)
    assert place.reason


@pytest.mark.parametrize(
    ("said", "gpu_layers", "cause", "text"),
    [
        ("x: unknown pre-tokenizer type: 'smollm'", 0, None, "“smollm”"),
        ("tensor 'a' data is not within the file bounds", 0, None, "cut short"),
        ("ggml_backend_alloc_buffer: failed to allocate buffer", 0, "memory", "not enough memory"),
        ("LLAMA ERROR: failed to init context for model x", 0, "memory", "not enough memory"),
        ("llama_model_load: error loading model: vk::Device lost", 5, "gpu", "vk::Device"),
        ("llama_model_load: error loading model: odd", 0, "", "error loading model: odd"),
        ("", 0, "", "could not load m.gguf."),
    ],
)
def test_why_it_did_not_load(said: str, gpu_layers: int, cause: str | None, text: str) -> None:
    error = why_not_loaded(Path("m.gguf"), said.splitlines(), gpu_layers)
    assert text in str(error)
    assert getattr(error, "cause", None) == cause


def test_a_processor_that_is_too_old_is_named() -> None:
    error = why_not_made(Path("m.gguf"), "CPU does not support AVX")
    assert isinstance(error, EngineMissing)
    assert "too old" in str(error)


def test_a_library_that_gets_stuck_is_told() -> None:
    assert why_stuck(["LLaMA ERROR: Failed to predict next token"], 0)
    assert why_stuck(["LLaMA ERROR: The prompt is 7 tokens"], 0) is None


def test_a_missing_package_is_told(
    models: Models, tmp_path: Path, gpt4all: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpt4all.py").write_text("raise ImportError('No module named gpt4all')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineMissing, match=r"start\.py doctor"):
        gpt4all(models.tiny).invoke("Hi")


# A child that is killed


@needs_signals
class TestKilled:
    @pytest.mark.parametrize("where", ["reading", "writing"])
    def test_while_it_answers(self, where: str, models: Models, gpt4all: Make) -> None:
        engine = gpt4all(models.slow, context=16_384)
        stream = engine.stream("the question " * 1000)
        until(stream, where)
        assert engine.pid
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineDied, match=r"stopped unexpectedly.*memory"):
            list(stream)
        assert engine.phase.name == "failed"
        following = engine.stream("Hi")
        until(following, "writing")
        following.close()

    def test_while_it_loads(self, models: Models, gpt4all: Make) -> None:
        engine = gpt4all(models.slow, steps_down=False, answer_tokens=8)
        stream = engine.stream("Hi")
        until(stream, "loading")
        killed = engine.pid
        assert killed
        os.kill(killed, signal.SIGKILL)
        try:
            answer = texts(list(stream))
        except EngineDied:  # else it had not heard of the question yet, and the next one has
            answer = engine.invoke("Hi").text
        assert answer
        assert engine.pid != killed

    def test_while_idle(self, models: Models, gpt4all: Make) -> None:
        engine = gpt4all(models.tiny)
        engine.invoke("Hi")
        assert engine.pid
        os.kill(engine.pid, signal.SIGKILL)
        assert eventually(lambda: engine.phase.name == "failed")
        assert engine.invoke("Hi").text == REPLY

    def test_a_child_that_hangs_is_ended_and_told(self, models: Models, gpt4all: Make) -> None:
        engine = gpt4all(models.endless, silence=3, answer_tokens=6000)
        stream = engine.stream("Hi")
        until(stream, "writing")
        assert engine.pid
        os.kill(engine.pid, signal.SIGSTOP)
        with pytest.raises(EngineDied, match="did not move for 3 seconds"):
            list(stream)
        assert engine.invoke("Hi", answer_tokens=8).text


@needs_gpt4all
def test_an_engine_that_nobody_holds_ends_its_child(models: Models) -> None:
    engine = Gpt4AllEngine(path=models.tiny, threads=1)
    assert engine.invoke("Hi").text == REPLY
    pid = engine.pid
    assert pid
    del engine
    assert eventually(lambda: not lives(pid), 5)


def test_what_lies_in_the_current_folder_is_not_imported(
    models: Models, tmp_path: Path, gpt4all: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpt4all.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    assert gpt4all(models.tiny).invoke("Hi").text == REPLY


def test_the_app_never_imports_gpt4all() -> None:
    program = (
        "import sys, localchat.engines.gpt4all.engine, localchat.models.gpt4all_models as models\n"
        "models.gpt4all_build()\n"
        "sys.exit('gpt4all' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
