"""Runs an async function in a thread of its own, so that it can be stopped at any moment.

A blocking read cannot be interrupted from another thread; an async one can. The thread lives as
long as the function, and nothing of it is left afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from localchat.core.errors import EngineError

logger = logging.getLogger(__name__)

Event = TypeVar("Event")
Result = TypeVar("Result")
CLOSING = 1.0
"""Seconds that ``cancel`` waits for the connection to be closed."""


@dataclass(frozen=True)
class Done(Generic[Result]):
    """The function returned ``value``."""

    value: Result


class ServerTask(Generic[Event, Result]):
    """``work`` is given a function that tells an event; ``next`` reads what was told."""

    def __init__(
        self, work: Callable[[Callable[[Event], None]], Coroutine[Any, Any, Result]]
    ) -> None:
        self._told: queue.SimpleQueue[Event | Done[Result] | EngineError] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._why: EngineError | None = None
        self._stop: Callable[[], object] | None = None
        self._thread = threading.Thread(
            target=self._run, args=(work,), name="model-server", daemon=True
        )
        self._thread.start()

    def next(self, timeout: float) -> Event | Done[Result] | None:
        """The next event, ``Done`` at the end, or None where nothing came within ``timeout``
        seconds.

        Raises:
            EngineError: the function failed with it, or was cancelled because of it.
        """
        try:
            event = self._told.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(event, EngineError):
            raise event
        return event

    def result(self) -> Result:
        """Wait for the end and return what the function returned.

        Raises:
            EngineError: the function failed with it, or was cancelled because of it.
        """
        while True:
            event = self.next(0.5)
            if isinstance(event, Done):
                return event.value

    def cancel(self, why: EngineError | None = None) -> None:
        """Stop it where it stands and close its connections; ``next`` then raises ``why``.
        Nothing where it is over. Any thread may call this, and twice."""
        with self._lock:
            self._why = self._why or why or EngineError("The question was taken back.")
            stop = self._stop
        if stop:
            stop()
        if threading.current_thread() is not self._thread:
            self._over.wait(CLOSING)

    def _run(self, work: Callable[..., Coroutine[Any, Any, Result]]) -> None:
        try:
            asyncio.run(self._main(work))
        except asyncio.CancelledError:
            pass
        finally:
            self._over.set()

    async def _main(self, work: Callable[..., Coroutine[Any, Any, Result]]) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task  # noqa: S101  # we are in it
        with self._lock:
            if self._why:
                self._tell_end(self._why)
                return
            self._stop = lambda: _call_in(loop, task.cancel)
        try:
            self._tell_end(Done(await work(self._told.put)))
        except asyncio.CancelledError:
            self._tell_end(self._why or EngineError("The question was taken back."))
        except EngineError as error:
            self._tell_end(error)
        except Exception as mistake:  # the edge: whoever waits must hear of whatever it is
            logger.exception("asking a model server failed")
            self._tell_end(EngineError(f"Asking the model server failed ({mistake!r:.200})."))
        finally:
            with self._lock:
                self._stop = None

    def _tell_end(self, event: Done[Result] | EngineError) -> None:
        self._told.put(event)
        self._over.set()


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        logger.debug("it ended by itself just now")
