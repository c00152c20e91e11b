from __future__ import annotations

import logging
import time
from io import StringIO

import pytest
from pdf_files import locked, pdf

from localchat.core.errors import ReadError
from localchat.sources.read import read_document
from localchat.sources.readers.pdf import read_pdf
from localchat.sources.readers.pdf_layout import paragraphs, without_running_lines

WORDS = "leaf cup pot milk steam water kettle spoon".split()
TEA = [
    "Green tea is steamed soon after it is picked so that the lea-",
    "ves stay green, and it is drunk without milk in most places of",
    "the world.",
    "Black tea is left to oxidise before it is dried, which makes it",
    "dark and strong.",
]


def texts(document):
    return [document.text[block.start : block.end] for block in document.blocks]


def test_lines_become_paragraphs_and_divided_words_are_whole():
    document = read_document(pdf(TEA, title="All about tea"), name="tea.pdf")
    assert document.title == "All about tea"
    assert texts(document) == [
        "Green tea is steamed soon after it is picked so that the leaves stay green, and it is "
        "drunk without milk in most places of the world.",
        "Black tea is left to oxidise before it is dried, which makes it dark and strong.",
    ]
    assert document.notes == ()


def test_each_block_knows_its_page():
    document = read_document(pdf(["First page."], ["Second page."], ["Third."]), name="a.pdf")
    assert [block.page for block in document.blocks] == [1, 2, 3]


@pytest.mark.parametrize("title", [None, "", "untitled", "Microsoft Word - a.doc", "paper.dvi"])
def test_a_title_that_says_nothing_gives_way_to_the_first_line(title):
    assert read_document(pdf(["On tea", *TEA], title=title), name="a.pdf").title == "On tea"


def test_without_any_title_the_file_name_is_it():
    assert read_document(pdf(TEA[3:]), name="black%20tea.pdf").title == "black tea"


def test_running_lines_and_page_numbers_are_left_out():
    pages = [
        ["The Book of Tea", f"On page {n} there is fact number {n} about tea leaves.", f"- {n} -"]
        for n in range(1, 7)
    ]
    document = read_document(pdf(*pages), name="a.pdf")
    assert texts(document) == [
        f"On page {n} there is fact number {n} about tea leaves." for n in range(1, 7)
    ]


def test_chapter_lines_that_end_in_the_page_number_are_left_out():
    pages = [[f"Chapter {1 + n // 2}: Part {n // 2} {n + 5}", f"Words of {WORDS[n]}."]
             for n in range(8)]  # fmt: skip
    assert without_running_lines(pages) == [[f"Words of {WORDS[n]}."] for n in range(8)]


def test_pages_without_text_are_counted():
    document = read_document(pdf(TEA, [], []), name="a.pdf")
    assert document.notes == ("2 of 3 pages have no text (scanned images?).",)
    assert document.blocks[-1].page == 1


def test_a_scanned_document_is_told():
    with pytest.raises(ReadError, match="has 3 pages, but no text in them: it is probably scanned"):
        read_document(pdf([], [], []), name="scan.pdf")


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_a_password_is_told_and_an_empty_one_tried(algorithm):
    with pytest.raises(ReadError, match="is locked with a password"):
        read_document(locked(pdf(TEA), "secret", algorithm), name="a.pdf")
    document = read_document(locked(pdf(TEA), "", algorithm), name="a.pdf")
    assert "leaves stay green" in document.text


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\n",
        b"%PDF-1.7\n" + b"\x00\x01garbage" * 100,
        pdf(TEA)[:200],
        pdf(),
        pdf(TEA).replace(b"/Kids [5 0 R]", b"/Kids [2 0 R]"),  # a tree that contains itself
        pdf(TEA).replace(b"/Type /Catalog", b"/Type /Catalyst").replace(b"/Pages 2 0 R", b"/P 9 9 R"),  # noqa: E501
    ],
    ids=["header only", "garbage", "cut", "no pages", "loop", "no root"],
)  # fmt: skip
def test_a_broken_pdf_is_told_and_does_not_hang(content):
    begin = time.monotonic()
    with pytest.raises(ReadError, match=r"broken|no pages|no text"):
        read_document(content, name="a.pdf")
    assert time.monotonic() - begin < 5


def test_a_pdf_with_a_wrong_table_is_read_all_the_same():
    damaged = pdf(TEA).replace(b"startxref\n", b"startxref\n9")
    document = read_document(damaged, name="a.pdf")
    assert "leaves stay green" in document.text


def test_a_page_that_takes_too_long_is_given_up():
    slow = pdf(["word"] * 20_000, TEA)
    begin = time.monotonic()
    document = read_pdf(slow, name="a.pdf", page_seconds=0.2)
    assert time.monotonic() - begin < 5
    assert "1 of 2 pages could not be read." in document.notes
    assert document.blocks[0].page == 2


def test_nothing_is_logged_to_the_screen():
    screen = logging.StreamHandler(StringIO())
    logging.getLogger().addHandler(screen)
    try:
        read_document(pdf(TEA).replace(b"startxref\n", b"startxref\n9"), name="a.pdf")
    finally:
        logging.getLogger().removeHandler(screen)
    assert not screen.stream.getvalue()


def test_chinese_lines_are_joined_without_spaces():
    lines = ["绿茶采摘以后很快就蒸青，所以叶子一直是绿的，人们喝它的时候多", "半不加牛奶。", "红茶"]
    assert paragraphs(lines) == [
        ("绿茶采摘以后很快就蒸青，所以叶子一直是绿的，人们喝它的时候多半不加牛奶。", "paragraph"),
        ("红茶", "paragraph"),
    ]


def test_a_compound_keeps_its_hyphen_when_the_page_has_it_elsewhere():
    lines = ["The well-known leaf is described here at length, as it is well-",
             "known in all of the countries where it is grown and drunk."]  # fmt: skip
    assert "as it is well-known in all" in paragraphs(lines)[0][0]


def test_headings_and_lists_are_told_apart():
    kinds = [kind for _, kind in paragraphs(
        ["2.1 Kinds of tea", "There are many kinds of tea, and all come from the same plant.",
         "• green tea", "• black tea", "1 Introduction"])]  # fmt: skip
    assert kinds == ["heading", "paragraph", "list_item", "list_item", "heading"]
