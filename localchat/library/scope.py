"""Which part of the library a question is asked of."""

from __future__ import annotations

import json
from dataclasses import dataclass

from localchat.core.database import Database


@dataclass(frozen=True)
class Scope:
    """The sources chosen and the sources of the collections chosen, together; nothing chosen:
    everything. Ids, so that a new name changes nothing."""

    sources: frozenset[int] = frozenset()
    """Ids of sources."""
    collections: frozenset[int] = frozenset()
    """Ids of collections."""

    @property
    def is_everything(self) -> bool:
        """Whether it leaves nothing out."""
        return not self.sources and not self.collections

    def to_json(self) -> str:
        """As one line of JSON; empty for everything."""
        if self.is_everything:
            return ""
        return json.dumps(
            {"sources": sorted(self.sources), "collections": sorted(self.collections)}
        )

    @classmethod
    def from_json(cls, text: str) -> Scope:
        """What ``to_json`` wrote."""
        chosen = json.loads(text or "{}")
        return cls(frozenset(chosen.get("sources", ())), frozenset(chosen.get("collections", ())))


EVERYTHING = Scope()


class ScopeTable:
    """What a scope means in the library in ``database`` now."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sources(self, scope: Scope) -> frozenset[int] | None:
        """The ids of the sources in ``scope``; None: all. What was chosen and is gone is left out:
        where nothing remains, nothing is found."""
        if scope.is_everything:
            return None
        rows = self._database.read(
            "SELECT id FROM source WHERE id IN (SELECT value FROM json_each(?)) UNION"
            " SELECT source_id FROM collection_source"
            " WHERE collection_id IN (SELECT value FROM json_each(?))",
            json.dumps(sorted(scope.sources)),
            json.dumps(sorted(scope.collections)),
        )
        return frozenset(row["id"] for row in rows)

    def titles(self) -> dict[int, str]:
        """The titles of the sources that can be asked about, by id, in the order of the
        alphabet. Where two have the same title, each is followed by what it was added as."""
        rows = self._database.read(
            "SELECT id, title, name, count(*) OVER (PARTITION BY title) > 1 AS shared"
            " FROM source WHERE revision_id IS NOT NULL ORDER BY title COLLATE NOCASE, id"
        )
        return {
            row["id"]: f"{row['title']} ({row['name']})" if row["shared"] else row["title"]
            for row in rows
        }
