"""GPT4All in the child process: load one GGUF, count its tokens, answer with it.

What GPT4All cannot do: take a seed, tell how loading goes (what the process has in memory is
shown), look more than once in 128 tokens of a prompt whether to stop, and write any of six
headlines (“### Instruction”, “### Prompt”, “### Response”, “### Human”, “### Assistant”,
“### Context”): there it ends the answer.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from localchat.core.errors import LoadError, PromptTooLong
from localchat.engines.child.text import ChatFormat, Disarm, Speaker
from localchat.engines.child.wire import Message
from localchat.engines.child.worker import Tell
from localchat.engines.choices import (
    all_memory,
    choose_context,
    choose_threads,
    free_memory,
    physical_cores,
    room_for_prompt,
)
from localchat.engines.gpt4all.library import BATCH, LEAST_FREE, Manner
from localchat.engines.gpt4all.metadata import Metadata, read_metadata
from localchat.engines.gpt4all.model import Gpt4AllModel
from localchat.engines.gpt4all.past import Past
from localchat.engines.gpt4all.place import Place
from localchat.engines.gpt4all.signs_of_life import SignsOfLife
from localchat.engines.thinking import THINKING_TOKENS, is_mark

SMALLEST_BATCH = 32
"""Fewer tokens in one go are read more slowly, each."""
_SHARED = "; fewer while other programs compute"
_BYTES_PER_TOKEN = 3.0
"""Of usual text: what is taken where nobody can count, until a prompt has been read."""


class Gpt4AllBackend:
    """One model in GPT4All. See ``worker.Backend``."""

    def __init__(self) -> None:
        self._bytes_per_token = _BYTES_PER_TOKEN
        self._reading_speed = 0.0

    def load(self, model: Message, tell: Tell) -> Message:
        path = Path(model["path"])
        said = read_metadata(path)
        self._model = loaded = Gpt4AllModel()
        place = loaded.choose_place(model["gpu_layers"], said.layers)
        context = choose_context(
            model["context"], said.trained, said.bytes_per_token, free_memory()
        )
        tell.trying(gpu_layers=place.layers, layers=said.layers, context=context.value)
        _check_memory(context.value, said)
        with SignsOfLife(tell, path.stat().st_size):
            loaded.open(path, place, context.value)
            self._counter = loaded.counter(_pads(said))
        threads = choose_threads(model["threads"], physical_cores())
        shared = not model["threads"] and threads.value > 1
        loaded.use_threads(threads.value, share=shared)
        self._context = context.value
        self._understand(said, model.get("chat_format", ""))
        tell.phase("loading", 1000, 1000)
        return {
            "context": context.value,
            "context_reason": context.reason,
            "trained_context": said.trained,
            **_where_it_is(place, loaded.on_gpu),
            "layers": said.layers,
            "threads": threads.value,
            "threads_reason": threads.reason + (_SHARED if shared else ""),
            "chat_format": self._format.name,
            "counts_exactly": self._counter is not None,
            "note": self._format.note,
        }

    def _understand(self, said: Metadata, chosen: str) -> None:
        """Learn how the model wants to be spoken to."""
        self._said = said
        self._format = ChatFormat(
            said.template,
            said.text_of("bos"),
            said.text_of("eos"),
            has_chatml="<|im_start|>" in said.control,
            chosen=chosen,
        )
        self._disarm = Disarm([*said.control, *self._format.marks])
        begin = self._counter.begin if self._counter else int(said.adds_beginning)
        self._begin = said.text_of("bos") if begin else ""
        self._past = Past(said.control, begin)

    def count(self, request: Message) -> list[int]:
        if "messages" in request:
            return [self._count(self._prompt(request), prompt=True)]
        return [self._count(self._disarm(text), prompt=False) for text in request["texts"]]

    def _count(self, text: str, *, prompt: bool) -> int:
        counted = self._counter.count(text, prompt=prompt) if self._counter else None
        if counted is None:
            return math.ceil(len(text.encode("utf-8", "replace")) / self._bytes_per_token)
        return counted

    def _prompt(self, request: Message) -> str:
        turns = [{**turn, "content": self._disarm(turn["content"])} for turn in request["messages"]]
        text = self._format.render(turns, bool(request.get("thinking")))
        text = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
        return text.removeprefix(self._begin)  # which the library puts there itself

    def answer(self, request: Message, tell: Tell) -> Message:
        prompt = self._prompt(request)
        tokens = self._count(prompt, prompt=True)
        limit = room_for_prompt(self._context, request["answer_tokens"])
        limit = min(limit, self._context - LEAST_FREE)
        if tokens > limit:
            raise PromptTooLong(tokens, limit)
        text, keep = self._past.of(prompt, self._model.read)
        speaker = Speaker(tell, prompt, [*self._format.stop, *request["stop"]])
        course = _Course(speaker, self._said, request["answer_tokens"], tell)
        course.begin(tokens - keep, self._context - tokens, self._reading_speed)
        manner = Manner(
            batch=course.batch,
            tokens=course.most,
            temperature=request["temperature"],
            top_p=request["top_p"],
            min_p=request["min_p"],
            repeat_penalty=request["repeat_penalty"],
        )
        try:
            self._model.prompt(text, keep, manner, course.on_read, course.on_written)
        finally:
            self._past.remember(prompt)
            self._reading_speed = course.reading_speed or self._reading_speed
        tell.check()
        if self._counter is None:
            self._bytes_per_token = len(prompt.encode()) / max(keep + course.read, 1)
        return course.end(keep)


class _Course:
    """The course of one answer: GPT4All calls back with each token, read or written."""

    def __init__(self, speaker: Speaker, said: Metadata, answer_tokens: int, tell: Tell) -> None:
        self._speaker = speaker
        self._control = {number: text for text, number in said.control.items()}
        self._ends = said.ends
        self._answer_tokens = answer_tokens
        self._tell = tell
        self.read = 0
        self.reading_speed = 0.0
        self._written = 0
        self._thoughts = 0
        self._reason = ""
        self._was_read = 0.0

    def begin(self, new: int, fits: int, speed: float) -> None:
        """``new`` tokens are to be read, and ``fits`` more have room behind them. ``speed`` is how
        many were read per second before, 0 where nobody knows: a batch is to take no longer than
        about a second, because nothing is heard in the middle of it."""
        self._new = new
        self.batch = min(max(int(speed) // 32 * 32, SMALLEST_BATCH), BATCH) if speed else BATCH
        self._room = min(self._answer_tokens, fits)
        self.most = min(self._answer_tokens + THINKING_TOKENS, fits)
        self._begun = time.monotonic()
        self._tell.phase("reading", 0, new)

    def on_read(self, _token: int) -> bool:
        self.read += 1
        if self.read == self._new:
            self._begin_to_write()
        elif self.read % self.batch == 0:
            self.reading_speed = self.read / max(time.monotonic() - self._begun, 1e-6)
            total = max(self.read, self._new)
            self._tell.phase("reading", self.read, total, self.reading_speed)
        return not self._tell.step()

    def _begin_to_write(self) -> None:
        self._was_read = time.monotonic()
        seconds = max(self._was_read - self._begun, 1e-6)
        self._tell.phase("reading", self.read, self.read, self.read / seconds)
        self._tell.phase("writing", 0, self._room)

    def on_written(self, token: int, piece: bytes) -> bool:
        if token < 0:
            return False  # no token but a complaint, which the model has overheard
        if not self._was_read:  # how many there were to read was an estimate
            self._begin_to_write()
        if token in self._ends:
            self._reason = "stop"
            return False
        self._written += 1
        self._speaker.say(self._visible(token, piece))
        if self._speaker.thinking and self._thoughts < THINKING_TOKENS and self._room < self.most:
            self._room, self._thoughts = self._room + 1, self._thoughts + 1
        if self._speaker.stopped:
            self._reason = "stop"
        elif self._written >= self._room:
            self._reason = "length"
        speed = self._written / max(time.monotonic() - self._was_read, 1e-6)
        self._tell.phase_now_and_then("writing", self._written, self._room, speed)
        return not (self._tell.step() or self._reason)

    def _visible(self, token: int, piece: bytes) -> bytes:
        """Control tokens are not for people, but for those around a thought."""
        name = self._control.get(token)
        return piece if name is None or is_mark(name) else b""

    def end(self, kept: int) -> Message:
        """What is to be known in the end; ``kept`` tokens needed no reading."""
        self._speaker.finish()
        end = time.monotonic()
        was_read = self._was_read or end
        return {
            "finish_reason": self._reason or "stop",
            "tokens_in": kept + self.read,
            "tokens_kept": kept,
            "tokens_out": self._written,
            "per_second": round(self._written / max(end - was_read, 1e-6), 2),
            "timings": {
                "reading": round(was_read - self._begun, 4),
                "writing": round(end - was_read, 4),
            },
        }


def _where_it_is(place: Place, on_gpu: bool) -> Message:
    if place.layers and not on_gpu:
        why = "on the CPU: GPT4All cannot run this kind of file on the GPU"
        return {"gpu_layers": 0, "gpu_reason": why}
    return {"gpu_layers": place.layers, "gpu_reason": place.reason}


def _pads(said: Metadata) -> list[str]:
    """Control tokens to count with."""
    names = dict.fromkeys([said.text_of("eos"), *list(said.control)[:8]])
    return [name for name in names if len(name) > 2 and name in said.control]


def _check_memory(context: int, said: Metadata) -> None:
    """
    Raises:
        LoadError: this computer has not so much memory. Some systems promise any, and grind to a
            halt when it is used.
    """
    if context * said.bytes_per_token > all_memory():
        raise LoadError(
            f"There is not enough memory for a context of {context:,} tokens.",
            "Choose a smaller context size in the sidebar, or a smaller model.",
            "memory",
        )
