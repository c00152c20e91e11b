"""The model classes that LangChain's tutorials use, with their own settings, for ``engines``.

Given is only what they could not do without: room for the prompt. They read 8 tokens at a time.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler

from localchat.engines.llama.amx import leave_out_broken_amx


class _Tutorial:
    model: Any

    def run(self, prompt: str, tokens: int) -> dict[str, Any]:
        """Read ``prompt`` and write ``tokens``."""
        arrived: list[float] = []

        class Listener(BaseCallbackHandler):
            def on_llm_new_token(self, token: str, **_: Any) -> None:
                if token:
                    arrived.append(time.perf_counter())

        begun = time.perf_counter()
        self.model.invoke(prompt, config={"callbacks": [Listener()]}, **self.limit(tokens))
        return {
            "tokens_in": 0,
            "tokens_out": len(arrived),
            "first_token": arrived[0] - begun,
            "writing": arrived[-1] - arrived[0],
        }

    def limit(self, tokens: int) -> dict[str, int]:
        raise NotImplementedError


class ChatLlamaCpp(_Tutorial):
    """llama-cpp-python through langchain-community."""

    def __init__(self, path: str, context: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package says that nobody looks after it any more
            from langchain_community.chat_models import ChatLlamaCpp as Model
        leave_out_broken_amx()
        self.model = Model(model_path=path, n_ctx=context, verbose=False)

    def limit(self, tokens: int) -> dict[str, int]:
        return {"max_tokens": tokens}


class GPT4All(_Tutorial):
    """gpt4all through langchain-community. Its context of 2,048 tokens cannot be chosen."""

    def __init__(self, path: str, context: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from langchain_community.llms import GPT4All as Model
        self.model = Model(model=Path(path).as_posix(), streaming=True)

    def limit(self, tokens: int) -> dict[str, int]:
        return {"n_predict": tokens}
