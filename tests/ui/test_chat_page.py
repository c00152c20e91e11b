"""The chat page: quotes at once, a model's answer, citations, and plain words when it fails."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_gguf import write_tiny_gguf
from tests.ui.conftest import said

QUESTION = "How do I add documents?"
needs_llama_cpp = pytest.mark.skipif(
    find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed"
)


@pytest.fixture
def tab(window: Callable[[], Any], until: Callable[..., Any]) -> Any:
    """A tab on the chat page, the guide taken in."""
    return until(window(), lambda tab: "one source" in said(tab))


def ask(tab: Any, question: str) -> Any:
    return tab.chat_input[0].set_value(question).run()


def is_done(tab: Any) -> bool:
    return not any(button.label == "Stop" for button in tab.button) and bool(tab.chat_message)


def models(home: Path) -> Path:
    folder = home / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_an_empty_chat_offers_questions_that_the_documents_answer(tab: Any) -> None:
    assert QUESTION in tab.pills[0].options
    tab.pills[0].select(QUESTION).run()
    assert tab.chat_message


def test_while_the_first_document_is_read_the_page_says_so_and_goes_on_by_itself(
    window: Any, until: Any
) -> None:
    tab = window()
    seen = said(tab)
    until(tab, lambda tab: "one source" in said(tab))
    assert "There are no documents yet" not in seen
    assert "being read" in seen or "one source" in seen


def test_without_a_model_the_quotes_are_the_answer(tab: Any, until: Any) -> None:
    until(ask(tab, QUESTION), is_done)
    assert not tab.exception
    assert "paste one or more web addresses" in said(tab)
    assert "word for word from your documents" in said(tab)


def test_a_citation_opens_its_passage_with_the_sentence_marked(tab: Any, until: Any) -> None:
    until(ask(tab, QUESTION), is_done)
    tab.session_state["cite-1-1"] = True
    tab.run()
    assert "<mark" in said(tab)
    assert "How do I add documents?" in said(tab)


def test_without_documents_the_page_says_how_to_add_some(window: Any, until: Any) -> None:
    tab = window()
    until(tab, lambda tab: "one source" in said(tab))
    tab.switch_page("pages/library.py").run()
    next(button for button in tab.button if button.label == "Remove").click().run()
    tab.switch_page("pages/chat.py").run()
    assert "There are no documents yet" in said(tab)


def test_a_question_without_an_answer_is_not_given_one(tab: Any, until: Any) -> None:
    until(ask(tab, "Wer gewann 1954 das Wunder?"), is_done)
    assert "Nothing in your documents seems to answer this" in said(tab)


def test_a_question_of_100000_characters_gets_a_sentence(tab: Any, until: Any) -> None:
    until(ask(tab, "why " * 25_000), is_done)
    assert "This question has 100,000 characters; LocalChat takes up to 8,000." in said(tab)
    assert ("why " * 25_000).strip() in said(tab), "what was typed is not lost"
    next(b for b in tab.button if b.label == "Add this text to the library").click().run()
    tab.switch_page("pages/library.py").run()
    until(tab, lambda tab: "2 sources" in said(tab))


def test_a_conversation_comes_back_in_a_new_tab(tab: Any, window: Any, until: Any) -> None:
    until(ask(tab, QUESTION), is_done)
    again = window()
    earlier = next(button for button in again.button if button.label == QUESTION)
    earlier.click().run()
    assert "paste one or more web addresses" in said(again)


def test_the_sidebar_leads_to_the_page_where_models_are_got(tab: Any) -> None:
    assert list(tab.selectbox(key="engine_choice").options) == ["Quotes only (no model)"]
    assert "Get models" in [link.proto.label for link in tab.get("page_link")]


def test_a_damaged_model_file_is_named_and_not_offered(tab: Any, home: Path) -> None:
    (models(home) / "half.gguf").write_bytes(b"GGUF\x03\0")
    tab.run()
    assert "half.gguf is cut short" in said(tab)
    assert len(tab.selectbox(key="engine_choice").options) == 1


@needs_llama_cpp
def test_a_model_answers_with_citations_that_hold(tab: Any, home: Path, until: Any) -> None:
    path = write_tiny_gguf(
        models(home) / "tiny.gguf", reply="You paste web addresses [1]. It is blue [9]."
    )
    tab.run()
    tab.selectbox(key="engine_choice").set_value(str(path)).run()
    until(ask(tab, QUESTION), is_done)
    assert "You paste web addresses :green-badge[1]. It is blue." in said(tab)
    assert "tiny" in said(tab)


@needs_llama_cpp
def test_gpu_layers_are_disabled_with_the_reason_where_the_build_has_no_gpu(
    tab: Any, home: Path
) -> None:
    from localchat.models.computer import llama_build

    path = write_tiny_gguf(models(home) / "tiny.gguf")
    tab.run()
    tab.selectbox(key="engine_choice").set_value(str(path)).run()
    slider = next(slider for slider in tab.slider if slider.label == "GPU layers")
    if llama_build().supports_gpu:
        pytest.skip("this llama.cpp can use a GPU")
    assert slider.disabled
    assert "built without GPU support" in said(tab)


@needs_llama_cpp
def test_a_model_that_is_killed_while_it_writes_says_so_and_answers_the_next_question(
    tab: Any, home: Path, until: Any
) -> None:
    from localchat.ui.resources import localchat

    path = write_tiny_gguf(
        models(home) / "slow.gguf", reply="On and on it goes [1]. ", endless=True, slow=True
    )
    tab.run()
    tab.selectbox(key="engine_choice").set_value(str(path)).run()
    next(s for s in tab.slider if s.label == "Answer length").set_value(1024).run()
    ask(tab, QUESTION)
    until(tab, lambda tab: "On and on" in said(tab))
    chat = localchat()
    engine: Any = chat.engine(chat.settings)
    os.kill(engine.pid, signal.SIGKILL)
    until(tab, is_done)
    assert "stopped" in said(tab)
    assert tab.error
    ask(tab, "How do I ask a question?")
    until(tab, lambda tab: said(tab).count("On and on") > 1)
    next(button for button in tab.button if button.label == "Stop").click().run()
    until(tab, is_done)
    assert "Stopped." in said(tab)


@needs_llama_cpp
def test_stop_ends_the_answer_and_keeps_what_was_written(tab: Any, home: Path, until: Any) -> None:
    path = write_tiny_gguf(
        models(home) / "slow.gguf", reply="On and on it goes [1]. ", endless=True, slow=True
    )
    tab.run()
    tab.selectbox(key="engine_choice").set_value(str(path)).run()
    ask(tab, QUESTION)
    until(tab, lambda tab: "On and on" in said(tab))
    began = time.monotonic()
    next(button for button in tab.button if button.label == "Stop").click().run()
    until(tab, is_done)
    assert time.monotonic() - began < 5
    assert "On and on" in said(tab)
    assert "Stopped." in said(tab)


def test_a_data_folder_that_is_open_elsewhere_is_told_not_crashed_into(
    search_model: None, home: Path
) -> None:
    from streamlit.testing.v1 import AppTest

    from localchat.app import open_localchat
    from localchat.ui import resources
    from tests.ui.conftest import ENTRY

    resources.shut_down()
    other = open_localchat(alone=True)
    other.announce("http://localhost:8599")
    try:
        tab = AppTest.from_file(str(ENTRY), default_timeout=20).run()
        assert not tab.exception
        assert "LocalChat is already open with" in tab.error[0].value
        assert "http://localhost:8599" in tab.error[0].value
    finally:
        other.close()
    tab.button[0].click().run()
    assert "Ask your documents" in said(tab)
    resources.shut_down()
