"""llama.cpp in the child process: load one GGUF, count its tokens, answer with it.

Loading and reading report their progress, and both reading and writing can be stopped. The next
prompt is read only from where it differs from what the model has read and written before.
"""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path

from localchat.core.errors import LoadError, PromptTooLong
from localchat.engines.choices import (
    choose_context,
    choose_gpu_layers,
    choose_threads,
    free_memory,
    physical_cores,
    room_for_prompt,
)
from localchat.engines.wire import Message
from localchat.engines.worker import Tell
from localchat.engines.worker_model import BATCH, LlamaModel
from localchat.engines.worker_text import Assembler, ChatFormat, Disarm

FIRST_PIECE = 128
PIECE_SECONDS = 0.7
"""The prompt is read in pieces of about so long, so that its progress can be seen."""


class LlamaBackend:
    """One model in llama.cpp. See ``worker.Backend``."""

    def __init__(self) -> None:
        self._tell: Tell | None = None
        self._counting = threading.Lock()
        self._reading_speed = 0.0

    def load(self, model: Message, tell: Tell) -> Message:
        def progress(part: float) -> None:
            tell.step()
            tell.phase_now_and_then("loading", int(part * 1000), 1000)

        self._model = loaded = LlamaModel(self._should_stop)
        loaded.open(Path(model["path"]), model["gpu_layers"], progress)
        context = choose_context(
            model["context"], loaded.trained, loaded.bytes_per_token, free_memory()
        )
        threads = choose_threads(model["threads"], physical_cores())
        loaded.make_context(context.value, threads.value)
        gpu = choose_gpu_layers(model["gpu_layers"], loaded.layers, loaded.supports_gpu)
        self._disarm = Disarm(loaded.control)
        self._format = ChatFormat(
            loaded.template,
            loaded.bos_text,
            loaded.eos_text,
            has_chatml="<|im_start|>" in loaded.control,
        )
        tell.phase("loading", 1000, 1000)
        return {
            "context": loaded.context,
            "context_reason": context.reason,
            "trained_context": loaded.trained,
            "gpu_layers": gpu.value,
            "gpu_reason": gpu.reason,
            "layers": loaded.layers,
            "threads": threads.value,
            "threads_reason": threads.reason,
            "chat_format": self._format.name,
            "note": self._format.note,
        }

    def _should_stop(self) -> bool:
        return self._tell is not None and self._tell.step()

    def count(self, request: Message) -> list[int]:
        with self._counting:
            if "messages" in request:
                return [len(self._prompt(request["messages"]))]
            return [len(self._model.tokenize(text, prompt=False)) for text in request["texts"]]

    def _prompt(self, messages: list[dict[str, str]]) -> list[int]:
        turns = [{**turn, "content": self._disarm(turn["content"])} for turn in messages]
        return self._model.tokenize(self._format.render(turns), prompt=True)

    def answer(self, request: Message, tell: Tell) -> Message:
        self._tell = tell
        with self._counting:
            prompt = self._prompt(request["messages"])
        limit = room_for_prompt(self._model.context, request["answer_tokens"])
        if len(prompt) > limit:
            raise PromptTooLong(len(prompt), limit)
        room = min(request["answer_tokens"], self._model.context - len(prompt))
        begun = time.monotonic()
        kept = self._read(prompt, tell)
        read = time.monotonic()
        written, reason = self._write(request, room, tell)
        end = time.monotonic()
        return {
            "finish_reason": reason,
            "tokens_in": len(prompt),
            "tokens_kept": kept,
            "tokens_out": written,
            "per_second": round(written / max(end - read, 1e-6), 2),
            "timings": {"reading": round(read - begun, 4), "writing": round(end - read, 4)},
        }

    def _read(self, prompt: list[int], tell: Tell) -> int:
        """Read what of ``prompt`` is new; how much of it was not."""
        kept = at = self._model.keep_common(prompt)
        new = len(prompt) - kept
        begun = time.monotonic()
        tell.phase("reading", 0, new)
        self._model.interruptible(True)
        try:
            while at < len(prompt):
                size = int(self._reading_speed * PIECE_SECONDS) // 64 * 64 or FIRST_PIECE
                piece = prompt[at : at + min(size, BATCH)]
                before = time.monotonic()
                self._decode(piece, tell)
                tell.check()
                at += len(piece)
                now = time.monotonic()
                if len(piece) >= 64:
                    self._reading_speed = max(len(piece) / max(now - before, 1e-6), 100)
                if at < len(prompt):
                    tell.phase("reading", at - kept, new, (at - kept) / max(now - begun, 1e-6))
        finally:
            self._model.interruptible(False)
        tell.phase("reading", new, new, new / max(time.monotonic() - begun, 1e-6))
        return kept

    def _decode(self, tokens: list[int], tell: Tell) -> None:
        code = self._model.decode(tokens)
        if code:
            tell.check()  # stopped in the middle
            raise LoadError(
                f"llama.cpp could not go on (code {code}); memory may have run out.",
                "Choose a smaller context size, or a smaller model.",
            )

    def _write(self, request: Message, room: int, tell: Tell) -> tuple[int, str]:
        """Write up to ``room`` tokens; how many it were, and why it ended."""
        model = self._model
        text = Assembler([*self._format.stop, *request["stop"]])
        seed = secrets.randbits(32) if request["seed"] is None else request["seed"]
        sampler = model.sampler(request["temperature"], seed)
        begun = time.monotonic()
        reason, written = "length", 0
        tell.phase("writing", 0, room)
        try:
            while written < room:
                tell.check()
                token = model.sample(sampler)
                if model.ends(token):
                    reason = "stop"
                    break
                written += 1
                if shown := text.add(model.piece(token)):
                    tell.text(shown)
                if text.stopped:
                    reason = "stop"
                    break
                if written < room:
                    self._decode([token], tell)
                speed = written / max(time.monotonic() - begun, 1e-6)
                tell.phase_now_and_then("writing", written, room, speed)
        finally:
            model.free_sampler(sampler)
        if not text.stopped and (rest := text.add(b"", last=True)):
            tell.text(rest)
        return written, reason
