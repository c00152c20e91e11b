"""The engines that settings name: the same object for the same settings, none of them loaded."""

from __future__ import annotations

import threading
from pathlib import Path

from localchat.core.settings import Settings
from localchat.engines.base import Engine
from localchat.engines.quotes import QuotesEngine


class EngineShelf:
    """Makes engines and keeps them. ``logs`` is the folder for what they have to say."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._quotes = QuotesEngine()
        self._models: dict[tuple[str, int | None, int | None], Engine] = {}
        self._lock = threading.Lock()

    def engine(self, settings: Settings) -> Engine:
        """The engine for ``settings``. Length and temperature of an answer make no other engine."""
        if settings.engine == "quotes":
            return self._quotes
        key = (settings.model, settings.gpu_layers, settings.context_tokens)
        with self._lock:
            if key not in self._models:
                self._models[key] = self._llama_cpp(settings)
            return self._models[key]

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            for engine in self._models.values():
                engine.close()

    def _llama_cpp(self, settings: Settings) -> Engine:
        from localchat.engines.llama import LlamaCppEngine

        return LlamaCppEngine(
            path=Path(settings.model),
            gpu_layers=settings.gpu_layers,
            context=settings.context_tokens,
            log=self._logs / "llama.cpp.log",
        )
