"""`models` on the command line: the same as in the window, for scripts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localchat.answering.installed import Installed
from localchat.answering.models import Models
from localchat.cli.doctor import examine
from localchat.cli.main import main
from localchat.core.errors import ModelFileError
from tests.models.hub_server import Hub
from tests.small_catalogue import SmallModel, write_catalogue
from tests.tiny_bert_gguf import write_bert_gguf
from tests.tiny_gguf import write_tiny_gguf

Run = Callable[..., Any]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    opened = Hub()
    file = write_tiny_gguf(tmp_path / "tiny-chat.gguf", "Hello.")
    other = write_tiny_gguf(tmp_path / "other.gguf", "Other.")
    opened.add("tiny/chat", {file.name: file})
    opened.add("tiny/two", {"one.gguf": file, "two.gguf": other})
    catalogue = write_catalogue(
        tmp_path / "catalogue.toml", [SmallModel("tiny-chat", "tiny/chat", (file,))]
    )
    monkeypatch.setenv("LOCALCHAT_CATALOGUE", str(catalogue))
    monkeypatch.setenv("LOCALCHAT_HUB", opened.base)
    yield opened
    opened.close()


@pytest.fixture
def run(search_model: None, hub: Hub, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; returns its exit code and what it printed as JSON."""

    def run(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main(["models", *words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_list_says_what_there_is_and_what_is_recommended(run: Run) -> None:
    code, found = run("list")
    assert code == 0
    assert found["recommended"] == "tiny-chat"
    assert [card["id"] for card in found["catalogue"]] == ["tiny-chat", "built-in"]
    assert found["installed"] == []
    assert run() == (0, found)


def test_get_fetches_and_chooses(run: Run, home: Path) -> None:
    code, got = run("get", "tiny-chat", "--use")
    assert (code, got["state"]) == (0, "done")
    assert Path(got["path"]).is_file()
    _, found = run("list")
    [model] = found["installed"]
    assert model["default"] is True
    assert "tiny-chat.gguf" in (home / "settings.toml").read_text()


def test_get_takes_a_repository_and_asks_which_where_there_are_several(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "get", "tiny/two"]) == 1
    said = capsys.readouterr().err
    assert "one.gguf" in said and "--file" in said
    code, got = run("get", "tiny/two", "--file", "two.gguf")
    assert (code, Path(got["path"]).name) == (0, "two.gguf")


def test_get_of_what_is_not_there_says_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "get", "tiny/none"]) == 1
    assert "tiny/none" in capsys.readouterr().err


def test_get_with_the_network_off_needs_to_be_allowed(
    run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCALCHAT_NEVER_NETWORK", "true")
    assert main(["models", "get", "tiny-chat"]) == 1
    assert "Never use the network" in capsys.readouterr().err
    assert hub.asked == []
    assert run("get", "tiny-chat", "--allow-network")[0] == 0


def test_import_uses_a_file_where_it_is_or_copies_it(run: Run, tmp_path: Path) -> None:
    file = write_tiny_gguf(tmp_path / "mine.gguf", "Mine.")
    code, model = run("import", str(file))
    assert (code, model["in_place"], model["path"]) == (0, True, str(file))
    code, copied = run("import", str(file), "--copy")
    assert (code, copied["in_place"]) == (0, False)
    code, [removed] = run("remove", copied["path"])
    assert (code, removed["regained"]) == (0, file.stat().st_size)


def test_inspect_reads_a_file_and_a_damaged_one_says_so(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_tiny_gguf(tmp_path / "mine.gguf", "Mine.")
    code, facts = run("inspect", str(file))
    assert code == 0
    assert (facts["architecture"], facts["has_chat_template"]) == ("llama", True)
    assert facts["memory"] > file.stat().st_size
    file.write_bytes(file.read_bytes()[:-100])
    assert main(["models", "inspect", str(file)]) == 1
    assert "cut short" in capsys.readouterr().err


def test_removing_what_is_not_there_says_what_is(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "remove", "nothing"]) == 1
    assert "nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("get", "tiny/none"),
        ("get", "tiny/two"),
        ("get", "tiny/two", "--file", "three.gguf"),
        ("get", "built-in"),
        ("use", "nothing"),
        ("import", "/nowhere/x.gguf"),
        ("import", "/nowhere/x.gguf", "--copy"),
        ("remove", "nothing"),
        ("remove", ""),
        ("inspect", "/nowhere/x.gguf"),
    ],
)
def test_what_fails_prints_one_json_value_and_a_sentence(
    words: tuple[str, ...], hub: Hub, search_model: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv in (["models", *words, "--json"], ["models", "--json", *words]):
        assert main(argv) == 1
        printed = capsys.readouterr()
        assert json.loads(printed.out) == {"error": printed.err.strip()}
        assert printed.err.strip().endswith(".")


def test_a_file_that_a_repository_does_not_have_is_told(run: Run) -> None:
    code, found = run("get", "tiny/two", "--file", "three.gguf")
    assert (code, list(found)) == (1, ["error"])
    assert "has no file “three.gguf”. There is: one.gguf, two.gguf." in found["error"]


def test_an_empty_name_removes_nothing(run: Run) -> None:
    _, got = run("get", "tiny-chat")
    assert run("remove", "")[0] == 1
    assert Path(got["path"]).exists()
    assert run("remove", "t")[0] == 0  # the beginning of one name only
    assert not Path(got["path"]).exists()


def test_use_chooses_a_model_that_is_here(run: Run, tmp_path: Path) -> None:
    run("get", "tiny-chat")
    file = write_tiny_gguf(tmp_path / "mine.gguf", "Mine.")
    code, brought = run("import", str(file), "--use")
    assert (code, brought["default"]) == (0, True)
    code, used = run("use", "tiny-chat")
    assert (code, used["id"], used["default"]) == (0, "tiny-chat", True)
    _, found = run("list")
    assert [model["name"] for model in found["installed"] if model["default"]] == ["Tiny Chat"]


def test_a_search_model_is_in_use_when_the_command_ends_and_doctor_knows_it(
    run: Run, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_bert_gguf(tmp_path / "tiny-search.gguf")
    hub.add("tiny/search", {file.name: file})
    facts = 'dimensions = 64\nmax_tokens = 64\npooling = "mean"'
    model = SmallModel("tiny-search", "tiny/search", (file,), embedding=facts)
    catalogue = write_catalogue(tmp_path / "with-search.toml", [model])
    monkeypatch.setenv("LOCALCHAT_CATALOGUE", str(catalogue))
    assert run("get", "tiny-search", "--use")[0] == 0
    _, found = run("list")
    assert [(m["id"], m["default"]) for m in found["installed"]] == [("tiny-search", True)]
    report = examine()
    assert report["search_model"]["usable"]
    assert report["search_model"]["name"] == "Tiny Search"
    Path(found["installed"][0]["path"]).unlink()
    report = examine()
    assert not report["search_model"]["usable"]
    assert "is not on this computer any more" in report["search_model"]["reason"]
    assert report["embedder"]["usable"]
    code, used = run("use", "built-in")
    assert (code, used["id"], used["path"]) == (0, "built-in", None)
    assert examine()["search_model"]["key"] == "built-in"


def test_of_several_that_are_removed_each_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        run("import", str(write_tiny_gguf(tmp_path / f"{name}.gguf")), "--copy")
    remove = Models.remove

    def refuses_one(self: Models, model: Installed) -> int:
        if model.name == "one":
            raise ModelFileError(model.path, "one.gguf cannot be deleted.", "Close what uses it.")
        return remove(self, model)

    monkeypatch.setattr(Models, "remove", refuses_one)
    code, [first, second] = run("remove", "one", "two")
    assert code == 1
    assert (first["regained"], "cannot be deleted" in first["error"]) == (0, True)
    assert (second["regained"] > 0, second["error"]) == (True, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Linux and macOS")
def test_ctrl_c_leaves_a_part_that_the_same_command_goes_on_with(
    search_model: None, hub: Hub, home: Path
) -> None:
    hub.fault("/store/", drip=40_000)
    command = [sys.executable, "-m", "localchat", "models", "get", "tiny-chat", "--json"]
    root = Path(__file__).parents[2]
    fetching = subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell has its background jobs ignore it, and so what these start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = time.monotonic() + 30
    while not hub.gets("/store/") or hub.gets("/store/")[0].sent < 20_000:
        assert time.monotonic() < end
        time.sleep(0.02)
    fetching.send_signal(signal.SIGINT)
    out, err = fetching.communicate(timeout=20)
    assert (fetching.returncode, json.loads(out)) == (1, {"error": "Stopped."})
    assert b"Traceback" not in err
    hub.mend()
    assert main(["models", "get", "tiny-chat"]) == 0
    assert hub.gets("/store/")[-1].begin >= 20_000
