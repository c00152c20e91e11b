"""What a child process last said of itself, and what may help where it failed."""

from __future__ import annotations

import threading
from dataclasses import asdict, fields

from localchat.core.errors import EngineDied
from localchat.engines.base import Phase, PhaseName
from localchat.engines.child.wire import Message
from localchat.engines.ladder import Rung, Tried, Trouble, next_rung, trouble_of

STARTING = Phase("loading", 0, 1000)
_PHASE_FIELDS = {field.name for field in fields(Phase)}


class ChildState:
    """Written by the host's reader, read by anyone.

    ``rungs`` are the steps down that were taken, ``offer`` the one that could be taken next.
    """

    def __init__(self) -> None:
        self.phase = Phase("unloaded")
        self.info: Message = {}
        self.tried: Message = {}
        self.rungs: list[Rung] = []
        self.offer: Rung | None = None
        self.trouble: Trouble | None = None
        self._lock = threading.Lock()

    def failed(self, trouble: Trouble | None, tried: Tried) -> Rung | None:
        """What to try next; also kept as the offer."""
        self.trouble = trouble
        self.offer = next_rung(tried, trouble) if trouble else None
        return self.offer

    def step_down(self, rung: Rung) -> None:
        with self._lock:
            self.rungs.append(rung)
            self.tried = asdict(rung)
            self.phase = STARTING

    def hear(self, event: Message) -> None:
        with self._lock:
            match event["event"]:
                case "phase":
                    self.phase = phase_in(event)
                case "trying":
                    self.tried = {**self.tried, **event["settings"]}
                case "loaded":
                    self.info = event["info"]
                    self.offer = self.trouble = None
                    self.phase = self._ready()
                case "done" if self.info:
                    self.phase = self._ready(self.phase.per_second)
                case "error":
                    failed = Phase("failed", note=_note_of(event["error"]))
                    self.phase = self._ready() if self.info else failed
                case "died":
                    self.info = {}
                    if event["note"]:
                        died, tried = EngineDied("", code=event["code"]), as_tried(self.tried)
                        self.failed(trouble_of(died, tried), tried)
                    name: PhaseName = "failed" if event["note"] else "unloaded"
                    if not (self.phase.name == "failed" and not event["note"]):
                        self.phase = Phase(name, note=event["note"])

    def _ready(self, per_second: float = 0.0) -> Phase:
        reasons = [self.info.get(key) for key in ("gpu_reason", "context_reason", "note")]
        return Phase("ready", per_second=per_second, note="; ".join(filter(None, reasons)))


def as_tried(said: Message) -> Tried:
    """What a load was tried with, from the child's event ``trying`` or from what was asked."""
    return Tried(
        gpu_layers=max(said.get("gpu_layers") or 0, 0),
        layers=said.get("layers") or 0,
        context=said.get("context") or 0,
    )


def phase_in(event: Message) -> Phase:
    """The phase that an event tells."""
    return Phase(**{key: value for key, value in event.items() if key in _PHASE_FIELDS})


def _note_of(error: Message) -> str:
    return f"{error.get('what', '')} {error.get('next_step', '')}".strip()
