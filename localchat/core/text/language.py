"""Which language a text is in: by its script, and among Latin scripts by its commonest words.

A guess for choosing weights, stemmers and stop words, not a verdict: short Latin texts without any
common word count as English, and all that is written in Cyrillic as Russian.
"""

from __future__ import annotations

import re
from collections import Counter

_EAST_ASIAN = {
    "ja": re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]+"),
    "ko": re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]+"),
    "zh": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]+"),
}
_OTHER_SCRIPTS = {
    "ru": re.compile(r"[\u0400-\u04ff]+"),
    "ar": re.compile(r"[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc]+"),
    "he": re.compile(r"[\u0590-\u05ff]+"),
    "th": re.compile(r"[\u0e00-\u0e7f]+"),
    "hi": re.compile(r"[\u0900-\u097f]+"),
    "el": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]+"),
}
_EAST = re.compile(r"[\u1100-\u11ff\u3040-\ufaff\uff66-\uff9f\U00020000-\U0002fa1f]")
_OTHERS = re.compile(r"[\u0370-\u097f\u0e00-\u0e7f\u1f00-\u1fff\ufb50-\ufefc]")
_PERSIAN = re.compile(r"[پچژگکی]")
_ARABIC_ONLY = re.compile(r"[كيةىأإ]")
_VIETNAMESE = re.compile(r"[ăđơư\u1ea0-\u1ef9]")
_LATIN = re.compile(r"[a-z\u00c0-\u024f\u1e00-\u1eff\ufb00-\ufb06]+")
_COMMON_WORDS = {
    "en": "the of and to in is that it for was on are with as be this what how why which do does "
    "did an you my we our or at by from have has can will when where who many much name",
    "de": "der die das und ist von zu den mit nicht ein eine auf für dem sich wie was wer sind wo "
    "wann warum wird wurde im des bei welche welcher",
    "es": "el la de que en los se del las un por con no una para es qué cómo cuál son quién "
    "cuándo dónde fue cuántos cuántas al su está pueden sobre",
    "fr": "le la les de des et est en un une du que qui dans pour pas sur au quoi quel sont quelle "
    "où quand comment pourquoi combien été",
    "it": "il di che la un per è in una sono mi ho non ma lo ha le si cosa come quale dove quando "
    "chi perché della del fu quanti",
    "pt": "de que do da em um para é com não uma os no se na por mais como qual são quem onde "
    "quando foi quantos dos das ao às têm estão pode pelo pela",
    "nl": "de het een van en in is dat op te zijn met voor niet aan er om wat hoe welke wie waar "
    "wanneer waarom werd wordt door",
    "sv": "och att det som på är av för med till inte vad när hur vem var en ett den",
    "da": "og at det som på er af for med til ikke hvad hvornår hvordan hvem hvor en et den",
    "no": "og at det som på er av for med til ikke hva når hvordan hvem hvor en et den",
    "pl": "na do nie się jest to że jak co kiedy gdzie kto przez od po są był została ile która",
    "tr": "ve bir bu ile için ne da de olarak olan nasıl nerede zaman hangi kim mi mı",
}
"""Of two letters and more: a single one may be an initial, or number an item."""
_ENGLISH = frozenset(_COMMON_WORDS["en"].split())
_SAMPLE = 4_000
_SURELY_ENGLISH = 0.25
"""The share of these words is above a third in English, and about a tenth in other languages; of a
single sentence that says little."""
_ENOUGH_WORDS = 20


def guess_language(text: str) -> str:
    """The ISO 639-1 code of the language that most of ``text`` seems to be in.

    Looks at the first 4,000 characters. A few Japanese kana among Chinese characters mean
    Japanese, because Japanese is written with both. Traditional and simplified Chinese are ``zh``.
    """
    sample = text[:_SAMPLE].lower()
    scripts = {} if sample.isascii() else _scripts(sample)
    if not scripts:
        return _latin_language(sample)
    found = {code: sum(map(len, script.findall(sample))) for code, script in scripts.items()}
    if found.get("ja", 0) * 10 > found.get("zh", 0):
        found["ja"] += found["zh"]
        found["zh"] = 0
    # A Latin word says about as much as one and a half ideographs.
    latin = len(_LATIN.findall(sample)) * 1.5
    code, most = max(found.items(), key=lambda item: item[1])
    if most <= latin:
        return _latin_language(sample)
    if code == "ar" and len(_PERSIAN.findall(sample)) > len(_ARABIC_ONLY.findall(sample)):
        return "fa"
    return code


def _scripts(sample: str) -> dict[str, re.Pattern[str]]:
    """Those to count in ``sample``, beside Latin."""
    east = _EAST_ASIAN if _EAST.search(sample) else {}
    return east | _OTHER_SCRIPTS if _OTHERS.search(sample) else east


def _latin_language(sample: str) -> str:
    """By votes: each common word that occurs votes once for its languages, in a draw for English.
    Once, because a name may repeat one of them: an English page on Los Angeles is not Spanish."""
    roughly = sample.split()
    if len(roughly) >= _ENOUGH_WORDS and sum(
        map(_ENGLISH.__contains__, roughly)
    ) > _SURELY_ENGLISH * len(roughly):
        return "en"
    if not sample.isascii() and len(_VIETNAMESE.findall(sample)) * 4 > len(roughly):
        return "vi"
    votes = Counter[str]()
    for word in _VOTERS.keys() & set(_LATIN.findall(sample)):
        votes.update(_VOTERS[word])
    best = max(_COMMON_WORDS, key=votes.__getitem__)
    return best if votes[best] > votes["en"] else "en"


def _voters() -> dict[str, list[str]]:
    voters: dict[str, list[str]] = {}
    for language, common in _COMMON_WORDS.items():
        for word in common.split():
            voters.setdefault(word, []).append(language)
    return voters


_VOTERS = _voters()
