"""What every engine promises (see ``localchat.engines.base``), tested over all of them.

A new engine joins with one line in ``KITS``; see ``Kit`` for what that line may say.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from localchat.core.errors import EngineError, PromptTooLong
from localchat.engines.base import HEARTBEAT, Engine, Phase, phase_of
from localchat.engines.gpt4all.engine import Gpt4AllEngine
from localchat.engines.llama.engine import LlamaCppEngine
from localchat.engines.llamafile.engine import LlamafileEngine
from localchat.engines.quotes import QUOTES, QuotesEngine
from localchat.engines.server.engine import ServerEngine
from tests.engines.conftest import HAS_GPT4ALL, HAS_LLAMA, REPLY, Models
from tests.engines.llamafiles import HAS_XLLAMACPP, write_llamafile
from tests.engines.servers import HAS_PYTHON_SERVER, running
from tests.fake_engine import FakeEngine

SLACK = 0.4
"""Seconds that a busy test machine may take on top of a promise."""


def _fake(_: Models) -> Engine:
    return FakeEngine(default=REPLY)


def _slow_fake(_: Models) -> Engine:
    return FakeEngine(default="on and on " * 1000, delay=0.02)


def _small_fake(_: Models) -> Engine:
    return FakeEngine(context=256)


def _llama(models: Models) -> Engine:
    return LlamaCppEngine(path=models.tiny, threads=1, context=4096)


def _slow_llama(models: Models) -> Engine:
    return LlamaCppEngine(path=models.slow, threads=1, context=8192, answer_tokens=6000)


def _small_llama(models: Models) -> Engine:
    return LlamaCppEngine(path=models.tiny, threads=1, context=256)


def _gpt4all(models: Models) -> Engine:
    return Gpt4AllEngine(path=models.tiny, threads=1, context=4096)


def _slow_gpt4all(models: Models) -> Engine:
    return Gpt4AllEngine(path=models.slow, threads=1, context=8192, answer_tokens=6000)


def _small_gpt4all(models: Models) -> Engine:
    return Gpt4AllEngine(path=models.tiny, threads=1, context=256)


def _a_llamafile(model: Path) -> Path:
    return write_llamafile(model.parent / "a file 文件 🐛" / f"{model.stem}.llamafile", model)


def _llamafile(models: Models) -> Engine:
    return LlamafileEngine(path=_a_llamafile(models.tiny), context=4096)


def _slow_llamafile(models: Models) -> Engine:
    return LlamafileEngine(path=_a_llamafile(models.slow), context=8192, answer_tokens=6000)


def _small_llamafile(models: Models) -> Engine:
    return LlamafileEngine(path=_a_llamafile(models.tiny), context=256)


def _llama_server(models: Models) -> Engine:
    return ServerEngine(url=running().llama_server(models.tiny, 4096).url)


def _slow_llama_server(models: Models) -> Engine:
    return ServerEngine(url=running().llama_server(models.slow, 8192).url, answer_tokens=6000)


def _small_llama_server(models: Models) -> Engine:
    return ServerEngine(url=running().llama_server(models.tiny, 256).url)


def _python_server(models: Models) -> Engine:
    return ServerEngine(url=running().python_server(models.tiny, 4096).url)


def _slow_python_server(models: Models) -> Engine:
    url = running().python_server(models.slow, 8192).url
    return ServerEngine(url=url, context=8192, answer_tokens=6000)


def _small_python_server(models: Models) -> Engine:
    return ServerEngine(url=running().python_server(models.tiny, 256).url)


def _quoted(question: str) -> list[BaseMessage]:
    texts = ["Simple prompting.", "Human inputs."]
    quotes = [{"number": number, "text": text} for number, text in enumerate(texts, 1)]
    return [HumanMessage(question, additional_kwargs={QUOTES: quotes})]


def _plain(question: str) -> list[BaseMessage]:
    return [SystemMessage("Answer briefly."), HumanMessage(question)]


@dataclass(frozen=True)
class Kit:
    """How to make an engine for the tests; what it has not, its tests are skipped."""

    name: str
    make: Callable[[Models], Engine]
    slow: Callable[[Models], Engine] | None = None
    """Answers for at least five seconds."""
    small: Callable[[Models], Engine] | None = None
    """A context window of 256 tokens."""
    ask: Callable[[str], list[BaseMessage]] = _plain
    says: str = REPLY


KITS = [
    Kit("fake", _fake, _slow_fake, _small_fake),
    Kit("llama.cpp", _llama, _slow_llama, _small_llama),
    Kit("gpt4all", _gpt4all, _slow_gpt4all, _small_gpt4all),
    Kit("llamafile", _llamafile, _slow_llamafile, _small_llamafile),
    Kit("server: llama-server", _llama_server, _slow_llama_server, _small_llama_server),
    Kit("server: llama-cpp-python", _python_server, _slow_python_server, _small_python_server),
    Kit("quotes", lambda _: QuotesEngine(), ask=_quoted, says="Simple prompting."),
]


@pytest.fixture(params=KITS, ids=lambda kit: kit.name)
def kit(request: pytest.FixtureRequest) -> Kit:
    found: Kit = request.param
    if found.name == "llama.cpp" and not HAS_LLAMA:
        pytest.skip("llama-cpp-python is not installed")
    if found.name == "gpt4all" and not HAS_GPT4ALL:
        pytest.skip("gpt4all is not installed")
    if found.name == "llamafile" and (os.name == "nt" or not HAS_XLLAMACPP):
        pytest.skip("the stand-in for a llamafile needs xllamacpp, and a shell")
    if found.name == "server: llama-server" and not HAS_XLLAMACPP:
        pytest.skip("xllamacpp is not installed")
    if found.name == "server: llama-cpp-python" and not HAS_PYTHON_SERVER:
        pytest.skip("the server of llama-cpp-python is not installed")
    return found


@pytest.fixture
def engine(kit: Kit, models: Models) -> Iterator[Engine]:
    made = kit.make(models)
    yield made
    made.close()


@pytest.fixture
def slow(kit: Kit, models: Models) -> Iterator[Engine]:
    if kit.slow is None:
        pytest.skip(f"{kit.name} is never slow")
    made = kit.slow(models)
    yield made
    made.close()


def texts(chunks: list[AIMessageChunk]) -> str:
    return "".join(str(chunk.text) for chunk in chunks)


def phases(chunks: list[AIMessageChunk]) -> list[Phase]:
    return [phase for chunk in chunks if (phase := phase_of(chunk))]


def until(stream: Iterator[AIMessageChunk], wanted: str) -> None:
    """Read ``stream`` up to the phase ``wanted``."""
    for chunk in stream:
        if (phase := phase_of(chunk)) and phase.name == wanted:
            return
    raise AssertionError(f"it never came to {wanted}")


def test_streams_its_answer_in_pieces(kit: Kit, engine: Engine) -> None:
    chunks = list(engine.stream(kit.ask("What is task decomposition?")))

    assert kit.says in texts(chunks)
    assert sum(bool(chunk.text) for chunk in chunks) > 1


def test_streamed_and_invoked_are_the_same(kit: Kit, engine: Engine) -> None:
    streamed = texts(list(engine.stream(kit.ask("Why?"))))

    assert engine.invoke(kit.ask("Why?")).text == streamed


def test_phases_come_in_order(kit: Kit, engine: Engine) -> None:
    names = [phase.name for phase in phases(list(engine.stream(kit.ask("Why?"))))]

    order = ["waiting", "loading", "reading", "writing"]
    assert names == sorted(names, key=order.index)
    assert names[-1] == "writing"
    assert engine.phase.name == "ready"


def test_ends_with_usage_timings_and_reason(kit: Kit, engine: Engine) -> None:
    last = [chunk for chunk in engine.stream(kit.ask("Why?")) if chunk.usage_metadata][-1]

    assert last.usage_metadata is not None
    assert last.usage_metadata["output_tokens"] > 0
    assert last.response_metadata["model"] == engine.title
    assert last.response_metadata["finish_reason"] == "stop"
    assert last.response_metadata["timings"]["writing"] >= 0


def test_works_inside_a_chain_and_the_merged_answer_is_whole(kit: Kit, engine: Engine) -> None:
    prompt = ChatPromptTemplate.from_messages([("placeholder", "{messages}")])
    chain = RunnablePassthrough.assign(answer=prompt | engine)

    merged = None
    for part in chain.stream({"messages": kit.ask("Why?")}):
        if "answer" in part:
            merged = part["answer"] if merged is None else merged + part["answer"]

    assert merged is not None
    assert kit.says in merged.text
    assert merged.response_metadata["finish_reason"] == "stop"


def test_counts_tokens(engine: Engine) -> None:
    few, many = engine.get_num_tokens("one two"), engine.get_num_tokens("one two " * 50)

    assert 0 < few < many


def test_says_what_it_does_from_the_first_moment(slow: Engine, kit: Kit) -> None:
    asked = time.monotonic()
    stream = slow.stream(kit.ask("Why?"))
    next(stream)
    assert time.monotonic() - asked < 0.2 + SLACK
    stream.close()


def test_is_never_silent(slow: Engine, kit: Kit) -> None:
    silences = []
    before = time.monotonic()
    begun = before
    for _ in slow.stream(kit.ask("the question " * 200)):
        now = time.monotonic()
        silences.append(now - before)
        before = now
        if now - begun > 2:
            break

    assert max(silences) < HEARTBEAT + SLACK


def test_closing_the_stream_while_it_writes_makes_room_at_once(slow: Engine, kit: Kit) -> None:
    stream = slow.stream(kit.ask("Why?"))
    until(stream, "writing")
    closed = time.monotonic()
    stream.close()
    following = slow.stream(kit.ask("And then?"))
    until(following, "writing")

    assert time.monotonic() - closed < 1 + SLACK
    following.close()


def test_closing_a_chain_stops_the_engine_too(slow: Engine, kit: Kit) -> None:
    prompt = ChatPromptTemplate.from_messages([("placeholder", "{messages}")])
    stream = RunnablePassthrough.assign(answer=prompt | slow).stream({"messages": kit.ask("Why?")})
    for part in stream:
        if "answer" in part and part["answer"].text:
            break
    closed = time.monotonic()
    stream.close()
    while slow.phase.name != "ready" and time.monotonic() - closed < 5:
        time.sleep(0.01)

    assert time.monotonic() - closed < 0.5 + SLACK


def test_questions_from_many_threads_wait_in_order(engine: Engine, kit: Kit) -> None:
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = texts(list(engine.stream(kit.ask(f"Question {number}?"))))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert len(answers) == 5
    assert all(kit.says in answer for answer in answers.values())


def test_a_second_question_is_told_that_it_waits(slow: Engine, kit: Kit) -> None:
    first = slow.stream(kit.ask("Why?"))
    until(first, "writing")
    second = slow.stream(kit.ask("And why this?"))
    until(second, "waiting")
    first.close()
    until(second, "writing")
    second.close()


def test_a_question_taken_back_while_it_waits_is_never_answered(slow: Engine, kit: Kit) -> None:
    first = slow.stream(kit.ask("Why?"))
    until(first, "writing")
    second = slow.stream(kit.ask("Never mind"))
    until(second, "waiting")
    second.close()
    assert any(chunk.text for _, chunk in zip(range(200), first, strict=False))
    first.close()


def test_refuses_a_prompt_that_is_too_long_with_the_numbers(kit: Kit, models: Models) -> None:
    if kit.small is None:
        pytest.skip(f"{kit.name} has no context window")
    small = kit.small(models)
    try:
        with pytest.raises(PromptTooLong) as refused:
            small.invoke(kit.ask("word " * 2000))
        assert refused.value.tokens > 1000
        assert refused.value.limit <= 256
        assert small.invoke(kit.ask("short")).text
    finally:
        small.close()


def test_can_be_closed_twice_and_asked_again(engine: Engine, kit: Kit) -> None:
    engine.invoke(kit.ask("Why?"))
    engine.close()
    engine.close()

    assert kit.says in engine.invoke(kit.ask("Why?")).text


def test_can_be_closed_before_it_was_ever_asked(engine: Engine) -> None:
    engine.close()


def test_closed_from_another_thread_in_the_middle_it_says_so(slow: Engine, kit: Kit) -> None:
    stream = slow.stream(kit.ask("Why?"))
    until(stream, "writing")
    closer = threading.Thread(target=slow.close)
    closer.start()
    with pytest.raises(EngineError, match="unloaded"):
        list(stream)
    closer.join(timeout=10)

    following = slow.stream(kit.ask("And now?"))
    until(following, "writing")
    following.close()


def test_loading_tells_how_it_goes_and_nothing_when_ready(engine: Engine) -> None:
    assert all(isinstance(phase, Phase) for phase in engine.loading())
    assert engine.phase.name == "ready"
    assert list(engine.loading()) == []
