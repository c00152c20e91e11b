"""Which program a model server is, which models it has, and how large their context window is.

All of them speak OpenAI's protocol, which tells neither; each has pages of its own that do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import quote

from pydantic import SecretStr

from localchat.core.errors import EngineError, ServerError
from localchat.engines.server.address import read_address
from localchat.engines.server.errors import not_a_server
from localchat.engines.server.http import Http, open_http
from localchat.engines.server.task import ServerTask

Kind = Literal["llama-server", "ollama", "lm-studio", "vllm", "llama-cpp-python", "other"]
PROBE_SECONDS = 3.0
"""For a page that only some servers have."""
LIST_SECONDS = 15.0
ASSUMED_CONTEXT = 4096
"""Tokens, where a server does not say: what Ollama and LM Studio begin with."""
_PYTHON_CONTEXT = 2048  # what llama-cpp-python's server begins with
_CONTEXT_FIELDS = (
    "max_model_len", "loaded_context_length", "context_length", "context_window",
    "max_context_length",
)  # fmt: skip
_OWNERS: dict[str, Kind] = {"llamacpp": "llama-server", "vllm": "vllm", "me": "llama-cpp-python"}


@dataclass(frozen=True)
class ServerModel:
    """A model that a server offers. ``context`` in tokens and ``size`` in bytes, where it says;
    ``sends_to`` is the other computer that it hands questions on to, if it does."""

    name: str
    context: int | None
    kind: Kind
    size: int | None = None
    loaded: bool = False
    sends_to: str = ""


@dataclass(frozen=True)
class Facts:
    """What is known of a server and the ``model`` that is to answer. ``settled`` is False where
    the ``context`` is our assumption; ``reason`` says where it comes from, for people."""

    kind: Kind
    model: str
    context: int
    reason: str
    settled: bool
    models: tuple[ServerModel, ...] = ()
    sends_to: str = ""

    @property
    def can_count(self) -> bool:
        return self.kind in ("llama-server", "vllm", "llama-cpp-python")


def list_models(
    url: str, key: SecretStr, agreed: bool, timeout: float = LIST_SECONDS
) -> list[ServerModel]:
    """The models at ``url`` that can answer, in the server's order; ``timeout`` in seconds.

    Raises:
        ConsentNeeded: it is another computer, and nobody ``agreed``; nothing was sent.
        ServerError: nothing answers there in time, or something else than a model server.
    """

    async def work(_: object) -> list[ServerModel]:
        async with open_http(url, key, agreed, timeout) as http:
            return await offered(http, timeout)

    task: ServerTask[object, list[ServerModel]] = ServerTask(work)
    try:
        return task.result()
    finally:
        task.cancel()


async def offered(http: Http, seconds: float = LIST_SECONDS) -> list[ServerModel]:
    """The models that can answer. See ``list_models``."""
    try:
        listed = await http.ask(f"{http.address.api}/models", seconds)
    except ServerError as error:
        if error.status == 404 and "default_generation_settings" in await _perhaps(http, "/props"):
            return [ServerModel("default", None, "llama-server")]  # an old one, with one model
        raise
    entries = _dicts(listed.get("data") if isinstance(listed, dict) else listed)
    if not entries and not (isinstance(listed, dict) and "data" in listed):
        raise not_a_server(http.address, b"")
    kind = _OWNERS.get(str(entries[0].get("owned_by"))) if entries else None
    if kind is None:
        version, studio, props = await asyncio.gather(
            _perhaps(http, "/api/version"),
            _perhaps(http, "/api/v0/models"),
            _perhaps(http, "/props"),
        )
        if version and isinstance(version.get("version"), str):
            tags = await _perhaps(http, "/api/tags")
            return _of_ollama(entries, _dicts(tags.get("models")))
        if any("state" in entry for entry in _dicts(studio.get("data"))):
            return _of_studio(_dicts(studio["data"]))
        kind = "llama-server" if "default_generation_settings" in props else "other"
    return [_plain(entry, kind) for entry in entries if entry.get("id")]


async def look(http: Http, wanted: str, seconds: float) -> Facts:
    """What is to be known before the first question to the model ``wanted`` (empty: the server's
    first). Has Ollama load it, for up to ``seconds``, since it says only then how it does.

    Raises:
        ServerError: nothing answers, it has no model, or (``status`` 503) it still loads one.
    """
    models = await offered(http)
    if not models and not wanted:
        raise ServerError(
            f"The server at {http.address.root} has no model yet.",
            "Download or load one in the program that runs there.",
        )
    chosen = _choose(models, wanted)
    facts = Facts(
        chosen.kind,
        chosen.name,
        chosen.context or ASSUMED_CONTEXT,
        "what the server says" if chosen.context else "assumed: the server does not say",
        settled=bool(chosen.context),
        models=tuple(models),
        sends_to=chosen.sends_to,
    )
    match facts.kind:
        case "llama-server":
            return await _look_llama(http, facts)
        case "ollama" if not facts.sends_to:
            return await _look_ollama(http, facts, seconds)
        case "lm-studio" if not chosen.loaded:
            return replace(facts, reason="assumed until LM Studio has loaded the model")
        case "llama-cpp-python":
            reason = "assumed: its usual size, the server does not say"
            return replace(facts, context=_PYTHON_CONTEXT, reason=reason)
    return facts


def _choose(models: list[ServerModel], wanted: str) -> ServerModel:
    """The model with the name ``wanted``; one that the server does not list may exist all the
    same (Ollama's names have a ``:latest`` that nobody types)."""
    for model in models:
        if model.name in (wanted, f"{wanted}:latest"):
            return model
    if wanted:
        kind = models[0].kind if models else "other"
        sends_to = _cloud(wanted, {}) if kind == "ollama" else ""
        return ServerModel(wanted, None, kind, sends_to=sends_to)
    return min(models, key=lambda model: (bool(model.sends_to), not model.loaded))


async def _look_llama(http: Http, facts: Facts) -> Facts:
    root = http.address.root
    try:
        props = await http.ask(f"{root}/props?model={quote(facts.model, safe='')}", PROBE_SECONDS)
    except ServerError as error:
        if error.status == 503:
            raise
        return facts
    settings = props.get("default_generation_settings") if isinstance(props, dict) else None
    context = _number(settings.get("n_ctx")) if isinstance(settings, dict) else None
    if not context:
        return facts
    return replace(facts, context=context, reason="what the server was started with", settled=True)


async def _look_ollama(http: Http, facts: Facts, seconds: float) -> Facts:
    root = http.address.root
    try:
        await http.ask(f"{root}/api/generate", seconds, {"model": facts.model, "stream": False})
    except ServerError as error:
        raise (
            await what_is_missing(http, facts.model, error) if error.status == 404 else error
        ) from error
    running = await _perhaps(http, "/api/ps")
    names = (facts.model, f"{facts.model}:latest")
    for entry in _dicts(running.get("models")):
        context = _number(entry.get("context_length"))
        if context and {entry.get("name"), entry.get("model")}.intersection(names):
            reason = "what Ollama has loaded the model with (its own settings can change that)"
            return replace(facts, context=context, reason=reason, settled=True)
    reason = "Ollama's usual size; it leaves out without a word what does not fit"
    return replace(facts, context=ASSUMED_CONTEXT, reason=reason, settled=True)


async def what_is_missing(http: Http, model: str, error: ServerError) -> ServerError:
    """For ``error``, a page that was not found: whether the server has no such ``model``."""
    names = [one.name for one in await offered(http)]
    if model in names:
        return error
    there = f"It has: {', '.join(names[:10])}." if names else "It has none."
    return ServerError(
        f"The server at {http.address.root} has no model “{model}”. {there}",
        "Choose one of them in the sidebar." if names else "Download one there first.",
        404,
    )


async def _perhaps(http: Http, page: str) -> dict[str, Any]:
    """A page that only some servers have; empty where this one has not."""
    try:
        found = await http.ask(f"{http.address.root}{page}", PROBE_SECONDS)
    except EngineError:
        return {}
    return found if isinstance(found, dict) else {}


def _plain(entry: dict[str, Any], kind: Kind) -> ServerModel:
    raw = entry.get("meta")
    meta: dict[str, Any] = raw if isinstance(raw, dict) else {}
    told = [_number(meta.get("n_ctx")), *(_number(entry.get(name)) for name in _CONTEXT_FIELDS)]
    status = entry.get("status")
    return ServerModel(
        str(entry["id"]),
        next(filter(None, told), None),
        kind,
        _number(meta.get("size")),
        loaded=isinstance(status, dict) and status.get("value") == "loaded",
    )


def _of_ollama(entries: list[dict[str, Any]], tags: list[dict[str, Any]]) -> list[ServerModel]:
    known = {str(tag.get("name")): tag for tag in tags}
    found = []
    for name in (str(entry["id"]) for entry in entries if entry.get("id")):
        tag = known.get(name, {})
        details = tag.get("details")
        if isinstance(details, dict) and "bert" in str(details.get("family")):
            continue  # it embeds, and cannot answer
        size = _number(tag.get("size"))
        found.append(ServerModel(name, None, "ollama", size, sends_to=_cloud(name, tag)))
    return found


def _cloud(name: str, tag: dict[str, Any]) -> str:
    """The host that Ollama hands the questions for this model on to; empty where it answers."""
    told = str(tag.get("remote_host") or "")
    if not told:
        return "ollama.com" if name.endswith(("-cloud", ":cloud")) else ""
    try:
        return read_address(told).host
    except ServerError:
        return told


def _of_studio(entries: list[dict[str, Any]]) -> list[ServerModel]:
    return [
        ServerModel(
            str(entry["id"]),
            _number(entry.get("loaded_context_length")),
            "lm-studio",
            loaded=entry.get("state") == "loaded",
        )
        for entry in entries
        if entry.get("id") and entry.get("type") != "embeddings"
    ]


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, Iterable) else []


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
