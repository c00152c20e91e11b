"""The vocabulary of a loaded model: texts to tokens, and tokens to bytes. In the child only."""

from __future__ import annotations

import ctypes
from typing import Any

from localchat.engines.thinking import is_mark


class Vocabulary:
    """What llama.cpp (``api``) knows of the tokens of ``model``.

    ``control`` are the texts of tokens that steer a model, ``template`` is the chat template of
    the file, if it has one.
    """

    def __init__(self, api: Any, model: Any) -> None:
        self._api = api
        self._vocab = vocab = api.llama_model_get_vocab(model)
        self.size = int(api.llama_vocab_n_tokens(vocab))
        self._said: dict[int, bytes | None] = {}
        self.control = [self._text(token) for token in range(self.size) if self._controls(token)]
        self._eos = int(api.llama_vocab_eos(vocab))
        self.bos = int(api.llama_vocab_bos(vocab))
        self.bos_text = self._text(self.bos)
        self.eos_text = self._text(self._eos)
        template = api.llama_model_chat_template(model, None)
        self.template = template.decode("utf-8", "replace") if template else None

    def _controls(self, token: int) -> bool:
        attributes = self._api.llama_vocab_get_attr(self._vocab, token)
        return bool(attributes & self._api.LLAMA_TOKEN_ATTR_CONTROL)

    def _text(self, token: int) -> str:
        text = self._api.llama_vocab_get_text(self._vocab, token) if token >= 0 else b""
        return (text or b"").decode("utf-8", "replace")

    def tokenize(self, text: str, *, prompt: bool) -> list[int]:
        """The tokens of ``text``; a ``prompt`` may hold control tokens, and begins as it should."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        tokens = (self._api.llama_token * size)()
        begin = prompt and not (self.bos_text and text.startswith(self.bos_text))
        count = self._api.llama_tokenize(self._vocab, data, len(data), tokens, size, begin, prompt)
        found = list(tokens[: max(count, 0)])
        if begin and found[-1:] == [self._eos] and self._api.llama_vocab_get_add_eos(self._vocab):
            found.pop()
        return found

    def says(self, token: int) -> bytes | None:
        """The bytes that ``token`` stands for: perhaps not a whole character, none for control
        tokens other than the marks of a thought. None where it ends the answer."""
        try:
            return self._said[token]
        except KeyError:
            said = self._said[token] = self._find_out(token)
            return said

    def _find_out(self, token: int) -> bytes | None:
        if self._api.llama_vocab_is_eog(self._vocab, token):
            return None
        shown = is_mark(self._text(token)) if self._controls(token) else False
        buffer = ctypes.create_string_buffer(512)
        size = self._api.llama_token_to_piece(self._vocab, token, buffer, 512, 0, shown)
        return buffer.raw[: max(size, 0)]
