"""What a question asks for, told by its question word, in many languages."""

from __future__ import annotations

import pytest

from localchat.core.kinds import Kind, has_kind, kind_asked


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When was the lighthouse built?", "time"),
        ("What year did it open?", "time"),
        ("Wann wurde der Turm gebaut?", "time"),
        ("¿Cuándo se construyó el faro?", "time"),
        ("Когда построили маяк?", "time"),
        ("灯塔是什么时候建成的？", "time"),
        ("灯塔是哪一年建成的？", "time"),
        ("灯台はいつ建てられましたか。", "time"),
        ("등대는 언제 지어졌습니까?", "time"),
        ("متى بنيت المنارة؟", "time"),
        ("ประภาคารสร้างเมื่อใด", "time"),
        ("How many steps has the tower?", "number"),
        ("How old is it?", "number"),
        ("Wie viele Stufen hat der Turm?", "number"),
        ("Сколько ступеней в башне?", "number"),
        ("灯塔有多少级台阶？", "number"),
        ("灯塔有几层？", "number"),
        ("Who kept the light?", "person"),
        ("Wer hütete das Feuer?", "person"),
        ("谁看守灯塔？", "person"),
        ("Where does it stand?", "place"),
        ("Which country does it belong to?", "place"),
        ("灯塔在哪里？", "place"),
        ("Why is it painted white?", "reason"),
        ("Почему он белый?", "reason"),
        ("灯塔为什么是白色的？", "reason"),
        ("What colour is the tower?", None),
        ("lighthouse", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_question_word_tells_the_kind(question: str, kind: Kind | None) -> None:
    assert kind_asked(question) == kind


@pytest.mark.parametrize(
    ("kind", "sentence", "has"),
    [
        ("time", "It was lit in 1889.", True),
        ("time", "They came back in October.", True),
        ("time", "它建于公元8年。", True),
        ("time", "It was lit by hand.", False),
        ("number", "The tower has ninety steps, give or take three.", True),
        ("number", "塔高三十米。", True),
        ("number", "The tower has many steps.", False),
        ("person", "For years it was Ida Lewis who kept it.", True),
        ("person", "For years nobody kept it.", False),
        ("place", "It stands on Fair Isle.", True),
        ("reason", "It is white because white is seen from afar.", True),
        ("reason", "It is white.", False),
    ],
)  # fmt: skip
def test_a_sentence_has_the_kind_or_not(kind: Kind, sentence: str, has: bool) -> None:
    assert has_kind(kind, sentence, frozenset()) == has


def test_a_name_from_the_question_does_not_answer_it() -> None:
    assert not has_kind("person", "In 1889 the Lewis lighthouse was lit.", {"lewis"})
