"""How a model keeps the keys and values of what it has read: in which numbers, and whether that
works with flash attention and with this model. Knows nothing of llama.cpp itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from localchat.core.errors import LoadError

Kind = Literal["f16", "q8_0"]
BYTES_PER_NUMBER: dict[Kind, float] = {"f16": 2, "q8_0": 34 / 32}
GGML_TYPES: dict[Kind, int] = {"f16": 1, "q8_0": 8}
_BLOCK = 32
_WITHOUT_FLASH_ATTENTION = ("grok",)


@dataclass(frozen=True)
class CacheChoice:
    """The numbers that keys and values are kept in, and why, in words for people."""

    kind: Kind
    reason: str

    @property
    def bytes_per_number(self) -> float:
        return BYTES_PER_NUMBER[self.kind]


def check_cache(
    flash_attention: str, kv_cache: str, architecture: str = "", head_sizes: Sequence[int] = ()
) -> None:
    """Whether llama.cpp can do this. ``flash_attention`` is ``auto``, ``on`` or ``off``;
    ``kv_cache`` is ``f16`` or ``q8_0``.

    Raises:
        LoadError: it cannot, and what to change.
    """
    if kv_cache != "q8_0":
        return
    change = "Set the key/value cache to automatic or f16 in the model's settings."
    if flash_attention == "off":
        raise LoadError(
            "A key/value cache of the kind q8_0 needs flash attention, and that is switched off.",
            "Switch flash attention on, or set the key/value cache to automatic or f16.",
        )
    if architecture in _WITHOUT_FLASH_ATTENTION:
        raise LoadError(
            "A key/value cache of the kind q8_0 needs flash attention, which models of the kind "
            f"“{architecture}” cannot do.",
            change,
        )
    odd = next((size for size in head_sizes if size % _BLOCK), 0)
    if odd:
        raise LoadError(
            "A key/value cache of the kind q8_0 does not work with this model: its attention heads "
            f"have {odd} numbers, which is no multiple of {_BLOCK}.",
            change,
        )


def choose_cache(
    wanted: str,
    flash_attention: str,
    architecture: str,
    head_sizes: Sequence[int],
    f16_bytes: int,
    free_bytes: int,
) -> CacheChoice:
    """How keys and values are kept, where the wanted context takes ``f16_bytes`` as f16.

    Automatic: f16, and q8_0 where memory is short (a quarter of it is not enough) and it works.

    Raises:
        LoadError: what is ``wanted`` cannot be.
    """
    if wanted != "auto":
        check_cache(flash_attention, wanted, architecture, head_sizes)
        return CacheChoice("q8_0" if wanted == "q8_0" else "f16", f"{wanted}, as chosen")
    if not free_bytes or f16_bytes <= free_bytes // 4:
        return CacheChoice("f16", "automatic: f16")
    try:
        check_cache(flash_attention, "q8_0", architecture, head_sizes)
    except LoadError:
        return CacheChoice("f16", "automatic: f16, the only one that works here")
    return CacheChoice("q8_0", "automatic: q8_0, because memory is short")
