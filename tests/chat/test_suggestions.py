"""Questions to begin with."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from localchat.chat.suggestions import LONGEST, MOST, suggest


@dataclass(frozen=True)
class Titled:
    id: int
    title: str


class Headings(dict[int, list[str]]):
    def headings(self, source_id: int) -> list[str]:
        return self.get(source_id, [])


def test_headings_that_are_questions_stay_as_they_are() -> None:
    found = suggest(Headings({1: ["Intro", "How does it work?"]}), [Titled(1, "Manual")])
    assert found == ["How does it work?"]


@pytest.mark.parametrize(
    ("headings", "title", "expected"),
    [
        (["Battery"], "Manual", "What do my documents say about Battery?"),
        ([], "Manual", "What do my documents say about Manual?"),
        (["电池的使用"], "手册", "关于“电池的使用”说了什么？"),
        (["x" * (LONGEST + 1)], "Manual", "What do my documents say about Manual?"),
    ],
)
def test_others_are_turned_into_one(headings: list[str], title: str, expected: str) -> None:
    assert suggest(Headings({1: headings}), [Titled(1, title)]) == [expected]


def test_every_source_has_its_turn_and_none_is_asked_twice() -> None:
    headings = Headings({1: [f"Why {n}?" for n in range(9)], 2: ["Why 0?", "What?"], 3: []})
    found = suggest(headings, [Titled(1, "One"), Titled(2, "Two"), Titled(3, "Three")])
    assert len(found) == len(set(found)) == MOST
    assert {"Why 0?", "What?"} <= set(found)
    assert "What do my documents say about Three?" in found


def test_an_empty_library_suggests_nothing() -> None:
    assert suggest(Headings(), []) == []
