"""GPT4All in the child process of an embedding model: LangChain's ``GPT4AllEmbeddings``.

The class sends one text per call. Its client takes several, and gives the same vectors: that is
what is used. Of a text with more tokens than the model knows the first are taken, as with every
other model; the class would take the mean over all of it, which has no end with a long text.

GPT4All knows some models by name, with the prefix that each wants (its ``prefix``, a word without
the colon); where the spec has none, that is what a document gets. Other models want to be told
that there is no prefix.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from localchat.core.errors import EngineMissing, LoadError, ModelFileError
from localchat.core.text.width import WIDE
from localchat.engines.child.wire import Message
from localchat.engines.child.worker import Tell
from localchat.engines.embeddings.vectors import NotNumbers, normalised, to_text
from localchat.engines.gpt4all.failures import why_not_loaded, why_not_made
from localchat.engines.gpt4all.overheard import Overheard
from localchat.engines.gpt4all.signs_of_life import SignsOfLife
from localchat.engines.llama.failures import check_file

_NOISE = (
    r"^Failed to load lib\S*cuda|isModelBlacklisted: .* not found|warning: chunking tokenized text"
    r"|warning: unknown model|no GPU found"
)

LETTERS = 3
"""To a token, rather too few; a Chinese, Japanese or Korean character is one of its own."""


class Gpt4AllEmbeddings:
    """One GGUF in GPT4All. See ``worker.EmbeddingBackend``."""

    def load(self, model: Message, tell: Tell) -> Message:
        self._path = path = Path(model["path"])
        check_file(path)
        heard = Overheard(drop=_NOISE)
        then = heard.now()
        try:
            with SignsOfLife(tell, path.stat().st_size):
                self._client = _embeddings(path, model["threads"]).client
                self._no_prefix = self._prefix_of_unknown()
        except EngineMissing:
            raise
        except Exception as error:  # it raises nothing more precise
            said = heard.since(then)
            if "instantiate" in str(error):
                raise why_not_made(path, str(error)) from error
            raise why_not_loaded(path, [*said, f"error: {error}"], 0) from error
        return {}

    def _prefix_of_unknown(self) -> str | None:
        """What to pass for no prefix: None is refused for a model that GPT4All does not know."""
        try:
            self._client.embed("a")
        except RuntimeError as error:
            if "specify a prefix" not in str(error):
                raise
            return ""
        return None

    def count(self, request: Message) -> list[int]:
        """About: GPT4All does not tell. Its models are made of English word pieces, of some four
        letters and hardly ever below three."""
        return [-(-len(text) // LETTERS) + len(WIDE.findall(text)) for text in request["texts"]]

    def embed(self, request: Message, tell: Tell) -> Message:
        tell.check()
        # C ends a text at a zero byte.
        texts = [text.replace("\0", " ") for text in request["texts"]]
        prefix = request["prefix"].rstrip()
        if prefix.endswith(":"):
            called = prefix[:-1]
        else:
            texts = [request["prefix"] + text for text in texts]
            called = self._no_prefix
        try:
            rows = self._client.embed(texts, prefix=called, long_text_mode="truncate")
            vectors = normalised(np.array(rows, np.float32))
        except RuntimeError as error:
            raise LoadError(f"GPT4All could not embed a text ({str(error)[:300]}).") from error
        except NotNumbers as error:
            what = f"{self._path.name} makes no vectors that can be used."
            raise ModelFileError(self._path, what) from error
        return {"vectors": to_text(vectors)}


def _embeddings(path: Path, threads: int) -> Any:
    """The only place that imports ``langchain_community``, which is no longer developed: what
    replaces it is GPT4All's own ``Embed4All``, which is its ``client``.

    Raises:
        EngineMissing: one of the two packages is not there.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from langchain_community.embeddings import GPT4AllEmbeddings

            make: Any = GPT4AllEmbeddings
            return make(
                model_name=path.name,
                n_threads=threads,
                device="cpu",
                gpt4all_kwargs={"model_path": str(path.parent), "allow_download": False},
            )
    except (ImportError, OSError) as error:
        raise EngineMissing(
            f"GPT4All, which runs the model, is not installed or does not start ({error})."
        ) from error
