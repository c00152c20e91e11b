"""The command line: what it prints, in which form, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localchat.cli.main import main
from tests.cli.pages import TASK_PAGE, TASK_SENTENCE
from tests.conftest import Site

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("search_model")

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process: its exit code, and what it printed (read, if JSON)."""

    def command(*argv: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main(argv)
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if "--json" in argv else (printed.out, printed.err)

    return command


@pytest.fixture
def tea(tmp_path: Path) -> Path:
    path = tmp_path / "tea.md"
    path.write_text(
        "# Tea\n\nGreen tea is steamed soon after it is picked.\n\n## Water\n\nIt must not boil.",
        encoding="utf-8",
    )
    return path


def test_add_tells_what_became_of_it(run: Run, tea: Path) -> None:
    assert run("add", "--json", str(tea)) == (
        0,
        [
            {
                "name": "tea.md",
                "state": "ready",
                "id": 1,
                "title": "Tea",
                "passages": 2,
                "message": "",
            }
        ],
    )
    code, [again] = run("add", "--json", str(tea))
    assert (code, again["state"], again["id"]) == (0, "already", 1)
    code, (out, _) = run("add", str(tea))
    assert code == 0
    assert "Already in the library as “Tea”" in out


def test_search_prints_a_list_of_passages(run: Run, tea: Path) -> None:
    run("add", str(tea))
    code, found = run("search", "steamed tea", "-k", "2", "--json")
    assert code == 0
    assert len(found) == 2
    for rank, item in enumerate(found, start=1):
        assert list(item) == ["rank", "score", "source", "title", "location", "text"]
        assert item["rank"] == rank
    assert found[0]["text"] == "Green tea is steamed soon after it is picked."
    assert (found[0]["source"], found[0]["title"]) == ("tea.md", "Tea")
    assert found[1]["location"] == "Water"
    assert found[0]["score"] >= found[1]["score"]


def test_the_main_job_on_a_page(run: Run, site: Site) -> None:
    """Acceptance 2, in small: the quoted answer, its source, and the sentence at its place."""
    site.pages["/agent.html"] = TASK_PAGE
    assert run("add", f"{site.base}/agent.html")[0] == 0
    code, answer = run("ask", "What are the approaches to Task Decomposition?", "--json")
    assert code == 0
    assert list(answer)[:4] == ["answer", "citations", "model", "timings"]
    assert TASK_SENTENCE in answer["answer"]
    citation = answer["citations"][0]
    assert list(citation) == ["number", "source", "title", "location", "text", "start", "end"]
    assert citation["number"] == 1
    assert citation["source"] == f"{site.base}/agent.html"
    assert citation["text"][citation["start"] : citation["end"]] == TASK_SENTENCE
    assert answer["timings"]["total"] > 0
    assert answer["model"] == "Quotes only"


def test_a_chinese_fact_is_asked_for_in_chinese(run: Run, tmp_path: Path) -> None:
    """Acceptance 4."""
    path = tmp_path / "我的 笔记 🍵" / "茶叶.md"
    path.parent.mkdir()
    path.write_text(
        "# 茶\n\n红茶要完全发酵。\n\n## 产地\n\n龙井产于杭州西湖附近的山上。\n\n## 水温\n\n水温不要超过八十度。",  # noqa: E501
        encoding="utf-8",
    )
    assert run("add", str(path))[0] == 0
    code, answer = run("ask", "龙井产于哪里？", "--json")
    assert code == 0
    assert answer["answer"].startswith("龙井产于杭州西湖附近的山上。 [1]")
    [citation, *_] = answer["citations"]
    assert citation["text"][citation["start"] : citation["end"]] == "龙井产于杭州西湖附近的山上。"
    assert (citation["source"], citation["location"]) == ("茶叶.md", "产地")


def test_ask_in_words_prints_the_answer_and_its_sources(run: Run, tea: Path) -> None:
    run("add", str(tea))
    code, (out, _) = run("ask", "When is green tea steamed?")
    assert code == 0
    assert "Green tea is steamed soon after it is picked. [1]" in out
    assert "[1] Tea: tea.md" in out


def test_an_empty_library_is_no_error(run: Run) -> None:
    assert run("search", "tea", "--json") == (0, [])
    assert run("sources", "--json") == (0, [])
    code, answer = run("ask", "Where is it?", "--json")
    assert (code, answer["citations"]) == (0, [])
    assert "Nothing in your documents" in answer["answer"]
    assert "The library is empty." in run("sources")[1][1]


def test_sources_lists_them(run: Run, tea: Path) -> None:
    run("add", str(tea))
    code, [source] = run("sources", "--json")
    assert code == 0
    wanted = {"source": "tea.md", "id": 1, "title": "Tea", "kind": "markdown", "state": "ready"}
    assert wanted.items() <= source.items()
    assert source["passages"] == 2
    assert source["added_at"].endswith("+00:00")
    assert "Tea" in run("sources")[1][0]


def test_remove_by_number_name_or_address(run: Run, tea: Path, site: Site) -> None:
    site.pages["/a"] = "<title>A</title><p>The lamp turns once in ten seconds.</p>"
    run("add", str(tea), f"{site.base}/a")
    assert run("remove", "--json", "tea.md", f"{site.base}/a") == (
        0,
        [{"given": "tea.md", "removed": True}, {"given": f"{site.base}/a", "removed": True}],
    )
    assert run("sources", "--json") == (0, [])
    code, (out, _) = run("remove", "1")
    assert (code, out) == (1, "1: is not in the library\n")


def test_what_was_added_can_be_removed_by_the_same_words(run: Run, tea: Path, site: Site) -> None:
    site.pages["/a"] = "<title>A</title><p>The lamp turns once in ten seconds.</p>"
    given = [str(tea), f"HTTP://127.0.0.1:{site.port}/a#top"]
    assert run("add", *given)[0] == 0
    code, _ = run("remove", *given)
    assert (code, run("sources", "--json")[1]) == (0, [])


def test_a_batch_takes_in_what_it_can_and_tells_the_rest(
    run: Run, tea: Path, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 20)
    code, results = run(
        "add", "--json", str(tmp_path / "empty.txt"), str(tmp_path / "folder"),
        str(tmp_path / "nowhere.txt"), str(tmp_path / "data.bin"), f"{site.base}/gone", str(tea),
    )  # fmt: skip
    assert code == 1
    assert [r["state"] for r in results[:3]] == ["refused"] * 3
    assert results[3]["state"] == results[4]["state"] == "failed"
    assert results[5]["state"] == "ready"
    for result in results[:5]:
        assert len(result["message"]) > 20
        assert "inside LocalChat" not in result["message"]
    assert "is empty" in results[0]["message"]
    assert "is a folder" in results[1]["message"]
    assert "There is no file" in results[2]["message"]
    assert "404" in results[4]["message"]


@pytest.mark.parametrize("name", ["missing.csv", "missing.docx", "missing.json", "notes.epub"])
def test_a_file_that_is_not_there_is_told_as_a_file(run: Run, name: str) -> None:
    code, [result] = run("add", "--json", name)
    assert (code, result["state"]) == (1, "refused")
    assert "file" in result["message"]


@pytest.mark.parametrize("name", ["a b.md", "绿茶.md", "🐛.md", "-dash.md", "http.md"])
def test_a_relative_path_of_any_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_text("# Lamp\n\nIt turns once in ten seconds.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    code, [result] = run("add", "--json", "--", name)
    assert (code, result["state"], result["name"]) == (0, "ready", name)


@pytest.mark.parametrize(
    "argv",
    [[], ["dance"], ["add"], ["ask"], ["search", "x", "-k", "0"], ["search", "x", "-k", "many"]],
)
def test_wrong_use_is_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_an_unknown_benchmark_is_wrong_use_and_names_the_known(run: Run) -> None:
    code, (_, err) = run("bench", "nonsense")
    assert code == 2
    assert "embedding" in err
    assert run("bench", "../start")[0] == 2


def test_a_question_that_is_too_long_gets_its_sentence(run: Run) -> None:
    for command in ("ask", "search"):
        code, (_, err) = run(command, "x" * 100_000)
        assert code == 1
        assert "100,000 characters" in err
        assert "Traceback" not in err


def test_a_question_in_a_broken_encoding_is_asked_all_the_same(run: Run, tea: Path) -> None:
    """What a terminal of another encoding hands over: bytes that are no text."""
    run("add", str(tea))
    for command in ("ask", "search"):
        code, printed = run(command, "\udcc2\udccc steamed tea", "--json")
        assert code == 0
        assert "steamed soon after" in json.dumps(printed)


def test_a_model_that_is_not_there_is_told(run: Run) -> None:
    code, (_, err) = run("ask", "Why?", "--model", "nonsense")
    assert code == 1
    assert "There is no model “nonsense”." in err


def test_doctor_reports(run: Run, home: Path) -> None:
    code, report = run("doctor", "--json")
    assert code == 0
    assert report["data_folder"]["usable"]
    assert report["data_folder"]["path"] == str(home)
    assert report["embedder"]["usable"]
    assert report["engines"]["quotes"]["usable"]
    assert set(report) >= {"python", "system", "sqlite", "packages", "computer", "gpu", "network"}
    assert "Data folder" in run("doctor")[1][0]


def test_a_data_folder_that_cannot_be_used_is_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("LOCALCHAT_HOME", str(tmp_path / "file"))
    for argv in (["sources"], ["add", "x.md"], ["ask", "Why?"]):
        code, (_, err) = run(*argv)
        assert code == 1
        assert "cannot write to its data folder" in err
        assert "Traceback" not in err
    code, report = run("doctor", "--json")
    assert (code, report["data_folder"]["usable"]) == (1, False)


def test_a_damaged_settings_file_is_told(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text("passages = ")
    code, (_, err) = run("sources")
    assert code == 1
    assert "settings.toml is damaged" in err


# In a process of its own


def cli(*argv: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localchat", *argv],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, **changes},
        timeout=60,
        check=False,
    )


def test_as_a_program_it_prints_json_and_nothing_else(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "绿茶 🍵.md"
    path.write_text("# 绿茶\n\n龙井产于杭州西湖附近的山上。", encoding="utf-8")
    # A console that speaks ASCII only.
    added = cli("add", str(path), "--json", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (added.returncode, json.loads(added.stdout)[0]["title"]) == (0, "绿茶"), added.stderr
    assert "Traceback" not in added.stderr


def test_while_the_window_is_open_another_process_adds_and_the_window_takes_it_in(
    chat: Any, tea: Path
) -> None:
    assert chat.holds_lock
    done = cli("add", str(tea), "--json")
    assert done.returncode == 0, done.stderr
    [result] = json.loads(done.stdout)
    assert (result["state"], result["passages"]) == ("ready", 2)
    [source] = chat.library.sources()
    assert source.state == "ready"
    assert chat.library.retriever(1).invoke("steamed tea")[0].metadata["source_id"] == source.id
    log = chat.folder.logs / "localchat.log"
    assert not log.exists() or "Traceback" not in log.read_text(encoding="utf-8")
