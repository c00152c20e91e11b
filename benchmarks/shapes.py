"""Writes GGUF files with random weights in the shape of known models: as fast or slow as those.

    python3 start.py bench shapes 0.5b FILE

How fast a model is depends on its shape and not on what it has learned, so nothing need be
downloaded to measure it. What such a model writes are made-up words like ``-bakodi``, each of them
one token. They are made so that a text is cut into the very tokens that it was written with, as
nearly always with a model that has learned a language. Other tokens are never written; the one that
ends an answer is among those.
"""

from __future__ import annotations

import argparse
import itertools
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SYLLABLES = [consonant + vowel for consonant in "bcdfghjklmnprstvwxyz" for vowel in "aeiou"]
SPACE = "Ġ"
"""A blank in the alphabet of bytes that such vocabularies are written in."""
QUIET = 1 / 64
"""How much smaller than the others the vectors of tokens are that are never written."""
SEED = 7


@dataclass(frozen=True)
class Shape:
    """What decides how fast a model is. ``tied``: output and embedding are one matrix."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    inner: int
    vocabulary: int
    tied: bool = True
    rope_base: float = 1e6


SHAPES = {
    "tiny": Shape(2, 64, 2, 1, 128, 4_000),
    "0.5b": Shape(24, 896, 14, 2, 4_864, 151_936),  # Qwen2.5-0.5B
    "1b": Shape(16, 2_048, 32, 8, 8_192, 128_256, rope_base=5e5),  # Llama 3.2 1B
    "7b": Shape(28, 3_584, 28, 4, 18_944, 152_064, tied=False),  # Qwen2.5-7B
}


def main(argv: list[str]) -> int:
    """Write one file; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench shapes", description=__doc__.split("\n")[0])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args(argv)
    write_shape(arguments.file, SHAPES[arguments.shape])
    print(f"{arguments.file}: {arguments.file.stat().st_size / 1e6:,.0f} MB")
    return 0


def write_shape(path: Path, shape: Shape) -> Path:
    """Write a model of the kind ``qwen2`` to ``path``, in one step: Q4_0, the embedding and the
    output Q8_0, norms and biases float32, which is what llama.cpp makes of such a model."""
    import numpy as np

    tokens, merges = vocabulary(shape.vocabulary)
    known = _metadata(shape, tokens, merges)
    tensors = list(_tensors(shape))
    quiet = np.array([not is_written(text) for text in tokens])
    dice = np.random.default_rng(SEED)
    half = path.with_suffix(".part")
    with half.open("wb") as file:
        file.write(struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(known)))
        file.write(b"".join(_text(key) + _value(value) for key, value in known.items()))
        offset = 0
        for name, size, kind in tensors:
            dimensions = struct.pack(f"<I{len(size)}Q", len(size), *reversed(size))
            file.write(_text(name) + dimensions + struct.pack("<IQ", kind.number, offset))
            offset += _aligned(kind.bytes_for(size))
        file.write(bytes(_aligned(file.tell()) - file.tell()))
        for name, size, kind in tensors:
            in_words = name in ("token_embd.weight", "output.weight")
            file.write(_weights(dice, size, kind, quiet if in_words else None))
            file.write(bytes(_aligned(file.tell()) - file.tell()))
    half.replace(path)
    return path


def is_written(token: str) -> bool:
    """Whether a model made here may write ``token``."""
    return token.startswith("-") and len(token) > 2


def vocabulary(size: int) -> tuple[list[str], list[str]]:
    """``size`` tokens, and the merges that make the words among them out of single bytes.

    Words begin with ``-`` (for answers) or a blank (for prompts) and have one to three syllables.
    All merges are along their syllables, so that each word can be made in one way only.
    """
    room = size - 256 - len(CONTROL)
    merges = [f"{syllable[0]} {syllable[1]}" for syllable in SYLLABLES]
    words = ["-", SPACE]
    for _ in range(3):
        merges += [f"{word} {end}" for end, word in itertools.product(SYLLABLES, words)]
        words = [word + end for end, word in itertools.product(SYLLABLES, words)]
    merges = merges[:room]
    return [*_bytes(), *(merge.replace(" ", "") for merge in merges), *CONTROL], merges


def _bytes() -> list[str]:
    """How each byte is written in such vocabularies: itself where it can be seen."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in seen]
    alphabet = {byte: chr(byte) for byte in seen}
    alphabet |= {byte: chr(256 + number) for number, byte in enumerate(hidden)}
    return [alphabet[byte] for byte in range(256)]


def _metadata(shape: Shape, tokens: list[str], merges: list[str]) -> dict[str, Any]:
    return {
        "general.architecture": "qwen2",
        "general.name": "Random weights",
        "general.file_type": 2,
        "general.quantization_version": 2,
        "qwen2.context_length": 32_768,
        "qwen2.embedding_length": shape.width,
        "qwen2.block_count": shape.layers,
        "qwen2.feed_forward_length": shape.inner,
        "qwen2.attention.head_count": shape.heads,
        "qwen2.attention.head_count_kv": shape.kv_heads,
        "qwen2.attention.layer_norm_rms_epsilon": 1e-6,
        "qwen2.rope.freq_base": shape.rope_base,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if text in CONTROL else 1 for text in tokens],
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": tokens.index(CONTROL[0]),
        "tokenizer.ggml.eos_token_id": tokens.index(CONTROL[2]),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    """One value with its type before it, as GGUF has it."""
    match value:
        case bool():
            return struct.pack("<IB", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
        case [int(), *_]:
            return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)
    raise TypeError(type(value))


def _aligned(size: int) -> int:
    return (size + 31) // 32 * 32


@dataclass(frozen=True)
class _Kind:
    """How a tensor is stored: blocks of ``weights`` in ``bytes``, the first two of which are the
    scale; ``spread`` is the deviation of what random bits in the others stand for."""

    number: int
    weights: int
    bytes: int
    spread: float = 0.0

    def bytes_for(self, size: tuple[int, ...]) -> int:
        return math.prod(size) // self.weights * self.bytes


F32 = _Kind(0, 1, 4)
Q4_0 = _Kind(2, 32, 18, 4.6)
Q8_0 = _Kind(8, 32, 34, 74.0)


def _tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, ...], _Kind]]:
    """Name, size and kind of each tensor, in the order of the file."""
    width, inner = shape.width, shape.inner
    narrow = width // shape.heads * shape.kv_heads
    yield "token_embd.weight", (shape.vocabulary, width), Q8_0
    yield "output_norm.weight", (width,), F32
    if not shape.tied:
        yield "output.weight", (shape.vocabulary, width), Q8_0
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        yield f"{block}.attn_norm.weight", (width,), F32
        for name, rows in (("attn_q", width), ("attn_k", narrow), ("attn_v", narrow)):
            yield f"{block}.{name}.weight", (rows, width), Q4_0
            yield f"{block}.{name}.bias", (rows,), F32
        yield f"{block}.attn_output.weight", (width, width), Q4_0
        yield f"{block}.ffn_norm.weight", (width,), F32
        yield f"{block}.ffn_gate.weight", (inner, width), Q4_0
        yield f"{block}.ffn_up.weight", (inner, width), Q4_0
        yield f"{block}.ffn_down.weight", (width, inner), Q4_0


def _weights(
    dice: np.random.Generator,
    size: tuple[int, ...],
    kind: _Kind,
    quiet: np.ndarray[Any, Any] | None,
) -> bytes:
    """Random weights such that what goes through a matrix keeps its size; ones for a norm or a
    bias. The rows that are ``quiet`` are made small."""
    import numpy as np

    if kind == F32:
        return np.ones(size, dtype="<f4").tobytes()
    rows, blocks = size[0], size[1] // kind.weights
    stored = np.frombuffer(bytearray(dice.bytes(kind.bytes_for(size))), np.uint8)
    stored = stored.reshape(rows, blocks, kind.bytes)
    scale = dice.choice([-1.0, 1.0], (rows, blocks, 1)) / (kind.spread * math.sqrt(size[1]))
    if quiet is not None:
        scale[quiet] *= QUIET
    stored[:, :, :2] = scale.astype("<f2").view(np.uint8)
    return stored.tobytes()
