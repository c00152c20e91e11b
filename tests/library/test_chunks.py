"""Chunks: they cover the text, keep to its structure and to the embedder's tokens, and are made in
no time."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from localchat.core.errors import EngineError
from localchat.core.text.width import width
from localchat.library.chunks import MARKS, SIZE, Chunk, split
from localchat.library.library import Library
from localchat.sources.builder import DocumentBuilder
from localchat.sources.document import Block, BlockKind, Document
from localchat.sources.read import read_document
from tests.library.kit import WordEmbedder, add_text

MAX_TOKENS = 256
_TOKEN = re.compile(r"[a-zA-Z]{1,6}|\d{1,3}|[^\sa-zA-Z\d]")


def count(texts: Sequence[str]) -> list[int]:
    """As a WordPiece tokenizer of English does: some letters, some digits, or one sign of anything
    else make a token."""
    return [len(_TOKEN.findall(text)) for text in texts]


def count_known_words(texts: Sequence[str]) -> list[int]:
    """As a tokenizer does that has one token for each word it does not know."""
    return [len(text.split()) for text in texts]


def refuse(_: Sequence[str]) -> None:
    raise EngineError("The embedder fails.", "Choose another one.")


def markdown(text: str) -> Document:
    return read_document(text.encode(), name="test.md")


def page(body: str) -> Document:
    return read_document(f"<html><body>{body}</body></html>".encode(), name="test.html")


def one_block(text: str) -> Document:
    return Document("Title", text, "text", (Block(0, len(text)),))


def chunks_of(document: Document) -> list[Chunk]:
    return split(document, count, MAX_TOKENS)


def texts(document: Document, chunks: Sequence[Chunk]) -> list[str]:
    return [document.text[chunk.start : chunk.end] for chunk in chunks]


def embedded(document: Document, chunk: Chunk) -> str:
    """All that the embedder is given."""
    text = document.text[chunk.start : chunk.end]
    return "\n".join([document.title, chunk.heading, chunk.context, text])


def sentences(number: int) -> str:
    return " ".join(f"The lamp number {n} turns once in ten seconds." for n in range(number))


def test_a_short_document_is_one_chunk() -> None:
    document = one_block("The lamp turns once in ten seconds.")
    assert texts(document, chunks_of(document)) == [document.text]


def test_no_text_has_no_chunks() -> None:
    assert chunks_of(Document("Title", "", "text", ())) == []
    assert chunks_of(Document("Title", "  \n ", "text", (Block(0, 4),))) == []


def test_chunks_cover_all_text_whatever_it_is() -> None:
    chance = random.Random(11)
    pieces = [
        "The lamp turns once in ten seconds. ", "绿茶采摘以后很快就蒸青，保持绿色。", "好" * 900,
        "w" * 2_000 + " ", "Is it so? ", "e.g. this, or (that. Or another) one. ", "🐛 ",
        "ที่นี่มีชาเขียว" * 60, "You need: ", "{[;,.]}" * 90, "\n", "na\u0308\u0323" * 300,
    ]  # fmt: skip
    kinds: list[BlockKind] = ["paragraph", "list_item", "table_row", "code", "quote"]
    for _ in range(40):
        builder = DocumentBuilder()
        for number in range(chance.randint(1, 8)):
            if chance.random() < 0.3:
                builder.add(f"Heading {number}", "heading", level=chance.randint(1, 3))
            text = "".join(chance.choices(pieces, k=chance.randint(1, 20)))
            builder.add(text, chance.choice(kinds))
        document = builder.build("Title", "text")
        held = bytearray(len(document.text))
        for chunk in chunks_of(document):
            held[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
            assert width(document.text[chunk.start : chunk.end]) <= SIZE.width
            assert count([embedded(document, chunk)])[0] <= SIZE.tokens
        for block in document.blocks:
            if block.kind != "heading":
                left_out = [document.text[i] for i in range(block.start, block.end) if not held[i]]
                assert "".join(left_out).strip() == ""


# How large a chunk is


def test_a_full_chunk_of_prose_is_bound_by_the_tokens_of_the_embedder() -> None:
    document = one_block(sentences(200))
    size = replace(SIZE, width=10_000)
    chunks = split(document, count, MAX_TOKENS, size)
    tokens = [count([embedded(document, chunk)])[0] for chunk in chunks[:-2]]
    assert min(tokens) > 0.85 * size.tokens
    assert max(tokens) <= size.tokens


def test_no_chunk_has_more_tokens_than_the_embedder_looks_at() -> None:
    document = markdown(f"# Book\n\n## {'A rather long heading ' * 6}\n\n{sentences(60)}")
    for most in (16, 64, 128, 256):
        chunks = split(document, count, most)
        heads = count([f"{document.title} {chunks[0].heading}"])[0]
        for text in texts(document, chunks):
            assert count([text])[0] <= max(most - MARKS - heads, (most - MARKS) / 2)


def test_words_that_the_embedder_does_not_know_do_not_make_a_chunk_long() -> None:
    document = one_block("антидискриминационный" + " антидискриминационный" * 500)
    chunks = split(document, count_known_words, MAX_TOKENS)
    assert max(chunk.end - chunk.start for chunk in chunks) <= SIZE.width


def test_without_a_limit_only_widths_count() -> None:
    document = one_block("绿茶采摘以后很快就蒸青，保持绿色。" * 200)
    lengths = [chunk.end - chunk.start for chunk in split(document, count, None)]
    assert SIZE.width * 0.4 < max(lengths) <= SIZE.width / 2
    assert max(chunk.end - chunk.start for chunk in chunks_of(document)) <= SIZE.tokens


def test_the_tokens_of_all_pieces_are_asked_for_in_few_calls() -> None:
    calls: list[int] = []

    def counting(texts: Sequence[str]) -> list[int]:
        calls.append(len(texts))
        return count(texts)

    split(markdown("\n\n".join(f"# H {n}\n\n{sentences(9)}" for n in range(200))), counting, 256)
    assert len(calls) <= 3
    assert max(calls) >= 1_800


# Where it begins and ends


def test_a_chunk_never_crosses_a_heading() -> None:
    document = markdown(f"# One\n\n{sentences(4)}\n\n## Two\n\n{sentences(5)}\n\n## Three\n\nEnd.")
    assert texts(document, chunks_of(document)) == [sentences(4), sentences(5), "End."]


def test_a_chunk_knows_the_headings_above_it() -> None:
    document = markdown(
        "# Book\n\nIntro.\n\n## Chapter\n\nText.\n\n### Part\n\nMore.\n\n## Next\n\nEnd."
    )
    found = {document.text[c.start : c.end]: c.heading for c in chunks_of(document)}
    assert found == {"Intro.": "", "Text.": "Chapter", "More.": "Chapter › Part", "End.": "Next"}


def test_even_the_smallest_section_is_a_chunk_of_its_own() -> None:
    words = "".join(f"\n\n### Word {n}\n\nIt means {n}." for n in range(30))
    document = markdown(f"# Book\n\n## Glossary{words}")
    found = [
        (chunk.heading, document.text[chunk.start : chunk.end]) for chunk in chunks_of(document)
    ]
    assert found == [(f"Glossary › Word {n}", f"It means {n}.") for n in range(30)]


def test_a_whole_page_that_is_marked_up_as_a_heading_is_text() -> None:
    document = page(f"<h1>{sentences(60)}</h1><p>The end.</p>")
    chunks = chunks_of(document)
    assert {chunk.heading for chunk in chunks} == {""}
    assert "lamp number 59" in " ".join(texts(document, chunks))


def test_a_chunk_never_crosses_a_page() -> None:
    text = "First page. Second page."
    blocks = (Block(0, 11, page=1), Block(12, 24, page=2))
    chunks = chunks_of(Document("T", text, "pdf", blocks))
    assert [(text[c.start : c.end], c.page) for c in chunks] == [
        ("First page.", 1),
        ("Second page.", 2),
    ]


def test_a_document_of_nothing_but_headings_is_found_all_the_same() -> None:
    document = markdown("# One\n\n## Two\n\n## Three")
    assert "Three" in " ".join(texts(document, chunks_of(document)))


def test_a_paragraph_that_fits_is_not_cut_where_that_wastes_little() -> None:
    paragraphs = [sentences(3).replace("lamp", f"lamp of tower {n}") for n in range(12)]
    document = markdown("\n\n".join(paragraphs))
    for text in texts(document, chunks_of(document)):
        assert any(text.endswith(paragraph) for paragraph in paragraphs)


def test_neighbours_share_their_border_sentences_and_not_more() -> None:
    document = one_block(sentences(100))
    chunks = chunks_of(document)
    assert len(chunks) > 4
    for before, after in pairwise(chunks):
        assert before.start < after.start < before.end < after.end
        shared = document.text[after.start : before.end]
        assert re.fullmatch(r"(The lamp number \d+ turns once in ten seconds\. ?)+", shared)
        assert count([shared])[0] <= SIZE.overlap_tokens
        assert width(shared) <= SIZE.overlap_width


def test_neighbours_in_text_without_any_sentence_share_some_words() -> None:
    document = one_block(" ".join(f"word{n}" for n in range(2_000)))
    for before, after in pairwise(chunks_of(document)):
        assert before.start < after.start < before.end < after.end
        assert document.text[after.start - 1] == " "


def test_a_mark_on_a_letter_stays_with_it() -> None:
    document = one_block("e\u0301" * 3_000)
    for text in texts(document, chunks_of(document)):
        assert not text.startswith("\u0301")


# Lists, tables, code


def test_what_leads_in_to_a_list_stays_with_its_first_item() -> None:
    for before in range(3, 30):
        document = markdown(f"{sentences(before)}\n\nYou need:\n\n- a lamp,\n- a mirror,\n- oil.")
        for text in texts(document, chunks_of(document)):
            assert not text.endswith("You need:")


def test_a_list_that_goes_on_is_found_by_what_leads_in_to_it() -> None:
    items = "\n".join(f"- Lamp number {n} of the very old tower by the sea" for n in range(60))
    document = markdown(f"Of these the harbour is proud:\n\n{items}\n\n{sentences(30)}")
    first, second, *_, last = chunks_of(document)
    assert (first.context, second.context) == ("", "Of these the harbour is proud:")
    assert last.context == ""


def test_rows_of_a_table_keep_its_header() -> None:
    rows = "".join(f"<tr><td>Tower {n}</td><td>{n} metres</td></tr>" for n in range(200))
    document = page(
        f"<p>Some towers.</p><table><tr><th>Name</th><th>Height</th></tr>{rows}</table>"
    )
    first, *others = chunks_of(document)
    assert "Name | Height\nTower 0 | 0 metres" in document.text[first.start : first.end]
    assert first.context == ""
    assert {chunk.context for chunk in others} == {"Name | Height"}
    for text in texts(document, [first, *others]):
        assert text.startswith(("Some towers.", "Tower "))
        assert text.endswith(" metres")


def test_both_indexes_know_the_header_of_every_row(
    library: Library, embedder: WordEmbedder
) -> None:
    rows = "".join(f"<tr><td>Tower {n}</td><td>{n} metres</td></tr>" for n in range(200))
    add_text(library, "t.html", f"<table><tr><th>Name</th><th>Elevation</th></tr>{rows}</table>")
    assert len(embedder.given) > 3
    assert all("Name | Elevation" in text for text in embedder.given)
    embedder.before = refuse
    [found] = library.retriever(1).invoke("Elevation of tower 150?")
    assert "Tower 150 | 150 metres" in found.page_content
    assert found.metadata["start"] > 0
    assert len(library.retriever(20).invoke("elevation")) > 0


def test_rows_of_a_table_are_not_repeated() -> None:
    rows = "".join(f"<tr><td>Tower {n}</td><td>{n} metres</td></tr>" for n in range(200))
    chunks = chunks_of(page(f"<table>{rows}</table>"))
    for before, after in pairwise(chunks):
        assert before.end < after.start


def test_a_header_that_would_fill_the_chunk_is_left_out() -> None:
    columns = "".join(f"<th>Column number {n}</th>" for n in range(40))
    rows = "".join(f"<tr><td>{n}</td><td>{n} metres</td></tr>" for n in range(200))
    chunks = chunks_of(page(f"<table><tr>{columns}</tr>{rows}</table>"))
    assert {chunk.context for chunk in chunks} == {""}


def test_code_is_cut_between_its_lines_and_rather_at_empty_ones() -> None:
    functions = "\n\n".join(
        f"def lamp_{n}(speed):\n    # Turns. Then waits.\n    turn(speed * {n})\n    wait({n})"
        for n in range(40)
    )
    document = markdown(f"```\n{functions}\n```")
    found = texts(document, chunks_of(document))
    assert len(found) > 3
    for text in found:
        assert text.startswith("def ")
        assert re.search(r"wait\(\d+\)$", text)


# Time


@pytest.mark.parametrize(
    "piece",
    [
        "The lamp turns once in ten seconds. It is old. ",
        "绿茶采摘以后很快就蒸青，保持绿色。",
        "word ",
        "好",
        "x",
        "a\u0301",
        "第三章 ",
        "You need:\n",
    ],
    ids=["English", "Chinese", "no marks", "no marks in Chinese", "one word", "accents", "headings",
         "lines"],
)  # fmt: skip
def test_one_paragraph_of_anything_is_split_in_time_that_grows_with_its_length(piece: str) -> None:
    document = one_block(piece * (200_000 // len(piece)))
    began = time.process_time()
    chunks = chunks_of(document)
    assert time.process_time() - began < 2.5
    assert chunks[-1].end >= len(document.text.rstrip())


def test_code_with_an_endless_line_is_split_in_time_that_grows_with_its_length() -> None:
    text = " " * 200_000 + "\n" + "x = [" + "1, " * 60_000 + "]"
    document = Document("Title", text, "text", (Block(0, len(text), "code"),))
    began = time.process_time()
    assert chunks_of(document)[-1].end == len(text)
    assert time.process_time() - began < 2.5


def test_a_book_of_five_megabytes_takes_seconds() -> None:
    builder = DocumentBuilder()
    paragraph = 'The lamp "turns once." It is old (see e.g. p. 3), and so on. ' * 10
    for number in range(5_000_000 // len(paragraph)):
        if number % 50 == 0:
            builder.add(f"Chapter {number}", "heading", level=1)
        builder.add(f"{number}. {paragraph}")
    document = builder.build("Book", "text")
    began = time.process_time()
    chunks = chunks_of(document)
    assert time.process_time() - began < 15
    assert len(chunks) > 5_000


def test_a_table_of_fifty_thousand_rows_takes_seconds() -> None:
    builder = DocumentBuilder()
    for number in range(50_000):
        builder.add(f"Tower {number} | {number} metres | by the sea", "table_row")
    began = time.process_time()
    chunks = chunks_of(builder.build("Towers", "html"))
    assert time.process_time() - began < 15
    assert len(chunks) > 2_000


def test_fifty_thousand_headings_take_seconds() -> None:
    builder = DocumentBuilder()
    for number in range(50_000):
        builder.add(f"Heading {number}", "heading", level=1 + number % 6)
    began = time.process_time()
    document = builder.build("Headings", "html")
    chunks = chunks_of(document)
    assert time.process_time() - began < 15
    assert document.text.endswith(document.text[chunks[-1].start : chunks[-1].end])
