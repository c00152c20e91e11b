"""Search pieces of scripts that put no spaces between words, or glue small words on to others.

Chinese characters become single characters and pairs, so that a word of two characters is found.
Kana, Hangul, Thai and its neighbours become short pieces of several characters: one of them alone
says nothing there, and would stand in every text.
"""

from __future__ import annotations

import operator
import re
from itertools import pairwise

_HAN = r"\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_KATAKANA = r"\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
_HIRAGANA = r"\u3041-\u309f"
_HANGUL = r"\uac00-\ud7af"
_CLUSTERS = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
SCRIPTS = _HAN + _KATAKANA + _HIRAGANA + _HANGUL + _CLUSTERS
"""For use inside a regular expression's brackets."""

_RUNS = re.compile(
    rf"(?P<han>[{_HAN}]+)|(?P<katakana>[{_KATAKANA}]+)|(?P<hiragana>[{_HIRAGANA}]+)"
    rf"|(?P<hangul>[{_HANGUL}]+)|(?P<clusters>[{_CLUSTERS}]+)"
)
_ONLY_HAN = re.compile(f"[{_HAN}]+")
_CLUSTER = re.compile(
    # A letter with the vowel signs, tone marks and subscripts that are written on it.
    r".(?:[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd"
    r"\u102b-\u103e\u1056-\u1059\u105e-\u1060\u17b4-\u17d1\u17dd]|\u17d2.)*"
)

STOP_CHARACTERS = frozenset("的了是在和与及吗呢吧啊着过也都就而之其为被把什么怎哪些")
_STOPS = STOP_CHARACTERS | {a + b for a in STOP_CHARACTERS for b in STOP_CHARACTERS}
_PARTICLES = frozenset("のはがをにへとでもやかねよ")
_HIRAGANA_STOPS = frozenset(
    """
    です ます した して ても でも いる ある いた あり ない なる なり なっ った って てい
    こと もの から まで など には では とは のは との への のか ため よう うに ると れた
    れる られ いま ませ せん ただ また その この あの どの これ それ あれ どれ ここ そこ
    どこ いつ だれ なに なん なぜ どう どん すか たか るか もっ よっ とし おり され たり
    たの るの でき きる きま しま まし しょ ょう
    """.split()
)
_QUESTIONS = re.compile(
    "いつ|どこ|だれ|なに|なん|なぜ|どう|どの|どれ|どんな|くらい|ですか|ますか|ましたか|でしょうか|ください"
    "|เมื่อไหร่|เมื่อไร|ที่ไหน|อะไร|ใคร|อย่างไร|ยังไง|ทำไม|เพราะเหตุใด|เท่าไหร่|เท่าไร|หรือไม่|หรือเปล่า"
    "|ใช่ไหม|ไหม|บ้าง".replace("ำ", "\u0e4d\u0e32")
)
_KOREAN_ENDINGS = re.compile(
    "(?:에서[는도]?|에게서?|으?로(?:는|부터)?|부터|까지|이?라[고는]|이?란|이나|처럼|보다|마다|들[은이을의]?"
    "|[하되][는다며고여]|[하되]었[던다]|했[던다]|됐[던다]|[였이]었?다|[합됩입습]니[다까]"
    "|[하되였었했됐]습니[다까]|[인하되있]나?[가요]요|[았었]?다|[아어]요|고|면서?|며|지만|은|는|이|가|을|를|의|에|도|와|과|로|만)$"
)
_KOREAN_STOPS = frozenset(
    """
    언제 무엇 누구 누가 어디 어떻게 어떤 어느 무슨 왜 몇 얼마 얼마나 그 이 저 것 수 및
    등 또는 그리고 그런데 하지만 있 있는 있다 하 되 된 한 할 대한 대해 대하여 위한 위해
    위하여 통해 통한
    """.split()
)


def pieces(run: str, *, asked: bool = False, keep_stops: bool = False) -> list[str]:
    """The pieces of ``run``, in order, with repeats.

    Args:
        run: Characters of ``SCRIPTS`` and nothing else, after ``forms.letters``.
        asked: It is part of a question, and what only makes it one goes.
        keep_stops: Also what says nothing in a search.
    """
    if _ONLY_HAN.fullmatch(run):
        return _han(run, keep_stops)
    found: list[str] = []
    before = ""
    for match in _RUNS.finditer(run):
        part, script = match.group(), match.lastgroup
        if script == "han":
            found += _han(part, keep_stops)
        elif script == "katakana":
            found += _katakana(part, keep_stops)
        elif script == "hiragana":
            if before == "han" and (keep_stops or part[0] not in _PARTICLES):
                found.append(run[match.start() - 1] + part[0])
            for rest in _said(part, asked and not keep_stops):
                found += _hiragana(rest, keep_stops)
        elif script == "hangul":
            found += _hangul(part, keep_stops)
        else:
            for rest in _said(part, asked and not keep_stops):
                found += _clusters(rest)
        before = script or ""
    return found


def _said(run: str, asked: bool) -> list[str]:
    """What is left around the words that make it a question."""
    return [rest for rest in _QUESTIONS.split(run) if rest] if asked else [run]


def _han(run: str, keep_stops: bool) -> list[str]:
    """Single characters and neighbouring pairs; a pair of two stop characters says nothing."""
    found = [""] * (2 * len(run) - 1)
    found[::2] = run
    found[1::2] = _pairs(run)
    if keep_stops or _STOPS.isdisjoint(found):
        return found
    return [piece for piece in found if piece not in _STOPS]


def _katakana(run: str, keep_stops: bool) -> list[str]:
    """Pairs, and the whole of a longer word. コンピューター is also written コンピュータ."""
    word = run[:-1] if len(run) > 2 and run.endswith("ー") else run
    if len(word) == 1:
        return [word] if keep_stops else []
    return _pairs(word) if len(word) == 2 else [word, *_pairs(word)]


def _hiragana(run: str, keep_stops: bool) -> list[str]:
    if keep_stops:
        return _pairs(run) or [run]
    return [pair for pair in _pairs(run) if pair not in _HIRAGANA_STOPS]


def _hangul(run: str, keep_stops: bool) -> list[str]:
    """Pairs within a word, without the particle or ending that is written on to it."""
    ending = _KOREAN_ENDINGS.search(run, 1)
    word = run[: ending.start()] if ending else run
    if not keep_stops and (word in _KOREAN_STOPS or run in _KOREAN_STOPS):
        return []
    if len(word) > 1:
        return _pairs(word)
    # It may as well be a word of two that only looks as if it had a particle: 나이, 회의.
    return [word, run] if len(run) == 2 else [word]


def _clusters(run: str) -> list[str]:
    """Two and three letters with their signs."""
    clusters: list[str] = _CLUSTER.findall(run)
    if len(clusters) < 2:
        return clusters
    found = [a + b for a, b in pairwise(clusters)]
    return found + [
        a + b + c for a, b, c in zip(clusters, clusters[1:], clusters[2:], strict=False)
    ]


def _pairs(run: str) -> list[str]:
    return [*map(operator.add, run, run[1:])]
