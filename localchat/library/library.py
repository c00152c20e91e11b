"""The library as the rest of the app sees it: add, watch, open, remove, search."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localchat.core.database import Database
from localchat.core.errors import LocalChatError, ReadError, SourceError
from localchat.core.evidence import Vectors
from localchat.core.folder import DataFolder
from localchat.core.remembered import Remembered
from localchat.core.settings import Settings
from localchat.library.chunk_table import ChunkTable
from localchat.library.embedder import Embedder
from localchat.library.job_table import JobTable
from localchat.library.jobs import Jobs, Limits
from localchat.library.originals import Originals, digest
from localchat.library.retriever import HybridRetriever
from localchat.library.rows import Source, valid
from localchat.library.store import Store
from localchat.library.vectors import ChromaIndex, ExactIndex, Found, open_chroma

log = logging.getLogger(__name__)

INDEX_REST = 60.0
"""Seconds until a vector index that failed is opened again."""


@dataclass(frozen=True)
class Added:
    """What became of one address or file that a person put in."""

    name: str
    outcome: Literal["queued", "already", "refused"]
    source_id: int | None
    message: str = ""


class Library:
    """One library in one data folder.

    Args:
        folder: The data folder, prepared.
        database: Its SQLite file.
        embedder: Makes the vectors.
        settings: Limits, and the Chroma server's address if there is one.
        busy: Says whether an answer is running.
    """

    def __init__(
        self,
        folder: DataFolder,
        database: Database,
        embedder: Embedder,
        settings: Settings,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._embedder = embedder
        self.embed = Remembered(embedder.embed)
        self._store = Store(database)
        self._table = JobTable(database)
        self._chunks = ChunkTable(database)
        self._originals = Originals(folder.originals, self._store.uses_original)
        self._exact = ExactIndex(self._chunks, embedder.identity)
        self._chroma: ChromaIndex | None = None
        self._chroma_rests_until = 0.0
        self._jobs = Jobs(
            database,
            self._originals,
            embedder,
            Limits(settings.fetch_seconds, settings.fetch_bytes),
            self._update_index,
            busy,
        )
        self._index_lock = threading.Lock()

    def start(self) -> None:
        """Run the jobs and keep the vector index, in the background. For the lock's holder only."""
        self._jobs.start()

    def close(self) -> None:
        """Stop the background work and let go of the index."""
        self._jobs.close()
        with self._index_lock:
            self._close_index()

    # Adding

    def add_addresses(self, text: str) -> list[Added]:
        """Queue every web address in ``text``; what is no address is refused with its reason."""
        from localchat.sources.address import addresses_in

        text = valid(text)
        return [
            Added(raw, "refused", None, str(address))
            if isinstance(address, SourceError)
            else self._add(address, address)
            for raw, address in addresses_in(text)
        ]

    def add_file(self, name: str, content: bytes, media_type: str | None = None) -> Added:
        """Queue a dropped file."""
        name = valid(name)
        try:
            if not content:
                raise ReadError(name, f"“{name}” is empty.", "Choose another file.")
            if len(content) > self._settings.fetch_bytes:
                raise ReadError(
                    name,
                    f"“{name}” has {len(content) / 1e6:,.0f} MB; LocalChat takes files up to "
                    f"{self._settings.fetch_bytes / 1e6:,.0f} MB.",
                    "Split it, or raise fetch_bytes in settings.toml.",
                )
            origin = f"sha256:{digest(content)}"
            known = self._store.source_by_origin(origin)
            if known is None:
                return self._add_content(origin, name, content, media_type)
            return self._known(known, name)
        except LocalChatError as error:
            return Added(name, "refused", None, str(error))

    def add_path(self, path: Path) -> Added:
        """Queue a file on this computer."""
        from localchat.sources.load import load_file

        try:
            loaded = load_file(path, limit_bytes=self._settings.fetch_bytes)
        except SourceError as error:
            return Added(valid(str(path)), "refused", None, valid(str(error)))
        return self.add_file(loaded.name, loaded.content)

    def retry(self, source_id: int) -> None:
        """Try again to take in a source that failed."""
        self._table.retry(source_id)
        self._jobs.wake()

    def _add(self, origin: str, name: str) -> Added:
        try:
            known = self._store.source_by_origin(origin)
            return self._known(known, name) if known else self._queue(origin, name)
        except LocalChatError as error:
            return Added(name, "refused", None, str(error))

    def _add_content(self, origin: str, name: str, content: bytes, media_type: str | None) -> Added:
        original = self._originals.keep(content, name)
        try:
            return self._queue(origin, name, original, media_type)
        finally:
            # The disk may be full by now, or another tab may have been faster.
            self._originals.forget_unused(original)

    def _queue(
        self, origin: str, name: str, original: str | None = None, media_type: str | None = None
    ) -> Added:
        source_id = self._store.add_source(origin, name, original, media_type)
        if source_id is None:
            # Another tab, or the command line, added it a moment ago.
            known = self._store.source_by_origin(origin)
            if known is None:
                return self._queue(origin, name, original, media_type)
            return self._known(known, name)
        self._jobs.wake()
        return Added(name, "queued", source_id)

    def _known(self, source: Source, name: str) -> Added:
        if source.state in ("failed", "same"):
            self.retry(source.id)
            return Added(name, "queued", source.id, "It was not taken in before; trying again.")
        if source.state in ("waiting", "working"):
            return Added(name, "queued", source.id, "It is being taken in already.")
        return Added(name, "already", source.id, f"Already in the library as “{source.title}”.")

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

    def retriever(self, k: int | None = None) -> HybridRetriever:
        """A LangChain retriever over the visible sources."""
        return HybridRetriever(
            store=self._store,
            chunks=self._chunks,
            index=self,
            embed=self.embed,
            languages=self._embedder.languages,
            k=k or self._settings.passages,
        )

    def search(self, vector: Vectors, limit: int) -> Found:
        """Nearest chunks, by Chroma where it is open here and knows everything that is visible,
        else exactly (see ``vectors``)."""
        index = self._chroma
        if index is not None and not self._chunks.stale(1):
            try:
                return index.search(vector, limit)
            except Exception as error:  # noqa: BLE001 - Chroma's errors share no base class
                log.warning("The vector index failed, searching without it: %s", error)
        return self._exact.search(vector, limit)

    def _update_index(self) -> None:
        """Bring Chroma up to date; where that fails the exact search goes on, and it is opened
        again a while later."""
        with self._index_lock:
            if time.monotonic() < self._chroma_rests_until:
                return
            try:
                if self._chroma is None:
                    self._chroma = open_chroma(
                        self._chunks,
                        self._embedder.identity,
                        self._folder.chroma,
                        self._settings.chroma_url,
                    )
                else:
                    self._chroma.catch_up()
            except Exception:
                self._chroma_rests_until = time.monotonic() + INDEX_REST
                log.exception("The vector index cannot be used; searching without it")
                self._close_index()

    def _close_index(self) -> None:
        index, self._chroma = self._chroma, None
        if index is not None:
            try:
                index.close()
            except Exception as error:  # noqa: BLE001 - Chroma's errors share no base class
                log.warning("The vector index could not be closed: %s", error)
