"""Runs a model in a child process, so that nothing it does can take the app along.

``ChildHost.ask`` gives a ``Call``, whose events are read with ``Call.next``. One call runs at a
time, the others wait in order, those of a lower rank first. The child is started when the first
call needs it and again after its death: each call says which model it needs, so a fresh child can
serve any of them. A call that was running when the child died raises ``EngineDied``; the ones that
waited are served by the next child. A child ends when its stdin closes, so none outlives the app,
however that ends.

Knows nothing about models: what the child can do is its backend's business (see ``worker``).
"""

from __future__ import annotations

import atexit
import itertools
import json
import logging
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localchat.core.errors import EngineDied, EngineError, Unloaded
from localchat.engines.child.process import Child
from localchat.engines.child.wire import Message, explain_silence, message_to_error

logger = logging.getLogger(__name__)

SILENCE = 120.0
"""Seconds without any progress after which a child counts as hung."""
_hosts: weakref.WeakSet[ChildHost] = weakref.WeakSet()


class Call:
    """One request to the child. ``next`` reads what comes back, ``cancel`` takes it back."""

    def __init__(self, host: ChildHost, number: int, message: Message, rank: int = 0) -> None:
        self.number = number
        self.message = message
        self.rank = rank
        self.over = False
        self.cancelled = False
        self.started = False
        self.tried = 0
        self.child: Child | None = None
        self._host = host
        self._events: queue.SimpleQueue[Message | EngineError] = queue.SimpleQueue()

    @property
    def ahead(self) -> int:
        """How many calls come before this one; 0 when it runs."""
        return self._host.ahead_of(self)

    def next(self, timeout: float) -> Message | None:
        """The next event, or None where nothing came within ``timeout`` seconds.

        Raises:
            EngineError: the child refused, failed, or died.
        """
        try:
            event = self._events.get(timeout=timeout)
        except queue.Empty:
            self._host.watch()
            return None
        if isinstance(event, EngineError):
            raise event
        return event

    def result(self) -> Message:
        """Wait for the end and return what came with it.

        Raises:
            EngineError: the child refused, failed, or died.
        """
        while True:
            event = self.next(0.5)
            if event is not None and event["event"] == "done":
                return event

    def cancel(self) -> None:
        """Stop it where it runs, forget it where it waits; nothing where it is over."""
        self._host.cancel(self)

    def put(self, event: Message | EngineError) -> None:
        if isinstance(event, EngineError) or event["event"] == "done":
            self.over = True
        self._events.put(event)


class ChildHost:
    """A child process with ``backend`` (``module:Class``), and the queue in front of it.

    ``listen`` is told of each event of the running call, from a thread of ours; a death is the
    event ``died`` with the ``note`` for people and the exit ``code``. ``log`` receives what the
    child writes to stderr.
    """

    def __init__(
        self,
        backend: str,
        *,
        log: Path | None = None,
        silence: float = SILENCE,
        listen: Callable[[Message], None] = lambda event: None,
    ) -> None:
        self._backend = backend
        self._log = log
        self._silence = silence
        self._listen = listen
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._waiting: deque[Call] = deque()
        self._running: Call | None = None
        self._beside: dict[int, Call] = {}
        self._child: Child | None = None
        self._watched = 0.0

    @property
    def pid(self) -> int | None:
        """The child's process id, or None where none runs."""
        child = self._child
        return child.process.pid if child else None

    def ask(self, op: str, *, beside: bool = False, rank: int = 0, **arguments: Any) -> Call:
        """Put a request behind those in the queue that have its ``rank`` or a lower one.

        ``beside`` sends it past the queue, for what the child can do while it works.
        """
        number = next(self._numbers)
        call = Call(self, number, {"id": number, "op": op, **arguments}, rank)
        with self._lock:
            if beside and self._child and not self._child.told:
                self._beside[number] = call
                call.message["beside"] = True
                call.child = self._child
            else:
                behind = (n for n, other in enumerate(self._waiting) if other.rank > rank)
                self._waiting.insert(next(behind, len(self._waiting)), call)
        if call.child:
            call.child.send(call.message)
        else:
            self._advance()
        return call

    def ahead_of(self, call: Call) -> int:
        with self._lock:
            if call not in self._waiting:
                return 0
            return self._waiting.index(call) + (self._running is not None)

    def cancel(self, call: Call) -> None:
        with self._lock:
            if call.over or call.cancelled:
                return
            call.cancelled = True
            if call in self._waiting:
                self._waiting.remove(call)
                call.over = True
                return
        if call.child:
            call.child.send({"id": call.number, "op": "cancel"})

    def watch(self) -> None:
        """End the child where it has been silent for too long. Called while someone waits."""
        now = time.monotonic()
        with self._lock:
            child, unwatched = self._child, now - self._watched > 5
            self._watched = now
            if not child or not (self._running or self._beside):
                return
            if unwatched:  # the computer slept, or nobody waited: begin to count now
                child.heard = max(child.heard, now)
            elif now - child.heard > self._silence:
                child.end(explain_silence(self._silence))

    def close(self) -> None:
        """End the child; what ran or waited is told. The next ``ask`` starts a new one."""
        error = Unloaded()
        with self._lock:
            for call in self._waiting:
                call.put(error)
            self._waiting.clear()
            child = self._child
            if child:
                child.end(error)
        if child and threading.current_thread() is not child.reader:
            child.reader.join(timeout=10)

    # The queue moves on. `_advance` holds the lock only while it decides, never while it writes:
    # a child that does not read must not hold up whoever wants to end it.

    def _advance(self) -> None:
        with self._lock:
            if self._running or not self._waiting:
                return
            call = self._waiting.popleft()
            try:
                usable = self._child if self._child and not self._child.told else None
                child = usable or self._start()
            except OSError as error:
                call.put(EngineError(f"The program that runs models did not start ({error})."))
                self._advance()
                return
            self._running = call
            call.child = child
            call.tried += 1
            child.heard = time.monotonic()
        child.send(call.message)

    def _start(self) -> Child:
        child = Child(self._backend, self._log)
        self._child = child
        if not _hosts:
            atexit.register(_close_all)
        _hosts.add(self)
        child.reader = threading.Thread(
            target=self._read, args=(child,), name="engine-reader", daemon=True
        )
        child.reader.start()
        return child

    def _read(self, child: Child) -> None:
        """The reader thread of one child: from its first word to its death."""
        for line in child.lines:
            child.heard = time.monotonic()
            try:
                event: Message = json.loads(line)
            except ValueError:
                logger.error("not a message from the engine: %r", line[:200])
                continue
            if "id" in event:
                self._take(event)
        self._bury(child, child.wait())

    def _take(self, event: Message) -> None:
        over = event["event"] in ("done", "error")
        with self._lock:
            running = self._running
            in_turn = running is not None and running.number == event["id"]
            call = running if in_turn else self._beside.get(event["id"])
            if event.get("fatal") and call and call.child:
                call.child.end(message_to_error(event["error"]))
            if over and in_turn:
                self._running = None
            elif over:
                self._beside.pop(event["id"], None)
        if in_turn:
            self._listen(event)
        if call:
            call.started = True
            failed = event["event"] == "error"
            call.put(message_to_error(event["error"]) if failed else event)
        if over:
            self._advance()

    def _bury(self, child: Child, error: EngineError) -> None:
        """Tell those whom the child left behind, and go on with the next one."""
        logger.log(
            logging.INFO if child.told else logging.WARNING,
            "engine process %d ended: %s",
            child.process.pid,
            error,
        )
        with self._lock:
            if self._child is child:
                self._child = None
                by_itself = error if isinstance(error, EngineDied) else None
                note, code = (str(by_itself), by_itself.code) if by_itself else ("", None)
                self._listen({"event": "died", "note": note, "code": code})
            left = [call for call in self._beside.values() if call.child is child]
            for call in left:
                del self._beside[call.number]
            running = self._running
            if running and running.child is child:
                self._running = None
                if running.started or running.cancelled or running.tried > 1 or child.told:
                    left.append(running)
                else:  # the child was dead before it heard of this call: the next one gets it
                    self._waiting.appendleft(running)
        for call in left:
            call.put(error)
        self._advance()


def _close_all() -> None:
    for host in list(_hosts):
        host.close()
