"""Words for the keyword index, the same for what is stored and for what is asked.

Lower case, accents folded, endings removed by the language's stemmer, stop words left out. What an
apostrophe only leans on a word goes: ``user's`` is ``user`` and ``l'été`` is ``ete``. Scripts
without spaces between words become short pieces (see ``unspaced``), traditional Chinese the same as
simplified. SQLite's own tokenisers find little of that: ``unicode61`` keeps a whole run of Chinese
as one word, ``trigram`` needs three characters.

What is stored has one stem per word, that of its language. A question is too short to be sure of
its language, and may ask about texts in several: it has a stem for each language that it may be in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from itertools import islice

from localchat.core.text import unspaced
from localchat.core.text.forms import letters, plain
from localchat.core.text.language import guess_language
from localchat.core.text.stems import stem
from localchat.core.text.stop_words import stop_words

WORDS_VERSION = 2
"""Changes whenever other words come out of the same text: indexes of another version are made again
from the text."""

_ASCII_PIECES = re.compile("[a-z0-9][a-z0-9']*")
_PIECES = re.compile(
    rf"[{unspaced.SCRIPTS}]+|[^\W_{unspaced.SCRIPTS}]+(?:'[^\W_{unspaced.SCRIPTS}]+)*"
)
# Vowel signs of Indic scripts are letters to a reader, though not to ``\w``; their full stops not.
_INDIC = r"[\u0900-\u0963\u0971-\u0dff]"
_INDIC_PIECES = re.compile(rf"[{unspaced.SCRIPTS}]+|(?:{_INDIC}|[^\W_{unspaced.SCRIPTS}])+")
_HAS_INDIC = re.compile(_INDIC)
_IS_UNSPACED = re.compile(rf"[{unspaced.SCRIPTS}]")

# What French, Italian, Catalan and Portuguese write with an apostrophe before a vowel. Words that
# are one with what follows (aujourd'hui, presqu'île) are not among them.
_ELIDED = re.compile(
    r"""(?: (?: [cdjlmnstv] | qu | (?:jus|lors|puis|quoi)qu | quelqu
            | (?:de|ne|a|da|su|co)?ll | (?:de|ne|a|da|su)?gl | un | ciascun | nessun | qualcun
            | quest | quell | bell | buon | sant | com | dov | cos | anch | senz | tutt ) ' )+
    """,
    re.VERBOSE,
)

_MOST_REMEMBERED = 100_000
"""Words of one language."""

_GROUPING = re.compile(r"[.,'](?<=[0-9].)(?=[0-9]{3}(?![0-9]))")
"""What stands between the thousands of a number, in one country or another."""
_HINTS = re.compile(r"[-.,'][0-9]|\+\+|#")
_CODES = re.compile(
    r"""
      (?<![a-z0-9.,]) (?P<decimal> [0-9]+ (?: [.,] [0-9]+ ){1,3} ) (?! [.,]?[0-9] )
    | (?<![a-z0-9-]) (?P<hyphened> (?!mid|pre|post) [a-z]{1,8} [0-9]{0,4} - [0-9]+ [a-z]{0,2} )
      (?![a-z0-9-])
    | (?<![a-z0-9]) (?P<sign> [a-z] (?: \+\+ | \# ) ) (?![a-z0-9])
    """,
    re.VERBOSE,
)


def words(text: str, language: str | None = None) -> list[str]:
    """The search words of ``text``, with repeats; stop words are left out.

    Args:
        text: In any script.
        language: ISO 639-1 code of what it is written in; None: guess. A single sentence is better
            given the language of the text that it stands in.
    """
    language = language or guess_language(text)
    folded, codes = _with_codes(letters(text))
    stored_as = _stored(language).__getitem__
    pieces = _pieces(folded)
    if folded.isascii():
        return [*filter(None, map(stored_as, pieces)), *codes]
    found: list[str] = []
    for piece in pieces:
        if not piece.isascii() and _IS_UNSPACED.match(piece):
            found += unspaced.pieces(piece)
        elif word := stored_as(piece):
            found.append(word)
    return [*found, *codes]


def question_words(text: str, languages: Iterable[str] = ()) -> list[str]:
    """All of ``question_terms``, each once."""
    return list(dict.fromkeys(word for term in question_terms(text, languages) for word in term))


def question_terms(
    text: str, languages: Iterable[str] = (), most: int | None = None
) -> list[tuple[str, ...]]:
    """The search words of a question, each once, with what it is in each language that it may be
    in: any of these stands for it in a text. Where nothing but stop words is left, all words.

    Args:
        text: In any script.
        languages: ISO 639-1 codes of the languages that the texts to be searched are in.
        most: So many different words, the first, are looked at; None: all.
    """
    own = guess_language(text)
    spoken = dict.fromkeys((own, *languages, "en"))
    folded, codes = _with_codes(letters(text))
    asked = _asked(folded, stop_words(own)) or _asked(folded, frozenset(), keep_stops=True)
    # “GPT-4” is asked for by “gpt” and “4”, each of which stands in “GPT-4” and in “GPT4”.
    codes_with: dict[str, list[str]] = {}
    for code, parts in codes.items():
        for part in parts:
            codes_with.setdefault(part, []).append(code)
    terms = []
    for word in islice(dict.fromkeys(asked), most):
        forms = [stem(word, language) for language in spoken] + codes_with.get(word, [])
        terms.append(tuple(dict.fromkeys(forms)))
    return list(dict.fromkeys(terms))


def _pieces(folded: str) -> list[str]:
    """Whole words, and runs of scripts without spaces."""
    if folded.isascii():
        return _ASCII_PIECES.findall(folded)
    return (_INDIC_PIECES if _HAS_INDIC.search(folded) else _PIECES).findall(folded)


class _Stored(dict[str, str]):
    """The search word that each piece of a text becomes; empty: it is left out. Remembers them:
    looking one up is most of what is done for a text."""

    def __init__(self, language: str) -> None:
        self._language = language

    def __missing__(self, piece: str) -> str:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        word = _bare(piece)
        left_out = plain(word) in stop_words(self._language)
        self[piece] = stored = "" if left_out else stem(word, self._language)
        return stored


_stored = cache(_Stored)


def _asked(folded: str, left_out: frozenset[str], *, keep_stops: bool = False) -> list[str]:
    """The words of a question, not yet stemmed."""
    found: list[str] = []
    for piece in _pieces(folded):
        if not piece.isascii() and _IS_UNSPACED.match(piece):
            found += unspaced.pieces(piece, asked=True, keep_stops=keep_stops)
        else:
            found.append(_bare(piece))
    return [word for word in found if word and plain(word) not in left_out]


def _bare(word: str) -> str:
    """``word`` without a possessive 's and without elided words before it."""
    if "'" not in word:
        return word
    word = word.rstrip("'").removesuffix("'s")
    elided = _ELIDED.match(word)
    return word[elided.end() :] if elided else word


def _with_codes(folded: str) -> tuple[str, dict[str, list[str]]]:
    """``folded`` with large numbers in one piece, and what is one word to people though marks stand
    in it, with its parts: “3.11.2” is also 3.11 and 3.11.2, “GPT-4” also gpt4, “C++” no mere C."""
    codes: dict[str, list[str]] = {}
    if not _HINTS.search(folded):
        return folded, codes
    folded = _GROUPING.sub("", folded)
    end = 0
    for hint in _HINTS.finditer(folded):
        if hint.start() < end:
            continue
        # Only what stands without a space around the hint is looked at closely: this saves time.
        start = max(folded.rfind(" ", end, hint.start()) + 1, end)
        space = folded.find(" ", hint.end())
        end = len(folded) if space < 0 else space
        for match in _CODES.finditer(folded, start, end):
            codes |= _codes(match)
    return folded, codes


def _codes(match: re.Match[str]) -> dict[str, list[str]]:
    found = match.group()
    parts: list[str] = _ASCII_PIECES.findall(found)
    if match.lastgroup == "decimal":
        return {".".join(parts[:some]): parts[:some] for some in range(2, len(parts) + 1)}
    return {found if match.lastgroup == "sign" else "".join(parts): parts}
