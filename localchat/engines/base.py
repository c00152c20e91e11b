"""The contract of every engine.

An engine is a LangChain ``BaseChatModel`` with a few promises more:

- ``stream()`` yields ``AIMessageChunk``s and **never stays silent**: while there is nothing to say
  it yields a chunk with empty content at least every ``HEARTBEAT`` seconds, so that whoever reads
  the stream can close it at any time. Closing the stream stops the model: within one token while
  writing, within one batch while reading the prompt.
- A change of phase comes in the stream itself, as a chunk with empty content and
  ``additional_kwargs={"phases": [phase]}`` (a list, because LangChain merges chunks and lists
  are joined); ``phase_of`` reads it.
- The last chunk carries ``usage_metadata`` (tokens) and ``response_metadata`` with ``model``,
  ``finish_reason`` (``stop``, ``length``) and ``timings`` (seconds by phase).
- One question at a time: the next ones wait in order, in the phase ``waiting``.
- It fails with an ``EngineError`` whose message is meant for people, and can be asked again.
- ``close()`` frees everything, may be called at any time, twice, from any thread; the next
  question loads again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

HEARTBEAT = 0.1
"""Seconds: the longest silence in a stream."""

PhaseName = Literal["unloaded", "waiting", "loading", "reading", "writing", "ready", "failed"]


@dataclass(frozen=True)
class Phase:
    """What an engine is doing. ``done`` of ``total`` counts per mille while loading, prompt
    tokens while reading, answer tokens (of at most) while writing, questions ahead while waiting.
    ``note`` says why, for people: the error, or what was chosen and for which reason.
    """

    name: PhaseName
    done: int = 0
    total: int = 0
    per_second: float = 0.0
    note: str = ""


def phase_message(phase: Phase) -> AIMessageChunk:
    """The message that tells a change of phase."""
    return AIMessageChunk(content="", additional_kwargs={"phases": [asdict(phase)]})


def phase_chunk(phase: Phase) -> ChatGenerationChunk:
    """The same, as ``_stream`` yields it."""
    return ChatGenerationChunk(message=phase_message(phase))


def phase_of(chunk: AIMessageChunk) -> Phase | None:
    """The phase that ``chunk`` tells of, or None where it carries text or nothing."""
    phases: list[dict[str, Any]] = chunk.additional_kwargs.get("phases", [])
    return Phase(**phases[-1]) if phases else None


class Engine(BaseChatModel):
    """A chat model that obeys the contract above. ``get_num_tokens`` is LangChain's."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The name that people see."""

    @property
    @abstractmethod
    def phase(self) -> Phase:
        """What it is doing now. May be read from any thread."""

    @property
    @abstractmethod
    def context_tokens(self) -> int:
        """The size of the context window in tokens: prompt and answer together."""

    def prompt_room(self, answer_tokens: int) -> int:
        """How many tokens a prompt may have so that an answer of ``answer_tokens`` still fits; at
        least half of the window, because an answer rarely takes all that it may."""
        return max(self.context_tokens - answer_tokens, self.context_tokens // 2)

    @property
    @abstractmethod
    def counts_exactly(self) -> bool:
        """Whether ``get_num_tokens`` asks the model's own tokenizer or estimates."""

    @abstractmethod
    def loading(self) -> Iterator[Phase]:
        """Be ready for a question, and tell how it goes at least every ``HEARTBEAT`` seconds;
        yields nothing where it is ready. Closing the iterator gives up.

        Raises:
            EngineError: it cannot be loaded, and why.
        """

    def load(self) -> None:
        """``loading``, without looking."""
        for _ in self.loading():
            pass

    @abstractmethod
    def close(self) -> None:
        """Stop what runs and free everything."""

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))
