"""llama.cpp in the child process: load one GGUF, count its tokens, answer with it.

Loading and reading report their progress, and both reading and writing can be stopped. The next
prompt is read only from where it differs from what the model has read and written before.
"""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path
from typing import Any

from localchat.core.errors import LoadError, PromptTooLong
from localchat.engines.choices import free_memory, physical_cores, room_for_prompt
from localchat.engines.devices import find_devices
from localchat.engines.load_failures import check_file
from localchat.engines.load_plan import plan_load
from localchat.engines.model_shape import read_shape
from localchat.engines.thinking import THINKING_TOKENS
from localchat.engines.wire import Message
from localchat.engines.worker import Tell
from localchat.engines.worker_model import BATCH, LlamaModel
from localchat.engines.worker_text import ChatFormat, Disarm, Speaker

FIRST_PIECE = 128
PIECE_SECONDS = 0.7
"""The prompt is read in pieces of about so long, so that its progress can be seen."""
TOLD_SECONDS = 0.25
"""Between two words on how the writing goes."""


class LlamaBackend:
    """One model in llama.cpp. See ``worker.Backend``."""

    def __init__(self) -> None:
        self._tell: Tell | None = None
        self._counting = threading.Lock()
        self._reading_speed = 0.0

    def load(self, model: Message, tell: Tell) -> Message:
        """See ``worker.Backend``. All is chosen before the file is loaded, from its metadata."""

        def progress(part: float) -> None:
            tell.step()
            tell.phase_now_and_then("loading", int(part * 1000), 1000)

        path = Path(model["path"])
        check_file(path)
        self._model = loaded = LlamaModel(self._should_stop)
        devices = find_devices(bool(loaded.api.llama_supports_gpu_offload()))
        plan = plan_load(model, read_shape(path), devices, free_memory(), physical_cores())
        tell.trying(gpu_layers=plan.gpu.value, layers=plan.layers)
        loaded.open(path, plan.gpu.value, progress)
        tell.trying(context=plan.context.value)  # only now: before, less of it would not help
        loaded.make_context(plan)
        self._read_format(model)
        tell.phase("loading", 1000, 1000)
        return {
            **plan.info,
            "context": loaded.context,
            "trained_context": loaded.trained,
            "chat_format": self._format.name,
            "note": self._format.note,
            "bytes": {
                "weights": loaded.bytes,
                "context": loaded.cache_bytes,
                "computing": loaded.computing_bytes,
            },
        }

    def _read_format(self, model: Message) -> None:
        vocabulary = self._model.vocabulary
        self._format = ChatFormat(
            vocabulary.template,
            vocabulary.bos_text,
            vocabulary.eos_text,
            has_chatml="<|im_start|>" in vocabulary.control,
            chosen=model.get("chat_format", ""),
        )
        self._disarm = Disarm([*vocabulary.control, *self._format.marks])

    def _should_stop(self) -> bool:
        return self._tell is not None and self._tell.step()

    def count(self, request: Message) -> list[int]:
        with self._counting:
            tokenize = self._model.vocabulary.tokenize
            if "messages" in request:
                prompt = self._prompt(request["messages"], bool(request.get("thinking")))
                return [len(tokenize(prompt, prompt=True))]
            return [len(tokenize(text, prompt=False)) for text in request["texts"]]

    def _prompt(self, messages: list[dict[str, str]], thinking: bool) -> str:
        turns = [{**turn, "content": self._disarm(turn["content"])} for turn in messages]
        return self._format.render(turns, thinking)

    def answer(self, request: Message, tell: Tell) -> Message:
        self._tell = tell
        text = self._prompt(request["messages"], request["thinking"])
        with self._counting:
            prompt = self._model.vocabulary.tokenize(text, prompt=True)
        limit = room_for_prompt(self._model.context, request["answer_tokens"])
        if len(prompt) > limit:
            raise PromptTooLong(len(prompt), limit)
        speaker = Speaker(tell, text, [*self._format.stop, *request["stop"]])
        begun = time.monotonic()
        kept = self._read(prompt, tell)
        read = time.monotonic()
        written, reason = self._write(request, speaker, self._model.context - len(prompt), tell)
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

    def _decode(self, piece: list[int], tell: Tell) -> None:
        try:
            self._model.decode(piece)
        except LoadError:
            tell.check()  # stopped in the middle
            raise
        tell.check()

    def _write(self, request: Message, speaker: Speaker, fits: int, tell: Tell) -> tuple[int, str]:
        """Write up to ``answer_tokens`` and what is thought before, as far as it ``fits``; how
        many tokens it were, and why it ended."""
        model, says = self._model, self._model.vocabulary.says
        sampler = self._sampler(request)
        room, thoughts = min(request["answer_tokens"], fits), 0
        reason, written = "length", 0
        tell.phase("writing", 0, room)
        told = begun = time.monotonic()
        try:
            while written < room:
                tell.check()
                token = model.sample(sampler)
                piece = says(token)
                if piece is None:
                    reason = "stop"
                    break
                written += 1
                speaker.say(piece)
                if speaker.stopped:
                    reason = "stop"
                    break
                if speaker.thinking and thoughts < THINKING_TOKENS and room < fits:
                    room, thoughts = room + 1, thoughts + 1
                if written < room:
                    model.decode_one(token)
                if (now := time.monotonic()) - told > TOLD_SECONDS:
                    told = now
                    tell.phase("writing", written, room, written / (now - begun))
        finally:
            model.free_sampler(sampler)
        speaker.finish()
        return written, reason

    def _sampler(self, request: Message) -> Any:
        seed = secrets.randbits(32) if request["seed"] is None else request["seed"]
        names = ("temperature", "top_p", "min_p", "repeat_penalty")
        return self._model.sampler(**{name: request[name] for name in names}, seed=seed)
