"""One answer from ``/chat/completions``: what is sent, and what comes back piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localchat.core.errors import ServerError
from localchat.engines.server.address import Address
from localchat.engines.server.errors import (
    CutOff,
    bad_status,
    fell_silent,
    garbled,
    no_answer,
    not_a_server,
)
from localchat.engines.server.http import Http, read_whole
from localchat.engines.server.kinds import Facts, what_is_missing
from localchat.engines.server.reader import AnswerReader, Event, NotYet, Reply

if TYPE_CHECKING:
    import httpx

LONGEST_LINE = 1_000_000
"""Bytes; a line has a token in it, most often."""
LONGEST_ERROR = 100_000
BUSY_SECONDS = 30.0
"""How long a server that is busy (not loading) is asked again."""
AGAIN = 0.5
"""Seconds before it is asked again; one that is busy is left alone for longer each time."""
_PLAIN = ("model", "messages", "stream", "max_tokens", "temperature", "top_p")


@dataclass(frozen=True)
class Patience:
    """Seconds of silence that are borne: until the ``first`` piece, and ``between`` two."""

    first: float
    between: float


def request_body(
    facts: Facts, turns: list[dict[str, str]], writing: dict[str, Any], tokens: int, stop: list[str]
) -> dict[str, Any]:
    """What is asked for: at most ``tokens``, written as ``Engine.writing`` says."""
    thinking = bool(writing["thinking"])
    body: dict[str, Any] = {
        "model": facts.model,
        "messages": turns,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": tokens,
        "temperature": writing["temperature"],
        "top_p": writing["top_p"],
    }
    if writing["seed"] is not None:
        body["seed"] = writing["seed"]
    if stop:
        body["stop"] = stop
    if facts.kind in ("llama-server", "llama-cpp-python", "lm-studio"):
        body |= {"min_p": writing["min_p"], "repeat_penalty": writing["repeat_penalty"]}
    if facts.kind == "vllm":
        body |= {"min_p": writing["min_p"], "repetition_penalty": writing["repeat_penalty"]}
    if facts.kind in ("llama-server", "vllm"):
        body["chat_template_kwargs"] = {"enable_thinking": thinking}
    if facts.kind == "llama-server":
        body |= {"return_progress": True, "cache_prompt": True}
    if facts.kind == "ollama" and not thinking:
        body["reasoning_effort"] = "none"
    return body


async def chat(
    http: Http, body: dict[str, Any], most: int, patience: Patience, tell: Callable[[Event], None]
) -> Reply:
    """Ask, tell what comes, and return how it ended: after ``most`` pieces of the answer, at last.

    Asks again while the server loads or is busy, and once without what only some servers know
    where it refuses that.

    Raises:
        PromptTooLong: the server says so.
        ServerError: the server refuses, falls silent or breaks off.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while True:
        try:
            return await _ask_once(http, body, most, patience, tell)
        except ServerError as error:
            waited = loop.time() - begun
            loads = error.status == 503 and "loading" in error.what.lower()
            if error.status in (429, 503) and waited < (patience.first if loads else BUSY_SECONDS):
                tell(NotYet("The server loads the model." if loads else "The server is busy."))
                await asyncio.sleep(AGAIN if loads else AGAIN + waited / 2)
            elif error.status in (400, 422) and set(body) - set(_PLAIN):
                body = {name: body[name] for name in _PLAIN}
            elif error.status == 404:
                raise await what_is_missing(http, body["model"], error) from error
            else:
                raise


async def why_it_broke_off(http: Http, body: dict[str, Any], patience: Patience) -> None:
    """Ask for one token without streaming: llama-cpp-python's server says only then what is wrong.

    Raises:
        PromptTooLong: that was the reason.
        ServerError: another one.
    """
    url = f"{http.address.api}/chat/completions"
    short = {name: body[name] for name in _PLAIN} | {"stream": False, "max_tokens": 1}
    await http.ask(url, patience.first, short)


async def _ask_once(
    http: Http, body: dict[str, Any], most: int, patience: Patience, tell: Callable[[Event], None]
) -> Reply:
    reader = AnswerReader(http.address, most)
    now = asyncio.get_running_loop().time
    url = f"{http.address.api}/chat/completions"
    try:
        async with asyncio.timeout(patience.first) as limit, http.stream(url, body) as response:
            await _check(http.address, response)
            async with aclosing(_lines(http.address, response, reader)) as lines:
                async for line in lines:
                    for event in reader.line(line):
                        tell(event)
                    limit.reschedule(now() + (patience.between if reader.begun else patience.first))
                    if reader.done:
                        break
    except TimeoutError as error:
        if reader.begun:
            raise fell_silent(http.address, patience.between) from error
        raise no_answer(http.address, patience.first) from error
    for event in reader.end():
        tell(event)
    return reader.reply


async def _check(address: Address, response: httpx.Response) -> None:
    if response.status_code != 200:
        content = await read_whole(response, LONGEST_ERROR)
        raise bad_status(address, response.status_code, content)
    media = response.headers.get("content-type", "text/event-stream")
    if not any(known in media for known in ("event-stream", "json", "text/plain")):
        raise not_a_server(address, await read_whole(response, LONGEST_ERROR))


async def _lines(
    address: Address, response: httpx.Response, reader: AnswerReader
) -> AsyncGenerator[str]:
    """The lines of ``response``; broken UTF-8 becomes a sign that says so."""
    import httpx

    if response.headers.get("content-type", "").startswith("application/json"):
        whole_answer = await read_whole(response)  # it did not stream
        yield whole_answer.decode("utf-8", "replace").replace("\n", " ").strip()
        return
    held = bytearray()
    try:
        async for piece in response.aiter_bytes():
            held += piece
            if b"\n" in piece:
                *whole, rest = held.split(b"\n")
                held = bytearray(rest)
                for line in whole:
                    yield line.decode("utf-8", "replace").strip()
            if len(held) > LONGEST_LINE:
                raise garbled(address)
    except httpx.TransportError as error:
        if not reader.reply.finish_reason:
            raise CutOff(address, begun=reader.begun) from error
    if held:
        yield held.decode("utf-8", "replace").strip()
