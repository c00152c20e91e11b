"""What kind of thing a question asks for, and whether a sentence has one.

"When was it built?" is answered by a sentence with a date in it. The kinds of TREC's question
answering track that can be told without a model: time, number, person, place, reason. Question
words in a dozen languages; what no question word tells has no kind.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

Kind = Literal["time", "number", "person", "place", "reason"]

_ASKS: dict[Kind, str] = {
    "time": r"""
        \b(?: when | (?:what|which)\ (?:year|date|day|month|decade|century|time|era)
            | wann | welche[mnrs]?\ (?:jahr|tag|monat|jahrhundert)
            | cuándo | qué\ (?:año|día|fecha|siglo) | quand | quelle\ (?:année|date)
            | quando | (?:che|quale)\ anno | когда | как(?:ом|ой)\ год[ау]? )\b
        | 何时 | 何時 | 什么时候 | 什麼時候 | 哪一?年 | 几月 | 几年 | 时间 | 日期
        | いつ | 何年 | 何月 | 何日 | 언제 | 몇\ ?년 | 몇\ ?월
        | متى | أي\ عام | เมื่อไ | เมื่อใด | ปีใด | ปีไหน""",
    "number": r"""
        \b(?: how\ (?:many|much|long|old|far|often|large|big|tall|fast|high|wide|deep|heavy)
            | what\ (?:percent|number|percentage|proportion|fraction|amount)
            | wie\ ?(?:viele?|lange|alt|weit|oft|groß|hoch|schnell|schwer)
            | cuánt[oa]s? | combien | quant[aeio]s? | сколько )\b
        | 多少 | 几[个名人次岁种条座部位所届天层只家] | 幾 | 多大 | 多长 | 多長 | 多高 | 多远
        | 比例 | 百分 | いくつ | いくら | 何(?:人|個|回|歳|キロ|メートル|パーセント)
        | どのくらい | 몇 | 얼마 | كم | กี่ | เท่าไ""",
    "person": r"""
        \b(?: who(?:m|se)? | what\ (?:was|is)\ the\ name
            | which\ (?:person|man|woman|king|queen|president)
            | wer | wem | wen | wessen | quién(?:es)? | qui | chi | quem
            | кто | кого | кому | кем )\b
        | 谁 | 誰 | 哪位 | 何人 | 哪个人 | 哪些人 | だれ | どなた | 누가 | 누구
        | من\ هو | من\ هي | ใคร""",
    "place": r"""
        \b(?: where | (?:what|which)\ (?:country|city|state|place|town|region|river|continent
                                         |county|area|location)
            | wo | wohin | woher | dónde | adónde | où | dove | onde | где | куда | откуда )\b
        | 哪里 | 哪裡 | 哪儿 | 在哪 | 何处 | 哪个(?:国家|城市|地方|省|地区) | 什么地方 | 位于
        | どこ | 어디 | أين | ที่ไหน | ที่ใด""",
    "reason": r"""
        \b(?: why | what\ (?:caused|causes|reason) | warum | weshalb | wieso | por\ qué
            | pourquoi | perché | почему | зачем )\b
        | 为什么 | 為什麼 | 为何 | 為何 | 原因 | 怎么会 | なぜ | どうして | 왜
        | لماذا | ทำไม | เพราะเหตุใด""",
}
_ASKED = {kind: re.compile(pattern, re.VERBOSE) for kind, pattern in _ASKS.items()}

_MONTHS = (
    "january february march april may june july august september october november december "
    "januar februar märz mai juni juli oktober dezember enero febrero marzo abril mayo junio julio "
    "agosto septiembre octubre noviembre diciembre janvier février mars avril juin juillet août "
    "septembre octobre novembre décembre января февраля марта апреля мая июня июля августа "
    "сентября октября ноября декабря"
).split()
_HAS: dict[Kind, re.Pattern[str]] = {
    "time": re.compile(
        rf"""\b(?: 1\d{{3}} | 20\d\d | {"|".join(_MONTHS)} | century | jahrhundert | siglo | siècle
                | век[ае]? | monday | tuesday | wednesday | thursday | friday | saturday | sunday
                | عام | سنة )\b
            | \d+\s*(?:年|月|日|世纪|世紀|년|월|일|세기) | พ\.ศ | ค\.ศ""",
        re.IGNORECASE | re.VERBOSE,
    ),
    "number": re.compile(
        r"""\d | [一二三四五六七八九十百千万萬億两兩]
            | \b(?: one | two | three | four | five | six | seven | eight | nine | ten | eleven
                | twelve | dozen | hundred | thousand | million | billion | half | third | quarter
                | percent | zwei | drei | vier | fünf | sechs | sieben | acht | neun | zehn
                | hundert | tausend | dos | tres | cuatro | cinco | siete | ocho | nueve | diez
                | cien | mil
                | millones | два | две | три | четыре | пять | сто | тысяч\w* | миллион\w* )\b""",
        re.IGNORECASE | re.VERBOSE,
    ),
    "reason": re.compile(
        r"""\b(?: because | due\ to | since | as\ a\ result | caused | therefore | so\ that
                | in\ order\ to | reason | led\ to | weil | wegen | deshalb | damit | porque
                | debido | parce | perché | поэтому | из-за | чтобы | потому\ что )\b
            | 因为 | 因為 | 由于 | 由於 | 因此 | 导致 | 導致 | 所以 | 为了 | 為了 | 原因 | ため
            | から | 때문 | لأن | بسبب | เพราะ | เนื่องจาก""",
        re.IGNORECASE | re.VERBOSE,
    ),
}
_NAMES = re.compile(r"(?<=[^\W\d_,;:)] )[^\W\d_a-zа-яёß-ÿ][\w.'’-]+")
"""Words with a capital letter inside a sentence."""


def kind_asked(question: str) -> Kind | None:
    """What kind of thing ``question`` asks for; None where no question word tells."""
    small = question.casefold()
    return next((kind for kind, asks in _ASKED.items() if asks.search(small)), None)


def has_kind(kind: Kind, sentence: str, asked: Collection[str]) -> bool:
    """Whether ``sentence`` has something of that kind; a name that stands in the question, whose
    words in small letters are ``asked``, is no answer to it."""
    if kind in ("person", "place"):
        return any(name.casefold() not in asked for name in _NAMES.findall(sentence))
    return _HAS[kind].search(sentence) is not None
