"""What is chosen, and the reasons given."""

from __future__ import annotations

import pytest

from localchat.core.errors import EngineDied, LoadError, ModelFileError, PromptTooLong
from localchat.engines.choices import (
    choose_context,
    choose_gpu_layers,
    choose_threads,
    room_for_prompt,
)
from localchat.engines.wire import error_to_message, explain_exit, message_to_error

GB = 10**9


@pytest.mark.parametrize(
    ("wanted", "supported", "value", "reason"),
    [
        (None, True, 28, "automatic: all 28 layers"),
        (None, False, 0, "built without GPU support"),
        (10, False, 0, "built without GPU support"),
        (10, True, 10, "10 of 28"),
        (0, True, 0, "as chosen"),
        (-1, True, 28, "all 28"),
        (99, True, 28, "all 28"),
    ],
)
def test_gpu_layers(wanted: int | None, supported: bool, value: int, reason: str) -> None:
    choice = choose_gpu_layers(wanted, 28, supported)
    assert choice.value == value
    assert reason in choice.reason


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 2), (4, 3), (8, 7), (0, 1)])
def test_threads_leave_a_core_to_the_window_where_there_are_enough(
    cores: int, threads: int
) -> None:
    assert choose_threads(None, cores).value == threads
    assert choose_threads(5, cores).value == 5


@pytest.mark.parametrize(
    ("trained", "free", "value", "reason"),
    [
        (32_768, 16 * GB, 8192, "the model can do 32,768"),
        (4096, 16 * GB, 4096, "all that this model"),
        (32_768, 2 * GB, 4096, "fits the free memory"),
        (32_768, GB // 10, 2048, "fits the free memory"),
        (512, GB // 10, 512, "all that this model"),
    ],
)
def test_context(trained: int, free: int, value: int, reason: str) -> None:
    choice = choose_context(None, trained, 100_000, free)
    assert choice.value == value
    assert reason in choice.reason


def test_a_context_by_hand_is_taken_and_commented() -> None:
    assert choose_context(4096, 32_768, 100_000, 1).value == 4096
    assert "trained for 2,048" in choose_context(4096, 2048, 100_000, 1).reason


@pytest.mark.parametrize(
    ("context", "answer", "room"), [(4096, 512, 3968), (4096, 16, 4080), (256, 512, 192)]
)
def test_the_answer_keeps_a_minimum(context: int, answer: int, room: int) -> None:
    assert room_for_prompt(context, answer) == room


@pytest.mark.parametrize(
    "error",
    [PromptTooLong(10, 5), LoadError("What.", "Next."), ModelFileError("a 🐛", "What.", "Next.")],  # type: ignore[arg-type]
)
def test_errors_survive_the_way(error: PromptTooLong | LoadError) -> None:
    again = message_to_error(error_to_message(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "exit code 3"), (0xC0000005 - 2**32, "memory that is not its own"), (-99, "signal 99")],
)
def test_ends_are_explained(code: int, words: str) -> None:
    died = explain_exit(code, [])
    assert isinstance(died, EngineDied)
    assert words in str(died)
