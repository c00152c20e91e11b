"""How fast a model reads and writes on this computer, measured; and the measurements, kept."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessageChunk, HumanMessage

from localchat.core.times import now
from localchat.engines.base import Engine, Phase, phase_of

log = logging.getLogger(__name__)

PROMPT_WORDS = 400
ANSWER_TOKENS = 64
USUAL_PROMPT = 1_000
USUAL_ANSWER = 150
"""Tokens of a usual question with its passages, and of its answer."""
_WORDS = (
    "the river town old bridge market winter letter road summer garden water north hill".split()
)


@dataclass(frozen=True)
class Speed:
    """Tokens per second, where it was measured (``CPU``, ``GPU``, a server), and when."""

    reading: float
    writing: float
    where: str
    measured_at: str = ""

    @property
    def usual_seconds(self) -> float:
        """How long a usual question takes, in seconds."""
        return USUAL_PROMPT / max(self.reading, 1e-3) + USUAL_ANSWER / max(self.writing, 1e-3)


def measure(engine: Engine, where: str, tell: Callable[[Phase], None]) -> Speed:
    """Have ``engine``, which is loaded, read a text that is new to it and go on writing.

    A first short answer warms it up: the weights come from the disk with it.

    Raises:
        EngineError: it could not answer.
    """
    _ask(engine, 20, 2, tell)
    last = _ask(engine, PROMPT_WORDS, ANSWER_TOKENS, tell)
    usage, said = last.usage_metadata, last.response_metadata
    read = (
        usage["input_tokens"] - usage.get("input_token_details", {}).get("cache_read", 0)
        if usage
        else 0
    )
    seconds = said["timings"].get("reading", 0.0)
    return Speed(
        reading=round(read / seconds, 1) if seconds else 0.0,
        writing=round(said["tokens_per_second"], 1),
        where=where,
        measured_at=now(),
    )


def _ask(engine: Engine, words: int, tokens: int, tell: Callable[[Phase], None]) -> AIMessageChunk:
    dice = random.Random()  # noqa: S311 - a text that the engine has not read before
    text = " ".join(dice.choice(_WORDS) for _ in range(words))
    prompt = f"{dice.random()} {text}\nGo on with this list of words, at great length."
    whole = AIMessageChunk(content="")
    for chunk in engine.stream([HumanMessage(prompt)], answer_tokens=tokens, thinking=False):
        if phase := phase_of(chunk):
            tell(phase)
        if chunk.usage_metadata:
            whole = chunk
    return whole


class Measurements:
    """What was measured, in a JSON file: a model's key → its speed. A lost file costs nothing but
    to measure again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> list[Speed]:
        """The speeds of one model, the fastest first."""
        speeds = [Speed(**speed) for speed in self._read().get(key, [])]
        return sorted(speeds, key=lambda speed: speed.usual_seconds)

    def put(self, key: str, speeds: list[Speed]) -> None:
        known = {**self._read(), key: [asdict(speed) for speed in speeds]}
        try:
            self._path.write_text(json.dumps(known, indent=1), encoding="utf-8")
        except OSError as error:
            log.warning("The measurements could not be kept: %s", error)

    def _read(self) -> dict[str, Any]:
        try:
            known: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known
