"""How to let llama.cpp use the graphics card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from localchat.models import gpu_advice as module
from localchat.models.computer import LlamaBuild
from localchat.models.gpu_advice import advice_here, gpu_advice

CPU = LlamaBuild("0.3.36", False, "this llama.cpp was built without GPU support")
GPU = LlamaBuild("0.3.36", True, "this llama.cpp can use the GPU")
MISSING = LlamaBuild(None, False, "llama-cpp-python is not installed")
LINUX, MAC, INTEL_MAC, WINDOWS = (
    ("Linux", "x86_64"),
    ("Darwin", "arm64"),
    ("Darwin", "x86_64"),
    ("Windows", "AMD64"),
)


def tried(wish: str, note: str = "", made_for: str = "none") -> dict[str, Any]:
    entry = {"installed": True, "gpu": made_for} | ({"note": note} if note else {})
    return {"gpu": wish, "engines": {"llama-cpp-python": entry}}


@pytest.mark.parametrize(
    ("computer", "nvidia", "card", "words"),
    [
        (LINUX, True, True, "has an NVIDIA card. Close LocalChat, and start it once with: python3"),
        (LINUX, True, True, "python3 start.py --gpu cuda"),
        (WINDOWS, True, None, "start.bat --gpu cuda"),
        (MAC, False, None, "python3 start.py --gpu metal"),
        (INTEL_MAC, False, None, "the processor is the fast way"),
        (LINUX, False, False, "No graphics card was found"),
        (LINUX, False, True, "python3 start.py --gpu vulkan"),
        (WINDOWS, False, None, "start.bat --gpu vulkan"),
    ],
)
def test_each_computer_gets_the_command_that_fits(
    computer: tuple[str, str], nvidia: bool, card: bool | None, words: str
) -> None:
    assert words in gpu_advice(*computer, CPU, nvidia, {}, card)


@pytest.mark.parametrize("build", [GPU, MISSING])
def test_there_is_nothing_to_say_where_the_card_is_used_or_nothing_runs(build: LlamaBuild) -> None:
    assert gpu_advice(*LINUX, build, True, {}) == ""


@pytest.mark.parametrize("computer", [INTEL_MAC, LINUX])
def test_no_command_is_named_where_none_would_help(computer: tuple[str, str]) -> None:
    assert "--gpu" not in gpu_advice(*computer, CPU, False, {}, card=False)


def test_a_try_that_failed_is_told_with_its_reason_and_how_to_try_again() -> None:
    said = gpu_advice(*LINUX, CPU, True, tried("cuda", "There is no CUDA toolkit to build it with"))
    assert "The last try with --gpu cuda did not work: There is no CUDA toolkit" in said
    assert said.endswith("python3 start.py --gpu cuda")


def test_a_card_that_was_used_and_is_gone_now_is_told() -> None:
    said = gpu_advice(*LINUX, CPU, True, tried("cuda", made_for="cuda"))
    assert "was made for the NVIDIA card, but does not find it now" in said


def test_who_chose_the_processor_is_told_so() -> None:
    said = gpu_advice(*LINUX, CPU, True, tried("none"))
    assert said.startswith("It was chosen with --gpu none.")
    assert "--gpu cuda" in said


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells")
def test_cards_that_only_pretend_are_none(tmp_path: Path) -> None:
    assert module._makers(tmp_path / "nowhere") == set()
    for name, maker in {"renderD128": "0x1af4\n", "renderD129": "0x1002\n", "card0": "1"}.items():
        folder = tmp_path / name / "device"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(maker)
    assert module._makers(tmp_path) == {"0x1002"}


@pytest.mark.parametrize("record", [None, "{not", "[]", '{"gpu": 7, "engines": [1]}'])
def test_the_advice_for_this_computer_never_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str | None
) -> None:
    if record is not None:
        (tmp_path / "localchat-setup.json").write_text(record)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    advice_here.cache_clear()
    assert isinstance(advice_here(), str)
    advice_here.cache_clear()
