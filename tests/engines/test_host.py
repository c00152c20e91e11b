"""The child process: its queue, its deaths and its end, with a backend that needs no model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localchat.core.errors import EngineDied, EngineError, PromptTooLong
from localchat.engines.child.host import Call, ChildHost
from tests.engines.conftest import eventually, lives

ROOT = Path(__file__).parents[2]
on_posix = pytest.mark.skipif(os.name == "nt", reason="signals as on Linux and macOS")


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ChildHost]]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made: list[ChildHost] = []

    def host(**settings: object) -> ChildHost:
        made.append(ChildHost("tests.engines.toy_backend:Toy", **settings))  # type: ignore[arg-type]
        return made[-1]

    yield host
    for each in made:
        each.close()


@pytest.fixture
def host(make: Callable[..., ChildHost]) -> ChildHost:
    return make()


def say(host: ChildHost, what: str, **model: object) -> Call:
    return host.ask("answer", model=model, say=what)


def running(call: Call) -> Call:
    """``call``, once the child works on it."""
    while not call.started:
        call.next(0.05)
    return call


def test_answers(host: ChildHost) -> None:
    assert say(host, "hello ✓ 你好").result()["said"] == "hello ✓ 你好"


def test_starts_nothing_before_it_is_asked(host: ChildHost) -> None:
    assert host.pid is None


def test_noise_on_stdout_does_not_break_the_protocol(host: ChildHost) -> None:
    assert say(host, "print").result()["said"] == "print"
    assert say(host, "still here").result()["said"] == "still here"


def test_calls_are_served_in_order(host: ChildHost) -> None:
    first = running(say(host, "sleep"))
    others = [say(host, str(number)) for number in range(3)]
    assert [call.ahead for call in others] == [1, 2, 3]
    first.cancel()
    assert [call.result()["said"] for call in others] == ["0", "1", "2"]


def test_calls_of_a_lower_rank_go_first_and_equals_in_order(host: ChildHost) -> None:
    first = running(say(host, "sleep"))
    ranks = {"large": 9, "small": 2, "as large": 9, "smallest": 0}
    calls = {what: host.ask("answer", rank=ranks[what], model={}, say=what) for what in ranks}
    order = sorted(calls, key=lambda what: calls[what].ahead)
    assert order == ["smallest", "small", "large", "as large"]
    first.cancel()
    assert [call.result()["said"] for call in calls.values()] == list(ranks)


def test_cancel_stops_the_running_call_at_once(host: ChildHost) -> None:
    call = running(say(host, "sleep"))
    begun = time.monotonic()
    call.cancel()
    call.cancel()
    assert call.result()["finish_reason"] == "cancelled"
    assert time.monotonic() - begun < 1


def test_a_waiting_call_can_be_cancelled(host: ChildHost) -> None:
    first = running(say(host, "sleep"))
    second, third = say(host, "second"), say(host, "third")
    second.cancel()
    assert third.ahead == 1
    first.cancel()
    assert third.result()["said"] == "third"


def test_counting_goes_past_the_queue(host: ChildHost) -> None:
    say(host, "load it").result()
    running(say(host, "sleep"))
    counted = host.ask("count", beside=True, model={}, texts=["one", "three"]).result()
    assert counted["counts"] == [3, 5]


def test_typed_errors_come_through_with_their_data(host: ChildHost) -> None:
    with pytest.raises(PromptTooLong) as refused:
        say(host, "refuse").result()
    assert (refused.value.tokens, refused.value.limit) == (5000, 4000)


def test_a_mistake_in_the_child_is_told_and_survived(host: ChildHost) -> None:
    with pytest.raises(EngineError, match="by nobody"):
        say(host, "mistake").result()
    assert say(host, "fine").result()["said"] == "fine"


def test_a_death_is_told_with_code_and_last_words(make: Callable[..., ChildHost]) -> None:
    heard: list[str] = []
    host = make(listen=lambda event: heard.append(event["event"]))
    with pytest.raises(EngineDied, match=r"exit code 3.*the last words") as died:
        say(host, "die").result()
    assert died.value.code == 3
    assert "died" in heard
    assert say(host, "again").result()["said"] == "again"


def test_those_who_wait_are_served_by_the_next_child(host: ChildHost) -> None:
    before = say(host, "hello").result()["pid"]
    dying, waiting = say(host, "die"), say(host, "waiting")
    with pytest.raises(EngineDied):
        dying.result()
    assert waiting.result()["pid"] != before


@on_posix
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, "memory ran out"),
        (signal.SIGSEGV, "crashed"),
        (signal.SIGABRT, "gave up"),
    ],
)
def test_signals_have_their_sentence(host: ChildHost, number: int, words: str) -> None:
    call = running(say(host, "sleep"))
    assert host.pid
    os.kill(host.pid, number)
    with pytest.raises(EngineDied, match=words) as died:
        call.result()
    assert died.value.code == -number


@on_posix
def test_a_child_that_died_while_idle_is_replaced_without_a_word(host: ChildHost) -> None:
    first = say(host, "one").result()["pid"]
    os.kill(first, signal.SIGKILL)
    # Asked at once, before the death can have been noticed: nobody loses a question by it.
    assert say(host, "two").result()["pid"] != first


@on_posix
def test_a_hanging_child_is_ended_and_told(make: Callable[..., ChildHost]) -> None:
    host = make(silence=1.5)
    with pytest.raises(EngineDied, match=r"did not move for 1\.5 seconds"):
        say(host, "hang").result()
    assert say(host, "next").result()["said"] == "next"


@on_posix
def test_a_stopped_process_counts_as_hanging(make: Callable[..., ChildHost]) -> None:
    host = make(silence=1.5)
    call = running(say(host, "sleep"))
    assert host.pid
    os.kill(host.pid, signal.SIGSTOP)
    with pytest.raises(EngineDied, match="did not move"):
        call.result()


def test_slow_work_that_makes_steps_is_no_hang(make: Callable[..., ChildHost]) -> None:
    host = make(silence=2.5)
    assert say(host, "work in silence").result()["said"] == "work in silence"


def test_close_ends_the_child_and_tells_everybody(host: ChildHost) -> None:
    first, second = running(say(host, "sleep")), say(host, "second")
    pid = host.pid
    assert pid
    host.close()
    host.close()
    assert not lives(pid)
    for call in (first, second):
        with pytest.raises(EngineError, match="unloaded"):
            call.result()
    assert say(host, "again").result()["said"] == "again"


def test_close_from_many_threads(host: ChildHost) -> None:
    call = running(say(host, "sleep"))
    threads = [threading.Thread(target=host.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    with pytest.raises(EngineError):
        call.result()
    assert host.pid is None


def test_the_log_is_kept_and_limited(
    make: Callable[..., ChildHost], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "engine.log"
    host = make(log=log)
    with pytest.raises(EngineError):
        say(host, "mistake").result()
    assert eventually(lambda: log.exists() and "ZeroDivisionError" in log.read_text())
    monkeypatch.setattr("localchat.engines.log.LOG_BYTES", 10)
    with pytest.raises(EngineError):
        say(host, "mistake").result()
    assert eventually(lambda: log.with_suffix(".old.log").exists())


PARENT = """
import sys, time
from localchat.engines.child.host import ChildHost
host = ChildHost("tests.engines.toy_backend:Toy")
call = host.ask("answer", model={"slow_load": float(sys.argv[2])}, say=sys.argv[1])
while not call.started:
    call.next(0.05)
print(host.pid, flush=True)
time.sleep(600)
"""


@on_posix
@pytest.mark.parametrize(
    ("what", "slow_load"), [("hello", 0), ("sleep", 0), ("hang", 0), ("hello", 600)]
)
def test_no_orphan_is_left_when_the_app_is_killed(what: str, slow_load: float) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, what, str(slow_load)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert lives(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait(timeout=10)
        assert eventually(lambda: not lives(child), 3)
