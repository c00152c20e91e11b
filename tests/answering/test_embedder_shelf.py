"""The models that search can use, made once and started before they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localchat.answering.embedders import EmbedderShelf
from localchat.core.errors import ModelFileError
from localchat.core.folder import DataFolder
from localchat.engines.embeddings.child_embedder import ChildEmbedder
from tests.engines.embedders import ALL, BERT
from tests.tiny_bert_gguf import write_bert_gguf


@pytest.fixture
def shelf(home: Path) -> Iterator[EmbedderShelf]:
    made = EmbedderShelf(DataFolder(home))
    yield made
    made.close()


@pytest.mark.parametrize("name", ALL[:1])
def test_a_model_is_made_once_and_started_without_waiting(name: str, shelf: EmbedderShelf) -> None:
    shelf.start(name)
    embedder = shelf.get(name)
    assert isinstance(embedder, ChildEmbedder)
    pid = embedder.pid
    assert pid is not None
    assert embedder.embed(["hello"]).shape == (1, embedder.dimensions)
    assert (shelf.get(name), embedder.pid) == (embedder, pid)
    shelf.forget(name)
    assert embedder.pid is None
    assert shelf.get(name) is not embedder


def test_what_is_wrong_with_a_model_is_told_when_it_is_used(
    shelf: EmbedderShelf, tmp_path: Path
) -> None:
    file = write_bert_gguf(tmp_path / "model.gguf", BERT)
    file.write_bytes(file.read_bytes()[:100])
    shelf.start(str(file))
    with pytest.raises(ModelFileError):
        shelf.get(str(file)).embed(["hello"])
