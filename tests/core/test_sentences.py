"""Where sentences begin and end."""

from __future__ import annotations

import random
import time

import pytest

from localchat.core.text.sentences import sentence_spans, sentences

TASK_DECOMPOSITION = (
    "Task decomposition can be done (1) by LLM with simple prompting like "
    '"Steps for XYZ.\\n1.", "What are the subgoals for achieving XYZ?", '
    '(2) by using task-specific instructions; e.g. "Write a story outline." '
    "for writing a novel, or (3) with human inputs."
)


def test_the_sentence_that_this_app_must_quote_whole_stays_whole() -> None:
    text = f"Here is how. {TASK_DECOMPOSITION} Another way is shown below."
    assert sentences(text) == ["Here is how.", TASK_DECOMPOSITION, "Another way is shown below."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
        ("Dr. Smith came. He left at 5 p.m. today.", ["Dr. Smith came.", "He left at 5 p.m. today."]),  # noqa: E501
        ("J. R. R. Tolkien wrote it. I read it.", ["J. R. R. Tolkien wrote it.", "I read it."]),
        ("See Fig. 3 for it. It is 3.5 m.", ["See Fig. 3 for it.", "It is 3.5 m."]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("1. First item\n2. Second item", ["1. First item", "2. Second item"]),
        ("Wait... what? Ok.", ["Wait... what?", "Ok."]),
        ('"Quoted end." Then more.', ['"Quoted end."', "Then more."]),
        ('He asked "Why?" and left. Bye.', ['He asked "Why?" and left.', "Bye."]),
        ("It is big (see e.g. Fig. 1. It is there). End.", ["It is big (see e.g. Fig. 1. It is there).", "End."]),  # noqa: E501
        ("See https://a.b/c.d?e=f. It is there.", ["See https://a.b/c.d?e=f.", "It is there."]),
        ("Das ist z.B. gut. Oder?", ["Das ist z.B. gut.", "Oder?"]),
        ("第一句。第二句！第三句？", ["第一句。", "第二句！", "第三句？"]),
        ("“他说：好。”第三句？", ["“他说：好。”", "第三句？"]),
        ("他说“你好。再见。”然后走了。下一句。", ["他说“你好。再见。”", "然后走了。", "下一句。"]),
        ("「はい。」次です。", ["「はい。」", "次です。"]),
        ("नमस्ते। कैसे हो?", ["नमस्ते।", "कैसे हो?"]),
        ("Am 3. Oktober ist frei. Im 19. Jahrhundert nicht.", ["Am 3. Oktober ist frei.", "Im 19. Jahrhundert nicht."]),  # noqa: E501
        ("Der 2. Weltkrieg endete. Es waren 3. Danach kam er.", ["Der 2. Weltkrieg endete.", "Es waren 3.", "Danach kam er."]),  # noqa: E501
        ("Das ist z. B. gut, d. h. Teil 1. Ja.", ["Das ist z. B. gut, d. h. Teil 1.", "Ja."]),
        ("¿Qué es? ¡Hola! El Sr. Pérez vive en EE. UU. desde 1990. Sí.", ["¿Qué es?", "¡Hola!", "El Sr. Pérez vive en EE. UU. desde 1990.", "Sí."]),  # noqa: E501
        ("Маяк построен в 1892 г. на скале, т. е. давно. Конец.", ["Маяк построен в 1892 г. на скале, т. е. давно.", "Конец."]),  # noqa: E501
        ("« Oui. » Il partit. « Non ! » dit-il.", ["« Oui. »", "Il partit.", "« Non ! » dit-il."]),
        ("هل هذا صحيح؟ نعم. انتهى", ["هل هذا صحيح؟", "نعم.", "انتهى"]),
        ("یہ ٹھیک ہے۔ جی ہاں۔", ["یہ ٹھیک ہے۔", "جی ہاں۔"]),
        ("Πού είναι; Εκεί. Τέλος.", ["Πού είναι;", "Εκεί.", "Τέλος."]),
        ("It has keys; Then more.", ["It has keys; Then more."]),
        ("「はい。」と彼は言った。「いいえ。」次です。", ["「はい。」と彼は言った。", "「いいえ。」", "次です。"]),  # noqa: E501
        ("한국어입니다. 두 번째예요! 끝?", ["한국어입니다.", "두 번째예요!", "끝?"]),
        ("डॉ. शर्मा आए। वे गए।", ["डॉ. शर्मा आए।", "वे गए।"]),
        ("สร้างเมื่อ พ.ศ. 2435 บนโขดหิน", ["สร้างเมื่อ พ.ศ. 2435 บนโขดหิน"]),
        ("Version 2.3.1 is out. It costs 3.50.", ["Version 2.3.1 is out.", "It costs 3.50."]),
        ("A heading\nA paragraph. More.", ["A heading", "A paragraph.", "More."]),
        ("No end", ["No end"]),
        ("", []),
        (" \n\n \t", []),
        ("...", ["..."]),
        # A quote that is never closed does not swallow the rest.
        ("He said “it is. Then he left.\nNext.", ["He said “it is.", "Then he left.", "Next."]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_says_so(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_a_long_thai_text_is_cut_at_its_spaces() -> None:
    clauses = [
        "ประภาคารสร้างขึ้นบนโขดหิน",
        "แสงของมันมองเห็นได้ไกลสี่สิบกิโลเมตร",
        "บ้านเก่าริมท่าเรือได้รับการอนุรักษ์",
    ]
    text = " ".join(clauses * 4)
    found = sentences(text)
    assert len(found) > 3
    assert all(len(sentence) <= 120 for sentence in found)
    assert " ".join(found) == text
    assert sentences(" ".join(clauses)) == [" ".join(clauses)]


def test_spans_are_in_order_apart_from_each_other_and_leave_nothing_out() -> None:
    chance = random.Random(3)
    parts = ["word", "好", "。", ". ", "! ", "? ", '"', "“", "”", "(", ")", "\n", " ", "1.", "e.g. ", "…", "ฟ้า" * 20, "🐛"]  # fmt: skip  # noqa: E501
    for _ in range(500):
        text = "".join(chance.choices(parts, k=chance.randint(0, 40)))
        end = 0
        for start, stop in sentence_spans(text):
            assert end <= start < stop
            assert text[end:start].strip() == ""
            assert text[start:stop] == text[start:stop].strip()
            end = stop
        assert text[end:].strip() == ""


@pytest.mark.parametrize(
    "piece",
    [
        "The lamp turns once in ten seconds. It is old. ",
        "灯塔很高。",
        'He said "it is a b c." And then ',
        'He said "it is a. b c" and ',
        "(A. b) ",
        "a. ",
        "“",
        '" ',
        "( ",
        "am 3. Mai ",
        "ฟ้า ",
    ],
)
def test_one_long_paragraph_of_anything_is_split_in_no_time(piece: str) -> None:
    text = piece * (40_000 // len(piece))
    began = time.process_time()
    sentence_spans(text)
    assert time.process_time() - began < 0.5
