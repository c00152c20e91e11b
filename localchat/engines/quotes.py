"""The engine without a model: it answers with the sentences that answer best.

It is always there: before the first model, without internet, and when a model fails. The sentences
were picked by ``core.evidence``; they come with the question's message (see ``chat.prompts``), so
that nothing is looked for twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from localchat.engines.base import Engine, Phase, phase_chunk

NOTHING_FOUND = "Nothing in your documents seems to answer this."
QUOTES = "quotes"
"""Key in the last message's ``additional_kwargs``: a list of ``{"number": 1, "text": "…"}``."""


class QuotesEngine(Engine):
    """Streams the quotes of the last message, each with its citation."""

    @property
    def _llm_type(self) -> str:
        return "localchat-quotes"

    @property
    def title(self) -> str:
        return "Quotes only"

    @property
    def phase(self) -> Phase:
        return Phase("ready")

    @property
    def context_tokens(self) -> int:
        """No window: it reads nothing but the quotes. Room for any question and its passages."""
        return 1_000_000

    @property
    def counts_exactly(self) -> bool:
        return False

    def get_num_tokens(self, text: str) -> int:
        """An estimate: four characters a token."""
        return (len(text) + 3) // 4

    def loading(self) -> Iterator[Phase]:
        """Always ready."""
        return iter(())

    def close(self) -> None:
        """Nothing to free."""

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        began = time.perf_counter()
        quotes = messages[-1].additional_kwargs.get(QUOTES, []) if messages else []
        yield phase_chunk(Phase("writing", total=len(quotes)))
        pieces = [f"{quote['text']} [{quote['number']}]" for quote in quotes] or [NOTHING_FOUND]
        written = 0
        for number, piece in enumerate(pieces):
            text = piece if number == 0 else f"\n\n{piece}"
            written += self.get_num_tokens(text)
            yield ChatGenerationChunk(message=AIMessageChunk(content=text))
        read = sum(self.get_num_tokens(str(message.content)) for message in messages)
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                usage_metadata=UsageMetadata(
                    input_tokens=read, output_tokens=written, total_tokens=read + written
                ),
                response_metadata={
                    "model": self.title,
                    "finish_reason": "stop",
                    "timings": {"writing": time.perf_counter() - began},
                },
            )
        )
