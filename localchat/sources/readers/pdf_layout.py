"""From the lines of PDF pages back to paragraphs.

A PDF knows where letters stand, not what belongs together. Lines are joined when the line before
is full and no sentence ends there; words divided at a line end are made whole again; lines that
stand on most pages at the top or the bottom belong to the paper and not to the text.
"""

from __future__ import annotations

import re
from collections import Counter

from localchat.sources.cleaning import CJK, joint
from localchat.sources.document import BlockKind

_EDGE_LINES = 2
_MOST = 0.5
_BULLET = re.compile(r"[•‣◦▪●○■□–·*]\s*(?=\S)|-\s+(?=\S)|\(?(?:\d{1,2}|[a-z])[.)]\s+(?=\S)")
_NUMBERED_HEADING = re.compile(
    r"(?:(?:\d{1,2}\.)+\d{0,2}|\d{1,2}(?:\.\d{1,2})*|[A-Z]\.\d*|[IVX]{1,4}\.)\s+[^\W\d_a-z][^.!?;]{1,70}$"
    r"|第[一二三四五六七八九十百\d]+[章节節部篇]\s*[^。！？]{0,30}$|[一二三四五六七八九十]+、[^。！？]{1,30}$"
    r"|(?:Abstract|Introduction|Conclusions?|References|Acknowledge?ments|Appendix|Contents|摘要|引言|结论|参考文献)$"
)
_SENTENCE_END = re.compile(r"[.!?:;。！？：；…][\"'”’」』）)\]]*$")
_HYPHENATED = re.compile(r"([^\W\d_]{2,})[-‐]$")
_WORD = re.compile(r"[^\W\d_]+(?:[-‐][^\W\d_]+)*")
_WIDE = re.compile(f"[{CJK}]")


def without_running_lines(pages: list[list[str]]) -> list[list[str]]:
    """The pages without headers, footers and page numbers, which repeat on most of them."""
    filled = [[line for line in lines if line] for lines in pages]
    texts = sum(1 for lines in filled if lines)
    if texts < 3:
        return pages
    seen: Counter[str] = Counter()
    for lines in filled:
        seen.update({_pattern(line) for line in _edges(lines)})
    running = {pattern for pattern, times in seen.items() if times >= max(3, _MOST * texts)}
    offset = _page_number_offset(filled, texts)
    return [
        _without_edges(lines, running, None if offset is None else place + offset)
        for place, lines in enumerate(pages)
    ]


def paragraphs(lines: list[str]) -> list[tuple[str, BlockKind]]:
    """The blocks of one page; empty lines end a block, others when it looks like an end."""
    full = _full_width(lines)
    words = Counter(word.lower() for line in lines for word in _WORD.findall(line))
    blocks: list[tuple[str, BlockKind]] = []
    text, kind, last = "", "paragraph", ""
    for line in lines:
        new_kind: BlockKind = "list_item" if _BULLET.match(line) else "paragraph"
        ended = not text or _ends_here(last, line, full) or new_kind == "list_item"
        if line and ended and _NUMBERED_HEADING.match(line) and _width(line) < 0.8 * full + 12:
            new_kind = "heading"
        if text and line and kind != "heading" and not ended:
            text = _join(text, line, words)
        else:
            if text:
                blocks.append((text, kind))  # type: ignore[arg-type]
            text, kind = line, new_kind
        last = line
    if text:
        blocks.append((text, kind))  # type: ignore[arg-type]
    return blocks


def _edges(lines: list[str]) -> list[str]:
    return lines[:_EDGE_LINES] + lines[max(_EDGE_LINES, len(lines) - _EDGE_LINES) :]


def _pattern(line: str) -> str:
    """A short line with its numbers left open: "Page 3 of 12" is the same on every page."""
    if len(line) > 40:
        return line.lower()
    return re.sub(r"\d+|\b[ivxl]+\b", "#", line.lower())


def _page_number_offset(filled: list[list[str]], texts: int) -> int | None:
    """What to add to a page's place to get the number printed on it, if there are such numbers."""
    offsets: Counter[int] = Counter()
    for place, lines in enumerate(filled):
        offsets.update({n - place for line in lines[:1] + lines[-1:] for n in _end_numbers(line)})
    if not offsets:
        return None
    offset, times = offsets.most_common(1)[0]
    return offset if times >= max(3, _MOST * texts) else None


def _end_numbers(line: str) -> set[int]:
    """The number that a short line begins or ends with, as "Chapter 3: Utilities 6" does."""
    if len(line) > 80:
        return set()
    return {int(n) for n in re.findall(r"^\d{1,5}(?=\s|$)|(?:(?<=\s)|^)\d{1,5}$", line)}


def _without_edges(lines: list[str], running: set[str], printed: int | None) -> list[str]:
    places = [place for place, line in enumerate(lines) if line]
    edge = places[:_EDGE_LINES] + places[max(_EDGE_LINES, len(places) - _EDGE_LINES) :]
    gone = {place for place in edge if _pattern(lines[place]) in running}
    outermost = places[:1] + places[-1:]
    gone |= {place for place in outermost if printed in _end_numbers(lines[place])}
    return [line for place, line in enumerate(lines) if place not in gone]


def _full_width(lines: list[str]) -> float:
    """How wide a full line of this page is: nearly the widest, since a few lines stick out."""
    widths = sorted(_width(line) for line in lines if line)
    if len(widths) < 10:
        return widths[-1] if widths else 0.0
    return widths[int(0.9 * (len(widths) - 1))]


def _width(line: str) -> float:
    return len(line) + len(_WIDE.findall(line))


def _ends_here(last: str, line: str, full: float) -> bool:
    """Whether a block ends between two lines that follow each other without an empty line."""
    if not last or not line:
        return True
    share = _width(last) / full if full else 1.0
    if _HYPHENATED.search(last) and line[:1].islower():
        return False
    if _SENTENCE_END.search(last):
        return share < 0.85
    # Far from full: a title, a cell or a caption, unless the next line goes on in small letters.
    return share < 0.6 and not line[:1].islower()


def _join(text: str, line: str, words: Counter[str]) -> str:
    divided = _HYPHENATED.search(text)
    following = _WORD.match(line)
    if divided is None or following is None or not line[:1].islower():
        return text + joint(text, line) + line
    first, second = divided.group(1).lower(), re.split("[-‐]", following.group())[0].lower()
    compound, whole = words[f"{first}-{second}"], words[first + second]
    return text + line if compound > whole else text[:-1] + line
