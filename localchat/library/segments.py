"""The keyword index's rows: what is added, what is gone, and what is merged. No threads.

The chunks of a publication become a segment of their own, in the transaction that makes them
visible; a chunk that is gone is crossed out in the same way, and its postings go when its segment
is next merged (Lucene and FTS5 do it so). Eight segments of about one size are merged into one, as
in a log-structured merge tree, so that there are few of them and each posting is rewritten four or
five times in all. Every visible chunk is in one segment, or waits in ``unindexed_chunk``; this is
so after each transaction, hence after a crash too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from localchat.core.text.words import WORDS_VERSION, words
from localchat.library.postings import (
    MOST_CHUNKS,
    Counts,
    Ids,
    IndexedChunk,
    Places,
    Postings,
    merged,
    postings_of,
)
from localchat.library.rows import text_to_index

MERGED = 8
"""So many segments of one size become one."""
MOST_REMOVED = 0.25
"""Share of its chunks that may be gone before a segment is written anew."""
BATCH = 500
"""Chunks whose words are made anew at a time: about a tenth of a second."""


@dataclass(frozen=True)
class Segment:
    """What a segment is, without its lists."""

    id: int
    version: int
    size: int
    removed: int

    @property
    def left(self) -> int:
        """How many of its chunks are still there."""
        return self.size - self.removed


def segments(db: sqlite3.Connection) -> list[Segment]:
    """All segments, the oldest first."""
    rows = db.execute("SELECT id, version, size, removed FROM keyword_segment ORDER BY id")
    return [Segment(*row) for row in rows]


def indexed(
    chunk_id: int, source_id: int, title: str, heading: str, context: str, text: str
) -> IndexedChunk:
    """A chunk with the words that it is found by."""
    return IndexedChunk(chunk_id, source_id, words(text_to_index(title, heading, context, text)))


def add(db: sqlite3.Connection, chunks: Sequence[IndexedChunk]) -> None:
    """Index visible chunks; those that were indexed before, anew."""
    forget(db, [chunk.id for chunk in chunks])
    for start in range(0, len(chunks), MOST_CHUNKS):
        _write(db, postings_of(chunks[start : start + MOST_CHUNKS]), WORDS_VERSION)


def forget(db: sqlite3.Connection, chunk_ids: Iterable[int]) -> None:
    """Cross chunks out, those that wait to be indexed too."""
    gone = np.array(sorted(chunk_ids), dtype=np.uint32)
    if not len(gone):
        return
    db.executemany("DELETE FROM unindexed_chunk WHERE chunk_id = ?", [(i,) for i in gone.tolist()])
    for segment_id, content in db.execute("SELECT id, chunks FROM keyword_segment").fetchall():
        chunks = np.frombuffer(content, dtype="<u4")
        hit = np.isin(chunks, gone)
        if not hit.any():
            continue
        chunks = np.where(hit, 0, chunks)
        if chunks.any():
            db.execute(
                "UPDATE keyword_segment SET chunks = ?, removed = ? WHERE id = ?",
                (_bytes(chunks, "<u4"), int((chunks == 0).sum()), segment_id),
            )
        else:
            _drop(db, segment_id)


def unindexed(db: sqlite3.Connection) -> list[int]:
    """The next visible chunks that no segment holds, or only with words of another version."""
    rows = db.execute("SELECT chunk_id FROM unindexed_chunk ORDER BY chunk_id LIMIT ?", (BATCH,))
    waiting = [row[0] for row in rows]
    if waiting:
        return waiting
    for segment in segments(db):
        if segment.version != WORDS_VERSION:
            row = db.execute("SELECT chunks FROM keyword_segment WHERE id = ?", (segment.id,))
            chunks = np.frombuffer(row.fetchone()[0], dtype="<u4")
            return [int(i) for i in chunks[chunks != 0][:BATCH]]
    return []


def index_anew(db: sqlite3.Connection, chunk_ids: Sequence[int]) -> None:
    """Take up to ``BATCH`` chunks out and put those that are visible in again, from their text."""
    rows = db.execute(
        "SELECT chunk.id, source.id, source.title, chunk.heading, chunk.context, chunk.text"
        " FROM chunk JOIN source ON source.revision_id = chunk.revision_id"
        f" WHERE chunk.id IN ({','.join('?' * len(chunk_ids))}) ORDER BY chunk.id",
        chunk_ids,
    ).fetchall()
    forget(db, chunk_ids)
    add(db, [indexed(*row) for row in rows])


def due(found: Sequence[Segment]) -> list[Segment]:
    """The segments that should now become one; none: everything is in good order. Those of more
    than half the largest size stay by themselves."""
    by_size: dict[int, list[Segment]] = {}
    for segment in found:
        if segment.removed > MOST_REMOVED * segment.size:
            return [segment]
        if segment.left <= MOST_CHUNKS // 2:
            # In base 8, how many digits.
            by_size.setdefault((segment.left.bit_length() + 2) // 3, []).append(segment)
    for _, alike in sorted(by_size.items()):
        if len(alike) >= MERGED:
            return _that_fit(alike)
    return []


def merge(db: sqlite3.Connection, chosen: Sequence[Segment]) -> None:
    """Make one segment of several, all of one version, without the chunks that are gone."""
    one = merged(_read(db, segment.id) for segment in chosen)
    for segment in chosen:
        _drop(db, segment.id)
    _write(db, one, chosen[0].version)


def _that_fit(alike: Sequence[Segment]) -> list[Segment]:
    """The smallest of these, as many as may be one segment."""
    chosen: list[Segment] = []
    room = MOST_CHUNKS
    for segment in sorted(alike, key=lambda s: s.left):
        room -= segment.left
        if room < 0:
            break
        chosen.append(segment)
    return chosen


def _write(db: sqlite3.Connection, postings: Postings, version: int) -> None:
    if not len(postings.chunks):
        return
    cursor = db.execute(
        "INSERT INTO keyword_segment (version, size, words, chunks, lengths, sources)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            version,
            len(postings.chunks),
            int(postings.lengths.sum(dtype=np.int64)),
            _bytes(postings.chunks, "<u4"),
            _bytes(postings.lengths, "<u2"),
            _bytes(postings.sources, "<u4"),
        ),
    )
    db.executemany(
        "INSERT INTO posting (segment, word, places, counts) VALUES (?, ?, ?, ?)",
        (
            (cursor.lastrowid, word, _bytes(place, "<u2"), _counts(count))
            for word, place, count in postings.by_word()
        ),
    )


def _read(db: sqlite3.Connection, segment_id: int) -> Postings:
    chunks, lengths, sources = db.execute(
        "SELECT chunks, lengths, sources FROM keyword_segment WHERE id = ?", (segment_id,)
    ).fetchone()
    rows = db.execute(
        "SELECT word, places, counts FROM posting WHERE segment = ?", (segment_id,)
    ).fetchall()
    held = [len(places) // 2 for _, places, _ in rows]
    return Postings(
        np.frombuffer(chunks, dtype="<u4"),
        np.frombuffer(sources, dtype="<u4"),
        np.frombuffer(lengths, dtype="<u2"),
        [word for word, _, _ in rows],
        np.repeat(np.arange(len(rows)), held),
        np.frombuffer(b"".join(places for _, places, _ in rows), dtype="<u2"),
        np.frombuffer(
            b"".join(
                b"\x01" * number if counts is None else counts
                for number, (_, _, counts) in zip(held, rows, strict=True)
            ),
            dtype=np.uint8,
        ),
    )


def _drop(db: sqlite3.Connection, segment_id: int) -> None:
    db.execute("DELETE FROM posting WHERE segment = ?", (segment_id,))
    db.execute("DELETE FROM keyword_segment WHERE id = ?", (segment_id,))


def _counts(count: Counts) -> bytes | None:
    return count.tobytes() if count.max() > 1 else None


def _bytes(values: Ids | Places, kind: str) -> bytes:
    """As they are stored: little-endian."""
    return values.astype(kind).tobytes()
