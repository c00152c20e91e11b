"""What this computer has."""

from __future__ import annotations

import pytest

from localchat.models.computer import llama_build, read_answer, this_computer


def test_this_computer_has_something() -> None:
    here = this_computer()
    assert 1 <= here.physical_cores <= here.logical_cores
    assert 0 < here.available_bytes < here.memory_bytes


def test_the_build_comes_with_a_reason() -> None:
    build = llama_build()
    assert build.reason
    assert build.usable == (build.version is not None)


@pytest.mark.parametrize(
    ("code", "out", "err", "reason"),
    [
        (0, 'noise\n["1.2", true, "CUDA"]\n', "", "can use the GPU"),
        (0, '["1.2", false, "AVX2"]', "", "without GPU support"),
        (1, "", "ModuleNotFoundError: No module named 'llama_cpp'", "not installed"),
        (1, "", "x\nOSError: libcudart.so.12", "libcudart"),
        (-4, "", "", "crashes on this computer"),
    ],
)
def test_what_the_child_says_in_words(code: int, out: str, err: str, reason: str) -> None:
    assert reason in read_answer(code, out, err).reason
