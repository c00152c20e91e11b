"""Lists of references: they hold the words of every question about their subject, and no answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES = frozenset(
    "references,reference list,bibliography,works cited,literature cited,literature,citation,"
    "citations,cited as,"
    "literatur,literaturverzeichnis,einzelnachweise,quellenverzeichnis,"
    "referencias,bibliografía,obras citadas,références,bibliographie,"
    "riferimenti bibliografici,bibliografia,referências,referências bibliográficas,"
    "литература,список литературы,библиография,список использованной литературы,"
    "参考文献,参考资料,参考書目,参考书目,參考文獻,參考資料,引用文献,文献,"
    "참고문헌,참고 문헌,المراجع,مراجع,قائمة المراجع,เอกสารอ้างอิง,บรรณานุกรม,รายการอ้างอิง".split(",")
)
_NUMBER = re.compile(r"^(?:\d+|[ivx]+)(?:\.\d+)*[.)]?\s+", re.IGNORECASE)
_END = r"(?: \(?(?:19|20)\d\d[a-z]?\)? | \d{4}\.\d{4,5} | \d+[-–]\d+ ) [.,;]? \s* (?: \| .* )? $"
_ENTRY = re.compile(
    rf"""^\s* \[\d{{1,3}}\] \s .* (?: [“”"„«] | \bet\ al\b | \barXiv\b | \bdoi\b | {_END} )
      | (?: \barXiv(?:\ preprint|:\d) | \bdoi(?::|\.org/) | \bpp\.\ ?\d | \bVol\.\ ?\d ) .* {_END}
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def is_reference(sentence: str) -> bool:
    """Whether it is an entry of such a list: with its number in brackets, or ending like one."""
    return _ENTRY.search(sentence) is not None


def is_list_of_references(headings: str, sentences: Sequence[str]) -> bool:
    """Whether a passage belongs to one.

    Args:
        headings: The path to it: "Book › References".
        sentences: Its own.
    """
    name = _NUMBER.sub("", headings.rsplit(" › ", 1)[-1].strip()).rstrip(":").casefold()
    return name in _NAMES or 2 * sum(map(is_reference, sentences)) > max(1, len(sentences))
