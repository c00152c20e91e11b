"""Writes small but real GGUF files, for tests that run llama.cpp for real.

The model is a llama whose attention and feed-forward outputs are zero, so that what comes out
of a layer is the embedding that went in. Each token of the reply has a random ±1 vector for its
embedding, the output row of the next token is that same vector, and every token outside of the
reply (bytes, words, control) shares the vector that leads to the first. So whatever the prompt
and its template are, the model says ``reply`` and ends. 64 numbers tell some thousands of tokens
apart, with a margin that makes any temperature up to 2 say the same.

The vocabulary is of the SentencePiece kind: bytes, some English words, and the pieces of the reply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
CONTROL = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
WORDS = (
    "the of and to in is you that it he was for on are as with his they at be this have from or "
    "one had by word but not what all were we when your can said there use an each which she do "
    "how their if will up other about out many then them these so some her would make like him "
    "into time has look two more write go see number no way could people my than first water been "
    "call who its now find long down day did get come made may part question answer documents "
    "passages model page source"
).split()
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"


def write_tiny_gguf(
    path: Path,
    reply: str = "Hello from a tiny model.",
    *,
    chat_template: str | None = CHAT_TEMPLATE,
    n_ctx_train: int = 32_768,
    endless: bool = False,
    slow: bool = False,
    spoken_by_byte: str = "",
    architecture: str = "llama",
    chatml: bool = False,
    control: Sequence[str] = (),
    candidates: Mapping[str, float] | None = None,
    layers: int | None = None,
    heads: int = 2,
    kv_heads: Sequence[int] = (),
    window: int = 0,
    tensors_per_file: int = 0,
) -> Path:
    """Write a model to ``path`` that says ``reply`` to whatever it is asked.

    ``endless`` says it again and again, ``slow`` takes some milliseconds per token (25 MB),
    the characters of ``spoken_by_byte`` come one byte at a time (each byte once),
    ``chatml`` has its control tokens in the vocabulary, and ``control`` are more of them, which
    the reply may say. With ``candidates`` there is no reply: each token may be any of these, with
    the logits given. ``kv_heads`` are one number per layer; a ``window`` is for gemma3.
    With ``tensors_per_file`` there are several files, and the first of them is returned.
    """
    import gguf
    import numpy as np

    width, inner, count = (128, 4096, 8) if slow else (64, 32, 1)
    layers = layers or count
    shared = [*kv_heads] or [heads] * layers
    known = ["<unk>", "<s>", "</s>", *CONTROL]
    known += ["<|im_start|>", "<|im_end|>"] if chatml else []
    pieces = [*candidates] if candidates else _unique_pieces(reply, spoken_by_byte, control)
    vocabulary = dict.fromkeys([*known, *control], gguf.TokenType.CONTROL)
    vocabulary["<unk>"] = gguf.TokenType.UNKNOWN
    vocabulary |= {f"<0x{byte:02X}>": gguf.TokenType.BYTE for byte in range(256)}
    vocabulary |= dict.fromkeys(_word_pieces(), gguf.TokenType.NORMAL)
    vocabulary |= {p: gguf.TokenType.NORMAL for p in pieces if p not in vocabulary}
    tokens = list(vocabulary)
    number = {text: index for index, text in enumerate(tokens)}

    # 1. Vectors: one for "anything else", one for each token of the reply.
    random = np.random.default_rng(7)
    codes = random.choice([-1.0, 1.0], size=(len(pieces) + 1, width)).astype(np.float16)
    embedding = np.tile(codes[0], (len(tokens), 1))
    output = np.zeros((len(tokens), width), dtype=np.float16)
    last = pieces[0] if endless else "</s>"
    for piece, logit in (candidates or {}).items():
        output[number[piece]] = codes[0] * (logit / width)
    if candidates:
        codes = codes[:0]
    for code, here, following in zip(
        codes, ["", *pieces], [*pieces, last] if pieces else [last], strict=not candidates
    ):
        if here:
            embedding[number[here]] = code
        output[number[following]] += code

    # 2. The file.
    writer = gguf.GGUFWriter(path, architecture, split_max_tensors=tensors_per_file)
    writer.add_name("Tiny test model")
    writer.add_context_length(n_ctx_train)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(shared if kv_heads else heads)
    if window:
        writer.add_sliding_window(window)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-1.0 - i / 10_000 for i in range(len(tokens))])
    writer.add_token_types(list(vocabulary.values()))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(False)
    if chat_template is not None:
        writer.add_chat_template(chat_template)

    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", np.ones(width, dtype=np.float32))
    for layer in range(layers):
        more = ("post_attention_norm", "post_ffw_norm", "attn_q_norm", "attn_k_norm")
        for norm in ("attn_norm", "ffn_norm", *(more if architecture == "gemma3" else ())):
            size = width // heads if norm in more[2:] else width
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(size, dtype=np.float32))
        narrow = width // heads * shared[layer]
        for name, shape in (
            ("attn_q", (width, width)),
            ("attn_k", (narrow, width)),
            ("attn_v", (narrow, width)),
            ("attn_output", (width, width)),
            ("ffn_gate", (inner, width)),
            ("ffn_up", (inner, width)),
            ("ffn_down", (width, inner)),
        ):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.zeros(shape, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return min(path.parent.glob(f"{path.stem}-00001-of-*.gguf"), default=path)


def cut_short(path: Path, keep: float = 0.5) -> Path:
    """Keep only the first part of the file at ``path``, as a broken download does."""
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * keep))
    return path


def _unique_pieces(text: str, by_byte: str, control: Sequence[str] = ()) -> list[str]:
    """``text`` in pieces of which no two are equal, of two characters where that is possible.

    llama.cpp refuses a vocabulary with the same text twice, and "the next one" must be unique.
    """
    done: list[str] = []
    taken = set(_word_pieces())
    whole = [*map(re.escape, control), *([f"[{re.escape(by_byte)}]"] if by_byte else [])]
    for run in re.split(f"({'|'.join(whole)})" if whole else "(?!)", text):
        if run in control:
            done.append(run)
            continue
        if run and run in by_byte:
            done += [f"<0x{byte:02X}>" for byte in run.encode()]
            continue
        pieces: list[str] = []
        piece = ""
        for character in run.replace(" ", SPACE):
            piece += character
            if len(piece) >= 2 and piece not in taken:
                pieces.append(piece)
                taken.add(piece)
                piece = ""
        while piece in taken and pieces:  # what is left over joins what was before it
            taken.remove(pieces[-1])
            piece = pieces.pop() + piece
        done += [*pieces, piece] if piece else pieces
        taken.add(piece)
    if len(set(done)) != len(done):
        raise ValueError(f"cannot be cut into unique pieces, change it a little: {text[:80]}")
    return done


def _word_pieces() -> dict[str, None]:
    """Every beginning of every common word, so that the tokenizer can merge its way to it."""
    words = [SPACE + word for word in WORDS]
    return {word[:end]: None for word in words for end in range(1, len(word) + 1)}
