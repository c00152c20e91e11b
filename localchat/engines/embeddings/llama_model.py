"""An embedding model that llama.cpp has loaded: tokens in, vectors out. In the child only.

Two ways, which give the same vectors for a text alone and in company:

- An encoder (BERT and its kin) sees all of a text at once: a batch is one step of work.
- A decoder (Qwen3-Embedding) whose vector is that of the last token reads all tokens but the last
  without any outcome, in pieces of any size, and then the last tokens of all texts. Asked for
  vectors, llama.cpp otherwise computes the next word after *each* token: a third more work with
  Qwen3-Embedding-0.6B, and hundreds of megabytes for what nobody reads.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from localchat.core.errors import LoadError, ModelFileError
from localchat.engines.embeddings.vectors import NotNumbers, Vectors, normalised
from localchat.engines.llama.amx import leave_out_broken_amx
from localchat.engines.llama.failures import why_no_context, why_not_loaded, why_stuck
from localchat.engines.llama.model import LlamaModel

BATCH = 512
"""Tokens that are computed at once, where a text has no more; larger ones are slower."""
SEQUENCES = 32
"""Texts in one batch."""
OUTCOME_BYTES = 64 * 2**20
"""llama.cpp keeps room for one number per word of the vocabulary for each token of a batch, though
an encoder writes none of them: with 250,000 words that is a megabyte per token. Batches of several
texts are kept as small as that."""
MOST_OUTCOME_BYTES = 512 * 2**20
"""And a single text: some 530 tokens of a multilingual encoder."""
POOLING = {"mean": 1, "cls": 2, "last": 3}


class LlamaEmbeddingModel(LlamaModel):
    """``open_file``, then ``make_room``, then ``embed``; the process frees it by ending."""

    def open_file(self, path: Path, gpu_layers: int, progress: Callable[[float], None]) -> None:
        """Load the file, with so many layers on the GPU; with none, nothing else is there either.

        Raises:
            ModelFileError, LoadError: it did not load.
        """

        def on_progress(part: float, _: Any) -> bool:
            progress(part)
            return True

        api = self.api
        api.llama_backend_init()
        leave_out_broken_amx()
        params = api.llama_model_default_params()
        params.n_gpu_layers = self.gpu_layers = gpu_layers
        nothing = (ctypes.c_void_p * 1)(None)
        if not gpu_layers:
            params.devices = ctypes.addressof(nothing)
        callback = api.llama_progress_callback(on_progress)
        params.progress_callback = callback
        self._path = path
        self.model = api.llama_model_load_from_file(os.fsencode(path), params)
        if not self.model:
            raise why_not_loaded(path, list(self._said), gpu_layers)
        self._vocab = api.llama_model_get_vocab(self.model)
        self.dimensions = int(api.llama_model_n_embd_out(self.model))
        self.trained = int(api.llama_model_n_ctx_train(self.model))

    def make_room(self, pooling: str, max_tokens: int, threads: int) -> None:
        """Make room for texts of so many tokens, or fewer where the model was made for fewer or
        where they would take too much memory.

        Raises:
            LoadError: there is no memory for it, or llama.cpp cannot do it.
        """
        self.max_tokens = min(max_tokens, self.trained)
        self._together = BATCH
        kind = self._meta("general.architecture")
        causal = self._meta(f"{kind}.attention.causal") != "false"
        self._last_only = pooling == "last" and causal
        if self._last_only:
            self._make_context(pooling, threads)
            if not self._memory:  # it cannot remember what it read: an encoder
                self.api.llama_free(self._context)
                self._last_only = False
        if not self._last_only:
            outcome = 4 * int(self.api.llama_vocab_n_tokens(self._vocab))
            self.max_tokens = min(self.max_tokens, MOST_OUTCOME_BYTES // outcome)
            self._together = min(BATCH, OUTCOME_BYTES // outcome)
            self._make_context(pooling, threads)
        self._batch = self.api.llama_batch_init(self._size, 0, 1)
        self.interruptible(True)

    def _make_context(self, pooling: str, threads: int) -> None:
        api = self.api
        params = api.llama_context_default_params()
        # An encoder reads whole texts at once. What is read in pieces needs room to remember a
        # batch of texts, or a long one.
        longest = max(self.max_tokens, BATCH)
        # llama.cpp ends the process where the batch cannot be shared out among all texts evenly.
        longest += -longest % SEQUENCES
        self._size = BATCH if self._last_only else longest
        params.n_ctx = longest
        params.n_batch = params.n_ubatch = self._size
        if self._last_only:
            params.n_outputs_max = SEQUENCES
        params.n_seq_max = SEQUENCES
        params.kv_unified = True  # otherwise each text has only its share of the room
        params.embeddings = True
        params.pooling_type = POOLING[pooling]
        params.n_threads = params.n_threads_batch = threads
        self._said.clear()
        self._context = api.llama_init_from_model(self.model, params)
        if not self._context:
            raise why_no_context(params.n_ctx, list(self._said) or ["no reason"], self.gpu_layers)
        self._memory = api.llama_get_memory(self._context)

    def tokens(self, text: str) -> list[int]:
        """The tokens of ``text`` with the marks that the model wants round it; of more than
        ``max_tokens`` the first ones, and the mark at the end."""
        api, data = self.api, text.encode("utf-8")
        found = (api.llama_token * (len(data) + 8))()
        count = api.llama_tokenize(self._vocab, data, len(data), found, len(found), True, False)
        tokens = list(found[: max(count, 0)])
        if not tokens:  # a vocabulary without marks makes nothing of an empty text
            return [max(int(api.llama_vocab_eos(self._vocab)), 0)]
        if len(tokens) <= self.max_tokens:
            return tokens
        ends = {int(api.llama_vocab_eos(self._vocab)), int(api.llama_vocab_sep(self._vocab))}
        end = [tokens[-1]] if tokens[-1] in ends else []
        return [*tokens[: self.max_tokens - len(end)], *end]

    def count(self, text: str) -> int:
        """How many tokens ``text`` has, without the marks. While ``embed`` runs, too."""
        data = text.encode("utf-8")
        # Without room for the tokens it says, as a negative number, how much they would need.
        short_of = self.api.llama_tokenize(self._vocab, data, len(data), None, 0, False, False)
        return abs(int(short_of))

    def embed(self, rows: Sequence[list[int]]) -> Vectors:
        """A vector of length 1 for each row of tokens.

        Raises:
            ModelFileError: the model makes no vectors.
            LoadError: llama.cpp could not go on; also where ``should_stop`` said so.
        """
        found = np.zeros((len(rows), self.dimensions), np.float32)
        done = 0
        for group in _groups(rows, self._together):
            self._decode_group(group)
            for number in range(len(group)):
                vector = self.api.llama_get_embeddings_seq(self._context, number)
                if not vector:
                    raise self._makes_none()
                found[done] = np.ctypeslib.as_array(vector, (self.dimensions,))
                done += 1
        try:
            return normalised(found)
        except NotNumbers as error:
            raise self._makes_none() from error

    def _makes_none(self) -> ModelFileError:
        return ModelFileError(self._path, f"{self._path.name} makes no vectors that can be used.")

    def _decode_group(self, group: Sequence[list[int]]) -> None:
        if self._memory:
            self.api.llama_memory_clear(self._memory, True)
        if not self._last_only:
            self._decode_tokens(
                [
                    (token, at, row)
                    for row, tokens in enumerate(group)
                    for at, token in enumerate(tokens)
                ]
            )
            return
        before = [
            (token, at, row)
            for row, tokens in enumerate(group)
            for at, token in enumerate(tokens[:-1])
        ]
        self.api.llama_set_embeddings(self._context, False)
        for start in range(0, len(before), self._size):
            self._decode_tokens(before[start : start + self._size], outcome=False)
        self.api.llama_set_embeddings(self._context, True)
        self._decode_tokens(
            [(tokens[-1], len(tokens) - 1, row) for row, tokens in enumerate(group)]
        )

    def _decode_tokens(self, tokens: list[tuple[int, int, int]], *, outcome: bool = True) -> None:
        """Compute ``tokens``, each with its position in which text."""
        batch = self._batch
        batch.n_tokens = len(tokens)
        for number, (token, position, row) in enumerate(tokens):
            batch.token[number] = token
            batch.pos[number] = position
            batch.n_seq_id[number] = 1
            batch.seq_id[number][0] = row
            batch.logits[number] = outcome
        if code := self.api.llama_decode(self._context, batch):
            error: LoadError = why_stuck(code, list(self._said), self.gpu_layers)
            raise error


def _groups(rows: Sequence[list[int]], size: int) -> Iterator[Sequence[list[int]]]:
    """Neighbours with ``size`` tokens at most; a row that is longer than that is alone."""
    group: list[list[int]] = []
    for row in rows:
        if group and (sum(map(len, group)) + len(row) > size or len(group) == SEQUENCES):
            yield group
            group = []
        group.append(row)
    if group:
        yield group
