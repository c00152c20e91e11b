"""What llama.cpp says when it fails, and what a person reads. The lines are from its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from localchat.core.errors import LoadError, ModelFileError
from localchat.engines.llama.failures import cause_of, why_no_context, why_not_loaded, why_stuck

MEMORY = [
    "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 8589934592",
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 7605.33 MiB on device 0: cudaMalloc "
    "failed: out of memory",
    "llama_model_load: error loading model: unable to allocate CUDA0 buffer",
    "llama_init_from_model: failed to initialize the context: failed to allocate buffer",
    "llama_init_from_model: failed to initialize the context: std::bad_alloc",
    "ggml_vulkan: Device memory allocation of size 1073741824 failed.\n"
    "ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory",
    "error: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
    "ggml_metal_buffer_init: error: failed to allocate buffer, size = 7000.00 MiB",
]
GPU = [
    "CUDA error: no kernel image is available for execution on the device",
    "ROCm error: invalid device function",
    "ggml_cuda_init: failed to initialize CUDA: no CUDA-capable device is detected",
    "ggml_metal_init: error: failed to initialize the Metal library",
    "ggml_metal_library_init: error: failed to create library",
    "ggml_vulkan: device lost on Some GPU",
    "llama_init_from_model: failed to initialize the context: vk::Queue::submit: ErrorDeviceLost",
    "ggml_metal_synchronize: error: command buffer 0 failed with status 5",
]
NEITHER = [
    "llama_model_load: error loading model: missing tensor 'blk.0.attn_q.weight'",
    "llama_init_from_model: quantized V cache requires flash_attn to be enabled",
    "llama_model_loader: loaded meta data with 30 key-value pairs",
    "",
]


@pytest.mark.parametrize("line", MEMORY)
@pytest.mark.parametrize("gpu_layers", [0, 10])
def test_memory_that_ran_out_is_recognised(line: str, gpu_layers: int) -> None:
    assert cause_of(["before", *line.split("\n"), "after"], gpu_layers) == "memory"


@pytest.mark.parametrize("line", GPU)
def test_a_gpu_that_fails_is_recognised_where_it_was_used(line: str) -> None:
    assert cause_of([line], 10) == "gpu"
    assert cause_of([line], 0) == ""


@pytest.mark.parametrize("line", NEITHER)
def test_other_failures_have_no_such_cause(line: str) -> None:
    assert cause_of([line], 10) == ""


@pytest.mark.parametrize("line", GPU)
def test_a_gpu_that_fails_is_told_with_a_way_out(line: str) -> None:
    for error in (
        why_not_loaded(Path("m.gguf"), [line], 10),
        why_no_context(4096, [line], 10),
        why_stuck(-3, [line], 10),
    ):
        assert isinstance(error, LoadError)
        assert error.cause == "gpu"
        assert "The graphics processor could not run this model" in str(error)
        assert "Set the GPU layers to 0" in error.next_step


def test_memory_that_ran_out_is_told_with_a_way_out() -> None:
    error = why_not_loaded(Path("m.gguf"), MEMORY)
    assert isinstance(error, LoadError)
    assert error.cause == "memory"
    assert str(error).startswith("There is not enough memory for m.gguf. Choose a smaller model")
    assert why_no_context(4096, MEMORY).cause == "memory"
    assert why_stuck(-2, MEMORY).cause == "memory"


def test_of_other_failures_the_line_that_says_why_is_told() -> None:
    said = [NEITHER[0], "llama_model_load_from_file_impl: failed to load model"]
    assert "missing tensor" in str(why_not_loaded(Path("m.gguf"), said))
    assert "requires flash_attn" in str(why_no_context(4096, [NEITHER[1]]))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("error loading model: unknown model architecture: 'martian'", "of the kind “martian”"),
        ("tensor 'x' data is not within the file bounds", "cut short or damaged"),
        ("gguf_init_from_file_impl: failed to read key-value pairs", "cut short or damaged"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_a_matter_of_the_file(line: str, words: str) -> None:
    error = why_not_loaded(Path("m.gguf"), [line])
    assert isinstance(error, ModelFileError)
    assert words in str(error)
