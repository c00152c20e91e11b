"""The header of a GGUF file: its metadata, and the list of its tensors to see whether it is whole.

A hostile file can make neither memory nor time grow: nothing is copied but some short values,
lists have a limit, and everything must lie within the file.
"""

from __future__ import annotations

import mmap
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localchat.core.errors import ModelFileError

LONGEST_TEXT = 1_000
MOST_VALUES = 10_000
MOST_TENSORS = 100_000
FEW_ITEMS = 512
MOST_ITEMS = 5_000_000
AGAIN = "Download it again."

_SCALARS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
"""How `struct` spells each kind of number."""
_STRING, _ARRAY = 8, 9

# Each type of tensor: its name, how many numbers are in a block, how many bytes a block has.
_TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}


@dataclass(frozen=True)
class Header:
    """Scalars and (the beginnings of) strings by key; arrays are None."""

    values: dict[str, Any]
    types: Counter[str]
    """How many numbers there are of each type of tensor."""


def read_header(path: Path) -> Header:
    """Read the header of the file at ``path``.

    Raises:
        ModelFileError: it is not there, not a GGUF, of an unknown version, damaged or cut short.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            magic = file.read(4)
            if not magic:
                raise ModelFileError(path, f"{path.name} is empty.", AGAIN)
            if magic != b"GGUF":
                raise ModelFileError(
                    path, f"{path.name} is not a GGUF model file.", "Choose another file."
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                return _Reader(path, view, size).header()
    except FileNotFoundError as error:
        raise ModelFileError(
            path, f"There is no model file at {path}.", "Choose another one."
        ) from error
    except OSError as error:
        raise ModelFileError(
            path, f"{path} cannot be read ({error.strerror or error}).", "Choose another one."
        ) from error
    except struct.error as error:
        raise ModelFileError(
            path, f"{path.name} is cut short: it ends within its header.", AGAIN
        ) from error


class _Reader:
    """Walks through the header. ``struct.error`` means that the file ended."""

    def __init__(self, path: Path, view: mmap.mmap, size: int) -> None:
        self._path = path
        self._view = view
        self._size = size
        self._at = 4

    def header(self) -> Header:
        version = self._take("I")
        if version not in (2, 3):
            raise ModelFileError(
                self._path,
                f"{self._path.name} is a GGUF of a version that is not known here ({version}).",
                "Look for a newer conversion of this model.",
            )
        tensors, count = self._take("Q"), self._take("Q")
        self._believe(tensors, MOST_TENSORS)
        self._believe(count, MOST_VALUES)
        values: dict[str, Any] = {}
        for _ in range(count):
            key = self._text()
            values[key] = self._value(self._take("I"))
        types, end = self._tensors(tensors)
        said = values.get("general.alignment")
        alignment = said if isinstance(said, int) and said > 0 else 32
        needed = -(-self._at // alignment) * alignment + end
        if tensors and needed > self._size:
            raise ModelFileError(
                self._path,
                f"{self._path.name} is cut short: {needed - self._size:,} of {needed:,} bytes "
                "are missing.",
                AGAIN,
            )
        return Header(values, types)

    def _tensors(self, count: int) -> tuple[Counter[str], int]:
        """The numbers per type, and where the last tensor ends behind the header."""
        types: Counter[str] = Counter()
        end = 0
        for _ in range(count):
            self._text()
            dimensions = self._take("I")
            self._believe(dimensions, 8)
            numbers = 1
            for _ in range(dimensions):
                numbers *= self._take("Q")
            kind, offset = self._take("I"), self._take("Q")
            name, block, size = _TYPES.get(kind, ("?", 1, 0))
            types[name] += numbers
            end = max(end, offset + numbers // block * size)
        return types, end

    def _take(self, form: str) -> Any:
        size = struct.calcsize("<" + form)
        (value,) = struct.unpack_from("<" + form, self._view, self._at)
        self._at += size
        return value

    def _text(self) -> str:
        """A string; only its beginning where it is long."""
        length = self._take("Q")
        if length > self._size - self._at:
            raise struct.error("the text ends behind the file")
        text = self._view[self._at : self._at + min(length, LONGEST_TEXT)]
        self._at += length
        return text.decode("utf-8", "replace")

    def _value(self, kind: int) -> Any:
        """A scalar, a string, or a short list of numbers. Other arrays are passed over: None."""
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            return self._array()
        if kind not in _SCALARS:
            raise self._damaged(f"a value of an unknown kind ({kind})")
        return self._take(_SCALARS[kind])

    def _array(self) -> list[Any] | None:
        kind, count = self._take("I"), self._take("Q")
        self._believe(count, MOST_ITEMS)
        if kind in _SCALARS and count <= FEW_ITEMS:  # what is said of each layer
            return [self._take(_SCALARS[kind]) for _ in range(count)]
        self._pass_over(kind, count)
        return None

    def _pass_over(self, kind: int, count: int) -> None:
        if kind == _STRING:
            view, at = self._view, self._at
            for _ in range(count):
                at += 8 + struct.unpack_from("<Q", view, at)[0]
                if at > self._size:
                    raise struct.error("the array ends behind the file")
            self._at = at
        elif kind in _SCALARS:
            self._at += count * struct.calcsize("<" + _SCALARS[kind])
        else:
            raise self._damaged(f"an array of an unknown kind ({kind})")

    def _believe(self, count: int, most: int) -> None:
        if count > most:
            raise self._damaged(f"a list of {count:,} items")

    def _damaged(self, what: str) -> ModelFileError:
        return ModelFileError(self._path, f"{self._path.name} is damaged: it holds {what}.", AGAIN)
