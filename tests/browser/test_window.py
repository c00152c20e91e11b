"""What a person does, from the first page to a cited answer."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any

import psutil
import pytest

from tests.browser.conftest import App, ask, choose_model
from tests.tiny_gguf import write_tiny_gguf

needs_llama_cpp = pytest.mark.skipif(
    find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed"
)
PAGE = """<title>Otters</title><h1>Otters</h1><h2>Sleep</h2>
<p>Many animals rest on land. Sea otters hold hands while they sleep, so that they do not drift
apart. Some wrap themselves in kelp.</p>"""


def add_page(tab: Any, address: str) -> None:
    tab.get_by_label("Web pages").fill(address)
    tab.get_by_role("button", name="Add pages").click()


@pytest.mark.parametrize(
    ("path", "heading"), [("/", "Ask your documents"), ("/library", "Library"), ("/chat", None)]
)
def test_a_deep_link_on_a_cold_server_shows_the_whole_app(
    app: App, open_tab: Any, path: str, heading: str | None
) -> None:
    tab = open_tab(app, path)
    sidebar = tab.get_by_test_id("stSidebar")
    sidebar.get_by_text("Answers from").wait_for()
    sidebar.get_by_role("link", name="Library").wait_for()
    if heading:
        tab.get_by_role("heading", name=heading, exact=True).wait_for()


def test_a_page_is_added_asked_about_and_cited(app: App, open_tab: Any, site: Any) -> None:
    site.pages["/otters.html"] = PAGE
    tab = open_tab(app, "/library")
    add_page(tab, f"{site.base}/otters.html")
    tab.get_by_text("1 passage ·").wait_for()
    tab.get_by_test_id("stSidebar").get_by_role("link", name="Chat").click()
    ask(tab, "Why do sea otters hold hands?")
    tab.get_by_text("so that they do not drift apart").first.wait_for()
    tab.get_by_role("button", name="Otters · Sleep").first.click()
    mark = tab.locator("mark")
    mark.wait_for()
    assert mark.inner_text().startswith("Sea otters hold hands")
    link = tab.get_by_role("link", name="Open the web page")
    assert link.get_attribute("href") == f"{site.base}/otters.html"
    address = tab.url
    assert re.search(r"\?chat=\w+", address)
    tab.goto(address)
    tab.get_by_text("so that they do not drift apart").first.wait_for()


def test_a_file_is_dropped_and_removed(app: App, open_tab: Any) -> None:
    tab = open_tab(app, "/library")
    tab.locator("input[type=file]").set_input_files(
        {
            "name": "笔记.md",
            "mimeType": "text/markdown",
            "buffer": "# 锅炉\n\n锅炉在五月检修。".encode(),
        }
    )
    tab.get_by_text("锅炉", exact=True).wait_for()
    tab.get_by_text("2 sources").wait_for()
    tab.get_by_text("Markdown · added").nth(1).wait_for()
    tab.get_by_test_id("stMain").get_by_test_id("stPopover").first.click()
    tab.get_by_role("button", name="Remove", exact=True).click()
    tab.get_by_text("1 source", exact=True).wait_for()


class Leak:
    """A server that must never be asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        leak = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                leak.asked.append(self.path)
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@needs_llama_cpp
def test_an_image_in_a_passage_or_an_answer_is_never_fetched(
    app: App, open_tab: Any, site: Any
) -> None:
    leak = Leak()
    image = f"![x]({leak.base}/leak.png)"
    site.pages["/trap.html"] = (
        f"<title>Trap {image}</title><p>The secret picture of the harbour is {image} right here."
        f"</p><img src='{leak.base}/img.png'>"
    )
    tab = open_tab(app, "/library")
    add_page(tab, f"{site.base}/trap.html")
    opens = tab.get_by_test_id("stMain").get_by_role("button", name="Open")
    opens.nth(1).wait_for()
    opens.first.click()
    tab.get_by_text("secret picture").wait_for()
    reply = (
        f"Here: {image} and <img src='{leak.base}/i.png'> and \\`![y]({leak.base}/y.png)\\` [1]."
    )
    write_tiny_gguf(app.home / "models" / "parrot.gguf", reply=reply)
    tab.goto(app.address)
    choose_model(tab, "parrot")
    ask(tab, "Where is the secret picture of the harbour?")
    tab.get_by_role("button", name="Trap").first.wait_for()
    tab.get_by_role("button", name="Trap").first.click()
    tab.locator("mark, .stPopoverBody").first.wait_for()
    time.sleep(1)
    leak.close()
    assert leak.asked == []


def test_the_second_wall_is_a_header_on_every_page(app: App, open_tab: Any) -> None:
    tab = open_tab(app, guard=False)
    tab.get_by_role("heading", name="Ask your documents").wait_for()
    leak = Leak()
    blocked = tab.evaluate(
        """address => new Promise(done => {
            const told = event => done(event.effectiveDirective)
            document.addEventListener('securitypolicyviolation', told)
            document.body.appendChild(Object.assign(new Image(), {src: address}))
            setTimeout(() => done('nothing was blocked'), 5000)
        })""",
        f"{leak.base}/leak.png",
    )
    leak.close()
    assert blocked == "img-src"
    assert leak.asked == []


@needs_llama_cpp
def test_a_second_tab_waits_for_its_turn_and_each_gets_its_own_answer(
    start_app: Any, open_tab: Any
) -> None:
    app = start_app(answer_tokens="6000")
    write_tiny_gguf(
        app.home / "models" / "slow.gguf", reply="On and on [1]. ", endless=True, slow=True
    )
    first, second = open_tab(app), open_tab(app)
    choose_model(first, "slow")
    second.get_by_text("Try one of these").wait_for()
    ask(first, "How do I add documents?")
    first.get_by_text("On and on").first.wait_for()
    ask(second, "How do I ask a question?")
    second.get_by_text("the model answers one question before this one").wait_for()
    for tab in (first, second):
        tab.get_by_text("On and on").first.wait_for()
        tab.get_by_role("button", name="Stop").click()
        tab.get_by_text("Stopped.").wait_for()
    assert "How do I add documents?" in first.inner_text("body")
    assert "How do I ask a question?" in second.inner_text("body")


@needs_llama_cpp
def test_a_model_that_is_killed_is_told_and_the_next_question_works(
    start_app: Any, open_tab: Any
) -> None:
    app = start_app(answer_tokens="4000")
    write_tiny_gguf(
        app.home / "models" / "slow.gguf", reply="On and on [1]. ", endless=True, slow=True
    )
    tab = open_tab(app)
    choose_model(tab, "slow")
    ask(tab, "How do I add documents?")
    tab.get_by_text("On and on").first.wait_for()
    children = psutil.Process(app.process.pid).children(recursive=True)
    [child] = [c for c in children if "localchat.engines.llama" in " ".join(c.cmdline())]
    os.kill(child.pid, signal.SIGKILL)
    tab.get_by_role("alert").first.wait_for()
    assert "stopped" in tab.get_by_role("alert").first.inner_text()
    ask(tab, "How do I ask a question?")
    tab.get_by_test_id("stChatMessage").nth(3).get_by_text("On and on").first.wait_for()
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_text("Stopped.").wait_for()


@needs_llama_cpp
def test_no_engine_is_left_when_the_app_is_killed(app: App, open_tab: Any) -> None:
    write_tiny_gguf(app.home / "models" / "tiny.gguf")
    tab = open_tab(app)
    choose_model(tab, "tiny")
    children = psutil.Process(app.process.pid).children(recursive=True)
    assert children
    app.process.kill()
    app.process.wait(10)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_a_narrow_window_shows_everything(app: App, open_tab: Any) -> None:
    tab = open_tab(app, "/library", viewport={"width": 390, "height": 844})
    tab.get_by_text("1 source", exact=True).wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_agent_api_sees_the_whole_app(app: App) -> None:
    import httpx

    with httpx.Client(base_url=app.address, timeout=30, trust_env=False) as client:
        opened = client.post("/_stcore/agent/interact", json={"page": "library"}).json()
        assert opened["status"] == "ready", opened
        text = str(opened["tree"])
        assert "Answers from" in text
        assert "Add pages" in text
        assert "exception" not in {a.get("type") for a in opened["actions"]}


def start_again(app: App) -> tuple[int, str]:
    import subprocess
    import sys

    from tests.browser.conftest import ROOT

    done = subprocess.run(
        [sys.executable, "-m", "localchat", "serve", "--no-browser"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "LOCALCHAT_HOME": str(app.home)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_second_start_on_the_same_data_folder_is_told_where_the_first_is(
    app: App, open_tab: Callable[..., Any]
) -> None:
    open_tab(app).get_by_role("heading", name="Ask your documents").wait_for()
    code, said = start_again(app)
    assert code == 1
    assert f"already open with the data folder {app.home}, at {app.address}" in said
