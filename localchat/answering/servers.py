"""The servers that a person has: asked for their models, remembered in the settings."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from localchat.core.errors import EngineError
from localchat.core.settings import Server

USUAL_ADDRESSES = (
    "http://127.0.0.1:11434",  # Ollama
    "http://127.0.0.1:1234",  # LM Studio
    "http://127.0.0.1:8080",  # llama-server, llamafile
    "http://127.0.0.1:8000",  # vLLM, llama-cpp-python
)
PROGRAMS = {
    "ollama": "Ollama",
    "lm-studio": "LM Studio",
    "vllm": "vLLM",
    "llama-server": "llama-server",
    "llama-cpp-python": "llama-cpp-python",
}
"""The kinds of servers, as people know them."""
CONNECT_SECONDS = 5.0
LOOK_SECONDS = 1.0


def connect(url: str, key: str = "", *, agreed: bool = False) -> Server:
    """Ask the server at ``url`` what it has.

    Raises:
        ConsentNeeded: it is not on this computer, and nobody agreed; nothing was sent.
        EngineError: it does not answer, or not as such a server does.
    """
    return _ask(url, key, agreed=agreed, seconds=CONNECT_SECONDS)


def find_servers(known: Sequence[Server]) -> list[Server]:
    """The programs that run models on this computer, where such programs usually are; those that
    are ``known`` already are left out. Nothing beyond this computer is asked."""
    addresses = [url for url in USUAL_ADDRESSES if url not in {server.url for server in known}]
    with ThreadPoolExecutor(len(USUAL_ADDRESSES)) as pool:
        return [server for server in pool.map(_ask_quietly, addresses) if server and server.models]


def with_server(servers: Sequence[Server], server: Server) -> tuple[Server, ...]:
    """``servers`` with ``server`` in the place of what was known of it."""
    if server.url in {known.url for known in servers}:
        return tuple(server if known.url == server.url else known for known in servers)
    return (*servers, server)


def _ask_quietly(url: str) -> Server | None:
    with suppress(EngineError):
        return _ask(url, "", agreed=False, seconds=LOOK_SECONDS)
    return None


def _ask(url: str, key: str, *, agreed: bool, seconds: float) -> Server:
    from pydantic import SecretStr

    from localchat.engines.server.address import read_address
    from localchat.engines.server.kinds import list_models

    models = list_models(url, SecretStr(key), agreed, seconds)
    return Server(
        url=read_address(url).root,
        key=key,
        kind=PROGRAMS.get(models[0].kind, "") if models else "",
        models=tuple(model.name for model in models),
        hands_on={model.name: model.sends_to for model in models if model.sends_to},
    )
