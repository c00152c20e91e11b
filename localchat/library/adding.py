"""Taking things in: what a person adds becomes a source with a job, or is refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localchat.core.errors import LocalChatError, ReadError, SourceError
from localchat.library.collections import CollectionTable, clean_name
from localchat.library.job_table import JobTable
from localchat.library.originals import Originals, digest
from localchat.library.rows import Source, valid
from localchat.library.store import Store


@dataclass(frozen=True)
class Added:
    """What became of one address or file that a person put in."""

    name: str
    outcome: Literal["queued", "already", "refused"]
    source_id: int | None
    message: str = ""


class Adding:
    """Every way into one library. Each takes the name of a collection, which is made where there
    is none, and raises LocalChatError, with nothing added, where that cannot be a name.

    Args:
        store: Where the sources are.
        jobs: Where their jobs are.
        originals: Keeps the bytes of files.
        collections: Where what was added is put.
        wake: Tells whoever runs the jobs that there is one.
        most_bytes: Of one file.
    """

    def __init__(
        self,
        store: Store,
        jobs: JobTable,
        originals: Originals,
        collections: CollectionTable,
        wake: Callable[[], None],
        most_bytes: int,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._originals = originals
        self._collections = collections
        self._wake = wake
        self._most_bytes = most_bytes

    def addresses(self, text: str, collection: str | None = None) -> list[Added]:
        """Queue every web address in ``text``; what is no address is refused with its reason."""
        from localchat.sources.address import addresses_in

        with self._collecting(collection) as added:
            for raw, address in addresses_in(valid(text)):
                if isinstance(address, SourceError):
                    added.append(Added(raw, "refused", None, str(address)))
                else:
                    added.append(self._address(address))
        return added

    def file(
        self,
        name: str,
        content: bytes,
        media_type: str | None = None,
        collection: str | None = None,
    ) -> Added:
        """Queue a dropped file."""
        with self._collecting(collection) as added:
            added.append(self._file(valid(name), content, media_type))
        return added[0]

    def path(self, path: Path, collection: str | None = None) -> Added:
        """Queue a file on this computer."""
        from localchat.sources.load import load_file

        try:
            loaded = load_file(path, limit_bytes=self._most_bytes)
        except SourceError as error:
            return Added(valid(str(path)), "refused", None, valid(str(error)))
        return self.file(loaded.name, loaded.content, collection=collection)

    def retry(self, source_id: int) -> None:
        """Try again to take in a source that failed."""
        self._jobs.retry(source_id)
        self._wake()

    @contextmanager
    def _collecting(self, collection: str | None) -> Iterator[list[Added]]:
        """Put what comes to stand in the list into the collection of that name, if one is named."""
        added: list[Added] = []
        if collection is not None:
            clean_name(collection)
        yield added
        source_ids = [one.source_id for one in added if one.source_id is not None]
        if collection is not None and source_ids:
            self._collections.put_into(source_ids, collection)

    def _address(self, address: str) -> Added:
        try:
            known = self._store.source_by_origin(address)
            return self._known(known, address) if known else self._queue(address, address)
        except LocalChatError as error:
            return Added(address, "refused", None, str(error))

    def _file(self, name: str, content: bytes, media_type: str | None) -> Added:
        try:
            if not content:
                raise ReadError(name, f"“{name}” is empty.", "Choose another file.")
            if len(content) > self._most_bytes:
                raise ReadError(
                    name,
                    f"“{name}” has {len(content) / 1e6:,.0f} MB; LocalChat takes files up to "
                    f"{self._most_bytes / 1e6:,.0f} MB.",
                    "Split it, or raise fetch_bytes in settings.toml.",
                )
            origin = f"sha256:{digest(content)}"
            known = self._store.source_by_origin(origin)
            if known is None:
                return self._content(origin, name, content, media_type)
            return self._known(known, name)
        except LocalChatError as error:
            return Added(name, "refused", None, str(error))

    def _content(self, origin: str, name: str, content: bytes, media_type: str | None) -> Added:
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
        self._wake()
        return Added(name, "queued", source_id)

    def _known(self, source: Source, name: str) -> Added:
        if source.state in ("failed", "same"):
            self.retry(source.id)
            return Added(name, "queued", source.id, "It was not taken in before; trying again.")
        if source.state in ("waiting", "working"):
            return Added(name, "queued", source.id, "It is being taken in already.")
        return Added(name, "already", source.id, f"Already in the library as “{source.title}”.")
