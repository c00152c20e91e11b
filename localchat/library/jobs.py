"""Taking sources in, one after another, in a thread of its own; and, between them, changing the
embedder.

A job is a row: it survives a restart, shows its stage and how far it is, and goes on where it
stopped (what was fetched is not fetched again, what was embedded is not embedded again). A disk
that refuses is waited for. Only the process that holds the data folder's lock runs jobs; another
one that adds a source (the command line while the window is open) leaves a row, which the first
one finds within a second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from localchat.core.database import Database
from localchat.core.errors import LocalChatError, ReadError, SourceError, StorageError
from localchat.core.text.language import guess_language
from localchat.library.change import Change
from localchat.library.chunks import SIZE_BY_WIDTH, Chunk, split
from localchat.library.embedder import Embedder, Pace
from localchat.library.job_table import JobTable
from localchat.library.keywords import KeywordIndex
from localchat.library.originals import Originals
from localchat.library.rows import Source, valid
from localchat.library.store import Store
from localchat.sources.document import Document

log = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between two looks for rows that another process wrote."""
LONGEST_REST = 60.0
"""Seconds that a job waits for an answer to end before it takes its turn all the same."""


class _Removed(Exception):
    """The source was removed while it was being taken in."""


class _Closing(Exception):
    """The app closes; the job goes on at the next start."""


@dataclass(frozen=True)
class Limits:
    """How much one source may take."""

    fetch_seconds: float
    fetch_bytes: int


class Jobs:
    """Runs the waiting jobs of ``store``, oldest first.

    Args:
        embedder: Gives the one that is searched with; raises a ``LocalChatError`` where it is not
            here.
        change: The change of that embedder, a piece of which is done after each job.
        index_changed: Called after each change to the visible chunks.
        busy: Says whether an answer is running; jobs rest meanwhile, so that it gets the processor.
    """

    def __init__(
        self,
        database: Database,
        originals: Originals,
        embedder: Callable[[], Embedder],
        change: Change,
        limits: Limits,
        index_changed: Callable[[], None],
        busy: Callable[[], bool],
    ) -> None:
        self._store = Store(database)
        self._table = JobTable(database)
        self._keywords = KeywordIndex(database)
        self._originals = originals
        self._embedder = embedder
        self._change = change
        self._limits = limits
        self._index_changed = index_changed
        self._busy = busy
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="library-jobs", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something new to do."""
        self._wake.set()

    def close(self) -> None:
        """Stop after the batch that runs now; what is not finished goes on at the next start."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                idle = not self._run_next()
                self._index_changed()
                if self._change.step(self._rest):
                    idle = False
                self._rest()
                if self._keywords.rebuild_some():
                    idle = False
            except _Closing:
                return
            except StorageError as error:
                log.error("%s", error)
                self._closing.wait(LONGEST_REST / 4)
                idle = False
            except Exception:
                log.exception("The library's worker failed and tries again")
                idle = True
            if idle:
                self._wake.wait(POLL)
                self._wake.clear()

    def _run_next(self) -> bool:
        """Run the oldest waiting job; returns False where there is none."""
        found = self._table.next()
        if found is None:
            return False
        job_id, source_id = found
        try:
            self._take_in(job_id, source_id)
        except _Closing:
            return False
        except _Removed:
            log.info("Source %d was removed while it was taken in", source_id)
        except StorageError as error:
            self._wait_for_disk(job_id, error)
        except LocalChatError as error:
            log.info("Source %d: %s", source_id, error)
            self._table.note(job_id, state="failed", error=str(error))
        except Exception as error:
            log.exception("Source %d could not be taken in", source_id)
            self._table.note(
                job_id,
                state="failed",
                error=f"Something went wrong inside LocalChat ({type(error).__name__}: {error})."
                " The log has the details. Try again, or remove it.",
            )
        return True

    def _take_in(self, job_id: int, source_id: int) -> None:
        self._table.note(job_id, state="running", stage="", error="")
        if self._store.is_visible(source_id):
            # The app ended between the last step and the note of it.
            self._table.note(job_id, state="done", stage="")
            return
        embedder = self._embedder()
        revision_id = self._store.open_draft(source_id, embedder.identity)
        if revision_id is None:
            source = self._source(source_id)
            if source.original is None:
                self._table.note(job_id, stage="fetching")
                source = self._fetch(source)
            self._table.note(job_id, stage="reading")
            document = self._read(source)
            if self._table.settle_as_same(job_id, source_id, document.text):
                return
            self._source(source_id)
            chunks = _split(document, embedder)
            revision_id = self._store.draft(source_id, document, chunks, embedder.identity)
        self._embed(job_id, source_id, revision_id, embedder)
        self._store.publish(source_id, revision_id)

    def _wait_for_disk(self, job_id: int, error: StorageError) -> None:
        """The disk is full, or cannot be written to: the job waits until that is mended."""
        log.error("%s", error)
        told = f"{error.what} Once that is mended, it goes on by itself."
        try:
            self._table.note(job_id, state="waiting", stage="", error=told)
        except StorageError:
            log.info("Not even this can be noted; job %d is tried again all the same", job_id)
        self._closing.wait(LONGEST_REST / 4)

    def _fetch(self, source: Source) -> Source:
        from localchat.sources.fetch import fetch

        fetched = fetch(
            source.origin,
            seconds=self._limits.fetch_seconds,
            limit_bytes=self._limits.fetch_bytes,
        )
        original = self._originals.keep(fetched.content, fetched.file_name)
        self._store.keep_original(source.id, original, fetched.media_type, fetched.charset)
        self._originals.forget_unused(original)  # the source may have been removed meanwhile
        return self._source(source.id)

    def _read(self, source: Source) -> Document:
        from localchat.sources.read import read_document

        try:
            content = self._originals.read(source.original or "")
        except FileNotFoundError as error:
            raise ReadError(
                source.name,
                "The copy that LocalChat kept of this document is gone.",
                "Remove it here and add it again.",
            ) from error
        try:
            document = read_document(
                content,
                name=source.name,
                media_type=source.media_type,
                charset=source.charset,
                address=source.address,
            )
        except SourceError:
            # A page that could not be read may be another one at the next try.
            if source.address and source.original:
                self._store.forget_original(source.id)
                self._originals.forget_unused(source.original)
            raise
        return replace(document, text=valid(document.text), title=valid(document.title))

    def _embed(self, job_id: int, source_id: int, revision_id: int, embedder: Embedder) -> None:
        waiting = self._store.to_embed(revision_id)
        total = self._store.count_chunks(revision_id)
        pace = Pace()
        while waiting:
            self._table.note(job_id, stage="indexing", done=total - len(waiting), total=total)
            self._rest()
            batch, waiting = waiting[: pace.batch], waiting[pace.batch :]
            began = time.monotonic()
            vectors = embedder.embed([text for _, text in batch])
            pace.note(len(batch), time.monotonic() - began)
            self._source(source_id)
            self._store.set_vectors([chunk_id for chunk_id, _ in batch], vectors)
        self._table.note(job_id, stage="indexing", done=total, total=total)

    def _rest(self) -> None:
        """Wait while an answer is running, and leave the job where it is when the app closes."""
        until = time.monotonic() + LONGEST_REST
        while self._busy() and time.monotonic() < until and not self._closing.is_set():
            self._closing.wait(0.1)
        if self._closing.is_set():
            raise _Closing

    def _source(self, source_id: int) -> Source:
        source = self._store.source(source_id)
        if source is None:
            raise _Removed
        return source


def _split(document: Document, embedder: Embedder) -> list[Chunk]:
    if guess_language(document.text) in embedder.languages:
        return split(document, embedder.count_tokens, embedder.max_tokens)
    return split(document, embedder.count_tokens, None, SIZE_BY_WIDTH)
