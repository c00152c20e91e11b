"""Chunks: they cover the text, keep to its structure, and are made in no time."""

from __future__ import annotations

import random
import time
from itertools import pairwise

import pytest

from localchat.core.text.width import width
from localchat.library.chunks import CHUNK_WIDTH, OVERLAP_WIDTH, Chunk, split
from localchat.sources.builder import DocumentBuilder
from localchat.sources.document import Block, Document
from localchat.sources.read import read_document


def markdown(text: str) -> Document:
    return read_document(text.encode(), name="test.md")


def one_block(text: str) -> Document:
    return Document("Title", text, "text", (Block(0, len(text)),))


def texts(document: Document, chunks: list[Chunk]) -> list[str]:
    return [document.text[chunk.start : chunk.end] for chunk in chunks]


def test_a_short_document_is_one_chunk() -> None:
    document = one_block("The lamp turns once in ten seconds.")
    assert texts(document, split(document)) == [document.text]


def test_no_text_has_no_chunks() -> None:
    assert split(Document("Title", "", "text", ())) == []


def test_chunks_cover_all_text_whatever_it_is() -> None:
    chance = random.Random(11)
    sentences = [
        "The lamp turns once in ten seconds. ", "绿茶采摘以后很快就蒸青，保持绿色。", "w" * 2_000 + " ",  # noqa: E501
        "好" * 900, "Is it so? ", "e.g. this, or (that. Or another) one. ", "🐛 ",
    ]  # fmt: skip
    for _ in range(40):
        builder = DocumentBuilder()
        for number in range(chance.randint(1, 8)):
            if chance.random() < 0.3:
                builder.add(f"Heading {number}", "heading", level=chance.randint(1, 3))
            builder.add("".join(chance.choices(sentences, k=chance.randint(1, 20))))
        document = builder.build("Title", "text")
        held = bytearray(len(document.text))
        for chunk in split(document):
            held[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
            assert width(document.text[chunk.start : chunk.end]) <= CHUNK_WIDTH
        for block in document.blocks:
            if block.kind != "heading":
                left_out = [document.text[i] for i in range(block.start, block.end) if not held[i]]
                assert "".join(left_out).strip() == ""


def test_a_chunk_never_crosses_a_heading() -> None:
    document = markdown("# One\n\nFirst. \n\n## Two\n\nSecond.\n\n## Three\n\nThird.")
    assert texts(document, split(document)) == ["First.", "Second.", "Third."]


def test_a_chunk_knows_the_headings_above_it() -> None:
    document = markdown(
        "# Book\n\nIntro.\n\n## Chapter\n\nText.\n\n### Part\n\nMore.\n\n## Next\n\nEnd."
    )
    found = {document.text[c.start : c.end]: c.heading for c in split(document)}
    assert found == {"Intro.": "", "Text.": "Chapter", "More.": "Chapter › Part", "End.": "Next"}


def test_a_chunk_never_crosses_a_page() -> None:
    text = "First page. Second page."
    blocks = (Block(0, 11, page=1), Block(12, 24, page=2))
    chunks = split(Document("T", text, "pdf", blocks))
    assert [(text[c.start : c.end], c.page) for c in chunks] == [
        ("First page.", 1),
        ("Second page.", 2),
    ]


def test_a_document_of_nothing_but_headings_is_found_all_the_same() -> None:
    document = markdown("# One\n\n## Two\n\n## Three")
    assert "Three" in " ".join(texts(document, split(document)))


def test_neighbours_share_their_border_sentences_and_not_more() -> None:
    sentence = "The lamp number {} turns once in ten seconds. "
    document = one_block("".join(sentence.format(n) for n in range(100)).strip())
    chunks = split(document)
    assert len(chunks) > 4
    for before, after in pairwise(chunks):
        assert before.start < after.start < before.end < after.end
        assert before.end - after.start <= OVERLAP_WIDTH
    for chunk in chunks[:-1]:
        assert width(document.text[chunk.start : chunk.end]) > CHUNK_WIDTH * 0.8


def test_a_chinese_chunk_holds_half_as_many_characters() -> None:
    document = one_block("绿茶采摘以后很快就蒸青，保持绿色。" * 200)
    lengths = [chunk.end - chunk.start for chunk in split(document)]
    assert CHUNK_WIDTH * 0.4 < max(lengths) <= CHUNK_WIDTH / 2


@pytest.mark.parametrize(
    "piece",
    [
        "The lamp turns once in ten seconds. It is old. ",
        "绿茶采摘以后很快就蒸青，保持绿色。",
        "word ",
        "好",
        "x",
        "第三章 ",
    ],
    ids=["English", "Chinese", "no marks", "no marks in Chinese", "one word", "headings"],
)
def test_one_paragraph_of_anything_is_split_in_time_that_grows_with_its_length(piece: str) -> None:
    document = one_block(piece * (200_000 // len(piece)))
    began = time.process_time()
    chunks = split(document)
    assert time.process_time() - began < 1.5
    assert chunks[-1].end >= len(document.text.rstrip())


def test_a_book_of_five_megabytes_takes_seconds() -> None:
    builder = DocumentBuilder()
    paragraph = 'The lamp "turns once." It is old (see e.g. p. 3), and so on. ' * 10
    for number in range(5_000_000 // len(paragraph)):
        if number % 50 == 0:
            builder.add(f"Chapter {number}", "heading", level=1)
        builder.add(f"{number}. {paragraph}")
    document = builder.build("Book", "text")
    began = time.process_time()
    chunks = split(document)
    assert time.process_time() - began < 15
    assert len(chunks) > 5_000
