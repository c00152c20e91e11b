"""Texts on their way to a server: what cannot be sent, and what a document must not say."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from langchain_core.messages import BaseMessage

from localchat.engines.child.text import Disarm
from localchat.engines.messages import to_turns

_CONTROL = """
<|im_start|> <|im_end|> <|system|> <|user|> <|assistant|> <|end|> <|endoftext|> <|eot_id|>
<|start_header_id|> <|end_header_id|> <|begin_of_text|> <|end_of_text|> <|start|> <|message|>
<|channel|> <|return|> <|turn> <turn|> <start_of_turn> <end_of_turn> <bos> <eos> <s> </s> [INST]
[/INST] <<SYS>> <</SYS>> [SYSTEM_PROMPT] [/SYSTEM_PROMPT] <|START_OF_TURN_TOKEN|>
<|END_OF_TURN_TOKEN|> <｜User｜> <｜Assistant｜> <｜begin▁of▁sentence｜> <｜end▁of▁sentence｜>
""".split()  # of the chat templates of the usual models


def turns_of(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """``messages`` as they are sent.

    Raises:
        EngineError: a message has something else than text in it.
    """
    return [{**turn, "content": clean(turn["content"])} for turn in to_turns(messages)]


def clean(text: str) -> str:
    """``text`` without halves of characters, and with control tokens broken up: a server takes
    them for what they say, even where they stand in a document."""
    return _disarm()(text.encode("utf-8", "replace").decode("utf-8"))


@cache
def _disarm() -> Disarm:
    return Disarm(_CONTROL)
