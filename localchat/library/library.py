"""The library as the rest of the app sees it: add, collect, watch, open, remove, search."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from localchat.core.database import Database
from localchat.core.folder import DataFolder
from localchat.core.settings import Settings
from localchat.library.adding import Added, Adding
from localchat.library.change import Change, EmbedderChange
from localchat.library.change_table import ChangeTable
from localchat.library.chunk_table import ChunkTable
from localchat.library.collections import CollectionTable
from localchat.library.embedder import Embedders
from localchat.library.floor import Floors
from localchat.library.index import LibraryIndex
from localchat.library.job_table import JobTable
from localchat.library.jobs import Jobs, Limits
from localchat.library.keywords import KeywordIndex
from localchat.library.languages import DocumentLanguages, LanguageAdvice
from localchat.library.meaning import ActiveEmbedder, LibraryMeaning
from localchat.library.originals import Originals
from localchat.library.questions import Questions
from localchat.library.retriever import HybridRetriever
from localchat.library.rows import Source
from localchat.library.scope import EVERYTHING, Scope, ScopeTable
from localchat.library.store import Store


class Library:
    """One library in one data folder.

    Args:
        folder: The data folder, prepared.
        database: Its SQLite file.
        embedders: Make the vectors; which of them, the database says.
        settings: Limits, and the Chroma server's address if there is one.
        busy: Says whether an answer is running.

    ``questions`` weighs the words of a question by the documents. ``collections`` has the groups
    that people put sources into. Every way to add takes the name of one, which is made where there
    is none.
    """

    def __init__(
        self,
        folder: DataFolder,
        database: Database,
        embedders: Embedders,
        settings: Settings,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._busy = busy
        self._store = Store(database)
        self._table = JobTable(database)
        self._changes = ChangeTable(database)
        self._chunks = ChunkTable(database)
        self.collections = CollectionTable(database)
        self._scopes = ScopeTable(database)
        self._originals = Originals(folder.originals, self._store.uses_original)
        self._languages = DocumentLanguages(database)
        self._keywords = KeywordIndex(database)
        self.questions = Questions(self._keywords, self._languages)
        self.floors = Floors(database)
        self._active = ActiveEmbedder(self._changes, embedders, self.questions, self.floors)
        self._index = LibraryIndex(database, folder.chroma, settings.chroma_url)
        self._change = Change(database, embedders, self._index.fill, busy)
        self._jobs = Jobs(
            database,
            self._originals,
            self._active.embedder,
            self._change,
            Limits(settings.fetch_seconds, settings.fetch_bytes),
            self._update_index,
            busy,
        )
        self._adding = Adding(
            self._store,
            self._table,
            self._originals,
            self.collections,
            self._jobs.wake,
            settings.fetch_bytes,
        )

    def start(self) -> None:
        """Run the jobs and keep the vector index, in the background. For the lock's holder only."""
        self._jobs.start()

    def close(self) -> None:
        """Stop the background work and let go of the index."""
        self._jobs.close()
        self._index.close()

    # Adding

    def add_addresses(self, text: str, collection: str | None = None) -> list[Added]:
        """Queue every web address in ``text``; what is no address is refused with its reason.

        Raises:
            LocalChatError: that cannot be a collection's name; nothing was added.
        """
        return self._adding.addresses(text, collection)

    def add_file(
        self,
        name: str,
        content: bytes,
        media_type: str | None = None,
        collection: str | None = None,
    ) -> Added:
        """Queue a dropped file.

        Raises:
            LocalChatError: that cannot be a collection's name; nothing was added.
        """
        return self._adding.file(name, content, media_type, collection)

    def add_path(self, path: Path, collection: str | None = None) -> Added:
        """Queue a file on this computer.

        Raises:
            LocalChatError: that cannot be a collection's name; nothing was added.
        """
        return self._adding.path(path, collection)

    def retry(self, source_id: int) -> None:
        """Try again to take in a source that failed."""
        self._adding.retry(source_id)

    # Watching

    def sources(self) -> list[Source]:
        """All sources, the newest first."""
        return self._store.sources()

    def source(self, source_id: int) -> Source | None:
        """One source, or None where it has been removed."""
        return self._store.source(source_id)

    def text(self, source_id: int) -> str:
        """The text of a source as it was read."""
        return self._store.text(source_id)

    def headings(self, source_id: int) -> list[str]:
        """The innermost headings of a source, each once, in order."""
        return self._store.headings(source_id)

    def remove(self, source_id: int) -> bool:
        """Forget a source, its text, vectors, keywords and original. False: it was not there."""
        if self._store.source(source_id) is None:
            return False
        original = self._store.remove_source(source_id)
        if original is not None:
            self._originals.forget_unused(original)
        self._jobs.wake()
        return True

    def wait(
        self,
        source_ids: Iterable[int],
        on_change: Callable[[Source], None] = lambda _: None,
        each_turn: Callable[[], object] = lambda: None,
    ) -> list[Source]:
        """Block until these sources are taken in or have failed; tell each change on the way."""
        ids = list(source_ids)
        before: dict[int, Source] = {}
        while True:
            each_turn()
            now = [source for i in ids if (source := self._store.source(i)) is not None]
            for source in now:
                if before.get(source.id) != source:
                    on_change(source)
                    before[source.id] = source
            if all(source.state in ("ready", "failed", "same") for source in now):
                return now
            time.sleep(0.1)

    # Searching

    @property
    def meaning(self) -> LibraryMeaning:
        """The embedder of this moment, for whatever has to be compared with one and the same; its
        ``error`` says why words alone answer, where they do."""
        return self._active.meaning()

    @property
    def is_indexed(self) -> bool:
        """Whether every document can be found by its words. For a while it is not after an update
        that changes how words are made."""
        return self._keywords.is_current

    def resolve(self, scope: Scope) -> frozenset[int] | None:
        """The ids of the sources in ``scope``; None: all. Empty where all of them are gone."""
        return self._scopes.sources(scope)

    def titles(self) -> dict[int, str]:
        """What a scope can be chosen from: see ``ScopeTable``."""
        return self._scopes.titles()

    def retriever(
        self, k: int | None = None, tokens: int | None = None, scope: Scope = EVERYTHING
    ) -> HybridRetriever:
        """A LangChain retriever over the visible sources in ``scope``, as they are now.

        Args:
            k: Passages at most; None: as the settings say.
            tokens: About how many tokens all passages may have; None: any number.
            scope: Where to look.
        """
        return HybridRetriever(
            store=self._store,
            chunks=self._chunks,
            keywords=self._keywords,
            index=self._index,
            meaning=self._active.meaning,
            k=k or self._settings.passages,
            tokens=tokens,
            sources=self.resolve(scope),
        )

    @property
    def floor_is_current(self) -> bool:
        """Whether it is measured, for the library as it is, how much evidence an answer needs."""
        return self.floors.is_current(
            self.meaning.identity, self._keywords.count(), self._languages.shares()
        )

    def _update_index(self) -> None:
        meaning = self._active.meaning()
        if not meaning.identity:
            return
        self._index.update(meaning.identity, self._changes.state().identity)
        if self._table.next() is None and not self._busy():
            self.floors.measure_some(
                self.retriever(),
                meaning,
                self._keywords.count(),
                self._languages.shares(),
            )

    # Changing the embedder

    @property
    def embedder_key(self) -> str:
        """The embedder that is searched with, as ``Embedders`` knows it."""
        return self._active.key

    @property
    def change(self) -> EmbedderChange | None:
        """The change to another embedder; None: there is none."""
        return self._change.progress()

    def change_embedder(self, key: str) -> None:
        """Embed everything anew with another embedder, in the background. The old one is searched
        with until that is done; what failed goes on from where it stopped.

        Raises:
            LocalChatError: that embedder cannot be used; nothing has changed.
        """
        self._change.begin(key)
        self._jobs.wake()

    def cancel_change(self) -> None:
        """Stay with the embedder that is searched with."""
        self._change.cancel()
        self._jobs.wake()

    def to_translate_into(
        self, question: str, sources: frozenset[int] | None = None
    ) -> tuple[str, ...]:
        """The languages in which ``question`` would have to be asked for the documents to be found
        (``sources``, ids; None: all of them); mostly none. See ``DocumentLanguages``."""
        return self._languages.to_translate_into(question, self.meaning.languages, sources)

    def language_advice(self) -> LanguageAdvice | None:
        """The commonest language of the documents, and whether the embedder knows it; None where
        there is no document."""
        meaning = self.meaning
        return self._languages.advice(None if meaning.error else meaning.languages)
