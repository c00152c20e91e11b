"""LangChain's messages as the roles and texts that chat templates and servers know."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import BaseMessage

from localchat.core.errors import EngineError

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


def to_turns(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """Each message as ``{"role", "content"}``.

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
