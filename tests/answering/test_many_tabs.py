"""Many tabs and one model: each gets its own answer, in order, and none is cut off by another."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from localchat.app import LocalChat
from localchat.core.settings import Settings
from tests.chat.kit import eventually
from tests.engines.conftest import needs_llama
from tests.tiny_gguf import write_tiny_gguf

pytestmark = needs_llama
SAID = "Task decomposition works by simple prompting [1] and more [7]."
NOTE = b"# Agents\n\nTask decomposition works by simple prompting or with human inputs."


@pytest.fixture
def library(chat: LocalChat) -> LocalChat:
    added = chat.library.add_file("agents.md", NOTE)
    assert chat.library.wait([added.source_id or 0])[0].state == "ready"
    return chat


def settings_of(chat: LocalChat, path: Path) -> Settings:
    changes = {"engine": "llama.cpp", "model": str(path), "context_tokens": 4096, "threads": 1}
    return chat.settings.model_copy(update=changes)


def test_ten_questions_from_ten_tabs_get_their_own_answers_in_order(
    library: LocalChat, tmp_path: Path
) -> None:
    settings = settings_of(library, write_tiny_gguf(tmp_path / "tiny.gguf", SAID))
    chain = library.chain(settings)
    ended: list[int] = []
    askings: list[Any] = []
    for n in range(10):
        question = f"What is task decomposition{'?' * (n + 1)} " + "word " * n
        askings.append(library.ask(question, settings, chain, f"tab-{n}"))
        threading.Thread(target=lambda n=n: (askings[n].wait(60), ended.append(n))).start()
    answers = [asking.wait(60) for asking in askings]
    engine: Any = library.engine(settings)
    for n, answer in enumerate(answers):
        assert (answer.state, answer.error) == ("done", "")
        assert answer.text.startswith("Task decomposition works")
        assert f"decomposition{'?' * (n + 1)}" in answer.sent
        [turn] = library.conversations.turns(f"tab-{n}")
        assert turn.answer == answer
    # Each prompt was read as it was sent to the model, and no other.
    assert len({answer.usage["prompt_tokens"] for answer in answers}) == 10
    sizes = [
        answer.usage["prompt_tokens"] - engine.get_num_tokens(answer.sent) for answer in answers
    ]
    assert len(set(sizes)) == 1
    assert eventually(lambda: len(ended) == 10)


def test_a_model_that_is_switched_lets_the_other_tabs_answer_end_first(
    library: LocalChat, tmp_path: Path
) -> None:
    slow = write_tiny_gguf(tmp_path / "slow.gguf", "on and on ", endless=True, slow=True)
    before = settings_of(library, slow).model_copy(update={"answer_tokens": 800})
    after = settings_of(library, write_tiny_gguf(tmp_path / "tiny.gguf", SAID))
    first = library.ask("What is task decomposition?", before, library.chain(before))
    assert eventually(lambda: bool(first.answer.text))
    second = library.ask("And what else?", after, library.chain(after))
    waited = eventually(lambda: getattr(second.phase, "name", "") == "waiting")
    old: Any = library.engine(before)
    assert waited
    assert old.pid
    assert first.wait(60).state == "done"
    assert first.answer.usage["answer_tokens"] == 800
    assert second.wait(60).state == "done"
    assert old.pid is None, "the old model's memory was freed"


@pytest.mark.skipif(os.name == "nt", reason="signals as on Linux and macOS")
def test_when_the_model_dies_under_ten_tabs_only_the_running_answer_fails(
    library: LocalChat, tmp_path: Path
) -> None:
    path = write_tiny_gguf(tmp_path / "slow.gguf", "on and on ", endless=True, slow=True)
    settings = settings_of(library, path).model_copy(update={"answer_tokens": 40})
    chain = library.chain(settings)
    askings = [library.ask(f"What is it, {n}?", settings, chain) for n in range(10)]
    assert eventually(lambda: any(asking.answer.text for asking in askings))
    engine: Any = library.engine(settings)
    os.kill(engine.pid, signal.SIGKILL)
    states = [asking.wait(120).state for asking in askings]
    assert states.count("done") >= 9
    assert library.ask("And now?", settings, chain).wait(60).state == "done"
