"""llama.cpp as an engine: a GGUF file, run in a child process of its own.

Imports nothing of llama.cpp: that lives in the child only (see ``backend`` and ``child``).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from localchat.engines.child.engine import ChildEngine
from localchat.engines.child.wire import Message


class LlamaCppEngine(ChildEngine):
    """A GGUF file that answers through llama.cpp."""

    backend: ClassVar[str] = "localchat.engines.llama.backend:LlamaBackend"

    flash_attention: Literal["auto", "on", "off"] = "auto"
    kv_cache: Literal["auto", "f16", "q8_0"] = Field(
        "auto", description="How keys and values are kept: q8_0 takes half the memory of f16."
    )
    chat_format: str = Field(
        "", description="A format of ``chat_formats``; empty: the file's own template."
    )

    def _settings_of_load(self) -> Message:
        return {
            "flash_attention": self.flash_attention,
            "kv_cache": self.kv_cache,
            "chat_format": self.chat_format,
        }
