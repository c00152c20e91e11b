"""Which language a text seems to be in."""

from __future__ import annotations

import pytest

from localchat.core.text.language import guess_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What are the approaches to task decomposition?", "en"),
        ("Was ist das Wetter wie in der Stadt?", "de"),
        ("¿Qué es la casa y cómo se usa?", "es"),
        ("Qu'est-ce que le chat fait dans la maison pour vous ?", "fr"),
        ("Che cosa è il gatto e come si usa la casa?", "it"),
        ("Wat is het weer en hoe is het in de stad?", "nl"),
        ("O que é isto e como não se faz uma casa?", "pt"),
        ("灯塔多高？", "zh"),
        ("燈塔有多高？", "zh"),
        ("灯台の高さは？", "ja"),
        ("등대의 높이는?", "ko"),
        ("Где находится маяк?", "ru"),
        ("كم ارتفاع المنارة؟", "ar"),
        ("מה גובה המגדלור?", "he"),
        ("ประภาคารสูงเท่าไร", "th"),
        ("प्रकाशस्तंभ कितना ऊँचा है?", "hi"),
        ("Πόσο ψηλός είναι ο φάρος;", "el"),
        ("کتابخانه کی باز می‌شود؟", "fa"),
        ("Hải đăng được xây dựng năm nào?", "vi"),
        ("Kiedy została zbudowana latarnia?", "pl"),
        ("Vem byggde fyren och när?", "sv"),
        ("Deniz feneri ne zaman ve nasıl yapıldı?", "tr"),
        ("Когда побудували маяк?", "ru"),
        ("When did Harold II die?", "en"),
        ("Can I delete my data or not?", "en"),
        ("Teams from Los Angeles, San Diego and Los Gatos are in the league of Los Angeles.", "en"),
        ("Poets such as E. E. Cummings and W. E. B. Du Bois", "en"),
        ("ﬁne", "en"),
        # Mixed: the most of it counts.
        ("RAG 是什么？", "zh"),
        ("Python の使い方", "ja"),
        ("the 灯塔 is a lighthouse that stands on the hill", "en"),
        # Nothing to go by.
        ("", "en"),
        ("123 !! 🐛", "en"),
        ("Xyzzy", "en"),
    ],
)
def test_the_language_is_guessed(text: str, language: str) -> None:
    assert guess_language(text) == language


def test_only_the_beginning_of_a_long_text_is_looked_at() -> None:
    assert guess_language("the lamp of the lighthouse " * 200 + "灯塔" * 100_000) == "en"
