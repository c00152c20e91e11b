"""A data folder and a library on it, with an embedder that only counts words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localchat.core.folder import DataFolder
from localchat.library.library import Library
from tests.library.kit import WordEmbedder, opened


@pytest.fixture
def folder(home: Path) -> DataFolder:
    made = DataFolder(home)
    made.prepare()
    return made


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def library(folder: DataFolder, embedder: WordEmbedder) -> Iterator[Library]:
    with opened(folder, embedder) as made:
        yield made
