"""Building the search model, on a BERT small enough to write down in a test."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from localchat.models import minilm
from localchat.models.bert_onnx import BertShape, Int8, bert_graph

WIDTH, HEADS, LAYERS, WIDE = 32, 4, 2, 64
CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": WIDTH,
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "layer_norm_eps": 1e-12,
}
SHAPE = BertShape.from_config(CONFIG)
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?!"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *(f"##{one}" for one in LETTERS)]


def tiny_weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)

    def matrix(*shape: int, scale: float = 0.3) -> np.ndarray:
        return (random.standard_normal(shape) * scale).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": matrix(len(VOCABULARY), WIDTH, scale=1),
        "embeddings.position_embeddings.weight": matrix(300, WIDTH),
        "embeddings.token_type_embeddings.weight": matrix(2, WIDTH),
    }
    norms = ["embeddings.LayerNorm"]
    linears: dict[str, tuple[int, int]] = {}
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        for part in ("attention.self.query", "attention.self.key", "attention.self.value"):
            linears[prefix + part] = (WIDTH, WIDTH)
        linears[prefix + "attention.output.dense"] = (WIDTH, WIDTH)
        linears[prefix + "intermediate.dense"] = (WIDE, WIDTH)
        linears[prefix + "output.dense"] = (WIDTH, WIDE)
        norms += [prefix + "attention.output.LayerNorm", prefix + "output.LayerNorm"]
    for name, shape in linears.items():
        weights[name + ".weight"] = matrix(*shape)
        weights[name + ".bias"] = matrix(shape[0])
    for name in norms:
        weights[name + ".weight"] = 1 + matrix(WIDTH, scale=0.1)
        weights[name + ".bias"] = matrix(WIDTH, scale=0.1)
    return weights


def bert_in_numpy(weights: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """The paper's forward pass for one text, written without looking at the graph."""
    gauss = np.vectorize(math.erf)

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ weights[name + ".weight"].T.astype(np.float64) + weights[name + ".bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + CONFIG["layer_norm_eps"])
        return centred / spread * weights[name + ".weight"] + weights[name + ".bias"]

    tables = [weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position")]
    x = tables[0][ids] + tables[1][: len(ids)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        q, k, v = (
            linear(x, f"{prefix}attention.self.{part}").reshape(len(ids), HEADS, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = q @ k.swapaxes(1, 2) / math.sqrt(WIDTH / HEADS)
        weight = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (weight / weight.sum(-1, keepdims=True)) @ v
        joined = seen.swapaxes(0, 1).reshape(len(ids), WIDTH)
        halfway = linear(joined, prefix + "attention.output.dense")
        x = norm(x + halfway, prefix + "attention.output.LayerNorm")
        wide = linear(x, prefix + "intermediate.dense")
        wide = wide * 0.5 * (1 + gauss(wide / math.sqrt(2)))
        x = norm(x + linear(wide, prefix + "output.dense"), prefix + "output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def run(model: bytes, texts: list[list[int]]) -> np.ndarray:
    longest = max(map(len, texts))
    ids = np.array([text + [0] * (longest - len(text)) for text in texts], np.int64)
    mask = np.array([[1] * len(text) + [0] * (longest - len(text)) for text in texts], np.int64)
    session = minilm._session(model)
    return session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0]


TEXTS = [[2, 9, 3], [2, 3], [2, *range(4, 60), 3], [2, 30, 31, 32, 33, 3]]


def int8_of(weights: dict[str, np.ndarray], **choices: object) -> Int8:
    tapped = minilm._session(bert_graph(weights, SHAPE, taps=True))
    encoded = [
        {"input_ids": np.array([text]), "attention_mask": np.ones((1, len(text)), np.int64)}
        for text in TEXTS
    ]
    return Int8(minilm._ranges(tapped, encoded), **choices)  # type: ignore[arg-type]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder as the package has it, with the tiny BERT in it."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder = tmp_path / "source"
    folder.mkdir()
    save_file(tiny_weights(), folder / "model.safetensors")
    numbers = {token: number for number, token in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    return folder


@pytest.fixture
def published(source: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in source.iterdir()}


def test_the_float32_graph_computes_what_bert_is() -> None:
    weights = tiny_weights()
    vectors = run(bert_graph(weights, SHAPE), TEXTS)
    expected = np.array([bert_in_numpy(weights, text) for text in TEXTS])
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


@pytest.mark.parametrize("unsigned", [False, True])
def test_the_8_bit_graph_is_near_bert_whatever_else_is_in_the_batch(unsigned: bool) -> None:
    weights = tiny_weights()
    model = bert_graph(weights, SHAPE, int8_of(weights, unsigned=unsigned))
    together = run(model, TEXTS)
    alone = np.concatenate([run(model, [text]) for text in TEXTS])
    expected = np.array([bert_in_numpy(weights, text) for text in TEXTS])
    assert (together * expected).sum(axis=1).min() > 0.99
    assert (together * alone).sum(axis=1).min() > 0.9999


def test_a_multiplication_that_stays_exact_makes_the_result_no_worse() -> None:
    weights = tiny_weights()
    expected = np.array([bert_in_numpy(weights, text) for text in TEXTS])
    every = set(int8_of(weights).ranges)
    exact = run(bert_graph(weights, SHAPE, int8_of(weights, exact=every)), TEXTS)
    assert (exact * expected).sum(axis=1).min() > 0.9999  # the word table alone is in 8 bits


def test_the_same_weights_make_the_same_bytes() -> None:
    weights = tiny_weights()
    assert bert_graph(weights, SHAPE) == bert_graph(weights, SHAPE)


@pytest.mark.parametrize(
    "change",
    [{"model_type": "roberta"}, {"hidden_act": "relu"}, {"position_embedding_type": "relative"}],
)
def test_another_architecture_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not a plain BERT"):
        BertShape.from_config({**CONFIG, **change})


def test_a_build_is_whole_and_leaves_nothing_beside_it(
    source: Path, published: dict[str, str], tmp_path: Path
) -> None:
    into = tmp_path / "with spaces 和 😀" / "model"
    manifest = minilm.build(source, into, published=published)
    assert minilm.check(into) == manifest
    assert manifest.identity.startswith("all-MiniLM-L6-v2/int8@")
    assert manifest.cosine_min >= minilm.LEAST_COSINE
    assert (manifest.dimensions, manifest.licence) == (WIDTH, "Apache-2.0")
    assert sorted(manifest.files) == ["model.onnx", "reference.npz", "tokenizer.json"]
    assert [path.name for path in into.parent.iterdir()] == ["model"]


def test_where_8_bits_are_not_true_enough_float32_is_kept_and_said(
    source: Path, published: dict[str, str], tmp_path: Path
) -> None:
    manifest = minilm.build(source, tmp_path / "model", published=published, least_cosine=1.1)
    assert manifest.precision == "fp32"
    assert manifest.reason.startswith("float32, because 8 bits are not true enough here")
    assert manifest.cosine_min == 1.0


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_file_that_is_not_the_published_one_is_refused(
    source: Path, published: dict[str, str], tmp_path: Path, name: str
) -> None:
    (source / name).write_bytes((source / name).read_bytes() + b" ")
    with pytest.raises(minilm.SearchModelError, match=f"{name} is not the published file"):
        minilm.build(source, tmp_path / "model", published=published)
    assert not (tmp_path / "model").exists()


def test_a_refused_build_leaves_what_was_there(
    source: Path, published: dict[str, str], tmp_path: Path
) -> None:
    manifest = minilm.build(source, tmp_path / "model", published=published)
    (source / "config.json").unlink()
    with pytest.raises(minilm.SearchModelError, match=r"config\.json cannot be read"):
        minilm.build(source, tmp_path / "model", published=published)
    assert minilm.check(tmp_path / "model") == manifest


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("manifest.json", None, "missing"),
        ("model.onnx", None, "missing"),
        ("model.onnx", b"\x08\x0a", r"damaged \(model\.onnx\)"),
        ("manifest.json", b'{"identity": "', "damaged"),
        ("manifest.json", b"{}", "damaged"),
        ("manifest.json", b"[]", "damaged"),
    ],
)
def test_a_half_written_folder_is_noticed_and_mended(
    source: Path,
    published: dict[str, str],
    tmp_path: Path,
    name: str,
    content: bytes | None,
    said: str,
) -> None:
    into = tmp_path / "model"
    manifest = minilm.build(source, into, published=published)
    if content is None:
        (into / name).unlink()
    else:
        (into / name).write_bytes(content)
    with pytest.raises(minilm.SearchModelError, match=said):
        minilm.check(into)
    assert minilm.build(source, into, published=published).identity == manifest.identity
    minilm.check(into)


def test_a_folder_from_another_recipe_asks_for_a_new_build(
    source: Path, published: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minilm.build(source, tmp_path / "model", published=published)
    monkeypatch.setattr(minilm, "RECIPE", minilm.RECIPE + 1)
    with pytest.raises(minilm.SearchModelError, match="another version"):
        minilm.check(tmp_path / "model")


def test_a_place_that_cannot_be_written_gets_a_sentence(
    source: Path, published: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(minilm.SearchModelError, match="cannot be written to"):
        minilm.build(source, tmp_path / "file" / "model", published=published)


def test_the_command_line_says_one_line_and_tells_by_its_exit_code(
    source: Path,
    published: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LOCALCHAT_EMBEDDER_FOLDER", str(tmp_path / "here"))
    assert minilm.main(["check"]) == 1
    assert "The search model is missing from" in capsys.readouterr().err
    assert minilm.main(["build", str(source)]) == 1
    assert "is not the published file" in capsys.readouterr().err
    manifest = minilm.build(source, minilm.embedder_folder(), published=published)
    assert minilm.main(["check"]) == 0
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert manifest.identity in said
    with pytest.raises(SystemExit) as wrong_use:
        minilm.main([])
    assert wrong_use.value.code == 2


def test_a_missing_package_gets_a_sentence(
    source: Path,
    published: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(minilm, "_verify", lambda *_: None)
    assert minilm.main(["build", str(source), "--into", str(tmp_path / "model")]) == 1
    assert "The search model cannot be built here" in capsys.readouterr().err


def test_no_text_is_both_for_calibration_and_for_the_check() -> None:
    texts = tomllib.loads(minilm._TEXTS.read_text(encoding="utf-8"))
    assert not set(texts["calibration"]) & set(texts["check"])
    assert len(texts["check"]) == len(set(texts["check"])) == 24
