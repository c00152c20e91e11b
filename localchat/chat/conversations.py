"""Conversations, kept in SQLite: a reload, a crash or a closed tab loses nothing."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from localchat.chat.answer import Answer, Turn
from localchat.core.database import Database
from localchat.core.times import now

LONGEST_TITLE = 60


@dataclass(frozen=True)
class Conversation:
    """A conversation in a list of them."""

    id: str
    title: str
    changed_at: str


class Conversations:
    """The conversations in ``database``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @staticmethod
    def new_id() -> str:
        """An id for a conversation that is written down with its first question or scope."""
        return uuid.uuid4().hex[:12]

    def all(self, limit: int = 30) -> list[Conversation]:
        """The latest conversations in which something was asked, newest first."""
        rows = self._database.read(
            "SELECT id, title, changed_at FROM conversation"
            " WHERE EXISTS (SELECT 1 FROM turn WHERE conversation_id = conversation.id)"
            " ORDER BY changed_at DESC, rowid DESC LIMIT ?",
            limit,
        )
        return [Conversation(row["id"], row["title"], row["changed_at"]) for row in rows]

    def turns(self, conversation_id: str) -> list[Turn]:
        """The turns of one conversation, oldest first; empty where there is none of that id."""
        rows = self._database.read(
            "SELECT id, question, answer FROM turn WHERE conversation_id = ? ORDER BY id",
            conversation_id,
        )
        return [Turn(row["id"], row["question"], Answer.from_json(row["answer"])) for row in rows]

    def ask(self, conversation_id: str, question: str) -> int:
        """Write a question down before anything is done about it; returns the turn's id."""
        title = " ".join(question.split())[:LONGEST_TITLE]
        with self._database.write() as db:
            db.execute(
                "INSERT INTO conversation (id, title, changed_at) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET changed_at = excluded.changed_at,"
                " title = CASE title WHEN '' THEN excluded.title ELSE title END",
                (conversation_id, title, now()),
            )
            cursor = db.execute(
                "INSERT INTO turn (conversation_id, question, asked_at) VALUES (?, ?, ?)",
                (conversation_id, question, now()),
            )
        return int(cursor.lastrowid or 0)

    def answer(self, turn_id: int, answer: Answer) -> None:
        """Keep the answer of a turn."""
        with self._database.write() as db:
            db.execute("UPDATE turn SET answer = ? WHERE id = ?", (answer.to_json(), turn_id))

    def scope(self, conversation_id: str) -> str:
        """Which part of the library the conversation asks, as it was last kept; empty: all."""
        row = self._database.one("SELECT scope FROM conversation WHERE id = ?", conversation_id)
        return str(row["scope"]) if row else ""

    def keep_scope(self, conversation_id: str, scope: str) -> None:
        """Keep which part of the library the conversation asks, also before its first question."""
        with self._database.write() as db:
            db.execute(
                "INSERT INTO conversation (id, changed_at, scope) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET scope = excluded.scope",
                (conversation_id, now(), scope),
            )

    def remove(self, conversation_id: str) -> None:
        """Forget a conversation."""
        with self._database.write() as db:
            db.execute("DELETE FROM conversation WHERE id = ?", (conversation_id,))
