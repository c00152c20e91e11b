"""Collections: groups of sources that people name. A source may be in any number of them."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Collection as AnyCollection
from dataclasses import dataclass

from localchat.core.database import Database
from localchat.core.errors import LocalChatError

LONGEST_NAME = 60
"""Characters."""


@dataclass(frozen=True)
class Collection:
    """A collection in a list of them."""

    id: int
    name: str
    sources: int
    """How many sources are in it."""


class CollectionTable:
    """The collections in ``database``. Names are told apart without regard to case and spaces.

    Every method that takes a name raises LocalChatError where that cannot be one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Collection]:
        """All collections, by name."""
        rows = self._database.read(
            "SELECT id, name, count(source_id) AS sources FROM collection"
            " LEFT JOIN collection_source ON collection_id = id GROUP BY id ORDER BY key"
        )
        return [Collection(row["id"], row["name"], row["sources"]) for row in rows]

    def by_source(self) -> dict[int, list[Collection]]:
        """The collections that each source is in, by name; sources in none are left out."""
        known = {collection.id: collection for collection in self.all()}
        rows = self._database.read(
            "SELECT source_id, collection_id FROM collection_source"
            " JOIN collection ON id = collection_id ORDER BY key"
        )
        found: dict[int, list[Collection]] = {}
        for row in rows:
            if row["collection_id"] in known:
                found.setdefault(row["source_id"], []).append(known[row["collection_id"]])
        return found

    def sources(self, collection_id: int) -> frozenset[int]:
        """The ids of the sources in a collection."""
        rows = self._database.read(
            "SELECT source_id FROM collection_source WHERE collection_id = ?", collection_id
        )
        return frozenset(row["source_id"] for row in rows)

    def named(self, name: str) -> Collection:
        """The collection of that name.

        Raises:
            LocalChatError: there is none.
        """
        wanted = _key(name)
        known = self.all()
        for collection in known:
            if _key(collection.name) == wanted:
                return collection
        there_are = ", ".join(f"“{collection.name}”" for collection in known)
        raise LocalChatError(
            f"There is no collection “{clean_name(name)}”.",
            f"There are: {there_are}." if there_are else "There is none at all yet.",
        )

    def create(self, name: str) -> Collection:
        """A new collection, empty.

        Raises:
            LocalChatError: there is one of that name.
        """
        name = clean_name(name)
        with self._database.write() as db:
            cursor = db.execute(
                "INSERT INTO collection (name, key) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
                (name, _key(name)),
            )
            created = cursor.rowcount > 0
        if not created:
            raise _taken(name)
        return Collection(int(cursor.lastrowid or 0), name, 0)

    def rename(self, collection_id: int, name: str) -> None:
        """Give a collection another name. One that is gone stays so.

        Raises:
            LocalChatError: another one has that name.
        """
        name = clean_name(name)
        with self._database.write() as db:
            other = db.execute(
                "SELECT 1 FROM collection WHERE key = ? AND id != ?", (_key(name), collection_id)
            ).fetchone()
            if other is None:
                db.execute(
                    "UPDATE collection SET name = ?, key = ? WHERE id = ?",
                    (name, _key(name), collection_id),
                )
        if other is not None:
            raise _taken(name)

    def delete(self, collection_id: int) -> None:
        """Forget a collection. Its sources stay in the library."""
        with self._database.write() as db:
            db.execute("DELETE FROM collection WHERE id = ?", (collection_id,))

    def put_into(self, source_ids: AnyCollection[int], name: str) -> Collection:
        """Put sources into the collection of that name, which is made where there is none; returns
        it. Sources that are gone are left out."""
        name = clean_name(name)
        with self._database.write() as db:
            db.execute(
                "INSERT INTO collection (name, key) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
                (name, _key(name)),
            )
            db.execute(
                "INSERT OR IGNORE INTO collection_source (collection_id, source_id)"
                " SELECT collection.id, source.id FROM collection, source"
                " WHERE collection.key = ? AND source.id IN (SELECT value FROM json_each(?))",
                (_key(name), json.dumps(list(source_ids))),
            )
        return self.named(name)

    def take_out(self, source_ids: AnyCollection[int], collection_id: int) -> None:
        """Take sources out of a collection; they stay in the library."""
        with self._database.write() as db:
            db.execute(
                "DELETE FROM collection_source WHERE collection_id = ?"
                " AND source_id IN (SELECT value FROM json_each(?))",
                (collection_id, json.dumps(list(source_ids))),
            )


def clean_name(name: str) -> str:
    """``name`` as it is kept: in one form of Unicode, each run of spaces a single one, none at the
    ends.

    Raises:
        LocalChatError: it is empty or too long.
    """
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    name = " ".join("".join(" " if _is_control(c) else c for c in name).split())
    if not name:
        raise LocalChatError(
            "A collection needs a name.", f"Give it one of up to {LONGEST_NAME} characters."
        )
    if len(name) > LONGEST_NAME:
        raise LocalChatError(
            f"This name for a collection has {len(name):,} characters.",
            f"Give it one of up to {LONGEST_NAME}.",
        )
    return name


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc"


def _key(name: str) -> str:
    """What two names that mean the same have in common. SQLite itself folds ASCII only."""
    return unicodedata.normalize("NFKC", clean_name(name)).casefold()


def _taken(name: str) -> LocalChatError:
    return LocalChatError(f"There is a collection “{name}” already.", "Choose another name.")
