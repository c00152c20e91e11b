"""GGUF files, whole and broken, read without being loaded."""

from __future__ import annotations

import shutil
import struct
import time
from pathlib import Path

import pytest

from localchat.core.errors import ModelFileError
from localchat.models.gguf import BrokenModel, ModelFile, models_in, read_gguf
from tests.tiny_gguf import cut_short, write_tiny_gguf


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("m") / "tiny.gguf", n_ctx_train=4096)


def header(version: int = 3, tensors: int = 0, values: int = 0, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, values) + rest


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def test_says_what_the_file_says(tiny: Path) -> None:
    model = read_gguf(tiny)

    assert (model.name, model.architecture) == ("Tiny test model", "llama")
    assert (model.layers, model.context, model.quantisation) == (1, 4096, "F16")
    assert model.has_chat_template
    assert model.can_answer
    assert model.parameters > 50_000
    assert model.size == tiny.stat().st_size


def test_no_chat_template_and_other_kinds(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "e.gguf", chat_template=None, architecture="nomic-bert")
    model = read_gguf(path)
    assert not model.has_chat_template
    assert not model.can_answer


def test_is_fast_with_a_vocabulary_of_real_size(tmp_path: Path) -> None:
    words = b"".join(text(f"word{number}") for number in range(150_000))
    array = text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 150_000) + words
    kind = text("general.architecture") + struct.pack("<I", 8) + text("llama")
    (tmp_path / "big.gguf").write_bytes(header(values=2, rest=array + kind))
    begun = time.perf_counter()
    assert read_gguf(tmp_path / "big.gguf").architecture == "llama"
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<html>", "not a GGUF"),
        (b"GGUF", "cut short"),
        (header(version=1), "version"),
        (header(version=0x03000000), "version"),
        (header(values=2**60), "damaged"),
        (header(tensors=2**60), "damaged"),
        (header(values=1, rest=struct.pack("<Q", 2**63)), "cut short"),
        (header(values=1, rest=text("k") + struct.pack("<I", 77)), "damaged"),
        (header(values=1, rest=text("k") + struct.pack("<IIQ", 9, 8, 2**50)), "damaged"),
        (header(values=1, rest=text("k") + struct.pack("<IIQ", 9, 9, 5)), "damaged"),
        (header(values=1, rest=text("k") + struct.pack("<IIQ", 9, 8, 10**6)), "cut short"),
        (header(tensors=1, rest=text("t") + struct.pack("<I", 2**31)), "damaged"),
        (header(), "which kind of model"),
    ],
)
def test_what_is_no_model_is_told(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=words) as told:
        read_gguf(path)
    assert told.value.path == path
    assert told.value.next_step


@pytest.mark.parametrize("keep", [0.001, 0.05, 0.2, 0.7, 0.999])
def test_a_download_that_broke_off_is_told(keep: float, tiny: Path, tmp_path: Path) -> None:
    path = cut_short(Path(shutil.copy(tiny, tmp_path / "m.gguf")), keep)
    with pytest.raises(ModelFileError, match=r"cut short.*Download it again"):
        read_gguf(path)


def test_a_file_that_is_not_there_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no model file"):
        read_gguf(tmp_path / "gone.gguf")
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_gguf(tmp_path)


def test_a_folder_of_models(tiny: Path, tmp_path: Path) -> None:
    below = tmp_path / "中文 🐛" / "deep"
    below.mkdir(parents=True)
    shutil.copy(tiny, below / "A.GGUF")
    shutil.copy(tiny, tmp_path / "b.gguf")
    (tmp_path / "c.gguf").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.gguf").mkdir()

    found = models_in(tmp_path)

    assert [type(model) for model in found] == [ModelFile, BrokenModel, ModelFile]
    broken = next(model for model in found if isinstance(model, BrokenModel))
    assert "is empty" in broken.reason


def test_no_folder_has_no_models(tmp_path: Path) -> None:
    assert models_in(tmp_path / "gone") == []


def test_a_model_in_parts_is_one_model(tiny: Path, tmp_path: Path) -> None:
    for part in (1, 2):
        shutil.copy(tiny, tmp_path / f"big-{part:05}-of-00002.gguf")

    (model,) = models_in(tmp_path)

    assert isinstance(model, ModelFile)
    assert model.path.name == "big-00001-of-00002.gguf"
    assert model.size == 2 * tiny.stat().st_size


def test_a_missing_part_is_named(tiny: Path, tmp_path: Path) -> None:
    shutil.copy(tiny, tmp_path / "big-00002-of-00002.gguf")

    (model,) = models_in(tmp_path)

    assert isinstance(model, BrokenModel)
    assert "big-00001-of-00002.gguf" in model.reason
