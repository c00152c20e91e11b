"""Stand-ins for llamafiles: real programs that take a llamafile's arguments and answer through a
real llama.cpp server, or behave badly.

Like a real one, each is a script that a shell can run; unlike a real one, it needs this Python.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import sys
from pathlib import Path

import pytest

HAS_XLLAMACPP = importlib.util.find_spec("xllamacpp") is not None
needs_xllamacpp = pytest.mark.skipif(not HAS_XLLAMACPP, reason="xllamacpp is not installed")
needs_posix = pytest.mark.skipif(os.name == "nt", reason="stand-ins are scripts for a shell")

OLDER = {"words": "error: unknown argument: ", "refuses": [], "moves_on": True}
"""llamafile up to 0.9: where the port is taken it goes on to the next one."""
NEWER = {"words": "error: invalid argument: ", "refuses": ["--nobrowser"]}
"""llamafile from 0.10 on: no browser, and llama.cpp's own words."""

_SHEBANG = "#!/bin/sh\n"
_AS_SHELL_AND_PYTHON = "''':'\nexec {python} \"$0\" \"$@\"\n'''\n"
_PROGRAM = r"""
import http.server, json, os, signal, socket, subprocess, sys, threading, time

HOW = json.loads({how})
given, arguments, rest = {{}}, [], sys.argv[1:]
while rest:
    flag = rest.pop(0)
    if flag in HOW["refuses"]:
        sys.exit(HOW["words"] + flag)
    given[flag] = rest.pop(0) if rest and not rest[0].startswith("--") and flag.count("-") and (
        flag not in ("--server", "--nobrowser")) else ""
if "notes" in HOW:
    with open(HOW["notes"], "a", encoding="utf-8") as notes:
        notes.write(json.dumps(sys.argv[1:]) + "\n")
if "environment" in HOW:
    open(HOW["environment"], "w").write("\n".join(os.environ))
if "grandchild" in HOW:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                             start_new_session=HOW["grandchild"] == "apart")
    print("grandchild", child.pid, flush=True)
if HOW.get("deaf"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "exits" in HOW:
    print("x" * HOW.get("floods", 0) + HOW.get("says", ""), file=sys.stderr, flush=True)
    os.kill(os.getpid(), -HOW["exits"]) if HOW["exits"] < 0 else sys.exit(HOW["exits"])
if HOW.get("never"):
    time.sleep(600)
host, port = HOW.get("host", given["--host"]), int(given["--port"])
for other in HOW.get("taken", [])[:1]:
    if not os.path.exists(other):
        open(other, "w").close()
        if not HOW.get("moves_on"):
            sys.exit("couldn't bind to server socket: hostname=127.0.0.1 port=%d" % port)
        port += 1
if HOW.get("loads"):
    class Loading(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
        def log_message(self, *_):
            pass
    loading = http.server.ThreadingHTTPServer((host, port), Loading)
    threading.Thread(target=loading.serve_forever, args=(0.02,), daemon=True).start()
    time.sleep(HOW["loads"])
    loading.shutdown()
    loading.server_close()

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path, params.n_ctx = given.get("-m") or HOW["model"], int(given["-c"])
params.n_parallel, params.cpuparams.n_threads, params.cpuparams_batch.n_threads = 1, 1, 1
params.hostnames, params.port, params.warmup, params.fit_params = [host], port, False, False
params.cache_ram_mib = 0
server = xllamacpp.Server(params)
print("offloaded 3/5 layers to GPU", file=sys.stderr, flush=True)
time.sleep(10_000)
"""


def write_llamafile(
    path: Path, model: Path | None = None, *, shebang: bool = True, **how: object
) -> Path:
    """Write a stand-in to ``path`` that answers with the GGUF ``model``. Without ``shebang`` no
    kernel knows its format, as it is with a real one where that was not registered.

    ``how``: ``refuses`` arguments with ``words``, ``notes`` what it was given in a file
    and its ``environment`` in another, ``exits``
    with a code (a signal if negative) after it ``says`` something, is ``never`` ready, has a
    ``grandchild`` (``"apart"`` in a session of its own), is ``deaf`` to being asked to end,
    ``loads`` for seconds, listens on another ``host``, finds its port ``taken`` (a file that says
    that it has happened) and then ``moves_on``.
    """
    how = {**OLDER, "model": str(model), **how}
    program = _PROGRAM.format(how=repr(json.dumps(how)))
    start = _AS_SHELL_AND_PYTHON.format(python=shlex.quote(sys.executable))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((_SHEBANG if shebang else "") + start + program, encoding="utf-8")
    path.chmod(0o755)
    return path
