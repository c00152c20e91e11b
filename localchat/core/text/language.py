"""Which language a text is in: by its script, and among Latin scripts by its commonest words.

A guess for choosing weights and stop words, not a verdict: short Latin texts without any common
word count as English.
"""

from __future__ import annotations

import re
from collections import Counter

_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]")),
    ("ko", re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff\u0750-\u077f]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
)
_LATIN = re.compile(r"[a-z\u00c0-\u024f]+")
_COMMON_WORDS = {
    "en": "the of and to in is that it for was on are with as be this what how why which do does",
    "de": "der die das und ist von zu den mit nicht ein eine auf für dem sich wie was wer sind",
    "es": "el la de que y en los se del las un por con no una para es qué cómo cuál son",
    "fr": "le la les de des et est en un une du que qui dans pour pas sur au quoi quel sont",
    "it": "il di che e la un per è in una sono mi ho non ma lo ha le si cosa come quale",
    "pt": "o de que e do da em um para é com não uma os no se na por mais como qual são",
    "nl": "de het een van en in is dat op te zijn met voor niet aan er om wat hoe welke",
}
_COMMON = {language: frozenset(words.split()) for language, words in _COMMON_WORDS.items()}
_SAMPLE = 4_000


def guess_language(text: str) -> str:
    """The ISO 639-1 code of the language that most of ``text`` seems to be in.

    Looks at the first 4,000 characters. A few Japanese kana among Chinese characters mean
    Japanese, because Japanese is written with both.
    """
    sample = text[:_SAMPLE].lower()
    found = {code: len(pattern.findall(sample)) for code, pattern in _SCRIPTS}
    if found["ja"] * 10 > found["zh"] and found["ja"]:
        found["ja"] += found["zh"]
        found["zh"] = 0
    words = _LATIN.findall(sample)
    # A Latin word says about as much as one and a half ideographs.
    latin = len(words) * 1.5
    code, most = max(found.items(), key=lambda item: item[1])
    if most > latin:
        return code
    votes = Counter[str]()
    for language, common in _COMMON.items():
        votes[language] = sum(word in common for word in words)
    best, count = votes.most_common(1)[0]
    return best if count > votes["en"] else "en"
