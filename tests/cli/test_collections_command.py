"""Collections on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localchat.cli.main import main

pytestmark = pytest.mark.usefixtures("search_model")

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command with ``--json``: its exit code, and what it printed, read."""

    def command(*argv: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main([*argv, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return command


@pytest.fixture
def notes(tmp_path: Path, run: Run) -> list[int]:
    """The numbers of two notes in the library, the first in a collection since it was added."""
    for name in ("tea", "lamp"):
        (tmp_path / f"{name}.txt").write_text(f"A note about the {name}.", encoding="utf-8")
    _, [tea] = run("add", str(tmp_path / "tea.txt"), "--collection", "Kitchen")
    _, [lamp] = run("add", str(tmp_path / "lamp.txt"))
    return [tea["id"], lamp["id"]]


def test_sources_are_put_into_collections_and_taken_out(run: Run, notes: list[int]) -> None:
    tea, lamp = notes
    assert run("collections") == (0, [{"name": "Kitchen", "sources": [tea]}])
    both = [{"name": "Kitchen", "sources": [tea, lamp]}]
    assert run("collections", "add", "kitchen", str(lamp), "tea.txt") == (0, both)
    left = [{"name": "Kitchen", "sources": [lamp]}]
    assert run("collections", "remove", "Kitchen", "tea.txt") == (0, left)
    assert len(run("sources")[1]) == 2


def test_a_collection_is_renamed_and_deleted(run: Run, notes: list[int]) -> None:
    named = [{"name": "Scullery", "sources": notes[:1]}]
    assert run("collections", "rename", "Kitchen", "Scullery") == (0, named)
    assert run("collections", "delete", "scullery") == (0, [])
    assert len(run("sources")[1]) == 2


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("add", "Kitchen", "1", "nothing.txt"), "“nothing.txt” is not in the library."),
        (("remove", "Cellar", "1"), "There is no collection “Cellar”. There are: “Kitchen”."),
        (("delete", "Cellar"), "There is no collection “Cellar”."),
        (("add", " ", "1"), "A collection needs a name."),
        (("rename", "Kitchen", "x" * 61), "This name for a collection has 61 characters."),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    run: Run, notes: list[int], argv: tuple[str, ...], says: str
) -> None:
    code, told = run("collections", *argv)
    assert code == 1
    assert told["error"].startswith(says)
    assert run("collections")[1] == [{"name": "Kitchen", "sources": notes[:1]}]


def test_without_json_each_collection_is_a_line(
    run: Run, notes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collections", "list"]) == 0
    assert capsys.readouterr().out == "Kitchen: 1 source\n"
