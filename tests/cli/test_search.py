"""``search``: one question or a file of them, in all of the library or in some of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localchat.app import LocalChat
from localchat.cli.main import main

pytestmark = pytest.mark.usefixtures("search_model")

ROOT = Path(__file__).parents[2]
QUESTION = "When is green tea steamed?"
STEAMED = "Green tea is steamed soon after it is picked."

Batch = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def teas(chat: LocalChat) -> dict[str, int]:
    """Two documents that say nearly the same, and the number of each."""
    texts = {
        "green.md": f"# Green\n\n{STEAMED} The water must not boil.",
        "white.md": "# White\n\nWhite tea is not steamed but dried. It is picked by hand.",
    }
    added = [chat.library.add_file(name, text.encode()) for name, text in texts.items()]
    ready = chat.library.wait([one.source_id or 0 for one in added])
    assert [source.state for source in ready] == ["ready", "ready"]
    return {source.name: source.id for source in ready}


@pytest.fixture
def batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Batch:
    """Runs ``search --questions`` over a file's bytes: the exit code and the lines, read."""

    def run(content: bytes, *argv: str) -> tuple[int, list[dict[str, Any]]]:
        file = tmp_path / "questions.jsonl"
        file.write_bytes(content)
        capsys.readouterr()
        code = main(["search", "--questions", str(file), "--json", *argv])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def found(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    """The sources of the passages that ``search`` finds."""
    capsys.readouterr()
    assert main(["search", QUESTION, "--json", *argv]) == 0
    return [passage["source"] for passage in json.loads(capsys.readouterr().out)]


def lines(*asked: object) -> bytes:
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in asked)


# In some of the library


def test_a_source_is_chosen_by_number_name_or_path(
    teas: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(found(capsys)) == {"green.md", "white.md"}
    for given in (str(teas["white.md"]), "white.md", "/somewhere/white.md"):
        assert set(found(capsys, "--source", given)) == {"white.md"}
    assert set(found(capsys, "--source", "white.md", "green.md")) == {"green.md", "white.md"}


def test_a_collection_is_chosen_by_its_name_whatever_the_case(
    chat: LocalChat, teas: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    chat.library.collections.put_into([teas["white.md"]], "Pale teas")
    assert set(found(capsys, "--collection", "PALE teas")) == {"white.md"}
    both = ("--collection", "Pale teas", "--source", "green.md")
    assert set(found(capsys, *both)) == {"green.md", "white.md"}


def test_an_empty_collection_finds_nothing(
    chat: LocalChat, teas: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    chat.library.collections.create("Black teas")
    assert found(capsys, "--collection", "Black teas") == []


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--source", "black.md"], "“black.md” is not in the library."),
        (["--collection", "Black"], "There is no collection “Black”."),
    ],
)
def test_what_is_not_there_is_told(
    teas: dict[str, int], capsys: pytest.CaptureFixture[str], argv: list[str], told: str
) -> None:
    assert main(["search", QUESTION, *argv, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"].startswith(told)


# A file of questions


def test_each_line_gets_a_line_in_order(teas: dict[str, int], batch: Batch) -> None:
    code, results = batch(lines({"id": "a", "question": QUESTION}, "Is white tea picked by hand?"))
    assert code == 0
    assert [result["id"] for result in results] == ["a", None]
    assert list(results[0]) == ["id", "question", "passages", "instant", "ms", "instant_ms"]
    assert results[0]["question"] == QUESTION
    assert [passage["rank"] for passage in results[0]["passages"]] == [1, 2]
    assert [result["passages"][0]["source"] for result in results] == ["green.md", "white.md"]
    assert results[0]["ms"] > 0


def test_passages_and_instant_answer_say_where_they_stand(
    chat: LocalChat, teas: dict[str, int], batch: Batch
) -> None:
    _, [result] = batch(lines(QUESTION))
    best = result["passages"][0]
    text = chat.library.text(teas["green.md"])
    assert text[best["start"] : best["end"]] == best["text"]
    quote = result["instant"][0]
    passage = result["passages"][quote["rank"] - 1]
    assert passage["source"] == "green.md"
    assert passage["text"][quote["start"] : quote["end"]] == quote["text"]
    assert STEAMED in quote["text"]


def test_a_line_says_how_many_and_where(teas: dict[str, int], batch: Batch) -> None:
    asked = {"question": QUESTION, "sources": [teas["white.md"]]}
    _, results = batch(lines(asked, {"question": QUESTION, "k": 1}, QUESTION), "-k", "2")
    assert [len(result["passages"]) for result in results] == [1, 1, 2]
    assert results[0]["passages"][0]["source"] == "white.md"
    assert results[1]["passages"][0]["source"] == "green.md"


def test_where_a_line_says_nothing_the_command_line_does(
    teas: dict[str, int], batch: Batch
) -> None:
    asked = lines(QUESTION, {"question": QUESTION, "sources": "green.md"})
    _, results = batch(asked, "--source", "white.md")
    assert [{p["source"] for p in r["passages"]} for r in results] == [{"white.md"}, {"green.md"}]


@pytest.mark.parametrize(
    "line",
    [
        b"{", b"17", b"null", b"[]", b'{"id": 3}', b'{"question": 3}', b"What is tea?",
        b'{"question": "Tea?", "k": 0}', b'{"question": "Tea?", "k": true}',
        b'{"question": "Tea?", "sources": [{}]}', b"[" * 100_000,
        b'{"question": "Tea?", "id": NaN}', b'{"question": "Tea?", "id": [1e999]}',
    ],
    ids=lambda line: line[:24].decode(),
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_told_and_the_rest_goes_on(
    teas: dict[str, int], batch: Batch, line: bytes
) -> None:
    code, results = batch(line + b"\n" + lines(QUESTION))
    assert code == 1
    assert list(results[0]) == ["error", "line"]
    assert results[0]["line"] == 1
    assert results[0]["error"].startswith("This line holds no question: ")
    assert results[1]["passages"] != []


def test_a_question_that_is_too_long_or_asked_of_nobody_gets_its_sentence(
    teas: dict[str, int], batch: Batch
) -> None:
    asked = lines(
        {"id": 7, "question": "why " * 25_000},
        {"question": QUESTION, "collections": ["Black"]},
        QUESTION,
    )
    code, [long, nowhere, fine] = batch(asked)
    assert code == 1
    assert (long["id"], long["line"]) == (7, 1)
    assert "100,000 characters" in long["error"]
    assert "There is no collection “Black”." in nowhere["error"]
    assert fine["passages"] != []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_as_windows_writes_it(teas: dict[str, int], batch: Batch, encoding: str) -> None:
    text = json.dumps(QUESTION) + "\r\n\r\n  \r\n" + json.dumps({"question": "绿茶 🍵?"}) + "\r\n"
    code, results = batch(text.encode(encoding))
    assert code == 0
    assert [result["question"] for result in results] == [QUESTION, "绿茶 🍵?"]


def test_the_number_of_a_line_counts_empty_ones(teas: dict[str, int], batch: Batch) -> None:
    assert [result["line"] for result in batch(b"\n\n{\n")[1]] == [3]


def test_odd_characters_are_asked_as_far_as_they_can_be_read(
    teas: dict[str, int], batch: Batch
) -> None:
    code, results = batch(b'"caf\xe9 steamed tea"\n"\\ud83d steamed tea"\n"steamed\xe2\x80\xa8tea"')
    assert code == 0
    assert [len(result["passages"]) for result in results] == [2, 2, 2]


def test_an_empty_file_is_no_error(teas: dict[str, int], batch: Batch) -> None:
    assert batch(b"") == (0, [])


def test_a_file_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--questions", "nowhere.jsonl", "--json"]) == 1
    assert "“nowhere.jsonl” cannot be read" in json.loads(capsys.readouterr().out)["error"]


def test_in_words_each_question_is_printed_with_its_passages(
    teas: dict[str, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_bytes(lines(QUESTION) + b"{\n")
    assert main(["search", "--questions", str(file)]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{QUESTION}\n\n1. Green")
    assert printed.err.startswith("Line 2: This line holds no question")


@pytest.mark.parametrize("argv", [[], ["Why?", "--questions", "x.jsonl"]])
def test_neither_a_question_nor_a_file_or_both_is_wrong_use(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["search", *argv])
    assert ended.value.code == 2


def test_a_program_may_ask_one_by_one_and_wait_for_each_answer(teas: dict[str, int]) -> None:
    command = [sys.executable, "-m", "localchat", "search", "--questions", "-", "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for question in (QUESTION, "Is white tea picked by hand?"):
            process.stdin.write(lines(question))
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["question"] == question
        process.stdin.close()
        assert process.wait(30) == 0
