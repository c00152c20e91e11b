"""Text from elsewhere is shown, never obeyed."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from localchat.ui import safe

LEAKS = [
    "![x](http://evil.example/leak.png)",
    "![x](<http://evil.example/leak.png>)",
    "![a](http://evil.example/a(b).png 'title')",
    "![x][ref]\n\n[ref]: http://evil.example/leak.png",
    "![ref]\n\n[ref]: http://evil.example/leak.png",
    "![outer ![inner](http://evil.example/a.png)](http://evil.example/b.png)",
    "[![x](http://evil.example/leak.png)](http://evil.example/)",
    "!\\[x](http://evil.example/leak.png)",
    "!&#91;x](http://evil.example/leak.png)",
    "![x\n](http://evil.example/leak.png)",
    "![x](http://evil.example/\nleak.png)",
    "text `code` ![x](http://evil.example/leak.png) `",
    "``` ![x](http://evil.example/leak.png)",
    "` ![x](http://evil.example/leak.png)\n`",
    "\\`![x](http://evil.example/leak.png)\\`",
    "\\``![x](http://evil.example/leak.png)``",
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_image_survives_in_an_answer(text: str) -> None:
    html = MarkdownIt("commonmark").render(safe.answer_markdown(text))
    assert "<img" not in html


@pytest.mark.parametrize("text", LEAKS)
def test_plain_text_is_shown_to_the_letter(text: str) -> None:
    html = MarkdownIt("commonmark", {"html": False}).render(safe.plain(text))
    assert "<img" not in html
    assert "<a " not in html


def test_dollars_are_dollars_and_not_formulas() -> None:
    assert safe.answer_markdown("between $5 and $10") == "between \\$5 and \\$10"


def test_code_in_an_answer_stays_as_it_is() -> None:
    assert safe.answer_markdown("use `a[1]` or\n```\ncost = $x[2]\n```") == (
        "use `a[1]` or\n```\ncost = $x[2]\n```"
    )


def test_citations_become_badges() -> None:
    assert safe.answer_markdown("So it is [2].") == "So it is :green-badge[2]."


def test_a_marked_passage_escapes_every_character() -> None:
    shown = safe.marked("<script>alert(1)</script> is the <b>end</b>", [(0, 25)])
    assert "<script>" not in shown
    assert shown.count("<mark") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</mark> is" in shown


def test_a_quote_escapes_every_character() -> None:
    assert "<img" not in safe.quote("<img src=http://evil.example>", 1)


def test_every_span_is_marked_in_its_place() -> None:
    shown = safe.marked("One & two. Three. Four.", [(18, 23), (0, 10)])
    assert re.findall("<mark[^>]*>(.*?)</mark>", shown) == ["One &amp; two.", "Four."]
    assert re.sub("<[^>]*>", "", shown) == "One &amp; two. Three. Four."


def test_spans_that_overlap_repeat_nothing() -> None:
    shown = safe.marked("One. Two. Three.", [(0, 9), (5, 16)])
    assert re.sub("<[^>]*>", "", shown) == "One. Two. Three."


def test_a_word_of_any_length_stays_inside_its_quote() -> None:
    assert "overflow-wrap:anywhere" in safe.quote("donau" * 100, 1)
