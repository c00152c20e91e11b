"""The contract of every embedder, kept by the search model that is installed here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from langchain_core.embeddings import Embeddings

from localchat.core.errors import EngineMissing, ModelFileError
from localchat.engines.embeddings.batches import batches, choose_threads
from localchat.engines.embeddings.built_in import BuiltInEmbedder
from localchat.models.minilm import embedder_folder

FOLDER = embedder_folder()
pytestmark = pytest.mark.skipif(
    not (FOLDER / "manifest.json").exists(),
    reason="the search model is not built here: run start.py",
)

TEXTS = [
    "A short one.",
    "",
    "   ",
    "The lamp of the lighthouse turns once in ten seconds. " * 40,
    "东京和大阪之间的高速列车大约需要两个半小时。",
    "🎉🎉 déjà vu 👍🏽 \u200b\ufeff\x00",
    "x" * 5_000,
    "def add(a, b):\n    return a + b",
    "Bees tell each other where flowers are by dancing.",
]


@pytest.fixture(scope="module")
def embedder() -> Iterator[BuiltInEmbedder]:
    made = BuiltInEmbedder(FOLDER)
    yield made
    made.close()


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left * right).sum(axis=1)


def test_it_is_an_embedder_of_langchain(embedder: BuiltInEmbedder) -> None:
    assert isinstance(embedder, Embeddings)
    rows = embedder.embed_documents(TEXTS)
    assert [len(row) for row in rows] == [embedder.dimensions] * len(TEXTS)
    assert np.dot(rows[0], embedder.embed_query(TEXTS[0])) > 0.9999


def test_rows_are_float32_of_length_one(embedder: BuiltInEmbedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(embedder: BuiltInEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 384)
    assert embedder.embed_documents([]) == []


def test_a_text_has_one_vector_in_any_order_and_any_company(embedder: BuiltInEmbedder) -> None:
    together = embedder.embed(TEXTS)
    backwards = embedder.embed(TEXTS[::-1])[::-1]
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    assert cosines(together, backwards).min() > 0.9999
    assert cosines(together, alone).min() > 0.9999
    np.testing.assert_array_equal(together, embedder.embed(TEXTS))


def test_near_meanings_are_nearer_than_far_ones(embedder: BuiltInEmbedder) -> None:
    question, near, far = embedder.embed(
        [
            "How do bees find flowers?",
            TEXTS[-1],
            "The board leaves its guidance for the full year unchanged.",
        ]
    )
    assert question @ near > 0.5 > 0.2 > question @ far


def test_8_bits_are_true_to_float32_on_real_sentences(embedder: BuiltInEmbedder) -> None:
    """The float32 vectors were made by the build, from the published weights."""
    with np.load(FOLDER / "reference.npz", allow_pickle=False) as reference:
        texts, expected = [str(text) for text in reference["texts"]], reference["vectors"]
    assert len(texts) == 24
    assert cosines(embedder.embed(texts), expected).min() >= 0.99


def test_the_weights_are_the_known_ones(embedder: BuiltInEmbedder) -> None:
    """First numbers as torch 2.13 and transformers give them for these weights."""
    expected = np.array([0.0798, 0.0627, 0.0078, 0.0665, -0.0264, 0.0019, -0.0386, -0.0121])
    vector = embedder.embed(["The capital of Portugal is Lisbon."])[0]
    assert np.linalg.norm(vector[: len(expected)] - expected) < 0.02


def test_only_the_first_tokens_of_a_long_text_count(embedder: BuiltInEmbedder) -> None:
    words = "lighthouse " * (embedder.max_tokens - 2)
    assert embedder.count_tokens([words]) == [embedder.max_tokens - 2]
    cut, longer = embedder.embed([words, words + "and a very different ending about tax law"])
    assert cut @ longer > 0.9999
    assert embedder.embed(["word " * 1_000_000]).shape == (1, 384)


def test_tokens_are_counted_without_marks(embedder: BuiltInEmbedder) -> None:
    assert embedder.count_tokens(["", "lake, 东京!"]) == [0, len(["lake", ",", "东", "京", "!"])]


def test_progress_is_told_after_each_batch_and_can_end_the_work(embedder: BuiltInEmbedder) -> None:
    heard: list[int] = []
    embedder.embed(TEXTS, on_batch=heard.append)
    assert len(heard) > 1
    assert heard == sorted(heard)
    assert heard[-1] == len(TEXTS)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedder.embed(TEXTS, on_batch=stop)


def test_many_threads_may_use_it_before_it_is_loaded() -> None:
    fresh = BuiltInEmbedder(FOLDER, threads=1)
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: fresh.embed(TEXTS), range(16)))
    for result in results[1:]:
        assert cosines(results[0], result).min() > 0.9999
    fresh.close()


def test_nothing_is_read_before_the_first_use(tmp_path: Path) -> None:
    late = BuiltInEmbedder(tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"is missing .* Run `python3 start\.py` again"):
        _ = late.identity
    shutil.copytree(FOLDER, tmp_path / "model")
    assert late.embed_query("now it is here")
    late.close()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.onnx", None, "missing"),
        ("tokenizer.json", None, "missing"),
        ("model.onnx", b"\x08\x0a", "damaged"),
        ("tokenizer.json", b"{}", "damaged"),
        ("manifest.json", b"{", "damaged"),
        ("manifest.json", b"{}", "damaged"),
        ("manifest.json", b"[]", "damaged"),
    ],
)
def test_a_damaged_folder_gets_a_sentence(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(FOLDER, folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"{said}.* Run `python3 start\.py` again"):
        BuiltInEmbedder(folder).embed(["hello"])


def test_without_onnxruntime_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('no such package')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineMissing, match=r"cannot run here.* Run `python3 start\.py` again"):
        BuiltInEmbedder(FOLDER).embed(["hello"])


def test_the_process_that_runs_it_is_small_and_gone_once_it_is_closed() -> None:
    embedder = BuiltInEmbedder(FOLDER)
    embedder.embed(TEXTS)
    pid = embedder.pid
    assert pid is not None
    assert psutil.Process(pid).memory_info().rss < 400_000_000
    embedder.close()
    assert not psutil.pid_exists(pid)


def test_threads_are_chosen_with_a_reason() -> None:
    threads, reason = choose_threads()
    assert 1 <= threads <= 4
    assert reason
    assert BuiltInEmbedder(FOLDER, threads=3).threads == 3


def test_the_identity_names_the_model_and_its_precision(embedder: BuiltInEmbedder) -> None:
    assert embedder.identity.startswith("all-MiniLM-L6-v2/")
    assert embedder.languages == {"en"}


def test_a_short_text_is_not_filled_up_to_one_that_is_much_longer() -> None:
    lengths = [40, 3, 38, 24, 20]
    assert list(batches(lengths, 512)) == [[0, 2, 3, 4, 1]]
    assert list(batches(lengths, 512, 16)) == [[0, 2, 3], [4], [1]]
    assert list(batches(lengths, 80, 16)) == [[0, 2], [3, 4], [1]]
