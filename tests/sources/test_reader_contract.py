"""What every reader owes: blocks that fit the text, clean characters, the same answer each time."""

from __future__ import annotations

import re
import unicodedata

import pytest
from pdf_files import pdf

from localchat.core.errors import SourceError
from localchat.sources.document import Document
from localchat.sources.read import READABLE_ENDINGS, read_document

HTML = """<html><head><title>茶 Tea</title></head><body>
<h1 id=t>Tea</h1><p>One<br>two \u200b cafe\u0301</p>
<ul><li>a</li><li>b</li></ul><table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table>
<pre>x  =  1

y</pre><blockquote>said</blockquote><h2>More</h2><p>\u202eend</p></body></html>"""
MARKDOWN = """---
title: Tea
---
# Tea

One\u200b two cafe\u0301

- a
- b

| 1 | 2 |
|---|---|
| 3 | 4 |

    code

> said
"""
SAMPLES = {
    "a.html": HTML.encode(),
    "a.md": MARKDOWN.encode(),
    "a.txt": "Tea\n\nOne\u200b two\ncafe\u0301\x07\n\nend".encode(),
    "a.rst": b"Tea\n===\n\nOne two.\n",
    "a.pdf": pdf(["Tea", "One two caf\u00e9."], ["1 Introduction", "End."], []),
    "zh.md": "# 茶\n\n绿茶\u3000很好。\n".encode(),
    "zh.txt": "茶\n\n绿茶很好。\n\n红茶也很好，我们都喜欢。".encode("gbk"),
}


@pytest.fixture(params=SAMPLES)
def document(request: pytest.FixtureRequest) -> Document:
    return read_document(SAMPLES[request.param], name=request.param)


def test_blocks_are_in_order_and_only_line_ends_stand_between_them(document):
    assert document.blocks
    end = 0
    for number, block in enumerate(document.blocks):
        between = document.text[end : block.start]
        assert between in (("\n", "\n\n") if number else ("",))
        assert block.start < block.end
        piece = document.text[block.start : block.end]
        assert piece == piece.strip("\n")
        assert piece.strip()
        end = block.end
    assert end == len(document.text)


def test_rows_and_items_stand_close_and_all_else_apart(document):
    for before, after in zip(document.blocks, document.blocks[1:], strict=False):
        close = before.kind == after.kind and before.kind in ("list_item", "table_row")
        assert after.start - before.end == (1 if close else 2)


def test_levels_pages_and_anchors_stand_where_they_belong(document):
    for block in document.blocks:
        assert (1 <= block.level <= 6) == (block.kind == "heading")
        assert (block.page is not None) == (document.kind == "pdf")
        assert block.anchor is None or block.kind == "heading"


def test_characters_are_clean(document):
    for text in (document.text, document.title):
        assert unicodedata.is_normalized("NFC", text)
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00a0\u200b\u202e\ufeff\ud800-\udfff]", text
        )
    assert document.title == " ".join(document.title.split()) != ""


def test_reading_twice_gives_the_same(request, document):
    name = next(name for name in SAMPLES if f"[{name}]" in request.node.name)
    assert read_document(SAMPLES[name], name=name) == document


def test_the_kind_is_found_without_its_ending():
    for name, content in SAMPLES.items():
        if name in ("a.html", "a.pdf"):
            assert read_document(content, name="download").kind == name.split(".")[1]
    assert read_document(MARKDOWN.encode(), name="x", media_type="text/markdown").kind == "markdown"
    assert read_document(MARKDOWN.encode(), name="x.md", media_type="text/plain").kind == "markdown"
    assert read_document(HTML.encode(), name="x.pdf", media_type="application/pdf").kind == "html"
    assert read_document(b'{"a": "tea"}', name="x.json").kind == "text"


@pytest.mark.parametrize("ending", READABLE_ENDINGS)
@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff" * 500, b"\xff\xfe", b"<", b"%PDF-", b"\x1f\x8b"]
)
def test_bad_bytes_are_a_sentence_in_every_reader(ending, content):
    try:
        document = read_document(content, name=f"a b.{ending}")
    except SourceError as error:
        assert str(error).endswith(".")
        assert error.next_step
    else:
        assert document.text
