"""Asking in one language over documents in another, with the real library and llama.cpp."""

from __future__ import annotations

from pathlib import Path

import pytest

from localchat.app import LocalChat
from localchat.chat.answer import Answer, Translation
from localchat.core.settings import Settings
from localchat.library.scope import Scope
from tests.engines.conftest import needs_llama
from tests.tiny_gguf import write_tiny_gguf

CHINESE = {
    "tea.md": "# 绿茶\n\n绿茶采摘以后很快就蒸青，所以叶子保持绿色。龙井产于杭州西湖附近的山上。",
    "tower.md": "# 灯塔\n\n灯塔有四十级木头台阶。灯每十秒转一圈，在很远的海上也能看见。",
    "otter.md": "# 海獭\n\n海獭睡觉时手牵着手，这样它们就不会漂散。它们用石头打开贝壳。",
}
QUESTION = "When is the green tea steamed?"
TRANSLATION = "绿茶采摘以后什么时候蒸青？"


@pytest.fixture
def zh(chat: LocalChat) -> LocalChat:
    """A library of three Chinese documents."""
    added = [chat.library.add_file(name, text.encode()) for name, text in CHINESE.items()]
    assert {s.state for s in chat.library.wait([one.source_id or 0 for one in added])} == {"ready"}
    return chat


def ask(chat: LocalChat, settings: Settings, question: str, scope: Scope | None = None) -> Answer:
    chain = chat.chain(settings)
    return chat.ask(question, settings, chain, scope=scope or Scope()).wait(60)


@needs_llama
def test_a_model_translates_the_question_and_the_passage_is_found(
    zh: LocalChat, tmp_path: Path
) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", f"Translation: {TRANSLATION} [1]")
    settings = zh.settings.model_copy(
        update={"engine": "llama.cpp", "model": str(path), "context_tokens": 2048}
    )
    answer = ask(zh, settings, QUESTION)
    assert (answer.state, answer.error) == ("done", "")
    assert answer.search is not None
    assert answer.search.translations == (Translation("zh", TRANSLATION),)
    assert answer.passages[0].name == "tea.md"
    assert answer.quotes[0].text.startswith("绿茶采摘以后很快就蒸青")

    asked_in_chinese = ask(zh, settings, TRANSLATION)
    assert asked_in_chinese.search is not None
    assert asked_in_chinese.search.translations == ()


def test_quotes_alone_say_that_the_languages_differ(zh: LocalChat) -> None:
    answer = ask(zh, zh.settings, QUESTION)
    assert answer.state == "done"
    assert answer.search is not None
    assert (answer.search.language, answer.search.untranslated) == ("en", ("zh",))


def test_a_question_of_some_sources_is_answered_from_those(zh: LocalChat) -> None:
    tower = next(s for s in zh.library.sources() if s.name == "tower.md")
    answer = ask(zh, zh.settings, "灯多久转一圈？绿茶呢？", Scope(frozenset({tower.id})))
    assert {passage.name for passage in answer.passages} == {"tower.md"}
    assert answer.search is not None
    assert (answer.search.sources, answer.search.of) == (1, 3)


def test_an_embedder_that_is_missing_is_told_with_the_answer(chat: LocalChat) -> None:
    added = chat.library.add_file("tower.txt", b"The lamp of the tower turns once in ten seconds.")
    chat.library.wait([added.source_id or 0])
    with chat.database.write() as db:
        db.execute("UPDATE library_state SET active = 'gone'")
    answer = ask(chat, chat.settings, "How fast does the lamp turn?")
    assert answer.quotes[0].text.startswith("The lamp of the tower turns")
    assert answer.search is not None
    assert answer.search.failure == chat.library.meaning.error != ""
    assert answer.search.by_meaning is False
