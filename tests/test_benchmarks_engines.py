from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import engines
from benchmarks._engines_table import BARS
from benchmarks._ours import Ours
from benchmarks.shapes import SHAPES, vocabulary, write_shape
from tests.engines.conftest import needs_llama


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    write_shape(folder / "random-tiny-q4_0.gguf", SHAPES["tiny"])
    return folder


@pytest.mark.parametrize("shape", SHAPES)
def test_a_vocabulary_has_the_size_of_its_shape_and_no_token_twice(shape: str) -> None:
    size = SHAPES[shape].vocabulary
    tokens, _ = vocabulary(size)
    assert len(tokens) == len(set(tokens)) == size


@needs_llama
def test_what_a_random_model_writes_is_cut_into_the_tokens_that_it_was_written_with(
    model_dir: Path,
) -> None:
    ours = Ours(model_dir / "random-tiny-q4_0.gguf", answer_tokens=48, temperature=0.2, threads=1)
    try:
        second = ours.second_question()
    finally:
        ours.close()
    assert 0 < second["new_tokens"] < second["prompt_tokens"] - 48
    assert second["tokens_read"] <= second["new_tokens"] + BARS["extra_tokens_read"][1]


@needs_llama
def test_the_benchmark_measures_all_that_it_has_a_bar_for(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = tmp_path / "numbers.json"
    small = ["--shape", "tiny", "--prompt-tokens", "400", "--answer-tokens", "16"]
    once = ["--repetitions", "1", "--no-tutorials", "--gpu-layers", "0,half"]
    code = engines.main([*small, *once, "--model-dir", str(model_dir), "--json", str(numbers)])
    found = json.loads(numbers.read_text(encoding="utf-8"))
    assert code == 0
    assert found.keys() >= BARS.keys()
    assert found["writing_ratio"] > 0
    assert found["ours"]["tokens_read"] == pytest.approx(found["bare"]["tokens_read"], abs=4)
    assert set(found["by_gpu_layers"]) == {"0", "half"}
    shown = capsys.readouterr().out
    assert all(name.replace("_", " ") in shown for name in BARS)
