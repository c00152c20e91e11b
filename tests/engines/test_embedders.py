"""The contract of every embedding model, whatever runs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from localchat.core.errors import EngineError, ModelFileError
from localchat.engines.embeddings.embedder import Embedder
from localchat.engines.embeddings.make import make_embedder
from localchat.engines.embeddings.notes import Notes
from tests.engines.embedders import ALL, CHOSEN, cosines, embedder_of, spec_of
from tests.tiny_bert import TinyBert
from tests.tiny_bert_gguf import write_bert_gguf, write_decoder_gguf
from tests.tiny_onnx import write_tiny_onnx

TEXTS = [
    "A short one.",
    "",
    "   ",
    "The lamp of the lighthouse turns once in ten seconds. " * 40,
    "东京和大阪之间的高速列车大约需要两个半小时。",
    "🎉🎉 déjà vu 👍🏽 \u200b\ufeff",
    "x" * 5_000,
    "def add(a, b):\n    return a + b",
    "Bees tell each other where flowers are by dancing.",
]
SAME = 0.9999


@pytest.fixture(scope="module", params=ALL)
def embedder(request: pytest.FixtureRequest) -> Iterator[Embedder]:
    made = embedder_of(request.param)
    yield made
    made.close()


@pytest.fixture(params=ALL)
def fresh(request: pytest.FixtureRequest) -> Iterator[Embedder]:
    """One that nobody has used."""
    made = embedder_of(request.param)
    yield made
    made.close()


def test_it_is_an_embedder_of_langchain(embedder: Embedder) -> None:
    assert isinstance(embedder, Embeddings)
    rows = embedder.embed_documents(TEXTS)
    assert [len(row) for row in rows] == [embedder.dimensions] * len(TEXTS)
    assert np.dot(rows[0], embedder.embed_query(TEXTS[0])) > SAME


def test_it_says_what_it_is(embedder: Embedder) -> None:
    assert embedder.name
    assert embedder.languages == {"en"}
    assert embedder.max_tokens > 0


def test_rows_are_float32_of_length_one(embedder: Embedder) -> None:
    for vectors in (embedder.embed(TEXTS), embedder.embed_questions(TEXTS)):
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(TEXTS), embedder.dimensions)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimensions)
    assert embedder.embed_questions([]).shape == (0, embedder.dimensions)
    assert embedder.embed_documents([]) == []


def test_a_text_has_one_vector_in_any_order_and_any_company(embedder: Embedder) -> None:
    texts = TEXTS + [f"the light of {number} bees " * (number % 7 + 1) for number in range(40)]
    together = embedder.embed(texts)
    backwards = embedder.embed(texts[::-1])[::-1]
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert cosines(together, backwards).min() > SAME
    assert cosines(together, alone).min() > SAME


def test_different_texts_have_different_vectors(embedder: Embedder) -> None:
    one, other = embedder.embed([TEXTS[0], TEXTS[-1]])
    assert one @ other < 0.99


def test_a_very_long_text_is_cut_and_not_refused(embedder: Embedder) -> None:
    for text in ("word " * 40_000, "x" * 200_000, "东" * 200_000, "🎉" * 200_000):
        assert embedder.embed([text]).shape == (1, embedder.dimensions)


def test_what_is_no_text_is_embedded_all_the_same(embedder: Embedder) -> None:
    """A zero byte, and half a character as a broken file may hold it."""
    vectors = embedder.embed(["a\x00b", "\ud83d half"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_tokens_are_counted_for_each_text_alone(embedder: Embedder) -> None:
    counts = embedder.count_tokens(TEXTS)
    assert [embedder.count_tokens([text])[0] for text in TEXTS] == counts
    assert embedder.count_tokens([]) == []
    empty, word, words = embedder.count_tokens(["", "lamp", "lamp lamp lamp"])
    assert empty == 0 < word < words
    assert embedder.count_tokens(["lamp " * 100_000])[0] >= embedder.max_tokens


def test_progress_is_told_after_each_batch_and_can_end_the_work(embedder: Embedder) -> None:
    heard: list[int] = []
    embedder.embed(TEXTS, on_batch=heard.append)
    assert len(heard) > 1
    assert heard == sorted(heard)
    assert heard[-1] == len(TEXTS)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedder.embed(TEXTS, on_batch=stop)
    assert embedder.embed(["and on it goes"]).shape == (1, embedder.dimensions)


def test_many_threads_may_use_it_before_it_is_loaded(fresh: Embedder) -> None:
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: fresh.embed(TEXTS), range(8)))
    for result in results[1:]:
        assert cosines(results[0], result).min() > SAME


def test_it_can_be_closed_at_any_time_and_used_again(fresh: Embedder) -> None:
    fresh.close()
    before = fresh.embed(TEXTS[:1])
    fresh.close()
    fresh.close()
    assert cosines(before, fresh.embed(TEXTS[:1])).min() > SAME

    def work(_: int) -> bool:
        try:
            return fresh.embed(TEXTS).shape[0] == len(TEXTS)
        except EngineError as error:
            return "closed while it was at work" in str(error)

    with ThreadPoolExecutor(4) as threads:
        working = threads.map(work, range(4))
        for _ in range(3):
            fresh.close()
        assert all(working)
    assert cosines(before, fresh.embed(TEXTS[:1])).min() > SAME


def test_how_near_unrelated_texts_are_is_known_and_always_the_same(embedder: Embedder) -> None:
    assert -0.2 < embedder.unrelated < 1
    again = make_embedder(spec_of("built-in") if embedder.dimensions == 384 else embedder.spec)  # type: ignore[attr-defined]
    assert again.unrelated == pytest.approx(embedder.unrelated, abs=1e-3)
    again.close()


# What can be chosen


@pytest.mark.parametrize("name", CHOSEN)
def test_prefixes_change_vectors_and_identity(name: str) -> None:
    plain = embedder_of(name)
    with_prefixes = embedder_of(
        name, question_prefix="question about bees: ", document_prefix="document of law: "
    )
    if name == "gpt4all":  # which knows what this model wants, and takes nothing else
        with_prefixes = embedder_of(
            name, question_prefix="question about bees ", document_prefix="document of law "
        )
    text = ["the light of the house"]
    passage, question = with_prefixes.embed(text), with_prefixes.embed_questions(text)
    assert cosines(plain.embed(text), plain.embed_questions(text)) > SAME
    assert cosines(plain.embed(text), passage) < SAME
    assert cosines(passage, question) < SAME
    for put, vector in (
        (with_prefixes.spec.document_prefix, passage),  # type: ignore[attr-defined]
        (with_prefixes.spec.question_prefix, question),  # type: ignore[attr-defined]
    ):
        assert cosines(plain.embed([put + text[0]]), vector) > SAME
    assert np.dot(with_prefixes.embed_query(text[0]), question[0]) > SAME
    assert plain.identity != with_prefixes.identity
    plain.close()
    with_prefixes.close()


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize(
    "changes",
    [
        {"question_prefix": "query: "},
        {"document_prefix": "passage: "},
        {"pooling": "cls"},
        {"max_tokens": 64},
        {"digest": "0" * 64},
    ],
    ids=str,
)
def test_the_identity_changes_with_whatever_makes_the_vectors(
    name: str, changes: dict[str, object]
) -> None:
    assert embedder_of(name, **changes).identity != embedder_of(name).identity


@pytest.mark.parametrize("name", CHOSEN)
def test_the_identity_is_that_of_the_bytes_wherever_they_lie(name: str, tmp_path: Path) -> None:
    spec = spec_of(name)
    elsewhere = tmp_path / "Ordner 模型" / spec.path.name
    elsewhere.parent.mkdir()
    copy = shutil.copytree if spec.path.is_dir() else shutil.copy2
    copy(spec.path, elsewhere)
    moved = embedder_of(name, path=elsewhere, name="Another name", key="another key")
    identity = moved.identity
    assert identity == embedder_of(name).identity
    assert cosines(moved.embed(TEXTS[:1]), embedder_of(name).embed(TEXTS[:1])) > SAME
    file = elsewhere / "model.onnx" if elsewhere.is_dir() else elsewhere
    digest = Notes().sha256(file)
    assert embedder_of(name, path=elsewhere, digest=digest.upper()).identity == identity
    moved.close()


@pytest.mark.parametrize("name", CHOSEN)
def test_a_file_that_is_replaced_is_another_model_and_is_loaded_anew(
    name: str, tmp_path: Path
) -> None:
    spec = spec_of(name)
    path = tmp_path / spec.path.name
    (shutil.copytree if spec.path.is_dir() else shutil.copy2)(spec.path, path)
    embedder = embedder_of(name, path=path)
    identity, vectors = embedder.identity, embedder.embed(TEXTS)
    assert cosines(vectors, embedder.embed(TEXTS)).min() > SAME
    other = TinyBert(seed=2)
    if path.is_dir():
        write_tiny_onnx(path, other)
    elif "decoder" in name:
        write_decoder_gguf(path, seed=2)
    else:
        write_bert_gguf(path, other)
    assert embedder.identity != identity
    assert cosines(vectors, embedder.embed(TEXTS)).max() < SAME
    embedder.close()


@pytest.mark.parametrize("name", CHOSEN)
def test_missing_files_get_a_sentence_before_anything_is_loaded(name: str, tmp_path: Path) -> None:
    gone = embedder_of(name, path=tmp_path / "gone.gguf", digest="0" * 64)
    said = r"“Tiny” is missing: there is no .*gone.* Get it again, or choose another one"
    with pytest.raises(ModelFileError, match=said):
        _ = gone.identity
    with pytest.raises(ModelFileError, match=said):
        gone.embed(["hello"])
    gone.close()


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("damage", ["cut short", "something else", "empty"])
def test_damaged_files_get_a_sentence(name: str, damage: str, tmp_path: Path) -> None:
    spec = spec_of(name)
    path = tmp_path / spec.path.name
    copy = shutil.copytree if spec.path.is_dir() else shutil.copy2
    copy(spec.path, path)
    file = path / "model.onnx" if path.is_dir() else path
    whole = file.read_bytes()
    file.write_bytes(
        {"cut short": whole[: len(whole) // 2], "something else": b"<html>", "empty": b""}[damage]
    )
    broken = embedder_of(name, path=path)
    with pytest.raises(ModelFileError, match=r"“Tiny” cannot be used.* on the page “Models”"):
        broken.embed(["hello"])
    shutil.copy2(spec.path / "model.onnx" if path.is_dir() else spec.path, file)
    assert broken.embed(["and once it is whole it works"]).shape == (1, 64)
    broken.close()


@pytest.mark.parametrize("name", CHOSEN)
def test_vectors_of_another_size_than_expected_are_refused(name: str) -> None:
    other = embedder_of(name, dimensions=32)
    with pytest.raises(ModelFileError, match="64 numbers instead of 32"):
        other.embed(["hello"])
    other.close()


@pytest.mark.parametrize("name", [name for name in CHOSEN if "gpt4all" not in str(name)])
def test_what_comes_after_the_most_tokens_does_not_count(name: str) -> None:
    embedder = embedder_of(name, max_tokens=32)
    begin = "light of bees " * 40
    cut, longer = embedder.embed([begin, begin + "and a very different ending about tax law"])
    assert cut @ longer > SAME
    assert embedder.embed(["light of bees"])[0] @ cut < SAME
    embedder.close()
