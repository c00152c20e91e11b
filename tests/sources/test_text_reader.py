from __future__ import annotations

import os

import pytest

from localchat.core.errors import ReadError
from localchat.sources.read import read_document

WORDS = {
    "zh": "什么是任务分解？任务分解是把一个大的任务分成若干小的步骤。",
    "zh-tw": "什麼是任務分解？任務分解是把一個大的任務分成若干小的步驟。",
    "ja": "タスク分解とは何ですか。大きな作業を小さな手順に分けることです。",
    "ko": "작업 분해란 무엇입니까? 큰 작업을 작은 단계로 나누는 것입니다.",
    "ru": "Что такое разбиение задачи? Это деление большой задачи на малые шаги.",
    "fr": "Qu’est-ce que la décomposition ? C’est diviser une tâche très simple à réaliser.",
    "pl": "Zażółć gęślą jaźń. Co to jest dekompozycja zadań?",
    "el": "Τι είναι η αποσύνθεση εργασιών; Είναι η διαίρεση μιας εργασίας.",
}


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        *((language, encoding) for language in WORDS for encoding in ("utf-8", "utf-8-sig")),
        *((language, encoding) for language in WORDS for encoding in ("utf-16", "utf-32")),
        ("zh", "gbk"), ("zh", "gb18030"), ("zh-tw", "big5"), ("ja", "cp932"), ("ja", "euc_jp"),
        ("ja", "iso2022_jp"), ("ko", "euc_kr"), ("ru", "cp1251"), ("ru", "koi8_r"),
        ("fr", "cp1252"), ("pl", "cp1250"), ("el", "cp1253"), ("fr", "utf-16-le"),
        ("ru", "utf-16-be"),
    ],
)  # fmt: skip
def test_the_encoding_of_a_file_is_found(language, encoding):
    text = f"{WORDS[language]}\n\n{WORDS[language]}"
    if encoding in ("utf-16-le", "utf-16-be"):  # without a mark: western letters give it away
        text = "A plain line of letters comes first, as in a log or a list.\n\n" + text
    assert read_document(text.encode(encoding), name="a.txt").text == text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\t\r\n ", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\x00" * 100, "is empty"),
        ("\u200b\u2060".encode(), "is empty"),
        (bytes(range(256)) * 10, "is not text, or its encoding is unknown"),
        (b"text \x00\x01\x02\x03\x04\x05 and \x07\x0e\x0f\x10 more", "is not text"),
        (b"PK\x03\x04" + b"\x00" * 50, "zip archive or an Office file"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "is an image"),
        (b"GGUF\x03\x00\x00\x00" + b"\x00" * 50, "is a model"),
        (b"\x7fELF\x02" + b"\x00" * 50, "is a program"),
    ],
)
def test_what_is_no_text_says_so(content, said):
    with pytest.raises(ReadError) as caught:
        read_document(content, name="my file.txt")
    assert said in str(caught.value)
    assert "“my file.txt”" in str(caught.value)
    assert caught.value.next_step.endswith(".")


def test_random_bytes_are_never_text():
    for _ in range(20):
        with pytest.raises(ReadError):
            read_document(os.urandom(5_000), name="a.txt")


@pytest.mark.parametrize(("name", "what"), [("a.docx", "Word"), ("a.xlsx", "spreadsheet"),
                                            ("a.epub", "e-book"), ("a.pptx", "presentation")])  # fmt: skip  # noqa: E501
def test_office_files_are_named_for_what_they_are(name, what):
    with pytest.raises(ReadError, match=what) as caught:
        read_document(b"PK\x03\x04" + b"\x00" * 50, name=name)
    assert "HTML" in str(caught.value)
    assert "PDF" in str(caught.value)


def test_paragraphs_are_divided_by_empty_lines():
    document = read_document(b"One line\nand one more.\r\n\r\n  \nSecond.\n", name="a.txt")
    assert document.text == "One line\nand one more.\n\nSecond."
    assert len(document.blocks) == 2


def test_a_log_without_empty_lines_is_cut_at_line_ends():
    lines = [f"12:00:{n:02} something happened" for n in range(500)]
    document = read_document("\n".join(lines).encode(), name="app.log")
    assert document.text == "\n".join(lines)
    assert max(block.end - block.start for block in document.blocks) <= 2_000


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("The Book of Tea\n\nTea began as a medicine.", "The Book of Tea"),
        ("Tea began as a medicine.\n\nIt grew.", "notes"),
        ("a line\nanother line", "notes"),
    ],
)
def test_a_title_is_a_first_line_that_stands_alone(content, title):
    assert read_document(content.encode(), name="notes.txt").title == title


def test_titles_of_restructuredtext_are_headings():
    document = read_document(b"Tea\n===\n\nGreen.\n\nMilk\n----\nNone.\n", name="a.rst")
    assert [(b.kind, b.level) for b in document.blocks] == [
        ("heading", 1), ("paragraph", 0), ("heading", 2), ("paragraph", 0),
    ]  # fmt: skip
    assert document.text == "Tea\n\nGreen.\n\nMilk\n\nNone."


def test_direction_overrides_and_zero_width_characters_are_removed():
    text = "pay\u202egnp.exe zero\u200bwidth soft\u00adhyphen no\u00a0break cafe\u0301 👩\u200d🍳"
    document = read_document(text.encode(), name="a.txt")
    assert document.text == "paygnp.exe zerowidth softhyphen no break café 👩\u200d🍳"
