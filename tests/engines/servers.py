"""Real model servers on loopback, in processes of their own, each started once per session.

They end with the tests, however those end: each ends when its stdin closes.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

HAS_XLLAMACPP = importlib.util.find_spec("xllamacpp") is not None
HAS_PYTHON_SERVER = all(
    importlib.util.find_spec(name)
    for name in ("llama_cpp", "fastapi", "uvicorn", "sse_starlette", "starlette_context")
)
_LLAMA_SERVER = """
import sys
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path, params.n_ctx = sys.argv[1], int(sys.argv[2])
params.n_batch, params.n_ubatch = 128, 128
params.n_parallel, params.cpuparams.n_threads, params.cpuparams_batch.n_threads = 1, 1, 1
params.hostnames, params.port, params.warmup, params.fit_params = ["127.0.0.1"], 0, False, False
params.cache_ram_mib, params.api_keys = 0, sys.argv[3:]
server = xllamacpp.Server(params)
print("address", server.listening_address, flush=True)
sys.stdin.read()
"""
_PYTHON_SERVER = """
import os, runpy, sys, threading

threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
runpy.run_module("llama_cpp.server", run_name="__main__", alter_sys=True)
"""


class RealServer:
    """A server process with one model, and where it answers. ``close`` ends it."""

    def __init__(self, command: list[str], log: Path, url: str = "") -> None:
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.url = url or self._wait_for_address()

    def _wait_for_address(self) -> str:
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            # Its own log may have got in between the word and the address.
            told = self._log.read_text(errors="replace").partition("address")[2]
            if address := re.search(r"http://127\.0\.0\.1:\d+(?=\s)", told):
                return address.group()
            time.sleep(0.02)
        raise AssertionError(f"the server did not start: {self._log.read_text()[-2000:]}")

    def wait_until_it_listens(self) -> None:
        host, port = self.url.removeprefix("http://").split(":")
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as tried:
                if tried.connect_ex((host, int(port))) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the server did not start: {self._log.read_text()[-2000:]}")

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()


class Servers:
    """Starts what a test asks for, once; ``close`` ends all of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, RealServer] = {}

    def llama_server(self, model: Path, context: int, key: str = "") -> RealServer:
        """llama.cpp's own server, from xllamacpp."""
        name = f"llama-server-{model.stem}-{context}{'-key' if key else ''}"
        if name not in self._running:
            command = [sys.executable, "-c", _LLAMA_SERVER, str(model), str(context)]
            command += [key] if key else []
            self._running[name] = RealServer(command, self._folder / f"{name}.log")
        return self._running[name]

    def python_server(self, model: Path, context: int) -> RealServer:
        """The server of llama-cpp-python."""
        name = f"python-{model.stem}-{context}"
        if name not in self._running:
            port = free_port()
            command = [sys.executable, "-c", _PYTHON_SERVER, "--model", str(model)]
            command += ["--host", "127.0.0.1", "--port", str(port), "--n_ctx", str(context)]
            command += ["--n_threads", "1", "--n_threads_batch", "1", "--model_alias", "tiny"]
            url = f"http://127.0.0.1:{port}"
            self._running[name] = RealServer(command, self._folder / f"{name}.log", url)
            self._running[name].wait_until_it_listens()
        return self._running[name]

    def close(self) -> None:
        for server in self._running.values():
            server.close()
        self._running.clear()


@cache
def running() -> Servers:
    """The servers of this test process."""
    folder = tempfile.TemporaryDirectory(prefix="localchat-servers-")
    servers = Servers(Path(folder.name))
    atexit.register(folder.cleanup)
    atexit.register(servers.close)
    return servers


def free_port() -> int:
    """A port of this computer that nobody listens on."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
