from __future__ import annotations

import time

import pytest

from localchat.core.errors import ReadError
from localchat.sources.read import read_document


def blocks(markdown: str) -> list[tuple[str, str]]:
    document = read_document(markdown.encode(), name="a.md")
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("# Tea *leaf*", [("heading", "Tea leaf")]),
        ("**Tea** is `hot` and ~~bad~~ [good](https://a.com \"t\").",
         [("paragraph", "Tea is hot and bad good.")]),
        ("![a cup](http://evil/leak.png?x=1) here", [("paragraph", "a cup here")]),
        ("one\ntwo", [("paragraph", "one two")]),
        ("绿茶很\n好喝", [("paragraph", "绿茶很好喝")]),
        ("one  \ntwo", [("paragraph", "one\ntwo")]),
        ("- a\n- b\n  1. c\n\n     d", [("list_item", "a"), ("list_item", "b"),
                                       ("list_item", "c"), ("list_item", "d")]),
        ("> said\n> so", [("quote", "said so")]),
        ("```py\nx = 1\n\n\ty = 2\n```", [("code", "x = 1\n\n\ty = 2")]),
        ("| a | b |\n|---|---|\n| **1** | |\n| 2 | 3 |",
         [("table_row", "a | b"), ("table_row", "1"), ("table_row", "2 | 3")]),
        ("H<sub>2</sub>O<br>and &amp; \\*", [("paragraph", "H2O\nand & *")]),
        ("so $a_b \\{x\\} * c*$ costs $5 and $6", [("paragraph", "so $a_b \\{x\\} * c*$ costs $5 and $6")]),  # noqa: E501
        ("<div>\n<p>In <b>HTML</b></p><script>bad()</script>\n</div>", [("paragraph", "In HTML")]),
        ("<!-- hidden -->\n\nseen", [("paragraph", "seen")]),
        ("See [ref].\n\n[ref]: https://a.com", [("paragraph", "See ref.")]),
    ],
)  # fmt: skip
def test_marks_are_gone_and_words_stay(markdown, expected):
    assert blocks(markdown) == expected


@pytest.mark.parametrize(
    ("markdown", "title"),
    [
        ('---\ntitle: "本地 聊天"\ndate: 2026\n---\n# Other\n', "本地 聊天"),
        ("+++\ntitle = 'Tea'\n+++\ntext", "Tea"),
        ("---\ntags: x\n---\n# From the heading\n", "From the heading"),
        ("## Second\n\n# First\n", "First"),
        ("## Only\n", "Only"),
        ("no heading", "my notes"),
    ],
)
def test_where_the_title_comes_from(markdown, title):
    assert read_document((markdown + "\n").encode(), name="my%20notes.md").title == title


def test_a_line_of_dashes_is_no_front_matter():
    assert blocks("---\n\ntext\n\n---\n\nmore") == [("paragraph", "text"), ("paragraph", "more")]


def test_headings_have_levels_and_written_anchors():
    document = read_document(b"# A\n\n### B {#bee}\n", name="a.md")
    assert [(b.level, b.anchor) for b in document.blocks] == [(1, None), (3, "bee")]


def test_a_deep_list_loses_nothing():
    deep = "\n".join("  " * level + f"- level {level}" for level in range(15))
    assert len(blocks(deep)) == 15


def test_nothing_but_marks_is_told():
    with pytest.raises(ReadError, match="There is no text"):
        read_document(b"---\n\n***\n\n[a]: https://b.com\n", name="a.md")


@pytest.mark.parametrize(
    "markdown",
    [
        ("这是一个没有标记的段落，说的是本地聊天。" * 20 + "\n\n") * 4_200,  # 5 MB
        "[" * 20_000,
        "*a " * 20_000,
        "> " * 20_000 + "a",
        "<div>\n\n" * 10_000 + "a",
        "`" * 20_000 + "a",
        "$a " * 20_000,
    ],
    ids=["a book", "brackets", "stars", "quotes", "tags", "ticks", "dollars"],
)
def test_huge_and_hostile_text_is_read_in_seconds(markdown):
    begin = time.monotonic()
    try:
        read_document(markdown.encode(), name="a.md")
    except ReadError as error:
        assert "There is no text" in str(error)  # nested deeper than any reader follows
    assert time.monotonic() - begin < 5
