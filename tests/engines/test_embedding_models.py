"""What is particular to one kind of embedding model, and to the process that it runs in."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localchat.core.errors import EngineDied, EngineMissing, ModelFileError
from localchat.engines.embeddings.child_embedder import ChildEmbedder
from localchat.engines.embeddings.transformer import TransformerEmbedder
from tests.engines.conftest import HAS_LLAMA, eventually, lives
from tests.engines.embedders import (
    ALL,
    BERT,
    CHOSEN,
    GGUF,
    cosines,
    embedder_of,
    files,
    idle_embedder_of,
)
from tests.tiny_bert import TinyBert
from tests.tiny_bert_gguf import write_bert_gguf
from tests.tiny_onnx import write_tiny_onnx, write_unigram_tokenizer

SAME = 0.9999
TEXTS = ["The lamp of the lighthouse turns.", "东京和大阪之间的高速列车", "bees", "tax law; x1"]
on_posix = pytest.mark.skipif(os.name == "nt", reason="signals as on Linux and macOS")
needs_llama = pytest.mark.skipif(not HAS_LLAMA, reason="llama-cpp-python is not installed")


@pytest.fixture
def child() -> Iterator[Any]:
    """Makes embedders, and ends their processes."""
    made: list[ChildEmbedder] = []

    def make(which: str, **options: Any) -> Any:
        made.append(idle_embedder_of(which, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


# Pooling


def ids_of(text: str, folder: Path | None = None) -> list[int]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str((folder or files().onnx) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    ids: list[int] = tokenizer.encode(text).ids
    return ids


def by_hand(ids: list[int], pooling: str, bert: TinyBert = BERT) -> np.ndarray:
    hidden = bert.hidden(ids)
    vector = {"mean": hidden.mean(axis=0), "cls": hidden[0], "last": hidden[-1]}[pooling]
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("name", CHOSEN[:2])
def test_pooling_is_what_the_spec_says(name: str) -> None:
    found = {}
    for pooling in ("mean", "cls", "last"):
        embedder = embedder_of(name, pooling=pooling)
        found[pooling] = embedder.embed(TEXTS)
        expected = np.array([by_hand(ids_of(text), pooling) for text in TEXTS])
        assert cosines(found[pooling], expected).min() > SAME
        embedder.close()
    for one, other in (("mean", "cls"), ("mean", "last"), ("cls", "last")):
        assert cosines(found[one], found[other]).max() < 0.99


@pytest.mark.parametrize("name", CHOSEN[:2])
def test_a_text_that_is_cut_keeps_the_mark_at_its_end(name: str) -> None:
    text = "the light of the house " * 20
    ids = ids_of(text)
    embedder = embedder_of(name, max_tokens=32, pooling="last")
    assert embedder.embed([text])[0] @ by_hand([*ids[:31], ids[-1]], "last") > SAME
    embedder.close()


@needs_llama
def test_an_encoder_takes_all_of_a_long_text_at_once(child: Any, tmp_path: Path) -> None:
    """Whatever the number of tokens: llama.cpp wants batches that all texts can share evenly."""
    bert = TinyBert(positions=600)
    path = write_bert_gguf(tmp_path / "long.gguf", bert)
    text = "light of bees " * 191
    found = child("llama.cpp encoder", path=path, max_tokens=577).embed([text, *TEXTS])
    assert found[0] @ by_hand(ids_of(text), "mean", bert) > SAME
    assert found[1] @ by_hand(ids_of(TEXTS[0]), "mean", bert) > SAME


LLAMA = """
import json, sys
from llama_cpp import Llama
model = Llama(sys.argv[1], embedding=True, pooling_type=3, n_ctx=2048, n_batch=2048,
              n_ubatch=2048, n_threads=1, verbose=False)
print(json.dumps([model.embed(text, normalize=True) for text in json.loads(sys.argv[2])]))
"""


@needs_llama
def test_a_decoder_read_in_two_steps_gives_the_vector_of_its_last_token() -> None:
    """In company and alone, shorter and longer than what is computed at once."""
    texts = [*TEXTS, "the light of the house and the bees " * 60, "x", "look at my house"]
    script = [sys.executable, "-c", LLAMA, str(files().decoder), json.dumps(texts)]
    expected = json.loads(subprocess.run(script, capture_output=True, check=True).stdout)
    embedder = embedder_of("llama.cpp decoder")
    assert cosines(embedder.embed(texts), np.array(expected)).min() > SAME
    embedder.close()


# ONNX


@pytest.mark.parametrize(
    "form", [{"int32": True}, {"token_types": False}, {"weights_outside": True}], ids=str
)
def test_onnx_models_come_in_several_forms(form: dict[str, bool], tmp_path: Path) -> None:
    embedder = embedder_of("onnx", path=write_tiny_onnx(tmp_path / "模型", BERT, **form))
    assert cosines(embedder.embed(TEXTS), embedder_of("onnx").embed(TEXTS)).min() > SAME


def test_weights_beside_the_graph_belong_to_the_identity(tmp_path: Path) -> None:
    folder = write_tiny_onnx(tmp_path / "model", BERT, weights_outside=True)
    before = embedder_of("onnx", path=folder).identity
    (folder / "model.onnx_data").write_bytes(b"")
    assert embedder_of("onnx", path=folder).identity != before
    with pytest.raises(ModelFileError, match="cannot be used"):
        embedder_of("onnx", path=folder).embed(["hello"])


def test_a_folder_as_the_hub_has_it(tmp_path: Path) -> None:
    folder = write_tiny_onnx(tmp_path / "model", BERT)
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    assert embedder_of("onnx", path=folder).identity == embedder_of("onnx").identity
    assert embedder_of("onnx", path=folder).embed(TEXTS).shape == (4, 64)


def test_a_graph_with_a_name_of_its_own_is_found_where_it_is_the_only_one(tmp_path: Path) -> None:
    folder = write_tiny_onnx(tmp_path / "model", BERT)
    (folder / "model.onnx").rename(folder / "model_qint8.onnx")
    assert embedder_of("onnx", path=folder).embed(TEXTS).shape == (4, 64)
    (folder / "model_fp16.onnx").write_bytes(b"which one?")
    with pytest.raises(ModelFileError, match=r"there is no .*model\.onnx"):
        _ = embedder_of("onnx", path=folder).identity


def test_a_model_in_8_bits_gives_a_text_one_vector_in_any_company(tmp_path: Path) -> None:
    """Where each batch is measured anew, others in it would change the vector."""
    folder = write_tiny_onnx(tmp_path / "model", BERT, dynamic_8_bit=True)
    embedder = embedder_of("onnx", path=folder)
    together = embedder.embed(TEXTS)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    np.testing.assert_array_equal(together, alone)
    assert cosines(together, embedder_of("onnx").embed(TEXTS)).min() > 0.97


def test_a_tokenizer_of_the_sentencepiece_kind(tmp_path: Path) -> None:
    folder = write_tiny_onnx(tmp_path / "model", BERT)
    write_unigram_tokenizer(folder / "tokenizer.json", BERT)
    embedder = embedder_of("onnx", path=folder, max_tokens=8)
    for text in TEXTS:
        ids = ids_of(text, folder)
        cut = ids if len(ids) <= 8 else [*ids[:7], ids[-1]]
        assert embedder.embed([text])[0] @ by_hand(cut, "mean") > SAME
    assert embedder.identity != embedder_of("onnx", max_tokens=8).identity


@pytest.mark.parametrize("content", [b"{}", b"\xff\xfe", b"[]"])
def test_a_damaged_tokenizer_gets_a_sentence(content: bytes, tmp_path: Path) -> None:
    folder = write_tiny_onnx(tmp_path / "model", BERT)
    (folder / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"“Tiny” cannot be used: tokenizer\.json is damaged"):
        embedder_of("onnx", path=folder).embed(["hello"])


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_without_onnxruntime_it_says_what_to_do(
    package: str, child: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{package}.py").write_text("raise ImportError('no such package')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = r"search model cannot run here: no such package.* Run `python3 start\.py` again"
    with pytest.raises(EngineMissing, match=said):
        child("onnx").embed(["hello"])


# The child process


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_started_before_it_is_needed(name: str, child: Any) -> None:
    embedder = child(name)
    assert embedder.identity
    assert embedder.embed([]).shape == (0, embedder.dimensions)
    assert embedder.count_tokens([]) == []
    assert embedder.pid is None


def test_no_model_is_loaded_in_this_process(child: Any) -> None:
    embedder = child("onnx")
    embedder.embed(TEXTS)
    assert embedder.pid not in (None, os.getpid())
    script = [
        sys.executable,
        "-c",
        "import sys, pathlib; from localchat.engines.embeddings.make import make_embedder;"
        "from localchat.engines.embeddings.spec import EmbeddingSpec;"
        "spec = EmbeddingSpec('x', 'X', 'onnx', pathlib.Path(sys.argv[1]), frozenset(), 64, 64);"
        "made = make_embedder(spec); made.embed(['hello']); made.close();"
        "print(sorted({'onnxruntime', 'tokenizers'} & set(sys.modules)))",
        str(files().onnx),
    ]
    ran = subprocess.run(script, capture_output=True, check=True, text=True)
    assert ran.stdout.strip() == "[]"


def test_a_start_is_not_waited_for_and_the_first_text_finds_it_ready(child: Any) -> None:
    embedder = child("onnx")
    embedder.start()
    pid = embedder.pid
    assert pid is not None
    embedder.start()
    assert embedder.embed(TEXTS[:1]).shape == (1, 64)
    assert embedder.pid == pid


def test_what_cannot_start_says_so_at_the_first_text(child: Any, tmp_path: Path) -> None:
    folder = write_tiny_onnx(tmp_path / "model", BERT)
    (folder / "model.onnx").write_bytes(b"damaged")
    gone, broken = child("onnx", path=tmp_path / "gone"), child("onnx", path=folder)
    for embedder, said in ((gone, "is missing"), (broken, "cannot be used")):
        embedder.start()
        with pytest.raises(ModelFileError, match=said):
            embedder.embed(["hello"])


@on_posix
@pytest.mark.parametrize("name", ALL)
def test_a_killed_child_is_followed_by_another_and_nothing_is_lost(name: str, child: Any) -> None:
    embedder = child(name)
    texts = [f"{text} {number}" for number in range(60) for text in TEXTS]
    expected = embedder.embed(texts)
    pids = {embedder.pid}

    def kill_once(done: int) -> None:
        if len(pids) == 1 and done > 20:
            os.kill(embedder.pid, signal.SIGKILL)
            pids.add(0)

    assert cosines(embedder.embed(texts, on_batch=kill_once), expected).min() > SAME
    os.kill(embedder.pid, signal.SIGKILL)  # while it is idle
    assert cosines(embedder.embed(texts[:2]), expected[:2]).min() > SAME


@on_posix
@pytest.mark.parametrize("name", ALL[:3])
@pytest.mark.parametrize("asked", ["embed", "embed_questions", "count_tokens"])
def test_a_child_killed_over_a_text_is_asked_again(name: str, asked: str, child: Any) -> None:
    embedder = child(name)
    ask = getattr(embedder, asked)
    expected, first = ask(TEXTS), embedder.pid
    os.kill(first, signal.SIGSTOP)  # it hears of the text, and never answers
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(ask, TEXTS)
        time.sleep(0.2)
        assert not found.done()
        os.kill(first, signal.SIGKILL)
        np.testing.assert_allclose(found.result(timeout=30), expected, atol=1e-5)
    assert embedder.pid not in (None, first)


def test_a_text_over_which_every_child_dies_is_given_up(
    child: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(TransformerEmbedder, "backend", "tests.engines.dying_backend:Dying")
    with pytest.raises(EngineDied, match=r"“Tiny” stopped 3 times in a row.*exit code 3"):
        child("onnx").embed([str(tmp_path / "tries")])
    assert (tmp_path / "tries").read_text() == "xxx"


@pytest.mark.parametrize("name", ALL[:3])
def test_an_idle_child_gives_its_memory_back_and_leaves_no_thread(name: str, child: Any) -> None:
    others = idle_threads()
    embedder = child(name, idle=0.5)
    before = embedder.embed(TEXTS)
    pid = embedder.pid
    assert eventually(lambda: embedder.pid is None and not lives(pid))
    assert eventually(lambda: idle_threads() <= others)
    assert cosines(embedder.embed(TEXTS), before).min() > SAME
    assert embedder.pid not in (None, pid)


def idle_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "embedding-idle"}


@pytest.mark.parametrize("name", CHOSEN[:2])
def test_a_child_at_work_is_not_idle(name: str, child: Any) -> None:
    embedder = child(name, idle=0.1)
    texts = [f"{text} {number}" for number in range(80) for text in TEXTS]
    pids = set()

    def slowly(_: int) -> None:
        pids.add(embedder.pid)
        time.sleep(0.2)

    embedder.embed(texts, on_batch=slowly)
    assert len(pids) == 1


def test_a_closed_model_leaves_no_thread(child: Any) -> None:
    others = idle_threads()
    embedder = child("onnx", idle=300)
    embedder.embed(TEXTS)
    assert len(idle_threads() - others) == 1
    embedder.close()
    assert eventually(lambda: idle_threads() <= others)
    assert embedder.pid is None


def test_many_threads_may_ask_a_model_that_is_being_given_back(child: Any) -> None:
    embedder = child("onnx", idle=0.001)
    expected = embedder.embed(TEXTS)

    def ask(number: int) -> float:
        time.sleep(number % 5 / 50)
        return float(cosines(embedder.embed(TEXTS), expected).min())

    with ThreadPoolExecutor(4) as pool:
        assert min(pool.map(ask, range(16))) > SAME


@pytest.mark.parametrize("name", ALL[:3])
def test_few_texts_do_not_wait_for_many(name: str, child: Any) -> None:
    """A question, and the sentences of an answer, while a library is indexed."""
    embedder = child(name)
    expected = embedder.embed(TEXTS)
    many = [f"{text} {number}" for number in range(500) for text in TEXTS]
    over = threading.Event()

    def index() -> int:
        rounds = 0
        while not over.is_set():
            embedder.embed(many)
            rounds += 1
        return rounds

    with ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        embedder.embed(many)
        alone = time.monotonic() - begun
        indexing = pool.submit(index)
        try:
            begun = time.monotonic()
            for _ in range(20):
                assert cosines(embedder.embed(TEXTS), expected).min() > SAME
                assert embedder.embed_questions(["how do bees find flowers?"]).shape[0] == 1
            each = (time.monotonic() - begun) / 40
        finally:
            over.set()
        assert indexing.result(timeout=60) > 0
    assert each < alone / 4, "each would have waited for half of it on the average"


@pytest.mark.parametrize("name", GGUF)
def test_without_the_package_it_says_what_to_do(
    name: str, child: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("llama_cpp", "gpt4all"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('no such package')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineMissing, match=r"not installed.*choose another embedding model"):
        child(name).embed(["hello"])


@pytest.mark.parametrize("name", GGUF)
def test_what_the_child_says_is_kept_in_its_log(name: str, child: Any, tmp_path: Path) -> None:
    log = tmp_path / "embeddings.log"
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(files().encoder.read_bytes()[:20_000])
    with pytest.raises(ModelFileError):
        child(name, log=log, path=broken).embed(["hello"])
    assert eventually(lambda: log.exists() and log.read_text() != "")


# GPT4All

TUTORIAL = """
import json, sys, warnings
warnings.simplefilter("ignore")
from langchain_community.embeddings import GPT4AllEmbeddings
model = GPT4AllEmbeddings(model_name=sys.argv[1], gpt4all_kwargs={"model_path": sys.argv[2],
                          "allow_download": False}, n_threads=1)
print(json.dumps(model.embed_documents(json.loads(sys.argv[3]))))
"""


@pytest.mark.parametrize("name", GGUF[2:])
def test_vectors_are_those_of_the_class_in_the_tutorial(name: str) -> None:
    path = files().encoder
    script = [sys.executable, "-c", TUTORIAL, path.name, str(path.parent), json.dumps(TEXTS)]
    expected = json.loads(subprocess.run(script, capture_output=True, check=True).stdout)
    embedder = embedder_of(name)
    assert cosines(embedder.embed(TEXTS), np.array(expected)).min() > SAME
    embedder.close()


@pytest.mark.parametrize("name", GGUF[2:])
def test_gpt4all_is_told_the_prefix_that_it_knows_by_name(
    name: str, child: Any, tmp_path: Path
) -> None:
    path = write_bert_gguf(tmp_path / "e5.gguf", BERT, name="e5-small-v2")
    told = child(name, path=path, question_prefix="query: ", document_prefix="passage: ")
    assert cosines(told.embed(TEXTS), child(name, path=path).embed(TEXTS)).min() > SAME
    assert cosines(told.embed(TEXTS), told.embed_questions(TEXTS)).max() < SAME


@pytest.mark.parametrize("name", GGUF[2:])
def test_gpt4all_takes_models_that_it_does_not_know(name: str, child: Any, tmp_path: Path) -> None:
    path = write_bert_gguf(tmp_path / "unknown.gguf", BERT, name="Nobody's model")
    plain = embedder_of(name)
    assert cosines(child(name, path=path).embed(TEXTS), plain.embed(TEXTS)).min() > SAME
    plain.close()


@pytest.mark.parametrize("name", GGUF[2:])
def test_gpt4all_says_which_models_are_too_new_for_it(name: str, child: Any) -> None:
    with pytest.raises(ModelFileError, match=r"“qwen3”; llama\.cpp can.* on the page “Models”"):
        child(name, path=files().decoder).embed(["hello"])


@pytest.mark.parametrize("name", GGUF[2:])
def test_gpt4all_asks_nobody_on_the_network(
    name: str, child: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.1)
        for variable in ("HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "http_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        child(name).embed(["hello"])
        with pytest.raises(TimeoutError):
            proxy.accept()
