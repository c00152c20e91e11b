"""One life of a llamafile: it is started, tried in other ways where that is refused, waited for
until it can answer, and in the end ended. In a thread of its own, so that anyone may watch."""

from __future__ import annotations

import ipaddress
import logging
import os
import platform
import re
import threading
import time
from collections import deque
from typing import Any

from localchat.core.errors import EngineError, ServerError
from localchat.engines.base import Phase
from localchat.engines.child.wire import explain_silence
from localchat.engines.choices import (
    COMFORTABLE_CONTEXT,
    Choice,
    choose_threads,
    physical_cores,
)
from localchat.engines.llamafile.file import as_argument, is_inside, prepare, size_of
from localchat.engines.llamafile.plan import (
    StartPlan,
    Wanted,
    arguments,
    needs_a_shell,
    plan_start,
    port_was_taken,
    refused_argument,
)
from localchat.engines.llamafile.program import Program, free_port, health
from localchat.engines.llamafile.words import (
    Ended,
    explain_failure,
    no_model,
    open_to_others,
    stopped_answering,
    too_slow,
)
from localchat.engines.server.engine import ServerEngine

logger = logging.getLogger(__name__)

POLL = 0.1
"""Seconds between two looks at whether it is ready."""
PORTS = 3
"""Ports that are tried where somebody else was quicker."""
OTHERS_END = 30.0
"""Seconds that the program of the last life may take to be gone."""
_LAYERS = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")


class Startup:
    """Begins at once. ``done`` is set when it can answer, through ``server``, or cannot: then
    ``error`` says why. ``refused`` are the arguments that it did not take, and learns of more;
    ``before`` is the program of the last life, whose memory has to be free first."""

    def __init__(self, wanted: Wanted, refused: set[str], before: Program | None = None) -> None:
        self.done = threading.Event()
        self.error: EngineError | None = None
        self.program: Program | None = None
        self.server: ServerEngine | None = None
        self.info: dict[str, Any] = {}
        self._wanted = wanted
        self._refused = refused
        self._told: EngineError | None = None
        self._layers = ""
        self._lock = threading.Lock()
        threading.Thread(
            target=self._run, args=(before,), name="llamafile-start", daemon=True
        ).start()

    @property
    def is_over(self) -> bool:
        """Whether it can answer no more, so that another life has to begin."""
        program = self.program
        return bool(
            self.error or self._told or (self.done.is_set() and program and program.gone.is_set())
        )

    @property
    def phase(self) -> Phase:
        """What it is doing now."""
        if self._told and self.error in (None, self._told):
            return Phase("unloaded")
        if not self.done.is_set():
            return Phase("loading", self._per_mille(), 1000)
        if self.error:
            return _failed(self.error)
        if self.program and self.program.gone.is_set():
            return _failed(self.program.explain())
        phase = self.server.phase if self.server else Phase("unloaded")
        if phase.name == "ready":
            reasons = (self.info.get(key) for key in ("gpu_reason", "context_reason", "note"))
            note = "; ".join(reason for reason in reasons if reason)
            return Phase("ready", per_second=phase.per_second, note=note)
        return phase

    def end(self, why: EngineError) -> None:
        """End it at whatever stage, and wait until it is gone; ``why`` is what those are told who
        wait for it."""
        with self._lock:
            self._told = self._told or why
            server, program = self.server, self.program
        if server:
            server.close()
        if program:
            program.end(why)

    def meaning(self, error: EngineError, silent: float | None = None) -> EngineError:
        """What ``error`` means that came of asking: that it was unloaded, or is gone, or, in the
        middle of an answer and ``silent`` seconds after the last sign of life, that it hangs: then
        it is ended. Otherwise just what it says."""
        if self._told:
            return self._told
        program = self.program
        lost = isinstance(error, ServerError) and error.status is None
        if not program or not lost:
            return error
        if program.gone.wait(1):  # a death is noticed at the connection first
            return program.explain()
        if silent is None:
            return error
        patience = self._wanted.silence
        hangs = silent > 0.8 * patience  # the last word came to us later than to those who count
        told = explain_silence(patience) if hangs else stopped_answering(self._wanted.name)
        program.end(told)
        return told

    def _run(self, before: Program | None) -> None:
        try:
            if before:
                before.gone.wait(OTHERS_END)
            self._start()
        except EngineError as error:
            self.error = error
        except Exception as mistake:  # the edge: whoever waits must hear of whatever it is
            logger.exception("starting %s failed", self._wanted.path)
            self.error = EngineError(f"Starting {self._wanted.name} failed ({mistake!r:.200}).")
        finally:
            if self.error and self.program:
                self.program.end(self.error)
            self.done.set()

    def _start(self) -> None:
        wanted, system = self._wanted, platform.system()
        plan = plan_start(wanted.path, size_of(wanted.path), system)
        if wanted.weights and not is_inside(wanted.weights):
            size_of(wanted.weights)
        note = prepare(plan, wanted.path)
        threads = choose_threads(wanted.threads, physical_cores())
        port = self._until_ready(plan, threads, system)
        self.server = server = ServerEngine(
            url=f"http://127.0.0.1:{port}/v1",
            context=wanted.context or COMFORTABLE_CONTEXT,
            silence=wanted.silence,
            name_for_people=wanted.name,
        )
        self._look(server)
        self.info = {
            **server.info,
            "context_reason": _context_reason(wanted.context, server),
            "gpu_reason": self._gpu_reason(),
            "threads": threads.value,
            "threads_reason": threads.reason,
            "note": "; ".join(filter(None, [f"at port {port} of this computer", note])),
        }

    def _look(self, server: ServerEngine) -> None:
        try:
            server.load()
        except EngineError as error:
            program = self.program
            if self._told:
                raise self._told from error
            if program and program.gone.wait(1):
                raise explain_failure(self._ended(program)) from error
            if not self._wanted.weights and "no model" in str(error):
                raise no_model(self._wanted.path) from error
            raise

    def _until_ready(self, plan: StartPlan, threads: Choice, system: str) -> int:
        """Start it in one way after the other until it is ready, and return its port."""
        wanted = self._wanted
        commands, ports = deque(plan.commands), PORTS
        while True:
            port = free_port()
            given = arguments(
                port,
                weights=as_argument(wanted.weights),
                context=wanted.context or COMFORTABLE_CONTEXT,
                gpu_layers=wanted.gpu_layers,
                threads=threads.value,
                refused=self._refused,
            )
            program = self._open([*commands[0], *given])
            found = self._wait(program, port)
            if found:
                return found
            words = tuple(program.words)
            argument = refused_argument(words)
            if argument and argument not in self._refused:
                self._refused.add(argument)
            elif len(commands) > 1 and needs_a_shell(program.refused, words):
                commands.popleft()
            elif ports > 1 and port_was_taken(words):
                ports -= 1
            else:
                raise explain_failure(self._ended(program))

    def _open(self, command: list[str]) -> Program:
        with self._lock:
            if self._told:
                raise self._told
            try:
                self.program = Program(
                    command, log=self._wanted.log, env=_environment(), hear=self._listen
                )
            except OSError as error:
                what = f"The program that guards {self._wanted.name} did not start ({error})."
                raise EngineError(what, "Close other programs and try again.") from error
            return self.program

    def _wait(self, program: Program, port: int) -> int | None:
        """The port at which ``program`` is ready; None where it ended before."""
        latest = time.monotonic() + self._wanted.start_seconds
        while not program.gone.wait(POLL):
            at = self._port_of(program, port)
            if at and health(at) == "ready":
                return at
            if time.monotonic() > latest:
                raise too_slow(self._wanted.name, self._wanted.start_seconds)
        if self._told:
            raise self._told
        return None

    def _port_of(self, program: Program, asked: int) -> int | None:
        """Where ``program`` listens: older ones take the next port where somebody else has the one
        that was ``asked`` for, and somebody else must not be taken for it."""
        addresses = program.addresses()
        if addresses is None:
            return asked
        if any(not ipaddress.ip_address(host).is_loopback for host, _ in addresses):
            raise open_to_others(self._wanted.name)
        ports = {port for _, port in addresses}
        return asked if asked in ports else min(ports, default=None)

    def _ended(self, program: Program) -> Ended:
        return Ended(
            self._wanted.path,
            platform.system(),
            program.code or 0,
            tuple(program.words),
            program.refused,
            bare=self._wanted.weights is None,
        )

    def _listen(self, line: str) -> None:
        if found := _LAYERS.search(line):
            self._layers = f"{found[1]} of {found[2]} layers on the GPU"

    def _gpu_reason(self) -> str:
        if self._wanted.gpu_layers == 0:
            return "on the CPU, as chosen"
        how = "automatic" if self._wanted.gpu_layers is None else "as chosen"
        return f"{self._layers}, {how}" if self._layers else "it did not say whether it uses a GPU"

    def _per_mille(self) -> int:
        """How much of the model is in memory, about."""
        weights = self._wanted.weights
        path = weights if weights and not is_inside(weights) else self._wanted.path
        try:
            size = path.stat().st_size
        except OSError:
            return 0
        return min(self.program.memory() * 1000 // max(size, 1), 999) if self.program else 0


def _environment() -> dict[str, str]:
    """Ours, without what llama.cpp's server would take as its settings."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LLAMA_ARG_", "LLAMA_API_KEY"))
    }


def _failed(error: EngineError) -> Phase:
    return Phase("failed", note=str(error))


def _context_reason(wanted: int | None, server: ServerEngine) -> str:
    if wanted:
        return str(server.info["context_reason"])
    tokens = server.context_tokens
    enough = "enough for a question with its passages"
    why = enough if tokens == COMFORTABLE_CONTEXT else "all that this model was made for"
    return f"automatic: {tokens:,} tokens: {why}"
