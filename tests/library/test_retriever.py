"""Finding passages: by meaning and by words, joined, each once, with their exact place."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
import pytest
from langchain_core.retrievers import BaseRetriever

from localchat.app import LocalChat
from localchat.core.evidence import UNRELATED, Vectors
from localchat.core.folder import DataFolder
from localchat.library.exact import ExactIndex
from localchat.library.library import Library
from localchat.library.meaning import LibraryMeaning
from tests.library.kit import SIZE, WordEmbedder, add_text, long_text, opened

METADATA = {
    "source_id", "revision_id", "title", "name", "address", "location", "anchor", "start", "end",
    "score", "similarity",
}  # fmt: skip


def test_an_empty_library_has_nothing(library: Library) -> None:
    assert library.retriever().invoke("What is there?") == []


@pytest.mark.parametrize(
    "question", ["", "   ", "?", "\x00", "的", "the", '" OR words:', "NEAR(a b)", "🐛" * 50]
)
def test_any_question_can_be_asked(library: Library, question: str) -> None:
    add_text(library, "tea.txt", "Green tea is steamed soon after it is picked.")
    assert len(library.retriever().invoke(question)) <= 1


def test_it_is_a_retriever_of_langchain_with_the_documented_metadata(library: Library) -> None:
    source = add_text(library, "lamp.md", f"# Lamps\n\nHello there, all.\n\n{long_text(3)}")
    retriever = library.retriever(2)
    assert isinstance(retriever, BaseRetriever)
    found = retriever.invoke("What about lamp number 2?")
    assert len(found) == 2
    first = found[0].metadata
    assert set(first) == METADATA
    assert (first["source_id"], first["title"], first["name"]) == (source.id, "Lamps", "lamp.md")
    assert (first["address"], first["location"]) == (None, "Section 2")
    assert found[0].metadata["score"] >= found[1].metadata["score"]


def test_offsets_are_exact_in_the_stored_text(library: Library) -> None:
    texts = {}
    for name, text in (
        ("a.md", long_text(6)),
        ("b.md", "# 茶\n\n" + "绿茶采摘以后很快就蒸青。lamp🐛 " * 200),
    ):
        source = add_text(library, name, text)
        texts[source.id] = library.text(source.id)
    found = library.retriever(10).invoke("lamp number 3 绿茶")
    assert {document.metadata["source_id"] for document in found} == set(texts)
    for document in found:
        known = document.metadata
        whole = texts[known["source_id"]]
        assert whole[known["start"] : known["end"]] == document.page_content


def test_neighbours_are_joined_and_nothing_is_shown_twice(library: Library) -> None:
    text = " ".join(f"The lamp number {n} turns once in {n} seconds." for n in range(40))
    source = add_text(library, "lamps.txt", text)
    assert source.passages > 2
    found = library.retriever(10).invoke("How fast does the lamp turn?")
    spans = sorted((d.metadata["start"], d.metadata["end"]) for d in found)
    assert len(spans) < source.passages
    for number in range(40):
        assert sum(f"number {number} turns" in d.page_content for d in found) <= 2
    assert len({d.page_content for d in found}) == len(found)


def test_the_same_words_in_two_sources_are_shown_once(library: Library) -> None:
    add_text(library, "a.txt", "Green tea is steamed.\n\nThe first file.")
    add_text(library, "b.md", "# One\n\nGreen  tea is STEAMED.\n\n# Two\n\nThe second file.")
    add_text(library, "c.md", "# One\n\nGreen tea is steamed.\n\n# Two\n\nThe third file.")
    found = [d.page_content for d in library.retriever(10).invoke("steamed green tea")]
    assert len([text for text in found if text.casefold().split()[-1] == "steamed."]) == 1


def test_a_chunk_is_found_by_the_words_of_its_headings(library: Library) -> None:
    add_text(library, "a.md", "# Manual\n\n## Warranty\n\nTwo years.\n\n## Battery\n\nTen hours.")
    assert library.retriever(1).invoke("battery")[0].page_content == "Ten hours."


def test_a_question_of_thousands_of_characters_takes_no_minute(library: Library) -> None:
    add_text(library, "lamp.md", long_text(200))
    add_text(library, "tea.txt", "绿茶采摘以后很快就蒸青，保持绿色。" * 100)
    began = time.monotonic()
    characters = "".join(chr(0x4E00 + n) for n in range(8_000))
    library.retriever(5).invoke(characters)
    library.retriever(5).invoke(" ".join(f"word{n}" for n in range(1_000)))
    assert time.monotonic() - began < 10


class CloseTogether(WordEmbedder):
    """As the E5 models do it: all texts have most of their vectors in common."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        apart = 0.5 * super().embed(texts)
        return np.hstack([apart, np.full((len(texts), 1), math.sqrt(0.75), dtype=np.float32)])


def test_a_model_that_puts_all_texts_close_together_finds_the_same(folder: DataFolder) -> None:
    found = []
    embedders = (
        WordEmbedder("wide", dimensions=SIZE),
        CloseTogether("wide", dimensions=SIZE, unrelated=0.75 + 0.25 * UNRELATED),
    )
    for name, embedder in zip(("wide", "close"), embedders, strict=True):
        with opened(DataFolder(folder.root / name), embedder) as library:
            for source, text in FACTS.items():
                add_text(library, source, text)
            documents = library.retriever(3).invoke("When does the keeper of the lamp climb?")
            found.append(
                [(d.page_content, d.metadata["score"], d.metadata["similarity"]) for d in documents]
            )
    wide, close = found
    assert [text for text, _, _ in close] == [text for text, _, _ in wide]
    for (_, *numbers), (_, *others) in zip(wide, close, strict=True):
        assert numbers == pytest.approx(others, abs=0.01)


def test_a_question_that_meets_a_switch_of_embedders_is_asked_of_the_new_one(
    library: Library,
) -> None:
    add_text(library, "tea.txt", "Green tea is steamed soon after it is picked.")
    gone = LibraryMeaning(WordEmbedder("gone"), library.questions, library.floors)
    meanings = [gone]
    retriever = library.retriever(3)
    retriever.meaning = lambda: meanings.pop() if meanings else library.meaning
    [found] = retriever.invoke("steamed tea")
    assert found.metadata["similarity"] > 0.3


# With the real embedder

FACTS = {
    "lamp.md": "# The lighthouse\n\nIts lamp turns once in ten seconds.\n\n"
    "The keeper climbs 312 steps every evening.",
    "shop.md": "# Opening hours\n\nThe bakery is closed on Mondays.\n\n"
    "Order number KX-4471 was shipped on Friday.",
    "bees.md": "# Bees\n\nBees tell each other where flowers are by dancing.",
    "茶.md": "# 绿茶\n\n绿茶采摘以后很快就蒸青，所以叶子保持绿色。\n\n龙井产于杭州西湖附近的山上。",
    "东京.md": "# 高速列车\n\n东京和大阪之间的高速列车大约需要两个半小时。",
}  # fmt: skip


@pytest.fixture
def real(chat: LocalChat) -> Library:
    ids = [chat.library.add_file(name, text.encode()).source_id for name, text in FACTS.items()]
    assert {s.state for s in chat.library.wait(i for i in ids if i)} == {"ready"}
    return chat.library


QUESTIONS = [
    ("龙井产于哪里？", "龙井产于杭州西湖附近的山上。"),
    ("从东京到大阪坐火车要多久？", "大约需要两个半小时"),
    ("为什么绿茶是绿色的？", "蒸青"),
    ("KX-4471", "Order number KX-4471 was shipped on Friday."),
    ("How many steps are there? 312?", "The keeper climbs 312 steps"),
    ("How do insects share the location of blossoms?", "by dancing"),
    ("When can I not buy bread?", "closed on Mondays"),
]


def test_facts_are_found_by_meaning_by_words_and_in_chinese(real: Library) -> None:
    missed = [
        question
        for question, answer in QUESTIONS
        if answer not in real.retriever(1).invoke(question)[0].page_content
    ]
    assert missed == []


def test_the_index_is_chroma_and_agrees_with_sqlite(real: Library, home: object) -> None:
    end = time.monotonic() + 10
    while real._index._chroma is None and time.monotonic() < end:
        time.sleep(0.05)
    chroma = real._index._chroma
    assert chroma is not None
    assert isinstance(DataFolder.default().chroma.stat().st_size, int)
    vector = real.meaning.embed_question("bees dance to show where flowers are")
    exact = ExactIndex(real._chunks, chroma.embedder).search(vector, 3)
    near = chroma.search(vector, 3)
    assert [i for i, _ in exact] == [i for i, _ in near]
