"""Which chunks hold which words: the keyword index's lists, built and merged in memory.

``Postings`` cover up to ``MOST_CHUNKS`` chunks, each known by its place among them, so that a place
takes two bytes. All of one word's postings stand together, in the order of the places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST_CHUNKS = 32_768
"""As many as ``Postings`` may cover."""

Ids = npt.NDArray[np.uint32]
Places = npt.NDArray[np.uint16]
Counts = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class IndexedChunk:
    """A chunk with its words, in order and with repeats."""

    id: int
    source_id: int
    words: Sequence[str]


@dataclass(frozen=True)
class Postings:
    """The words of some chunks. The last three fields run side by side: a word, a chunk that holds
    it, and how often."""

    chunks: Ids
    """Ids, by place."""
    sources: Ids
    """Ids of the chunks' sources, by place."""
    lengths: Places
    """How many words each chunk has, by place; 65,535 for more."""
    vocabulary: list[str]
    word: npt.NDArray[np.int64]
    """Positions in ``vocabulary``, ascending."""
    place: Places
    count: Counts
    """At least 1; 255 for more."""

    def by_word(self) -> Iterator[tuple[str, Places, Counts]]:
        """Each word with its places and counts, the words in order."""
        ends = np.searchsorted(self.word, np.arange(len(self.vocabulary) + 1)).tolist()
        for number in sorted(range(len(self.vocabulary)), key=self.vocabulary.__getitem__):
            own = slice(ends[number], ends[number + 1])
            if own.start < own.stop:
                yield self.vocabulary[number], self.place[own], self.count[own]


def postings_of(chunks: Sequence[IndexedChunk]) -> Postings:
    """The postings of up to ``MOST_CHUNKS`` chunks."""
    numbers: dict[str, int] = {}
    word: list[int] = []
    place: list[int] = []
    count: list[int] = []
    for at, chunk in enumerate(chunks):
        for term, times in Counter(chunk.words).items():
            word.append(numbers.setdefault(term, len(numbers)))
            place.append(at)
            count.append(min(times, 255))
    return _in_order(
        np.array([chunk.id for chunk in chunks], dtype=np.uint32),
        np.array([chunk.source_id for chunk in chunks], dtype=np.uint32),
        np.array([min(len(chunk.words), 65_535) for chunk in chunks], dtype=np.uint16),
        list(numbers),
        np.array(word, dtype=np.int64),
        np.array(place, dtype=np.uint16),
        np.array(count, dtype=np.uint8),
    )


def merged(parts: Iterable[Postings]) -> Postings:
    """The postings of all the chunks of ``parts`` whose id is not 0: no more than ``MOST_CHUNKS``
    of them."""
    numbers: dict[str, int] = {}
    kept: list[tuple[Ids, Ids, Places]] = []
    rows: list[tuple[npt.NDArray[np.int64], Places, Counts]] = []
    before = 0
    for part in parts:
        here = part.chunks != 0
        kept.append((part.chunks[here], part.sources[here], part.lengths[here]))
        renumbered = np.array(
            [numbers.setdefault(term, len(numbers)) for term in part.vocabulary], dtype=np.int64
        )
        moved = (before + np.cumsum(here) - 1).astype(np.uint16)
        own = here[part.place]
        rows.append(
            (renumbered[part.word[own]], moved[part.place[own]], part.count[own]),
        )
        before += int(here.sum())
    chunks, sources, lengths = (np.concatenate(column) for column in zip(*kept, strict=True))
    word, place, count = (np.concatenate(column) for column in zip(*rows, strict=True))
    return _in_order(chunks, sources, lengths, list(numbers), word, place, count)


def _in_order(
    chunks: Ids,
    sources: Ids,
    lengths: Places,
    vocabulary: list[str],
    word: npt.NDArray[np.int64],
    place: Places,
    count: Counts,
) -> Postings:
    # Places ascend already: a stable sort leaves them so within each word.
    order = np.argsort(word, kind="stable")
    return Postings(chunks, sources, lengths, vocabulary, word[order], place[order], count[order])
