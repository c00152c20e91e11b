"""The keyword index: the best chunks by BM25, from lists in SQLite that numpy adds up.

Why not FTS5, which SQLite brings along: it scores row by row, so that a question's common words
cost tens of milliseconds. Why not Tantivy, which is faster than this: it is a second store, with a
lock of its own, that a crash can leave out of step with the first. Here a source becomes visible
and findable in one transaction, and any process that can read the database can search.

Measured with 100,000 chunks of about 800 characters (77 different words each, 92,000 in all) and
questions of people, the best 50: processor time p50 / p95 in milliseconds, and bytes on disk a
chunk. FTS5 24 / 60, 906 (contentless: 276); this 3 / 5, 402; Tantivy 0.3 / 0.7, 132. Within one
source 1.4 / 1.8, within a twentieth of them 3 / 5, within half 4 / 5. It leaves nothing out: its
order is that of the exact formula.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from localchat.core.database import Database
from localchat.library import segments
from localchat.library.postings import Ids

MOST_WORDS = 64
"""Words of a question that are looked for: the rarest."""
MOST_COUNTED = 1_000
"""Words of a question among which the rarest are sought: the first."""
K1 = 0.9
B = 0.4
"""BM25's two parameters, as Anserini has them for passages."""

Scores = npt.NDArray[np.float32]


class KeywordIndex:
    """The chunks of ``database`` by their words, as ``localchat.core.text.words`` makes them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def search(
        self, asked: Sequence[str], limit: int, sources: Collection[int] | None = None
    ) -> list[tuple[int, float]]:
        """Chunks that hold any of the words, best first, at most ``limit``: (id, score). With
        ``sources``, ids, only chunks of those.

        The score is BM25 as Lucene computes it, above 0; scores of two questions cannot be
        compared. Of a long question only the ``MOST_WORDS`` rarest words are looked for.
        """
        within = None if sources is None else np.array(sorted(sources), dtype=np.uint32)
        with self.database.snapshot() as db:
            held = _held(db, asked)
            rarest = sorted(held, key=lambda word: held[word])[:MOST_WORDS]
            size, length = _size(db)
            weights = {word: _rarity(held[word], size) for word in rarest}
            if not weights:
                return []
            found = [
                _best(ids, scores, limit)
                for ids, scores in _scored(db, weights, length / max(size, 1), within)
            ]
        best = sorted((pair for pairs in found for pair in pairs), key=lambda p: (-p[1], p[0]))
        return best[:limit]

    def document_counts(self, words: Sequence[str]) -> dict[str, int]:
        """How many chunks hold each of the words (of the first ``MOST_COUNTED``). As with
        ``count``, chunks that are gone are counted until they are cleared away."""
        with self.database.snapshot() as db:
            held = _held(db, words)
        return {word: held.get(word, 0) for word in dict.fromkeys(words[:MOST_COUNTED])}

    def count(self) -> int:
        """How many chunks there are."""
        with self.database.snapshot() as db:
            return _size(db)[0]

    @property
    def is_current(self) -> bool:
        """Whether every visible chunk can be found, by words of the present version."""
        with self.database.snapshot() as db:
            return not segments.unindexed(db)

    def rebuild_some(self) -> bool:
        """Do one piece of what is due: chunks of an older LocalChat, or with words of an older
        version, are indexed from their text; small segments are merged. False: nothing was due.
        For the holder of the data folder's lock only, between other things: a piece takes a tenth
        of a second, the largest merge one or two."""
        with self.database.snapshot() as db:
            if not segments.unindexed(db) and not segments.due(segments.segments(db)):
                return False
        with self.database.write() as db:
            # Once more: another process may have removed a source since.
            waiting = segments.unindexed(db)
            if waiting:
                segments.index_anew(db, waiting)
            elif chosen := segments.due(segments.segments(db)):
                segments.merge(db, chosen)
        return True


def _held(db: sqlite3.Connection, words: Sequence[str]) -> dict[str, int]:
    """How many chunks hold each of the words; those that none holds are left out."""
    asked = list(dict.fromkeys(words))[:MOST_COUNTED]
    rows = db.execute(
        "SELECT word, sum(length(places)) / 2 FROM keyword_segment CROSS JOIN posting"
        f" ON posting.segment = keyword_segment.id WHERE word IN ({_marks(asked)}) GROUP BY word",
        asked,
    )
    return {row[0]: row[1] for row in rows}


def _size(db: sqlite3.Connection) -> tuple[int, int]:
    """How many chunks there are, and how many words in all of them."""
    size, length = db.execute(
        "SELECT coalesce(sum(size), 0), coalesce(sum(words), 0) FROM keyword_segment"
    ).fetchone()
    return size, length


def _rarity(held: int, size: int) -> float:
    """Inverse document frequency."""
    return math.log(1 + (size - held + 0.5) / (held + 0.5))


def _scored(
    db: sqlite3.Connection, weights: Mapping[str, float], mean_length: float, within: Ids | None
) -> list[tuple[Ids, Scores]]:
    """The chunks of each segment and their scores; 0: none of the words, gone, or out of scope."""
    wanted = "id, chunks, lengths" if within is None else "id, chunks, lengths, sources"
    found = []
    for row in db.execute(f"SELECT {wanted} FROM keyword_segment ORDER BY id").fetchall():
        ids = np.frombuffer(row["chunks"], dtype="<u4")
        counts = ids != 0
        if within is not None:
            counts &= np.isin(np.frombuffer(row["sources"], dtype="<u4"), within)
            if not counts.any():
                continue
        lengths = np.frombuffer(row["lengths"], dtype="<u2").astype(np.float32)
        scores = _sum(db, row["id"], weights, K1 * (1 - B + B * lengths / max(mean_length, 1)))
        found.append((ids, np.where(counts, scores, np.float32(0))))
    return found


def _sum(
    db: sqlite3.Connection, segment_id: int, weights: Mapping[str, float], damping: Scores
) -> Scores:
    """BM25 of each chunk of a segment. ``damping`` is the part of the formula that depends on the
    chunk's length alone."""
    scores = np.zeros(len(damping), dtype=np.float32)
    rows = db.execute(
        "SELECT word, places, counts FROM posting"
        f" WHERE segment = ? AND word IN ({_marks(weights)})",
        (segment_id, *weights),
    )
    for word, held, times in rows:
        places = np.frombuffer(held, dtype="<u2")
        often: Scores | np.float32 = np.float32(1)
        if times is not None:
            often = np.frombuffer(times, dtype=np.uint8).astype(np.float32)
        scores[places] += np.float32(weights[word]) * often / (often + damping[places])
    return scores


def _best(ids: Ids, scores: Scores, limit: int) -> list[tuple[int, float]]:
    """The chunks with the highest scores above 0, in no order."""
    at = np.flatnonzero(scores)
    if len(at) > limit:
        at = at[np.argpartition(scores[at], -limit)[-limit:]]
    return list(zip(ids[at].tolist(), scores[at].tolist(), strict=True))


def _marks(values: Collection[object]) -> str:
    return ",".join("?" * len(values))
