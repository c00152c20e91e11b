"""Words without their endings, by language: Snowball's stemmers (https://snowballstem.org)."""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Any

from localchat.core.text.forms import plain

_STEMMERS = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fa": "persian",
    "fr": "french",
    "hi": "hindi",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
_OWN_SCRIPT = (
    ("ru", re.compile(r"[\u0400-\u052f]")),
    ("ar", re.compile(r"[\u0600-\u06ff\u0750-\u077f]")),
    ("el", re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)
"""Scripts other than Latin, and the language to take a word for that is written in one."""
_OTHERS_OF_SCRIPT = {"ar": ("fa",)}
_LATIN = re.compile(r"[a-z\u00c0-\u024f\u1e00-\u1eff]")
_LATIN_LANGUAGES = frozenset(_STEMMERS) - {"ru", "ar", "fa", "el", "hi"}

_ARTICLE = re.compile("^[وف]?(?:[بك]?ال|لل)(?=.{3})")
"""The Arabic article with the conjunction and preposition before it, all written as one word."""
_NO_STEMMER = ""


@lru_cache(maxsize=200_000)
def stem(word: str, language: str) -> str:
    """``word`` (see ``forms.letters``) without its ending and its accents.

    The language counts among those that are written in the word's script: an English name in a
    Russian text is stemmed as English, and a Russian word as Russian wherever it stands.

    Args:
        word: One word, lower case.
        language: ISO 639-1 code of the text around it.
    """
    if len(word) < 4 or any(character.isdigit() for character in word):
        return plain(word)
    language = _language_of(word, language)
    if language == _NO_STEMMER:
        return plain(word)
    stemmer = _stemmer(language)
    if language == "en":
        bare = plain(word)
        return str(stemmer.stemWord(bare)) if bare.isascii() else bare
    if language not in _LATIN_LANGUAGES:
        return plain(stemmer.stemWord(_ARTICLE.sub("", word) if language == "ar" else word))
    # Once is not enough for all forms to meet: Spanish “ciudades” becomes “ciudad”, and “ciudad”
    # “ciud”; without the accents that people leave out, other rules apply than with them.
    found = word
    for _ in range(4):
        shorter = plain(stemmer.stemWord(found))
        if shorter == found:
            break
        found = shorter
    return found


def _language_of(word: str, language: str) -> str:
    """The language to stem ``word`` in."""
    if word.isascii() or _LATIN.match(word):
        if language == "vi":  # has no endings
            return _NO_STEMMER
        return language if language in _LATIN_LANGUAGES else "en"
    for usual, script in _OWN_SCRIPT:
        if script.match(word):
            return language if language in _OTHERS_OF_SCRIPT.get(usual, ()) else usual
    return _NO_STEMMER


def _stemmer(language: str) -> Any:
    # A stemmer keeps the word it works on in itself, so each thread has its own.
    stemmers: dict[str, Any] = _thread.__dict__
    if language not in stemmers:
        import snowballstemmer

        stemmers[language] = snowballstemmer.stemmer(_STEMMERS[language])
    return stemmers[language]


_thread = threading.local()
