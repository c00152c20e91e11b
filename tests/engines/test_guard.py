"""The guardian for real: programs that would outlive everybody, and ends of every kind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localchat.core.errors import EngineError
from localchat.engines.llamafile.program import Program, free_port, health
from tests.engines.conftest import eventually, lives

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="signals as on Linux and macOS")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can promise that")
FOREVER = "import time; time.sleep(600)"
WITH_GRANDCHILD = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    " start_new_session={apart})\n"
    "print('grandchild', child.pid, flush=True)\n"
    "{then}\n"
)
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)\n"
WHY = EngineError("It was not needed any more.")


class Guarded:
    """A program of Python code under guard, started as anyone would from outside."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "localchat.engines.llamafile.guard", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=ROOT,
        )
        assert self.process.stderr
        self.first_line = self.process.stderr.readline().strip()

    @property
    def program(self) -> int:
        return int(self.first_line.removeprefix("guard: started "))

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


@pytest.fixture
def guarded() -> Iterator[type[Guarded]]:
    started: list[Guarded] = []

    class Tracked(Guarded):
        def __init__(self, *command: str) -> None:
            super().__init__(*command)
            started.append(self)

    yield Tracked
    for one in started:
        one.close()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def grandchild_of(line: str) -> int:
    return int(line.removeprefix("grandchild "))


def test_passes_on_what_the_program_writes(guarded: type[Guarded]) -> None:
    code = "import sys; sys.stdout.reconfigure(encoding='utf-8'); print('出 🐛', flush=True)"
    started = guarded(*python(f"{code}; print('err', file=sys.stderr)"))

    assert started.line() == "出 🐛"
    assert started.process.stderr
    assert started.process.stderr.readline() == "err\n"


@pytest.mark.parametrize(("ending", "code"), [("sys.exit(7)", 7), ("pass", 0)])
def test_ends_with_the_programs_code(guarded: type[Guarded], ending: str, code: int) -> None:
    assert guarded(*python(f"import sys; {ending}")).process.wait(timeout=20) == code


@posix
def test_tells_a_signal_as_shells_do(guarded: type[Guarded]) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert guarded(*python(code)).process.wait(timeout=20) == 128 + signal.SIGSEGV


def test_says_why_a_program_cannot_be_started(guarded: type[Guarded], tmp_path: Path) -> None:
    started = guarded(str(tmp_path / "nothing here"))

    assert started.first_line.startswith("guard: not started 2 ")
    assert started.process.wait(timeout=20) == 126


@posix
@pytest.mark.parametrize("code", [FOREVER, DEAF + FOREVER], ids=["polite", "deaf to SIGTERM"])
def test_ends_the_program_when_its_stdin_closes(guarded: type[Guarded], code: str) -> None:
    started = guarded(*python("print('on', flush=True)\n" + code))
    started.line()
    assert lives(started.program)
    assert started.process.stdin
    started.process.stdin.close()

    assert started.process.wait(timeout=20) in (128 + signal.SIGTERM, 128 + signal.SIGKILL)
    assert not lives(started.program)


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_guardian_that_is_asked_to_end_takes_the_program_along(
    guarded: type[Guarded], name: str
) -> None:
    started = guarded(*python("print('on', flush=True)\n" + FOREVER))
    started.line()
    started.process.send_signal(getattr(signal, name))

    started.process.wait(timeout=20)
    assert not lives(started.program)


@posix
@pytest.mark.parametrize(
    "apart", [False, pytest.param(True, marks=linux)], ids=["beside it", "in a session of its own"]
)
@pytest.mark.parametrize("then", ["time.sleep(600)", "sys.exit(0)"])
def test_what_the_program_started_ends_too(guarded: type[Guarded], apart: bool, then: str) -> None:
    started = guarded(*python(WITH_GRANDCHILD.format(apart=apart, then=then)))
    grandchild = grandchild_of(started.line())
    assert started.process.stdin
    started.process.stdin.close()

    started.process.wait(timeout=20)
    assert eventually(lambda: not lives(grandchild), 5)


@linux
def test_a_guardian_that_is_killed_takes_the_program_along(guarded: type[Guarded]) -> None:
    started = guarded(*python("print('on', flush=True)\n" + DEAF + FOREVER))
    started.line()
    started.process.kill()

    assert eventually(lambda: not lives(started.program), 5)


# The same through ``Program``, which is what the engine uses


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    started: list[Program] = []
    yield started
    for program in started:
        program.end(WHY)


def test_a_program_tells_what_it_says_and_how_it_ended(
    programs: list[Program], tmp_path: Path
) -> None:
    heard: list[str] = []
    log = tmp_path / "program.log"
    program = Program(python("print('one'); print('two'); exit(3)"), log=log, hear=heard.append)
    programs.append(program)

    assert program.gone.wait(20)
    assert heard == list(program.words) == ["one", "two"]
    assert program.code == 3
    assert "exit code 3; its last words: two" in str(program.explain())
    assert log.read_text(encoding="utf-8").splitlines()[-1].endswith(" two")


def test_a_program_can_be_ended_twice_and_from_any_thread(programs: list[Program]) -> None:
    program = Program(python("print('on', flush=True)\n" + FOREVER))
    programs.append(program)
    assert eventually(lambda: bool(program.words))
    program.end(WHY)
    program.end(EngineError("another reason"))

    assert program.gone.is_set()
    assert program.explain() is WHY
    assert program.pid and not lives(program.pid)


def test_a_program_that_floods_its_output_is_drained_and_its_log_stays_small(
    programs: list[Program], tmp_path: Path
) -> None:
    log = tmp_path / "program.log"
    flood = "for n in range(40_000): print(n, 'x' * 100)\nprint('y' * 10_000_000)"
    program = Program(python(flood), log=log)
    programs.append(program)

    assert program.gone.wait(30)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 3_000_000
    assert len(program.words) == 40


def test_a_log_that_cannot_be_written_stops_nothing(
    programs: list[Program], tmp_path: Path
) -> None:
    program = Program(python("print('one')"), log=tmp_path / "no" / "folder" / "x.log")
    programs.append(program)

    assert program.gone.wait(20)
    assert list(program.words) == ["one"]


@posix
def test_a_guardian_that_is_stopped_is_no_way_out(programs: list[Program]) -> None:
    program = Program(python("print('on', flush=True)\n" + FOREVER))
    programs.append(program)
    assert eventually(lambda: bool(program.words))
    assert program.pid
    guardian = int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(program.pid)]))
    os.kill(guardian, signal.SIGSTOP)
    program.end(WHY)

    assert program.gone.is_set()
    assert eventually(lambda: not lives(program.pid or 0), 5)


@linux
def test_a_guardian_that_is_killed_is_noticed_and_cleaned_up_behind(
    programs: list[Program],
) -> None:
    program = Program(python(WITH_GRANDCHILD.format(apart=False, then="time.sleep(600)")))
    programs.append(program)
    assert eventually(lambda: bool(program.words))
    grandchild = grandchild_of(program.words[0])
    os.kill(int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(program.pid)])), 9)

    assert program.gone.wait(10)
    assert "killed" in str(program.explain())
    assert eventually(lambda: not lives(program.pid or 0) and not lives(grandchild), 5)


@posix
def test_an_app_that_is_killed_leaves_no_program_behind(tmp_path: Path) -> None:
    inner = WITH_GRANDCHILD.format(apart=False, then=DEAF + "time.sleep(600)")
    app = (
        "import sys, time\nfrom localchat.engines.llamafile.program import Program\n"
        f"program = Program([sys.executable, '-c', {inner!r}])\n"
        "while len(program.words) < 2: time.sleep(0.01)\n"
        "print(program.pid, program.words[0], flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen(python(app), stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout
        pid, _, grandchild = process.stdout.readline().split()
        assert lives(int(pid)) and lives(int(grandchild))
        process.kill()
        process.wait(timeout=10)
        assert eventually(lambda: not lives(int(pid)) and not lives(int(grandchild)), 10)


def test_a_free_port_is_free() -> None:
    port = free_port()
    assert health(port, 0.5) == "none"


def test_a_port_that_listens_and_says_nothing_is_not_ready() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as mute:
        begun = time.monotonic()
        assert health(mute.getsockname()[1], 0.3) == "none"
        assert time.monotonic() - begun < 2
