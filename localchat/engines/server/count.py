"""How many tokens a text has: asked of the server where it can say, estimated where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localchat.core.errors import ServerError
from localchat.engines.server.http import Http
from localchat.engines.server.kinds import Facts

SECONDS = 20.0
AROUND_A_TURN = 8
"""Tokens that a chat template puts around one message, about."""


def estimate(text: str) -> int:
    """About as many tokens as most tokenizers make of ``text``: four letters of the Latin
    alphabet, two of others, one character of Chinese, Japanese and Korean."""
    far = sum(character >= "\u2e80" for character in text)
    middle = sum("\u0250" <= character < "\u2e80" for character in text)
    return far + (2 * middle + (len(text) - far - middle) + 3) // 4


def estimate_prompt(turns: Sequence[dict[str, str]]) -> int:
    """The same for a whole prompt."""
    return sum(estimate(turn["content"]) + AROUND_A_TURN for turn in turns)


async def count_texts(http: Http, facts: Facts, texts: Sequence[str]) -> list[int]:
    """The tokens of each text, by the server's own count.

    Raises:
        ServerError: it does not answer, or cannot count after all.
    """
    return [await _count_text(http, facts, text) for text in texts]


async def count_prompt(
    http: Http, facts: Facts, turns: Sequence[dict[str, str]], *, thinking: bool
) -> int:
    """The tokens of the whole prompt, with the chat template around the ``turns`` where the server
    lets us see it.

    Raises:
        ServerError: it does not answer, or cannot count after all.
    """
    if facts.kind == "llama-server":
        asked: dict[str, Any] = {
            "messages": turns,
            "chat_template_kwargs": {"enable_thinking": thinking},
        }
        try:
            page = await http.ask(f"{http.address.root}/apply-template", SECONDS, asked)
        except ServerError as error:
            if error.status not in (400, 404, 500):  # too old for it, or the template refuses
                raise
        else:
            return await _count_text(http, facts, str(page["prompt"]), whole=True)
    if facts.kind == "vllm":
        asked = {"model": facts.model, "messages": turns, "add_generation_prompt": True}
        asked["chat_template_kwargs"] = {"enable_thinking": thinking}
        return _number(await http.ask(f"{http.address.root}/tokenize", SECONDS, asked), "count")
    texts = await count_texts(http, facts, [turn["content"] for turn in turns])
    return sum(texts) + AROUND_A_TURN * len(turns)


async def _count_text(http: Http, facts: Facts, text: str, *, whole: bool = False) -> int:
    root = http.address.root
    if facts.kind == "llama-server":
        page = await http.ask(f"{root}/tokenize", SECONDS, {"content": text, "add_special": whole})
        tokens = page.get("tokens") if isinstance(page, dict) else None
        if not isinstance(tokens, list):
            raise _cannot(http)
        return len(tokens)
    if facts.kind == "vllm":
        asked: dict[str, Any] = {"model": facts.model, "prompt": text, "add_special_tokens": False}
        return _number(await http.ask(f"{root}/tokenize", SECONDS, asked), "count")
    asked = {"model": facts.model, "input": text}
    return _number(await http.ask(f"{root}/extras/tokenize/count", SECONDS, asked), "count")


def _number(page: Any, name: str) -> int:
    value = page.get(name) if isinstance(page, dict) else None
    if not isinstance(value, int):
        raise ServerError("The server does not say how many tokens a text has.", status=404)
    return value


def _cannot(http: Http) -> ServerError:
    return ServerError(f"The server at {http.address.root} does not count tokens.", status=404)
