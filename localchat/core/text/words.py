"""Words for the keyword index, the same for what is stored and for what is asked.

Lower case, accents folded, English endings removed, stop words left out. What an apostrophe only
leans on a word goes: ``user's`` is ``user`` and ``l'été`` is ``ete``. Scripts that put no spaces
between words (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) become single characters and
pairs, so that a word of two characters is found: SQLite's own tokenisers find none of those
(``unicode61`` keeps a whole run as one word, ``trigram`` needs three characters).
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache

_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0002fa1f"
)
_PIECES = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+(?:'[^\W_{_UNSPACED}]+)*")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")

_ACCENTS = re.compile(r"[\u0300-\u036f]+")
_APOSTROPHES = re.compile(r"[\u2019\u02bc]")
# What French, Italian, Catalan and Portuguese write with an apostrophe before a vowel. Words that
# are one with what follows (aujourd'hui, presqu'île) are not among them.
_ELIDED = re.compile(
    r"""(?: (?: [cdjlmnstv] | qu | (?:jus|lors|puis|quoi)qu | quelqu
            | (?:de|ne|a|da|su|co)?ll | (?:de|ne|a|da|su)?gl | un | ciascun | nessun | qualcun
            | quest | quell | bell | buon | sant | com | dov | cos | anch | senz | tutt ) ' )+
    """,
    re.VERBOSE,
)

_STOP_WORDS = """
    a an the of and or to in on at by for from with as is are was were be been being am do does
    did has have had this that these those it its he she they them his her their we our you your i
    me my what which who whom whose when where why how there here not no than then so such can could
    will would shall should may might must about into over under between if but also any some each
    der das und ist sind ein eine einer eines dem den des zu im von mit auf wie was wer
    wo wann warum welche welcher welches nicht auch
    el la los las un una y o de del en que es por para con qué cómo cuál quién dónde cuándo
    le les des du et ou est sont dans pour sur avec que qui quoi comment quel quelle pourquoi
    """
STOP_CHARACTERS = frozenset(
    "的了是在和与及吗呢吧啊着过也都就而之其为被把什么怎哪些のはがをにへとでもやかね은는이가을를의에"
)


def words(text: str) -> list[str]:
    """The search words of ``text``, in order, with repeats; stop words are left out."""
    return list(_words(text))


def question_words(text: str) -> list[str]:
    """The search words of a question, each once. All words where nothing but stop words is left."""
    found = dict.fromkeys(_words(text))
    return list(found) or list(dict.fromkeys(_words(text, keep_stop_words=True)))


def _words(text: str, *, keep_stop_words: bool = False) -> Iterator[str]:
    for piece in _PIECES.findall(fold(text)):
        if not piece.isascii() and _IS_UNSPACED.match(piece):
            yield from _pairs(piece, keep_stop_words)
            continue
        word = _bare(piece) if "'" in piece else piece
        if keep_stop_words or word not in stop_words():
            yield stem(word)


def _bare(word: str) -> str:
    """``word`` without a possessive 's and without elided words before it."""
    word = word.removesuffix("'s")
    elided = _ELIDED.match(word)
    return word[elided.end() :] if elided else word


def _pairs(run: str, keep_stop_words: bool) -> Iterator[str]:
    """Single characters and neighbouring pairs; a pair of two stop characters says nothing."""
    for position, character in enumerate(run):
        if keep_stop_words or character not in STOP_CHARACTERS:
            yield character
        pair = run[position : position + 2]
        if len(pair) == 2 and (keep_stop_words or not STOP_CHARACTERS.issuperset(pair)):
            yield pair


@cache
def stop_words() -> frozenset[str]:
    """The words that say nothing in a search, folded. Without those that mean something in
    another language: "die", "war", "son", and "für", which folds to an English word."""
    return frozenset(fold(word) for word in _STOP_WORDS.split())


def fold(text: str) -> str:
    """Lower case and one form for what looks the same: full-width letters, accents, apostrophes.

    Marks that make another letter (Japanese voicing, Indic vowel signs, Hangul) are kept.
    """
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = _APOSTROPHES.sub("'", _ACCENTS.sub("", decomposed))
    return unicodedata.normalize("NFC", bare)


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """``word`` (lower case) without its English ending, by Snowball's English stemmer."""
    if not word.isascii() or len(word) < 4 or any(c.isdigit() for c in word):
        return word
    # A stemmer keeps the word it works on in itself, so each thread has its own.
    if not hasattr(_thread, "stemmer"):
        import snowballstemmer

        _thread.stemmer = snowballstemmer.stemmer("english")
    return str(_thread.stemmer.stemWord(word))


_thread = threading.local()
