"""What a GGUF file says of its model and its vocabulary, for an engine that cannot be asked.

Runs in the child, before the file is loaded. The list of tensors behind the metadata is not read:
whether the file is whole is for the library to find out.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from localchat.core.errors import ModelFileError
from localchat.engines.llama.failures import check_file

_SCALARS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
"""How `struct` spells each kind of number."""
_STRING, _ARRAY = 8, 9
_CONTROL = 3
_KEPT = ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type")
_FEW_ITEMS = 512
_ENDS = (
    "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>",
    "<|end|>", "<end_of_turn>", "<EOT>", "_<EOT>", "<|END_OF_TURN_TOKEN|>",
    "<｜end▁of▁sentence｜>",
)  # fmt: skip
"""Tokens that end an answer, whatever else the file calls its end. Not “</s>”, which is a piece of
HTML for models that have another end."""


@dataclass(frozen=True)
class Metadata:
    """The values of one file by key. Of the long lists only the vocabulary is kept."""

    values: dict[str, Any]

    @property
    def architecture(self) -> str:
        return str(self.values.get("general.architecture", ""))

    @property
    def layers(self) -> int:
        return _whole(self._said("block_count"))

    @property
    def trained(self) -> int:
        """The context that the model was trained for, in tokens; 0 where the file does not say."""
        return _whole(self._said("context_length"))

    @property
    def bytes_per_token(self) -> int:
        """What one token of context takes: keys and values of all layers, 16 bits each."""
        heads = self._said("attention.head_count")
        heads = max(heads) if isinstance(heads, list) and heads else _whole(heads)
        usual = _whole(self._said("embedding_length")) // heads if heads else 0
        key = _whole(self._said("attention.key_length")) or usual
        value = _whole(self._said("attention.value_length")) or usual
        shared = self._said("attention.head_count_kv")
        each = sum(shared) if isinstance(shared, list) else self.layers * (_whole(shared) or heads)
        return 2 * (key + value) * each

    @property
    def adds_beginning(self) -> bool:
        """Whether a prompt is to begin with the token ``bos``, as far as the file says."""
        by_kind = self.values.get("tokenizer.ggml.model") == "llama"
        return bool(self.values.get("tokenizer.ggml.add_bos_token", by_kind))

    @property
    def template(self) -> str | None:
        """The chat template, or None."""
        found = self.values.get("tokenizer.chat_template")
        return found if isinstance(found, str) and found else None

    @cached_property
    def control(self) -> dict[str, int]:
        """The tokens that only the template may use: their text and number."""
        types = self.values.get(_KEPT[1]) or []
        return {
            text: number
            for number, (text, kind) in enumerate(zip(self._tokens, types, strict=False))
            if kind == _CONTROL
        }

    @cached_property
    def ends(self) -> frozenset[int]:
        """The tokens that end an answer."""
        named = [self._special(name) for name in ("eos", "eot", "eom")]
        known = set(_ENDS)
        found = [number for number, text in enumerate(self._tokens) if text in known]
        return frozenset([*(number for number in named if number is not None), *found])

    def text_of(self, name: str) -> str:
        """The text of a token that the file names: ``bos``, ``eos``; empty where it does not."""
        number = self._special(name)
        known = number is not None and 0 <= number < len(self._tokens)
        return self._tokens[number] if known and number is not None else ""

    def _special(self, name: str) -> int | None:
        number = self.values.get(f"tokenizer.ggml.{name}_token_id")
        return number if isinstance(number, int) else None

    @property
    def _tokens(self) -> list[str]:
        found: list[str] = self.values.get(_KEPT[0]) or []
        return found

    def _said(self, key: str) -> Any:
        return self.values.get(f"{self.architecture}.{key}")


def read_metadata(path: Path) -> Metadata:
    """Read the metadata of the file at ``path``.

    Raises:
        ModelFileError: it is not there, cannot be read, is no GGUF, or is damaged.
    """
    check_file(path)
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
        ):
            return Metadata(_Reader(view).values())
    except OSError as error:
        what = f"The model file {path} cannot be read ({error.strerror})."
        raise ModelFileError(path, what, "Choose another one in the sidebar.") from error
    except struct.error as error:
        what = f"{path.name} is cut short or damaged: a part of the model is not there."
        raise ModelFileError(path, what, "Download it again.") from error


class _Reader:
    """Walks through the metadata. ``struct.error`` means that they end, or make no sense."""

    def __init__(self, view: mmap.mmap) -> None:
        self._view = view
        self._at = 16

    def values(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(self._take("Q")):
            key = self._text()
            found[key] = self._value(self._take("I"), key in _KEPT)
        return found

    def _take(self, form: str) -> Any:
        (value,) = struct.unpack_from("<" + form, self._view, self._at)
        self._at += struct.calcsize("<" + form)
        return value

    def _text(self) -> str:
        begin = self._at + 8
        end = begin + self._take("Q")
        if end > len(self._view):
            raise struct.error("a text ends behind the file")
        self._at = end
        return self._view[begin:end].decode("utf-8", "replace")

    def _value(self, kind: int, keep: bool) -> Any:
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            return self._array(keep)
        return self._take(_form(kind))

    def _array(self, keep: bool) -> list[Any] | None:
        kind, count = self._take("I"), self._take("Q")
        if count > len(self._view) - self._at:
            raise struct.error("a list ends behind the file")
        if kind == _STRING:
            return self._texts(count, keep)
        begin, size = self._at, struct.calcsize("<" + _form(kind))
        self._at += count * size
        if not keep and count > _FEW_ITEMS:
            return None
        return list(struct.unpack_from(f"<{count}{_form(kind)}", self._view, begin))

    def _texts(self, count: int, keep: bool) -> list[str] | None:
        if keep:
            return [self._text() for _ in range(count)]
        for _ in range(count):
            length = self._take("Q")
            self._at += length
            if self._at > len(self._view):
                raise struct.error("a list ends behind the file")
        return None


def _form(kind: int) -> str:
    if kind not in _SCALARS:
        raise struct.error(f"a value of an unknown kind ({kind})")
    return _SCALARS[kind]


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
