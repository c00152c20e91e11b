"""Conversations are written down before anything is done about them, and stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from localchat.chat.answer import Answer, Citation, Passage, Quote
from localchat.chat.conversations import LONGEST_TITLE, Conversations
from localchat.core.database import Database

ANSWER = Answer(
    state="stopped",
    by_quotes=False,
    model="Fake",
    text="茶 🍵 [1]",
    quotes=(Quote(1, 0, 3, "茶", 0.9),),
    passages=(Passage(1, 7, "Tea", "tea.md", "http://x/", "page 1", "top", "茶 text", 0.5),),
    citations=(Citation(1, None, None),),
    left_out=2,
    error="Stopped.",
    timings={"total": 1.5},
    usage={"answer_tokens": 3},
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "library.db")) as made:
        yield made


def test_an_answer_is_the_same_after_reopening(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "library.db")) as database:
        kept = Conversations(database)
        kept.answer(kept.ask("a", "Which tea?"), ANSWER)
        kept.ask("a", "And then?")
    with closing(Database(tmp_path / "library.db")) as database:
        first, second = Conversations(database).turns("a")
    assert (first.question, first.answer) == ("Which tea?", ANSWER)
    assert second.question == "And then?"
    assert second.answer.text == ""


def test_a_question_that_a_crash_cut_off_is_kept(tmp_path: Path) -> None:
    """The page tells by the state that nobody works on it any more."""
    with closing(Database(tmp_path / "library.db")) as database:
        Conversations(database).ask("a", "Which tea?")
    with closing(Database(tmp_path / "library.db")) as database:
        [turn] = Conversations(database).turns("a")
    assert (turn.question, turn.answer) == ("Which tea?", Answer())


def test_the_title_is_the_beginning_of_the_first_question(database: Database) -> None:
    kept = Conversations(database)
    kept.ask("a", "  Which\n tea " + "is green? " * 30)
    kept.ask("a", "And another?")
    [one] = kept.all()
    assert one.title.startswith("Which tea is green?")
    assert len(one.title) <= LONGEST_TITLE


def test_the_latest_stands_first(database: Database) -> None:
    kept = Conversations(database)
    for name in "abc":
        kept.ask(name, name)
    assert [one.id for one in kept.all()] == ["c", "b", "a"]
    assert [one.id for one in kept.all(limit=2)] == ["c", "b"]


def test_a_removed_conversation_takes_its_turns_along(database: Database) -> None:
    kept = Conversations(database)
    turn_id = kept.ask("a", "Which tea?")
    kept.ask("b", "Which lamp?")
    kept.remove("a")
    kept.answer(turn_id, ANSWER)  # it was still running
    assert kept.turns("a") == []
    assert [one.id for one in kept.all()] == ["b"]
    assert database.read("SELECT count(*) FROM turn")[0][0] == 1


def test_ids_are_new(database: Database) -> None:
    assert len({Conversations.new_id() for _ in range(1000)}) == 1000
    assert Conversations(database).turns(Conversations.new_id()) == []


def test_what_a_conversation_asks_is_kept_also_before_its_first_question(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "library.db")) as database:
        kept = Conversations(database)
        assert kept.scope("a") == ""
        kept.keep_scope("a", '{"sources": [1]}')
        assert kept.all() == [], "nothing was asked in it yet"
    with closing(Database(tmp_path / "library.db")) as database:
        kept = Conversations(database)
        assert kept.scope("a") == '{"sources": [1]}'
        kept.ask("a", "Which tea?")
        assert [one.title for one in kept.all()] == ["Which tea?"]
        kept.keep_scope("a", "")
        assert kept.scope("a") == ""
        assert [one.title for one in kept.all()] == ["Which tea?"]
