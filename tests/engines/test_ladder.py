"""The next safer setting after a failure, and that it is really taken."""

from __future__ import annotations

import pytest

from localchat.core.errors import EngineDied, EngineError, LoadError, ModelFileError, PromptTooLong
from localchat.engines.ladder import Tried, next_rung, trouble_of

MEMORY = LoadError("Full.", cause="memory")


@pytest.mark.parametrize(
    ("error", "gpu_layers", "trouble"),
    [
        (MEMORY, 0, "memory"),
        (LoadError("The GPU failed.", cause="gpu"), 9, "gpu"),
        (LoadError("Something else."), 9, None),
        (EngineDied("Killed.", code=-9), 0, "memory"),
        (EngineDied("Crashed.", code=-11), 9, "gpu"),
        (EngineDied("Crashed.", code=-11), 0, "memory"),
        (EngineDied("Crashed.", code=0xC0000005), 9, "gpu"),
        (EngineDied("Ended.", code=1), 9, None),
        (EngineDied("It hung."), 9, None),
        (EngineDied("The processor is too old.", code=-4), 0, None),
        (ModelFileError(None, "Not a model."), 9, None),  # type: ignore[arg-type]
        (PromptTooLong(9, 3), 9, None),
        (EngineError("Something."), 9, None),
    ],
)
def test_what_safer_settings_may_help_against(
    error: EngineError, gpu_layers: int, trouble: str | None
) -> None:
    assert trouble_of(error, Tried(gpu_layers, 29, 8192)) == trouble


def rungs(tried: Tried, trouble: str) -> list[tuple[int, int]]:
    steps = []
    while (rung := next_rung(tried, trouble)) is not None:  # type: ignore[arg-type]
        steps.append((rung.gpu_layers, rung.context))
        tried = Tried(rung.gpu_layers, tried.layers, rung.context)
    return steps


def test_fewer_layers_then_the_processor_then_a_smaller_context_then_nothing() -> None:
    assert rungs(Tried(29, 29, 8192), "memory") == [
        (14, 8192), (7, 8192), (0, 8192), (0, 4096), (0, 2048),
    ]  # fmt: skip


def test_a_gpu_that_fails_is_left_at_once_and_the_context_stays() -> None:
    assert rungs(Tried(29, 29, 8192), "gpu") == [(0, 8192)]


def test_a_context_that_nobody_knows_is_not_made_smaller() -> None:
    assert rungs(Tried(0, 29, 0), "memory") == []


def test_each_rung_says_why() -> None:
    assert "memory ran out" in next_rung(Tried(29, 29, 8192), "memory").reason  # type: ignore[union-attr]
    assert "4,096 tokens" in next_rung(Tried(0, 29, 8192), "memory").reason  # type: ignore[union-attr]
    assert "processor alone" in next_rung(Tried(29, 29, 8192), "gpu").reason  # type: ignore[union-attr]
