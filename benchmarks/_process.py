"""A contestant of ``engines`` in a process of its own: ``Other`` asks it, ``main`` is the process.

One JSON object per line. Down the keywords of ``run``, up what it returned; first an empty one,
when the model is loaded.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

ROOT = Path(__file__).resolve().parents[1]


class CannotRun(Exception):
    """The process ended; the text is its last words."""


class Other:
    """``contestant`` is ``module:Class``; the class gets ``settings`` and has a ``run``. After
    ``patience`` seconds without an answer it is ended."""

    def __init__(self, contestant: str, patience: float, **settings: Any) -> None:
        self._patience = patience
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._process", contestant, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        )

    def __enter__(self) -> Self:
        self._hear()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            if pipe:
                pipe.close()

    def run(self, **given: Any) -> dict[str, Any]:
        """Have it read and write; what came of it.

        Raises:
            CannotRun: it ended instead, or took too long.
        """
        assert self._process.stdin
        self._process.stdin.write(json.dumps(given).encode() + b"\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout
        begun = time.monotonic()
        impatient = threading.Timer(self._patience, self._process.kill)
        impatient.start()
        line = self._process.stdout.readline()
        impatient.cancel()
        if not line:
            code = self._process.wait()
            if time.monotonic() - begun > self._patience:
                raise CannotRun(f"no answer for {self._patience:g} seconds")
            self._said.seek(0)
            words = self._said.read().decode("utf-8", "replace").strip().splitlines()
            raise CannotRun(f"exit code {code}: {' '.join(words[-1:])[:300]}")
        heard: dict[str, Any] = json.loads(line)
        return heard


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    module, _, name = sys.argv[1].partition(":")
    contestant = getattr(importlib.import_module(module), name)(**json.loads(sys.argv[2]))
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(contestant.run(**json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
