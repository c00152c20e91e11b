"""Opening the window: one for each data folder, on this computer only."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
import threading
import time
import webbrowser

from localchat.core.errors import FolderInUse, LocalChatError
from localchat.core.folder import DataFolder

FIRST_PORT = 8501
TRIES = 20


def serve(arguments: argparse.Namespace) -> int:
    """Run the app until Ctrl+C.

    Raises:
        LocalChatError: the data folder or the port cannot be used.
    """
    from localchat.app import address_of

    folder = DataFolder.default()
    folder.prepare()
    # The server works in another folder than the one we were started in.
    os.environ["LOCALCHAT_HOME"] = str(folder.root)
    if _is_held(folder):
        there = address_of(folder)
        print(FolderInUse(folder.root, there), file=sys.stderr)
        if there and not arguments.no_browser:
            webbrowser.open(there)
        return 1
    port = arguments.port or _free_port()
    if not _is_free(port):
        raise LocalChatError(
            f"Port {port} on this computer is taken by another program.",
            "Start again without --port, or name another one.",
        )
    address = f"http://localhost:{port}"
    print(f"LocalChat is opening at {address}  (Ctrl+C ends it)", flush=True)
    if not arguments.no_browser:
        threading.Thread(target=_open_when_ready, args=(port, address), daemon=True).start()

    from localchat.ui.server import run

    with contextlib.suppress(KeyboardInterrupt):
        run(port, address)
    return 0


def _is_held(folder: DataFolder) -> bool:
    """Whether another LocalChat works on the folder."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder.lock, timeout=0):
            return False
    except Timeout:
        return True


def _free_port() -> int:
    for port in range(FIRST_PORT, FIRST_PORT + TRIES):
        if _is_free(port):
            return port
    raise LocalChatError(
        f"All ports from {FIRST_PORT} to {FIRST_PORT + TRIES - 1} are taken.",
        "Name a free one with --port.",
    )


def _is_free(port: int) -> bool:
    """Whether nobody listens: asked by connecting too, because a program that listens on all
    addresses does not keep us from binding on ours everywhere."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _open_when_ready(port: int, address: str) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                webbrowser.open(address)
                return
        time.sleep(0.1)
