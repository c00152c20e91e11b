"""The real thing: the app as a process, and a real headless Chromium in front of it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
).split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


class App:
    """A running LocalChat. ``output`` is what its console said."""

    def __init__(self, home: Path, log: Path, settings: dict[str, str]) -> None:
        self.home = home
        self._settings = settings
        self.log = log
        self.port = _free_port()
        self.address = f"http://localhost:{self.port}"
        self.process = self._start()

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LOCALCHAT_HOME": str(self.home),
            "LOCALCHAT_AGENT_API": "1",
            **{f"LOCALCHAT_{name.upper()}": value for name, value in self._settings.items()},
        }
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "localchat", "serve", "--no-browser", "--port",
                 str(self.port)],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert process.poll() is None, self.output
            with suppress(OSError):
                # The server's health only: no page is asked for, so that it stays a cold one.
                urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=1).close()
                return process
            time.sleep(0.1)
        raise AssertionError(f"the app did not answer: {self.output}")

    def kill_and_start_again(self) -> None:
        """As when the computer was switched off in between."""
        self.process.kill()
        self.process.wait(10)
        self.process = self._start()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start_app(search_model: None, tmp_path: Path) -> Iterator[Callable[..., App]]:
    """Starts the app on a new data folder. At the end its console must have been quiet."""
    started: list[App] = []

    def start(**settings: str) -> App:
        number = len(started)
        home = tmp_path / f"home {number} 数据 🙂"
        app = App(home, tmp_path / f"console-{number}.txt", settings)
        started.append(app)
        return app

    yield start
    for app in started:
        app.stop()
        for sign in ("Traceback", "WARNING", "Warning", "ERROR"):
            assert sign not in app.output, app.output


@pytest.fixture
def app(start_app: Callable[..., App]) -> App:
    return start_app()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = [path for name in NAMES if (path := shutil.which(name))]
    found += [place for place in PLACES if Path(place).exists()]
    if not found:
        pytest.skip("no Chromium, Chrome or Edge on this computer")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found[0], args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A new tab. Whatever it asks of another computer than this app's server fails the test."""
    contexts: list[Any] = []
    strangers: list[str] = []

    def open_(app: App, path: str = "/", guard: bool = True, **options: Any) -> Page:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(**options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        allowed = (app.address, app.address.replace("http", "ws"), "data:", "blob:")
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(allowed) or not guard
                else strangers.append(request.url)
            ),
        )
        page.goto(app.address + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not strangers, f"the browser asked others: {strangers}"


def ask(page: Page, question: str) -> None:
    box = page.get_by_test_id("stChatInputTextArea")
    box.wait_for()
    page.wait_for_function("!document.querySelector('[data-testid=stChatInputTextArea]').disabled")
    box.fill(question)
    box.press("Enter")


def press(page: Page, button: str) -> None:
    """Click a button of a page that has come to rest: a click during a run can be lost in it."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.get_by_role("button", name=button).click()


def choose_model(page: Page, name: str) -> None:
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_test_id("stSelectbox").first.locator("input").click()
    page.get_by_role("option").filter(has_text=name).click()
    sidebar.get_by_text("Ready").wait_for()
