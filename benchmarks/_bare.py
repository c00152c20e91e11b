"""llama.cpp's own loop and nothing round it: what ``engines`` compares LocalChat with.

The C interface as llama-cpp-python binds it, and with what its ``Llama`` chooses: a prompt is read
512 tokens at a time, without flash attention where nobody asks for it. Written tokens become text,
which is thrown away.
"""

from __future__ import annotations

import codecs
import ctypes
import time
from typing import Any

from localchat.engines.llama.amx import leave_out_broken_amx


class Bare:
    """A model, loaded with what is compared: the rest is as llama.cpp has it."""

    def __init__(
        self,
        path: str,
        context: int,
        threads: int,
        gpu_layers: int,
        temperature: float,
        flash_attention: bool,
    ) -> None:
        import llama_cpp as api

        self.api = api
        self._temperature = temperature
        self._quiet = api.llama_log_callback(lambda *_: None)
        api.llama_log_set(self._quiet, ctypes.c_void_p(0))
        api.llama_backend_init()
        leave_out_broken_amx()
        params = api.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        self._model = api.llama_model_load_from_file(path.encode(), params)
        if not self._model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        self._vocab = api.llama_model_get_vocab(self._model)
        chosen = api.llama_context_default_params()
        chosen.n_ctx = context
        chosen.n_batch = chosen.n_ubatch = 512
        chosen.n_threads = chosen.n_threads_batch = threads
        chosen.flash_attn_type = int(flash_attention)
        self._context = api.llama_init_from_model(self._model, chosen)
        self._memory = api.llama_get_memory(self._context)

    def run(self, prompt: str, tokens: int) -> dict[str, Any]:
        """Read ``prompt``, of which nothing is known, and write ``tokens``."""
        api = self.api
        api.llama_memory_clear(self._memory, True)
        sampler = self._sampler()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        buffer = ctypes.create_string_buffer(64)
        begun = first = last = time.perf_counter()
        read = self._tokenize(prompt)
        for at in range(0, len(read), 512):
            self._decode(read[at : at + 512])
        written = ""
        for number in range(tokens):
            token = api.llama_sampler_sample(sampler, self._context, -1)
            size = api.llama_token_to_piece(self._vocab, token, buffer, 64, 0, False)
            written += decoder.decode(buffer.raw[:size])
            last = time.perf_counter()
            first = last if number == 0 else first
            if number + 1 < tokens:
                self._decode([token])
        api.llama_sampler_free(sampler)
        return {
            "tokens_in": len(read),
            "tokens_out": tokens,
            "first_token": first - begun,
            "writing": last - first,
        }

    def _tokenize(self, text: str) -> list[int]:
        data = text.encode()
        found = (self.api.llama_token * (len(data) + 8))()
        size = len(found)
        count = self.api.llama_tokenize(self._vocab, data, len(data), found, size, False, True)
        return list(found[:count])

    def _decode(self, tokens: list[int]) -> None:
        batch = (self.api.llama_token * len(tokens))(*tokens)
        one = self.api.llama_batch_get_one(batch, len(tokens))
        if code := self.api.llama_decode(self._context, one):
            raise SystemExit(f"llama_decode gave {code}")

    def _sampler(self) -> Any:
        """The steps that LocalChat takes with its own settings."""
        api = self.api
        chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
        for step in (
            api.llama_sampler_init_top_k(40),
            api.llama_sampler_init_top_p(0.95, 1),
            api.llama_sampler_init_min_p(0.05, 1),
            api.llama_sampler_init_temp(self._temperature),
            api.llama_sampler_init_dist(7),
        ):
            api.llama_sampler_chain_add(chain, step)
        return chain
