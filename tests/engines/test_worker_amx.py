from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from langchain_core.messages import HumanMessage

from benchmarks.shapes import SHAPES, write_shape
from localchat.engines.llama.engine import LlamaCppEngine
from tests.engines.conftest import needs_llama

ROOT = Path(__file__).parents[2]
FOR_EVERY_PROCESSOR = """
import sys
from localchat.engines.llama.amx import _places_for_weights, multiplies_in
_, names = _places_for_weights()
repacked = [name for name in names if name == b"CPU_REPACK"]
sys.exit(0 if all(map(multiplies_in, repacked)) else 1)
"""


@needs_llama
def test_a_quantized_model_reads_prompts_on_every_processor(
    tmp_path: Path, llama: Callable[..., LlamaCppEngine]
) -> None:
    engine = llama(write_shape(tmp_path / "q4.gguf", SHAPES["tiny"]), threads=2)
    answer = engine.invoke([HumanMessage("A prompt of many tokens. " * 20)], answer_tokens=16)
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 16


@needs_llama
def test_the_multiplication_that_tries_amx_is_right_where_nothing_is_broken() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FOR_EVERY_PROCESSOR], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-500:]
