"""The engine for model servers against real ones: what only they can tell. That they keep the
contract of all engines is tested in ``test_contract``."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator

import pytest
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from pydantic import SecretStr

from localchat.core.errors import PromptTooLong, ServerError
from localchat.engines.base import phase_of
from localchat.engines.server.engine import ServerEngine, list_models
from tests.engines.conftest import REPLY, Models, eventually
from tests.engines.servers import HAS_PYTHON_SERVER, HAS_XLLAMACPP, RealServer, running

needs_llama_server = pytest.mark.skipif(not HAS_XLLAMACPP, reason="xllamacpp is not installed")
needs_python_server = pytest.mark.skipif(
    not HAS_PYTHON_SERVER, reason="the server of llama-cpp-python is not installed"
)
NO_KEY = SecretStr("")


@pytest.fixture
def llama(models: Models) -> RealServer:
    return running().llama_server(models.tiny, 4096)


@pytest.fixture
def slow(models: Models) -> Iterator[ServerEngine]:
    engine = ServerEngine(url=running().llama_server(models.slow, 8192).url, answer_tokens=6000)
    yield engine
    engine.close()


def messages(question: str) -> list[BaseMessage]:
    return [SystemMessage("Answer briefly."), HumanMessage(question)]


def last_of(engine: ServerEngine, question: str) -> AIMessageChunk:
    return [chunk for chunk in engine.stream(messages(question)) if chunk.usage_metadata][-1]


def is_busy(engine: ServerEngine) -> bool:
    with urllib.request.urlopen(f"{engine.url}/slots", timeout=5) as page:
        return any(slot["is_processing"] for slot in json.load(page))


@needs_llama_server
def test_llama_server_says_what_it_is_and_has(llama: RealServer) -> None:
    engine = ServerEngine(url=llama.url)
    engine.load()

    assert engine.info["kind"] == "llama-server"
    assert engine.context_tokens == 4096
    assert engine.title == "tiny"
    assert engine.counts_exactly
    (model,) = list_models(llama.url, NO_KEY, False, 5)
    assert model.context == 4096
    assert model.size
    assert model.size > 10_000


@needs_llama_server
def test_our_count_of_a_prompt_is_the_count_of_llama_server(llama: RealServer) -> None:
    engine = ServerEngine(url=llama.url)
    question = "How do people break a task into parts? 按照说明 🐛 " * 7
    last = last_of(engine, question)

    assert last.usage_metadata is not None
    counted = engine.get_num_tokens_from_messages(messages(question))
    assert counted == last.usage_metadata["input_tokens"]
    assert last.response_metadata["estimated"] is False
    assert engine.count_tokens([]) == []
    assert len(engine.count_tokens(["a", "b"] * 150)) == 300


@needs_llama_server
def test_what_llama_server_has_read_before_needs_no_reading(llama: RealServer) -> None:
    engine = ServerEngine(url=llama.url)
    question = "the same question as before " * 20
    last_of(engine, question)
    last = last_of(engine, question)

    assert last.usage_metadata is not None
    kept = last.usage_metadata["input_token_details"]["cache_read"]
    assert kept > 0.9 * last.usage_metadata["input_tokens"]


@needs_llama_server
def test_reading_a_long_prompt_is_told_step_by_step(slow: ServerEngine) -> None:
    done = []
    stream = slow.stream(messages("tell me about the many parts of the page " * 50))
    for chunk in stream:
        phase = phase_of(chunk)
        if phase and phase.name == "reading":
            done.append((phase.done, phase.total))
        if phase and phase.name == "writing":
            break
    stream.close()

    assert len({part for part, _ in done}) > 2
    assert done == sorted(done, key=lambda pair: pair[0])
    assert done[-1][0] == done[-1][1] > 400


@needs_llama_server
@pytest.mark.parametrize("moment", ["reading", "writing"])
def test_llama_server_stops_when_the_stream_is_closed(slow: ServerEngine, moment: str) -> None:
    stream = slow.stream(messages(f"while {moment} " * 60))
    for chunk in stream:
        if (phase := phase_of(chunk)) and phase.name == moment and phase.done >= 0:
            break
    stream.close()

    assert eventually(lambda: not is_busy(slow), 5)
    assert slow.phase.name == "ready"


@needs_llama_server
def test_counting_goes_on_beside_an_answer(slow: ServerEngine) -> None:
    stream = slow.stream(messages("Why?"))
    assert any(chunk.text for chunk in stream)

    assert slow.get_num_tokens("some words to count") > 3
    assert any(chunk.text for chunk in stream)
    stream.close()


@needs_llama_server
def test_a_long_prompt_is_refused_with_the_number_that_llama_server_counts(
    llama: RealServer,
) -> None:
    engine = ServerEngine(url=llama.url, context=3000)
    with pytest.raises(PromptTooLong) as refused:
        engine.invoke(messages("word " * 3500))
    assert refused.value.tokens > 3500
    assert refused.value.limit == 3000 - 128

    mistaken = ServerEngine(url=llama.url)
    mistaken.load()
    facts = mistaken._state.facts
    assert facts is not None
    object.__setattr__(facts, "context", 100_000)  # as if it had been started anew with less
    with pytest.raises(PromptTooLong) as refused:
        mistaken.invoke(messages("word " * 5000))
    assert refused.value.limit == 4096
    assert mistaken.context_tokens == 4096


@needs_llama_server
def test_a_key_opens_what_is_closed_without(models: Models) -> None:
    server = running().llama_server(models.tiny, 4096, key="sesame")
    for key in ("", "wrong"):
        with pytest.raises(ServerError, match="wants a valid key") as refused:
            ServerEngine(url=server.url, key=SecretStr(key)).invoke("Why?")
        assert refused.value.status == 401
    engine = ServerEngine(url=server.url, key=SecretStr("sesame"))

    assert engine.invoke("Why?").text == REPLY
    assert engine.get_num_tokens("one two") > 1


@needs_llama_server
def test_many_engines_ask_one_server(llama: RealServer) -> None:
    engines = [ServerEngine(url=llama.url) for _ in range(8)]
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda engine=engine: answers.append(engine.invoke("Why?").text))
        for engine in engines
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert answers == [REPLY] * 8


@needs_llama_server
def test_the_server_dies_in_the_middle_and_that_is_said(models: Models) -> None:
    server = running().llama_server(models.slow, 4096)
    engine = ServerEngine(url=server.url, answer_tokens=3000)
    stream = engine.stream(messages("Why?"))
    assert any(chunk.text for chunk in stream)
    server.close()
    with pytest.raises(ServerError, match="cut off"):
        list(stream)
    with pytest.raises(ServerError, match="Nothing answers"):
        engine.invoke("Why?")


@needs_python_server
def test_the_server_of_llama_cpp_python_is_known_and_counts(models: Models) -> None:
    server = running().python_server(models.tiny, 4096)
    engine = ServerEngine(url=server.url)

    assert engine.get_num_tokens("one two three") > 2
    assert engine.info["kind"] == "llama-cpp-python"
    assert engine.context_tokens == 2048
    assert "does not say" in engine.info["context_reason"]
    assert [model.name for model in list_models(server.url, NO_KEY, False, 5)] == ["tiny"]


@needs_python_server
def test_its_window_is_learned_from_its_refusal(models: Models) -> None:
    engine = ServerEngine(url=running().python_server(models.tiny, 4096).url)
    with pytest.raises(PromptTooLong) as refused:
        engine.invoke(messages("word " * 5000))

    assert refused.value.limit == 4096
    assert engine.context_tokens == 4096
    assert engine.invoke(messages("Why?")).text == REPLY


@needs_python_server
def test_it_is_not_asked_to_count_while_it_answers_since_that_would_end_the_answer(
    models: Models,
) -> None:
    url = running().python_server(models.slow, 8192).url
    engine = ServerEngine(url=url, context=8192, answer_tokens=6000)
    stream = engine.stream(messages("Why?"))
    assert any(chunk.text for chunk in stream)

    assert engine.get_num_tokens("some words") > 1
    assert engine.get_num_tokens_from_messages(messages("Why?")) > 1
    assert sum(bool(chunk.text) for _, chunk in zip(range(40), stream, strict=False)) > 10
    stream.close()
