"""A model that llama.cpp has loaded: its handles, its vocabulary, and what it has read so far.

Uses the C interface that llama-cpp-python binds, not its ``Llama`` class, which is made to be
called and not to be watched. Knows nothing of questions and answers: it is tokens and bytes.
Errors are sentences for people; llama.cpp's own words go to the log.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localchat.core.errors import EngineMissing, LoadError, ModelFileError
from localchat.engines.choices import all_memory

logger = logging.getLogger(__name__)

BATCH = 512
_ALL_LAYERS = 9999
_EMBEDDERS = ("bert", "t5encoder", "gemma-embedding")


class LlamaModel:
    """One GGUF in llama.cpp. ``open``, then ``make_context``; the process frees it by ending.

    ``should_stop`` is asked while a prompt is read; reading stops where it says True.
    """

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self.api = _library()
        self.read: list[int] = []
        self._pieces: dict[int, bytes] = {}
        self._said: deque[str] = deque(maxlen=200)
        self._should_stop = should_stop
        self._abort = self.api.ggml_abort_callback(lambda _: should_stop())
        self._never = self.api.ggml_abort_callback(0)
        self._hear = self.api.llama_log_callback(self._keep)  # C holds only the address
        self.api.llama_log_set(self._hear, ctypes.c_void_p(0))

    def _keep(self, level: int, text: bytes, _: Any) -> None:
        words = text.decode("utf-8", "replace").rstrip()
        self._said.append(words)
        if level in (3, 4) and not self._should_stop():  # being stopped is no error
            logger.log(logging.ERROR if level == 4 else logging.WARNING, "%s", words)

    def open(self, path: Path, gpu_layers: int | None, progress: Callable[[float], None]) -> None:
        """Load the file.

        Raises:
            ModelFileError: it is no model that can answer.
            LoadError: it is, but it did not load.
        """

        def on_progress(part: float, _: Any) -> bool:
            progress(part)
            return True

        check_file(path)
        api = self.api
        api.llama_backend_init()
        params = api.llama_model_default_params()
        wanted = _ALL_LAYERS if gpu_layers is None or gpu_layers < 0 else gpu_layers
        params.n_gpu_layers = wanted if self.supports_gpu else 0
        callback = api.llama_progress_callback(on_progress)
        params.progress_callback = callback
        self.model = api.llama_model_load_from_file(os.fsencode(path), params)
        if not self.model:
            raise _why_not_loaded(path, list(self._said))
        kind = self._meta("general.architecture")
        if any(name in kind for name in _EMBEDDERS) or not api.llama_model_has_decoder(self.model):
            raise ModelFileError(
                path,
                f"{path.name} is a model that compares texts (“{kind}”); it cannot answer.",
                "Choose a chat model: its name often has “instruct” or “chat” in it.",
            )
        self.layers = int(api.llama_model_n_layer(self.model))
        self.trained = int(api.llama_model_n_ctx_train(self.model))
        self._read_vocabulary()

    @property
    def supports_gpu(self) -> bool:
        return bool(self.api.llama_supports_gpu_offload())

    @property
    def bytes_per_token(self) -> int:
        """What one token of context takes, about: keys and values of each layer, 16 bits."""
        api, model = self.api, self.model
        heads = max(int(api.llama_model_n_head(model)), 1)
        width = int(api.llama_model_n_embd(model)) // heads * int(api.llama_model_n_head_kv(model))
        return 2 * 2 * width * self.layers

    def make_context(self, tokens: int, threads: int) -> None:
        """Make room for ``tokens``; ``context`` is what llama.cpp made of it.

        Raises:
            LoadError: there is no memory for it.
        """
        refused = LoadError(
            f"There is not enough memory for a context of {tokens:,} tokens.",
            "Choose a smaller context size in the sidebar, or a smaller model.",
        )
        if tokens * self.bytes_per_token > all_memory():
            raise refused  # some systems promise any memory, and grind to a halt when it is used
        params = self.api.llama_context_default_params()
        params.n_ctx = tokens
        params.n_batch = params.n_ubatch = BATCH
        params.n_threads = params.n_threads_batch = threads
        self._context = self.api.llama_init_from_model(self.model, params)
        if not self._context:
            raise refused
        self.context = int(self.api.llama_n_ctx(self._context))
        self._memory = self.api.llama_get_memory(self._context)

    # The vocabulary

    def _read_vocabulary(self) -> None:
        api = self.api
        self._vocab = vocab = api.llama_model_get_vocab(self.model)
        self.control = [
            self._text(token)
            for token in range(api.llama_vocab_n_tokens(vocab))
            if api.llama_vocab_get_attr(vocab, token) & api.LLAMA_TOKEN_ATTR_CONTROL
        ]
        self._eos = int(api.llama_vocab_eos(vocab))
        self.bos_text = self._text(api.llama_vocab_bos(vocab))
        self.eos_text = self._text(self._eos)
        template = api.llama_model_chat_template(self.model, None)
        self.template = template.decode("utf-8", "replace") if template else None

    def _text(self, token: int) -> str:
        text = self.api.llama_vocab_get_text(self._vocab, token) if token >= 0 else b""
        return (text or b"").decode("utf-8", "replace")

    def _meta(self, key: str) -> str:
        buffer = ctypes.create_string_buffer(256)
        self.api.llama_model_meta_val_str(self.model, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    def tokenize(self, text: str, *, prompt: bool) -> list[int]:
        """The tokens of ``text``; a ``prompt`` may hold control tokens, and begins as it should."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        tokens = (self.api.llama_token * size)()
        begin = prompt and not (self.bos_text and text.startswith(self.bos_text))
        count = self.api.llama_tokenize(self._vocab, data, len(data), tokens, size, begin, prompt)
        found = list(tokens[: max(count, 0)])
        if begin and found[-1:] == [self._eos] and self.api.llama_vocab_get_add_eos(self._vocab):
            found.pop()
        return found

    def ends(self, token: int) -> bool:
        return bool(self.api.llama_vocab_is_eog(self._vocab, token))

    def piece(self, token: int) -> bytes:
        """The bytes that ``token`` stands for: perhaps not a whole character; none for control."""
        piece = self._pieces.get(token)
        if piece is None:
            buffer = ctypes.create_string_buffer(512)
            size = self.api.llama_token_to_piece(self._vocab, token, buffer, 512, 0, False)
            piece = self._pieces[token] = buffer.raw[: max(size, 0)]
        return piece

    # Reading and writing

    def keep_common(self, prompt: list[int]) -> int:
        """Forget what was read from where ``prompt`` differs; how many tokens need no reading.

        The last token is always read again: what it leads to is what the answer begins with.
        """
        keep = 0
        for ours, theirs in zip(self.read, prompt[:-1], strict=False):
            if ours != theirs:
                break
            keep += 1
        return self._forget_after(keep)

    def _forget_after(self, keep: int) -> int:
        if not self.api.llama_memory_seq_rm(self._memory, -1, keep, -1):
            self.api.llama_memory_clear(self._memory, True)  # a recurrent model: all or nothing
            keep = 0
        del self.read[keep:]
        return keep

    def decode(self, tokens: list[int]) -> int:
        """Read ``tokens`` (at most ``BATCH``); 0, or llama.cpp's code where nothing was read."""
        batch = (self.api.llama_token * len(tokens))(*tokens)
        code: int = self.api.llama_decode(
            self._context, self.api.llama_batch_get_one(batch, len(tokens))
        )
        if code == 0:
            self.read += tokens
        else:
            self._forget_after(len(self.read))
        return code

    def interruptible(self, on: bool) -> None:
        """Whether ``should_stop`` is asked at each step: that costs time where steps are short."""
        callback = self._abort if on else self._never
        self.api.llama_set_abort_callback(self._context, callback, None)

    def sampler(self, temperature: float, seed: int) -> Any:
        """How the next token is chosen; to be given back with ``free_sampler``."""
        api = self.api
        chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
        steps = [api.llama_sampler_init_greedy()]
        if temperature > 0:
            steps = [
                api.llama_sampler_init_top_k(40),
                api.llama_sampler_init_top_p(0.95, 1),
                api.llama_sampler_init_min_p(0.05, 1),
                api.llama_sampler_init_temp(temperature),
                api.llama_sampler_init_dist(seed & 0xFFFFFFFF),
            ]
        for step in steps:
            api.llama_sampler_chain_add(chain, step)
        return chain

    def free_sampler(self, sampler: Any) -> None:
        self.api.llama_sampler_free(sampler)

    def sample(self, sampler: Any) -> int:
        """The next token, after what was read."""
        return int(self.api.llama_sampler_sample(sampler, self._context, -1))


def _library() -> Any:
    try:
        import llama_cpp
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineMissing(
            f"llama.cpp, which runs the model, is not installed or does not start ({error}).",
            "“python3 start.py doctor” explains how to get it. Until then the quotes answer.",
        ) from error
    return llama_cpp


def check_file(path: Path) -> None:
    """What can be said of the file before llama.cpp sees it.

    Raises:
        ModelFileError: it is not there, cannot be read, is empty or something else.
    """
    other = "Choose another one in the sidebar."
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except FileNotFoundError as error:
        raise ModelFileError(path, f"There is no model file at {path}.", other) from error
    except OSError as error:
        what = f"The model file {path} cannot be read ({error.strerror})."
        raise ModelFileError(path, what, other) from error
    if not magic:
        raise ModelFileError(path, f"{path.name} is empty.", "Download the model again.")
    if magic != b"GGUF":
        raise ModelFileError(
            path, f"{path.name} is not a GGUF model file.", "llama.cpp loads GGUF files only."
        )


def _why_not_loaded(path: Path, said: list[str]) -> ModelFileError | LoadError:
    """What llama.cpp ``said``, in a sentence for people."""
    words = "\n".join(said)
    if "unknown model architecture" in words:
        kind = words.split("unknown model architecture:")[-1].split("\n")[0].strip(" '\"")
        return ModelFileError(
            path,
            f"{path.name} is a model of the kind “{kind}”, which this llama.cpp does not know.",
            "Update llama-cpp-python, or choose another model.",
        )
    if "not within the file bounds" in words or "failed to read" in words:
        return ModelFileError(
            path,
            f"{path.name} is cut short or damaged: a part of the model is not there.",
            "Download it again.",
        )
    if any(sign in words for sign in ("failed to allocate", "unable to allocate", "ut of memory")):
        return LoadError(
            f"There is not enough memory for {path.name}.",
            "Choose a smaller model, a smaller context size, or fewer GPU layers.",
        )
    reason = next((line for line in reversed(said) if "error" in line), said[-1] if said else "")
    because = f" ({reason.strip()[:300]})" if reason else ""
    return LoadError(
        f"llama.cpp could not load {path.name}{because}.",
        "Choose another model, or download this one again.",
    )
