"""How large the parts of a model are, read from its file before it is loaded. In the child only.

llama.cpp's own reader of GGUF files is asked. What a file does not say counts as not there:
whether it is a model at all is for llama.cpp to find out.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localchat.engines.llama import ggml

MOST_LAYERS = 4096
"""More than any model has: a file may say anything."""
_UBATCH = 512
_PAD = 256
_NUMBERS: dict[int, Any] = {
    0: ctypes.c_uint8, 1: ctypes.c_int8, 2: ctypes.c_uint16, 3: ctypes.c_int16,
    4: ctypes.c_uint32, 5: ctypes.c_int32, 6: ctypes.c_float, 7: ctypes.c_bool,
    10: ctypes.c_uint64, 11: ctypes.c_int64, 12: ctypes.c_double,
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_WINDOWED = {
    "cohere2": 4, "exaone4": 4, "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "olmo2": 4,
}  # fmt: skip
"""Every how many layers one sees the whole context, where the file has a window but not that."""
_SPLIT = re.compile(r"(.+)-\d{5}-of-(\d{5})\.gguf$", re.IGNORECASE)

Values = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """``weights`` in bytes; ``keys`` and ``values`` are numbers kept per token of context, of the
    last ``window`` tokens only, or of all where it is 0."""

    weights: int = 0
    keys: int = 0
    values: int = 0
    window: int = 0

    def cache_numbers(self, tokens: int) -> int:
        """The numbers kept for a context of ``tokens``."""
        cells = min(tokens, self.window + _UBATCH) if self.window else tokens
        return -(-cells // _PAD) * _PAD * (self.keys + self.values)


@dataclass(frozen=True)
class Shape:
    """No layers where the file could not be read. ``output_bytes`` is the layer that chooses the
    next token; ``head_sizes`` are those of keys and values."""

    architecture: str = ""
    layers: tuple[Layer, ...] = ()
    output_bytes: int = 0
    trained: int = 0
    head_sizes: tuple[int, ...] = ()

    @property
    def has_windows(self) -> bool:
        return any(layer.window for layer in self.layers)

    def without_windows(self) -> Shape:
        """The same, where all layers keep the whole context: then a model can go back to any
        place in what it has read."""
        return replace(self, layers=tuple(replace(layer, window=0) for layer in self.layers))

    def cache_bytes(self, tokens: int, bytes_per_number: float = 2) -> int:
        """What a context of ``tokens`` takes."""
        numbers = sum(layer.cache_numbers(tokens) for layer in self.layers)
        return int(numbers * bytes_per_number)

    def offload_costs(self, tokens: int, bytes_per_number: float) -> list[int]:
        """The bytes of each layer with its share of the context, in the order in which llama.cpp
        moves them to a GPU: the output first, then from the last layer to the first."""
        costs = [
            layer.weights + int(layer.cache_numbers(tokens) * bytes_per_number)
            for layer in reversed(self.layers)
        ]
        return [self.output_bytes, *costs] if costs else []


def read_shape(path: Path) -> Shape:
    """The shape of the model in the file at ``path`` and, if it has several parts, in those."""
    try:
        values, tensors = _read(_parts(path))
    except ggml.Unavailable:
        return Shape()
    return shape_of(values, tensors)


def shape_of(values: Values, tensors: dict[str, int]) -> Shape:
    """The shape that a file with these metadata and ``tensors`` (bytes by name) describes."""
    kind = str(values.get("general.architecture", ""))
    said = {key.removeprefix(f"{kind}."): value for key, value in values.items()}
    count = min(_whole(said.get("block_count")), MOST_LAYERS)
    weights: dict[int, int] = defaultdict(int)
    output = 0
    for name, size in tensors.items():
        if found := re.match(r"blk\.(\d+)\.", name):
            weights[int(found[1])] += size
        elif name.startswith("output"):
            output += size
    if "output.weight" not in tensors:
        output += tensors.get("token_embd.weight", 0)  # used for both
    caches = _caches(kind, said, count)
    return Shape(
        architecture=kind,
        layers=tuple(
            Layer(weights[index], *cache) for index, cache in zip(range(count), caches, strict=True)
        ),
        output_bytes=output,
        trained=_whole(said.get("context_length")),
        head_sizes=tuple(size for size in _head_sizes(said) if size),
    )


def _caches(kind: str, said: Values, count: int) -> Iterator[tuple[int, int, int]]:
    """Keys, values and window of each layer."""
    heads = _each(said.get("attention.head_count_kv", said.get("attention.head_count")), count)
    key, value, narrow_key, narrow_value = _head_sizes(said)
    if "attention.key_length_mla" in said:
        value = narrow_value = 0  # it is a part of the key
    window = _whole(said.get("attention.sliding_window"))
    pattern = said.get("attention.sliding_window_pattern", _WINDOWED.get(kind, 1))
    every = _whole(said.get("full_attention_interval")) or 1
    recurrent = _each(said.get("attention.recurrent_layers"), count)
    shared = _whole(said.get("attention.shared_kv_layers"))
    for index in range(count):
        if isinstance(pattern, list):
            narrow = bool(window) and index < len(pattern) and bool(pattern[index])
        else:
            narrow = bool(window) and index % max(pattern, 1) < pattern - 1
        if recurrent[index] or index % every < every - 1 or index >= count - shared:
            yield 0, 0, 0
        elif narrow:
            yield heads[index] * narrow_key, heads[index] * narrow_value, window
        else:
            yield heads[index] * key, heads[index] * value, 0


def _head_sizes(said: Values) -> tuple[int, int, int, int]:
    """Of keys and values, and the same in the layers that see a window only."""
    heads = max(_each(said.get("attention.head_count"), 1))
    usual = _whole(said.get("embedding_length")) // heads if heads else 0
    key = _whole(said.get("attention.key_length")) or usual
    value = _whole(said.get("attention.value_length")) or usual
    narrow_key = _whole(said.get("attention.key_length_swa")) or key
    narrow_value = _whole(said.get("attention.value_length_swa")) or value
    return key, value, narrow_key, narrow_value


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int) else 0


def _each(value: Any, count: int) -> list[int]:
    """One number per layer, of a value that may be one for all."""
    numbers = [_whole(item) for item in value] if isinstance(value, list) else [_whole(value)]
    return numbers + numbers[-1:] * (count - len(numbers)) if numbers else [0] * count


def _parts(path: Path) -> list[Path]:
    split = _SPLIT.match(path.name)
    if not split:
        return [path]
    stem, total = split[1], min(int(split[2]), 999)
    names = [f"{stem}-{part:05}-of-{split[2]}.gguf" for part in range(1, total + 1)]
    return [path.with_name(name) for name in names if path.with_name(name).is_file()]


class _Parameters(ctypes.Structure):
    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


def _read(parts: Sequence[Path]) -> tuple[Values, dict[str, int]]:
    """The metadata of the first part, and the tensors of all."""
    handle, number = ctypes.c_void_p, ctypes.c_int64
    open_file = ggml.function("gguf_init_from_file", handle, ctypes.c_char_p, _Parameters)
    close = ggml.function("gguf_free", None, handle)
    count = ggml.function("gguf_get_n_tensors", number, handle)
    name = ggml.function("gguf_get_tensor_name", ctypes.c_char_p, handle, number)
    size = ggml.function("gguf_get_tensor_size", ctypes.c_size_t, handle, number)
    values: Values = {}
    tensors: dict[str, int] = {}
    for part in parts:
        file = open_file(os.fsencode(part), _Parameters(True, None))
        if not file:
            continue
        try:
            values = values or dict(_values(file))
            for index in range(count(file)):
                tensors[name(file, index).decode("utf-8", "replace")] = int(size(file, index))
        finally:
            close(file)
    return values, tensors


def _values(file: Any) -> Iterator[tuple[str, Any]]:
    """Numbers, lists of numbers, and which architecture it is."""
    handle, number = ctypes.c_void_p, ctypes.c_int64

    def of_file(name: str, result: Any) -> Callable[..., Any]:
        return ggml.function(name, result, handle, number)

    key_of, kind_of = (
        of_file("gguf_get_key", ctypes.c_char_p),
        of_file("gguf_get_kv_type", ctypes.c_int),
    )
    text_of, data_of = (
        of_file("gguf_get_val_str", ctypes.c_char_p),
        of_file("gguf_get_val_data", handle),
    )
    item_of, length_of = (
        of_file("gguf_get_arr_type", ctypes.c_int),
        of_file("gguf_get_arr_n", ctypes.c_size_t),
    )
    items_of = of_file("gguf_get_arr_data", handle)
    for index in range(ggml.function("gguf_get_n_kv", number, handle)(file)):
        key, kind = key_of(file, index).decode("utf-8", "replace"), kind_of(file, index)
        if kind in _NUMBERS:
            yield key, _NUMBERS[kind].from_address(data_of(file, index)).value
        elif kind == _STRING and key == "general.architecture":
            yield key, text_of(file, index).decode("utf-8", "replace")
        elif kind == _ARRAY and key.count(".") > 1 and item_of(file, index) in _NUMBERS:
            length = int(length_of(file, index))
            if 0 < length < 10_000:
                items = _NUMBERS[item_of(file, index)] * length
                yield key, list(items.from_address(items_of(file, index)))
