"""GPT4All as an engine: a GGUF file, run by the gpt4all package in a child process of its own.

Imports nothing of gpt4all: that lives in the child only (see ``backend`` and ``child``).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from localchat.engines.child.engine import ChildEngine
from localchat.engines.child.wire import Message


class Gpt4AllEngine(ChildEngine):
    """A GGUF file that answers through GPT4All, which knows the kinds of models up to 2024.

    ``seed`` changes nothing here: GPT4All takes none. Temperature 0 is the same answer each time.
    """

    backend: ClassVar[str] = "localchat.engines.gpt4all.backend:Gpt4AllBackend"

    chat_format: str = Field(
        "", description="A format of ``chat_formats``; empty: the file's own template."
    )

    def _settings_of_load(self) -> Message:
        return {"chat_format": self.chat_format}
