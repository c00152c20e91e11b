"""What stands in the library's tables, as values."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "working", "ready", "failed", "same"]


@dataclass(frozen=True)
class Source:
    """A source as the screen shows it."""

    id: int
    origin: str
    name: str
    title: str
    kind: str
    added_at: str
    state: State
    stage: str
    done: int
    total: int
    error: str
    notes: str
    passages: int
    characters: int
    original: str | None
    media_type: str | None
    charset: str | None

    @property
    def address(self) -> str | None:
        """The web address, or None for a file."""
        return _address(self.origin)


@dataclass(frozen=True)
class StoredChunk:
    """A chunk with all that a passage needs to be shown."""

    id: int
    source_id: int
    revision_id: int
    position: int
    start: int
    end: int
    text: str
    heading: str
    page: int | None
    anchor: str | None
    title: str
    name: str
    address: str | None
    context: str = ""
    """What both indexes see in front of its text, beside title and headings."""

    @property
    def above(self) -> str:
        """Title, headings and context, as the indexes see them."""
        return text_to_index(self.title, self.heading, self.context, "")


def source_of(row: sqlite3.Row) -> Source:
    """A row of ``store.SOURCES`` as a value."""
    job_state: str = row["job_state"] or "done"
    state: State
    if row["revision_id"] is not None and job_state in ("done", "failed"):
        state = "ready"
    else:
        state = {"running": "working", "done": "ready"}.get(job_state, job_state)  # type: ignore[assignment]
    return Source(
        id=row["id"],
        origin=row["origin"],
        name=row["name"],
        title=row["title"],
        kind=row["kind"],
        added_at=row["added_at"],
        state=state,
        # Of a settled job it is nothing for people (see ``job_table``).
        stage=row["stage"] or "" if state in ("waiting", "working") else "",
        done=row["done"] or 0,
        total=row["total"] or 0,
        error=row["error"] or "",
        notes=row["notes"] or "",
        passages=row["passages"],
        characters=row["characters"] or 0,
        original=row["original"],
        media_type=row["media_type"],
        charset=row["charset"],
    )


def chunk_of(row: sqlite3.Row) -> StoredChunk:
    """A row of ``ChunkTable.chunks`` as a value."""
    return StoredChunk(
        id=row["id"],
        source_id=row["source_id"],
        revision_id=row["revision_id"],
        position=row["position"],
        start=row["start"],
        end=row["end"],
        text=row["text"],
        heading=row["heading"],
        page=row["page"],
        anchor=row["anchor"],
        title=row["title"],
        name=row["name"],
        address=_address(row["origin"]),
        context=row["context"],
    )


def _address(origin: str) -> str | None:
    return origin if origin.startswith(("http://", "https://")) else None


def text_to_index(title: str, heading: str, context: str, text: str) -> str:
    """What both indexes see of a chunk: it is found by the words of its title, its headings and
    its context (see ``chunks.Chunk``) too."""
    return "\n".join(part for part in (title, heading, context, text) if part)


def valid(text: str) -> str:
    """``text`` with a question mark for each half character, as file names on Linux may hold:
    neither SQLite nor the embedder takes those. As long as before."""
    return text.encode("utf-8", "replace").decode()


def text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
