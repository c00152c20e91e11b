"""From bytes to characters.

In this order: a byte order mark; the declared encoding, if the bytes agree with it; UTF-8, which
almost nothing else looks like; UTF-16 without a mark; then the guess that makes most sense. Pages
and servers often declare less than they use, so each declared name stands for the largest encoding
that it is used for (gb2312 for GB18030, iso-8859-1 for windows-1252).
"""

from __future__ import annotations

import codecs
import re

from localchat.core.errors import ReadError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ISO_2022_JP = re.compile(rb"\x1b(?:\$[@B]|\(J)")
_USED_FOR = {
    "iso8859-1": "cp1252", "latin-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030",
    "gbk": "gb18030", "hz": "gb18030", "shift_jis": "cp932", "shift_jis_2004": "cp932",
    "euc_kr": "cp949", "big5": "big5hkscs", "iso8859-9": "cp1254", "tis-620": "cp874",
    "iso8859-11": "cp874", "utf-16": "utf-16-le",
}  # fmt: skip
_ALIASES = {
    "x-gbk": "gbk", "x-sjis": "cp932", "windows-31j": "cp932", "x-euc-jp": "euc_jp",
    "utf8mb4": "utf-8", "unicode": "utf-8", "x-user-defined": "cp1252", "ks_c_5601-1987": "cp949",
    "windows-949": "cp949", "windows-874": "cp874", "x-x-big5": "big5", "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic", "dos-874": "cp874", "cn-gb": "gb18030",
}  # fmt: skip
_SAMPLE = 65_536
_TOLERATED = 0.01  # characters that could not be decoded, of all
_ASIAN = ("cp932", "euc_jp", "gb18030", "big5", "cp949")
_WESTERN = [
    "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258",
    "cp874", "koi8_r", "koi8_u", "iso8859_2", "iso8859_5", "cp866",
]  # fmt: skip

_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\u30fc]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_HAN = re.compile("[\u4e00-\u9fff]")
_FREQUENT_HAN = frozenset(
    "的一是不了在人有我他这個这们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年"
    "过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心"
    "本前开但因只从想实日軍者意無力它与長把機十民第公此已工使情明性知全三又關點正業外將兩高間由"
    "問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世"
    "位次度門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更别打女變四"
    "神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社便"
    "這們來為國說時會對於過發後經麼現當沒動還進樣開從實問題與數據資料"
)


def decode(content: bytes, declared: str | None, origin: str) -> str:
    """The text in ``content``, or a ``ReadError``; ``declared`` is what a header or page says."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    japanese = _ISO_2022_JP.search(content[:_SAMPLE])  # seven bits, so it is valid UTF-8 as well
    utf8 = None if japanese else _strict(content, "utf-8")
    if utf8 is not None and "\x00" not in utf8 and _codec(declared) in (None, "utf-8", "cp1252"):
        return _checked(utf8, origin)
    if b"\x00" in content[:_SAMPLE]:
        return _checked(_utf16_without_mark(content), origin)
    codec = "iso2022_jp" if japanese else _codec(declared)
    if codec is not None and (text := _tolerant(content, codec)) is not None:
        return _checked(text, origin)
    if utf8 is None:
        utf8 = _tolerant(content, "utf-8")
    return _checked(_guess(content) if utf8 is None else utf8, origin)


def _codec(name: str | None) -> str | None:
    name = (name or "").strip().strip("\"'").lower()
    try:
        found = codecs.lookup(_ALIASES.get(name, name)).name
        "".encode(found)  # not "base64" or "zip"
    except (LookupError, ValueError, TypeError):
        return None
    return _USED_FOR.get(found, found)


def _strict(content: bytes, codec: str) -> str | None:
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        return None


def _tolerant(content: bytes, codec: str) -> str | None:
    """The text, if at most one character in a hundred is broken."""
    text = content.decode(codec, errors="replace")
    other = sum(1 for character in text if ord(character) > 127)
    broken = text.count("�")
    return text if broken <= max(_TOLERATED * len(text), 0) and broken * 4 <= other else None


def _utf16_without_mark(content: bytes) -> str | None:
    """Western text in UTF-16 has its zeros at every second place; binary data has not."""
    sample = content[:_SAMPLE]
    for codec, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        zeros, others = sample[first::2].count(0), sample[1 - first :: 2].count(0)
        if zeros > 0.3 * len(sample) / 2 and others == 0:
            return _strict(content[: len(content) // 2 * 2], codec)
    return None


def _guess(content: bytes) -> str | None:
    """Of the encodings in which the bytes can be read, the one that reads like a language."""
    sample = content[:_SAMPLE]
    if len(content) > _SAMPLE:
        sample = sample[: sample.rfind(b"\n") + 1] or sample[:-4]
    scores = {codec: _sense(text) for codec in _ASIAN if (text := _strict(sample, codec))}
    best = max(scores, key=lambda codec: scores[codec], default=None)
    if best is not None and scores[best] > 0.5:
        return content.decode(best, errors="replace")

    from charset_normalizer import from_bytes

    match = from_bytes(sample, cp_isolation=_WESTERN).best()
    if match is None or match.encoding == "ascii":
        return None
    return content.decode(match.encoding, errors="replace")


def _sense(text: str) -> float:
    """How much of the text beyond ASCII is what Chinese, Japanese and Korean people write."""
    other = [character for character in text if ord(character) > 127]
    if not other:
        return 0.0
    beyond = "".join(other)
    han = _HAN.findall(beyond)
    frequent = sum(1 for character in han if character in _FREQUENT_HAN)
    kana, hangul = len(_KANA.findall(beyond)), len(_HANGUL.findall(beyond))
    punctuation = sum(
        1 for character in beyond if character in "，。、；：？！“”「」『』（）《》…—・"
    )
    # Han characters count when the frequent ones are among them, and more so among kana.
    share = frequent / len(han) if han else 0.0
    han_sense = min(1.0, 0.5 + share * 2) if kana > 0.2 * len(beyond) else min(1.0, share * 4)
    odd = sum(
        1 for character in beyond if "\uff61" <= character <= "\uff9f" or character >= "\ue000"
    )
    return (len(han) * han_sense + kana + hangul + punctuation - odd) / len(beyond)


def _checked(text: str | None, origin: str) -> str:
    sample = (text or "")[:_SAMPLE]
    controls = sum(1 for c in sample if ord(c) < 32 and c not in "\t\n\r\f\x0b\x1a\x1b\x08")
    if text is None or controls > max(3, 0.005 * len(sample)):
        raise ReadError(
            origin,
            f"“{origin}” is not text, or its encoding is unknown.",
            "Open it in the program that made it, save it as UTF-8 text or as PDF, and add that.",
        )
    return text
