"""The guardian of a program that would outlive us.

``python -m localchat.engines.llamafile.guard PROGRAM …``

Starts the program and waits until its own stdin closes, which it does however its owner ends, or
until the program ends. Then it ends the program and everything that this one started. What the
program writes goes where the guardian's output goes, and so does its exit code; where a signal
ended it, that is 128 and the signal's number, as shells have it.

The guardian's first line on stderr is ``guard: started PID``, or ``guard: not started ERRNO WHY``
and the exit code 126 (on Windows the number is the system's own).

Should the guardian itself be killed: on Linux the program dies with it, on Windows everything in
its job does; on macOS its owner has to clean up (see ``program``).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import FrameType

GRACE = 1.0
"""Seconds between asking a program to end and ending it."""
NOT_STARTED = 126
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36


def main() -> int:
    """Guard the program that the arguments name; returns the exit code."""
    prepare = _prepare()
    try:
        program = subprocess.Popen(
            sys.argv[1:],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=prepare,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        number = getattr(error, "winerror", None) or error.errno or 0
        _say(f"not started {number} {error.strerror or error}")
        return NOT_STARTED
    _say(f"started {program.pid}")

    def at_once(_number: int, _frame: FrameType | None) -> None:
        _kill(program.pid)

    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), at_once)
    gone = threading.Event()
    threading.Thread(target=_end_with_owner, args=(program.pid, gone), daemon=True).start()
    code = program.wait()
    gone.set()
    _kill(program.pid)
    _kill_orphans()
    if os.name == "nt":
        return code - (1 << 32) if code >= 1 << 31 else code
    return 128 - code if code < 0 else code


def _say(what: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"guard: {what}\n".encode("utf-8", "backslashreplace"))


def _end_with_owner(pid: int, gone: threading.Event) -> None:
    """Wait until stdin closes, then end the program: first asked, then made to."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    if os.name != "nt":
        _kill(pid, signal.SIGTERM)
        gone.wait(GRACE)
    _kill(pid)


def _kill(pid: int, number: int = getattr(signal, "SIGKILL", signal.SIGTERM)) -> None:
    """Send a signal to the program ``pid`` and its whole group; on Windows it just ends."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            os.killpg(pid, number)


def _kill_orphans() -> None:
    """End what the program started in groups of their own and left to us (on Linux)."""
    if sys.platform != "linux":
        return
    import psutil

    for _ in range(20):  # what is being ended may start more
        left = psutil.Process().children(recursive=True)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1)


def _prepare() -> Callable[[], None] | None:
    """See to it that nothing outlives us; returns what the child is to do before it starts."""
    if sys.platform == "win32":
        _join_a_job()
        return None
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    ours = os.getpid()
    libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def die_with_us() -> None:
        libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != ours:  # we died before the line above
            os._exit(NOT_STARTED)

    return die_with_us


def _join_a_job() -> None:
    """Windows: be in a job whose end ends everything in it; it ends with us, who hold it."""
    if sys.platform != "win32":
        return
    from ctypes import wintypes

    class Limits(ctypes.Structure):
        """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

        _fields_ = [
            ("times", ctypes.c_int64 * 2),
            ("flags", wintypes.DWORD),
            ("working_sets", ctypes.c_size_t * 2),
            ("active_processes", wintypes.DWORD),
            ("affinity", ctypes.c_size_t),
            ("classes", wintypes.DWORD * 2),
            ("counters", ctypes.c_uint64 * 6),
            ("memory", ctypes.c_size_t * 4),
        ]

    kill_on_close, extended = 0x2000, 9
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = wintypes.HANDLE
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    kernel.SetInformationJobObject.argtypes = [
        wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD,
    ]  # fmt: skip
    kernel.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
    job = kernel.CreateJobObjectW(None, None)
    limits = Limits(flags=kill_on_close)
    kernel.SetInformationJobObject(job, extended, ctypes.byref(limits), ctypes.sizeof(limits))
    kernel.AssignProcessToJobObject(job, kernel.GetCurrentProcess())


if __name__ == "__main__":
    sys.exit(main())
