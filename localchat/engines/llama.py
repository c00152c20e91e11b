"""llama.cpp as an engine: a GGUF file, run in a child process of its own.

Imports nothing of llama.cpp: that lives in the child only (see ``host`` and ``worker_llama``).
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import BaseTool
from pydantic import Field, PrivateAttr

from localchat.core.errors import EngineError
from localchat.engines.base import HEARTBEAT, Engine, Phase, PhaseName, phase_chunk
from localchat.engines.host import SILENCE, Call, ChildHost
from localchat.engines.wire import Message

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}
_PHASE_FIELDS = {field.name for field in fields(Phase)}


class LlamaCppEngine(Engine):
    """A GGUF file that answers. Other settings are another engine: close this one first."""

    path: Path
    gpu_layers: int | None = Field(None, description="None: automatic; -1: all.")
    context: int | None = Field(None, description="Context window in tokens; None: automatic.")
    answer_tokens: int = Field(512, description="Longest answer, in tokens.")
    temperature: float = Field(0.2, description="0 is the same answer each time.")
    seed: int | None = Field(None, description="None: another one for each question.")
    threads: int | None = Field(None, description="None: automatic.")
    silence: float = Field(SILENCE, description="Seconds without progress that mean it hangs.")
    log: Path | None = Field(None, description="Where the child's messages go.")
    name_for_people: str = Field("", description="None given: the file's name.")

    _host: ChildHost = PrivateAttr()
    _state: _State = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._state = _State()
        self._host = ChildHost(
            "localchat.engines.worker_llama:LlamaBackend",
            log=self.log,
            silence=self.silence,
            listen=self._state.hear,
        )
        weakref.finalize(self, self._host.close)

    @property
    def title(self) -> str:
        return self.name_for_people or self.path.stem

    @property
    def phase(self) -> Phase:
        return self._state.phase

    @property
    def info(self) -> Message:
        """What was chosen at loading, with reasons (see ``worker_llama``); empty before."""
        return dict(self._state.info)

    @property
    def pid(self) -> int | None:
        """The child's process id, or None where none runs."""
        return self._host.pid

    @property
    def context_tokens(self) -> int:
        """Known once it is loaded; before that, what was asked for, or 0 for automatic."""
        return int(self._state.info.get("context", self.context or 0))

    @property
    def counts_exactly(self) -> bool:
        return True

    def loading(self) -> Iterator[Phase]:
        """See ``Engine``. Closed early, the child goes on loading for whoever comes next."""
        if self._state.info and self._host.pid:
            return
        call = self._ask("load")
        try:
            while True:
                event = call.next(HEARTBEAT * 0.8)
                if event is not None and event["event"] == "done":
                    return
                yield self.phase
        finally:
            call.cancel()

    def close(self) -> None:
        self._host.close()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text, in one go; goes on beside a running answer. Loads first."""
        if not texts:
            return []
        counts: list[int] = self._count(texts=list(texts))
        return counts

    def get_num_tokens(self, text: str) -> int:
        return self.count_tokens([text])[0]

    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """The whole prompt, with what the chat template puts around the messages."""
        return self._count(messages=_turns(messages))[0]

    def _count(self, **what: Any) -> list[int]:
        loaded = bool(self._state.info and self._host.pid)
        counts: list[int] = self._ask("count", beside=loaded, **what).result()["counts"]
        return counts

    def _ask(self, op: str, *, beside: bool = False, **arguments: Any) -> Call:
        model = {
            "path": str(self.path),
            "context": self.context,
            "gpu_layers": self.gpu_layers,
            "threads": self.threads,
        }
        return self._host.ask(op, beside=beside, model=model, **arguments)

    @property
    def _llm_type(self) -> str:
        return "localchat-llama.cpp"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"path": str(self.path), "temperature": self.temperature, "seed": self.seed}

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        asked = time.monotonic()
        call = self._ask(
            "answer",
            messages=_turns(messages),
            stop=stop or [],
            answer_tokens=kwargs.get("answer_tokens", self.answer_tokens),
            temperature=kwargs.get("temperature", self.temperature),
            seed=kwargs.get("seed", self.seed),
        )
        moments: dict[str, float] = {}
        ahead = 0
        try:
            yield _nothing()
            while True:
                event = call.next(HEARTBEAT * 0.8)
                if not call.started and call.ahead != ahead:
                    ahead = call.ahead
                    yield phase_chunk(Phase("waiting", total=ahead, note=_waits_for(ahead)))
                elif event is None or event["event"] == "started":
                    yield _nothing()
                elif event["event"] == "phase":
                    moments.setdefault(event["name"], time.monotonic())
                    yield phase_chunk(_phase(event))
                elif event["event"] == "loaded":
                    moments.setdefault("loaded", time.monotonic())
                elif event["event"] == "text":
                    yield ChatGenerationChunk(message=AIMessageChunk(content=event["text"]))
                elif event["event"] == "done":
                    yield self._last_chunk(event, _timings(asked, moments, event))
                    return
        finally:
            call.cancel()

    def _last_chunk(self, event: Message, timings: dict[str, float]) -> ChatGenerationChunk:
        usage = UsageMetadata(
            input_tokens=event["tokens_in"],
            output_tokens=event["tokens_out"],
            total_tokens=event["tokens_in"] + event["tokens_out"],
            input_token_details={"cache_read": event["tokens_kept"]},
        )
        message = AIMessageChunk(
            content="",
            usage_metadata=usage,
            response_metadata={
                "model": self.title,
                "finish_reason": event["finish_reason"],
                "timings": timings,
                "tokens_per_second": event["per_second"],
            },
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)


class _State:
    """What the child last said of itself. Written by the host's reader, read by anyone."""

    def __init__(self) -> None:
        self.phase = Phase("unloaded")
        self.info: Message = {}
        self._lock = threading.Lock()

    def hear(self, event: Message) -> None:
        with self._lock:
            match event["event"]:
                case "phase":
                    self.phase = _phase(event)
                case "loaded":
                    self.info = event["info"]
                    self.phase = self._ready()
                case "done" if self.info:
                    self.phase = self._ready()
                case "error":
                    failed = Phase("failed", note=_note_of(event["error"]))
                    self.phase = self._ready() if self.info else failed
                case "died":
                    self.info = {}
                    name: PhaseName = "failed" if event["note"] else "unloaded"
                    self.phase = Phase(name, note=event["note"])

    def _ready(self) -> Phase:
        reasons = [self.info[key] for key in ("gpu_reason", "context_reason", "note")]
        return Phase("ready", note="; ".join(filter(None, reasons)))


def _phase(event: Message) -> Phase:
    return Phase(**{key: value for key, value in event.items() if key in _PHASE_FIELDS})


def _note_of(error: Message) -> str:
    return str(error.get("what", "")) + " " + str(error.get("next_step", ""))


def _waits_for(ahead: int) -> str:
    questions = "one question" if ahead == 1 else f"{ahead} questions"
    return f"Waiting: the model answers {questions} before this one." if ahead else ""


def _nothing() -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=""))


def _timings(asked: float, moments: dict[str, float], event: Message) -> dict[str, float]:
    """Seconds by phase. Waiting is all that was neither loading, reading nor writing."""
    reading, writing = event["timings"]["reading"], event["timings"]["writing"]
    loading = moments["loaded"] - moments["loading"] if "loaded" in moments else 0.0
    waiting = max(time.monotonic() - asked - loading - reading - writing, 0.0)
    seconds = {"waiting": waiting, "loading": loading, "reading": reading, "writing": writing}
    return {phase: round(value, 4) for phase, value in seconds.items()}


def _turns(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """LangChain's messages as roles and texts.

    Raises:
        EngineError: a message has something else than text in it.
    """
    turns = []
    for message in messages:
        role = _ROLES.get(message.type) or str(getattr(message, "role", "user"))
        if not isinstance(message.content, str) and not message.text:
            raise EngineError("This model reads text only.", "Ask without pictures or files.")
        turns.append({"role": role, "content": str(message.text)})
    return turns
