"""The gpt4all package as far as it is used: its C interface, and what it says on stderr.

Not its ``GPT4All`` class, which asks a server for models, reads prompts in pieces of 8 tokens and
cannot be stopped. In the child only.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localchat.core.errors import EngineMissing
from localchat.engines.gpt4all.failures import why_not_made
from localchat.engines.gpt4all.overheard import Overheard

BATCH = 128
"""The most tokens that GPT4All reads in one go; where more are asked for, it takes these."""
LEAST_FREE = 4
"""Tokens that GPT4All wants to have left behind a prompt."""
_TEMPLATE = b"%1%2"
"""The prompt as it is, and nothing behind the answer: without the second mark, two empty lines."""
_TOO_LONG = re.compile(r"The prompt is *(\d+) *tokens and the context window is *(\d+)!")
_NOISE = (
    r"The prompt is *\d+ *tokens|^Failed to load lib\S*cuda|isModelBlacklisted: .* not found"
    r"|Warning: Not enough space|no GPU found"
)


@dataclass(frozen=True)
class Manner:
    """How the next token is chosen; ``batch`` is how many tokens of a prompt are read in one go,
    ``tokens`` are the most that may be written."""

    batch: int = BATCH
    tokens: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0


class Library:
    """Makes models and prompts them. A model is a number that only the library understands."""

    def __init__(self) -> None:
        """
        Raises:
            EngineMissing: the package is not installed, or does not start.
        """
        self.heard = Overheard(drop=_NOISE)
        self._api = _package()
        self._native = self._api.llmodel

    def gpus(self) -> list[str]:
        """The graphics processors that it can use, as ``backend:name``."""
        try:
            found: list[str] = self._api.LLModel.list_gpus()
        except ValueError:
            return []  # that is how it says that there is none
        return [name for name in found if ":" in name]

    def make(self, path: Path, backend: str) -> int:
        """A model that is not loaded yet.

        Raises:
            EngineError: it is of a kind that the library does not know, or there is no backend.
        """
        error = ctypes.c_char_p()
        model = self._native.llmodel_model_create2(
            os.fsencode(path), backend.encode(), ctypes.byref(error)
        )
        if not model:
            raise why_not_made(path, (error.value or b"").decode("utf-8", "replace"))
        return int(model)

    def take_gpu(self, model: int, name: str) -> bool:
        """Whether the model can use this GPU."""
        return bool(
            self._native.llmodel_gpu_init_gpu_device_by_string(model, 0, name.encode("utf-8"))
        )

    def load(self, model: int, path: Path, context: int, gpu_layers: int) -> bool:
        """Whether it loaded; otherwise ``heard`` has the reason."""
        return bool(self._native.llmodel_loadModel(model, os.fsencode(path), context, gpu_layers))

    def on_gpu(self, model: int) -> bool:
        """Whether a loaded model runs there, whatever was asked for."""
        return (self._native.llmodel_model_backend_name(model) or b"cpu") != b"cpu"

    def use_threads(self, model: int, threads: int) -> None:
        self._native.llmodel_setThreadCount(model, threads)

    def prompt(
        self,
        model: int,
        text: str,
        keep: int,
        manner: Manner,
        on_read: Callable[[int], bool],
        on_written: Callable[[int, bytes], bool],
    ) -> list[int]:
        """Read ``text`` behind the first ``keep`` tokens that the model has read, and write.

        ``on_read`` is called with each token of the prompt, a batch at a time, ``on_written`` with
        each token of the answer and its bytes, and with -1 and a complaint. Either stops it by
        returning False. What either raises is raised here, in the end.

        Returns the tokens that the model has in its memory afterwards.
        """
        context = self._api.LLModelPromptContext(
            n_past=keep,
            n_predict=manner.tokens,
            n_batch=manner.batch,
            top_k=40,
            top_p=manner.top_p,
            min_p=manner.min_p,
            temp=max(manner.temperature, 0.0),
            repeat_penalty=manner.repeat_penalty,
            repeat_last_n=64,
        )
        raised: list[BaseException] = []

        def guarded(call: Callable[..., bool]) -> Callable[..., bool]:
            def guard(*arguments: Any) -> bool:
                try:
                    return call(*arguments)
                except BaseException as error:  # noqa: BLE001 - nothing may pass through C
                    raised.append(error)
                    return False

            return guard

        self._native.llmodel_prompt(
            model,
            text.replace("\0", "").encode("utf-8", "replace"),
            _TEMPLATE,
            self._api.PromptCallback(guarded(on_read)),
            self._api.ResponseCallback(guarded(on_written)),
            False,  # never shift the context: what was asked must not be forgotten for room
            ctypes.byref(context),
            True,  # the text is what a template made: its control tokens are meant
            None,
        )
        if raised:
            raise raised[0]
        size = min(int(context.n_past), int(context.tokens_size))
        return list(context.tokens[:size]) if size > 0 else []


def refusals(said: list[str]) -> list[tuple[int, int]]:
    """The tokens of each prompt that was refused, and of the context that was too small for it."""
    found = [match for line in said if (match := _TOO_LONG.search(line))]
    return [(int(match[1]), int(match[2])) for match in found]


def _package() -> Any:
    try:
        from gpt4all import _pyllmodel
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineMissing(
            f"GPT4All, which runs the model, is not installed or does not start ({error}).",
            "“python3 start.py doctor” explains how to get it. llama.cpp runs the same files.",
        ) from error
    return _pyllmodel
