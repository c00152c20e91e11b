"""Chroma's files: opened, marked while that may end the process, and deleted.

A damaged file may end the process instead of raising: a mark beside the index, which is taken away
once the index has found what it holds, tells the next start.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import UUID

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.collection_configuration import CreateHNSWConfiguration

log = logging.getLogger(__name__)


def open_client(path: Path, url: str) -> Client:
    """A client of the embedded Chroma, or of the server where ``url`` names one."""
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    if not url:
        # Annotated as the interface, which lacks close(); the object is always a Client.
        return cast("Client", chromadb.PersistentClient(path=str(path), settings=settings))
    from urllib.parse import urlsplit

    parts = urlsplit(url if "//" in url else f"http://{url}")
    client = chromadb.HttpClient(
        host=parts.hostname or "localhost",
        port=parts.port or 8000,
        ssl=parts.scheme == "https",
        settings=settings,
    )
    return cast("Client", client)


def adapt(client: Client, name: str, graph: CreateHNSWConfiguration) -> None:
    """Have the collection ``name``, if there is one, searched as ``graph`` says; delete it where it
    was built in another way, which only a new one changes. To be called before it is used."""
    for collection in client.list_collections():
        if collection.name != name:
            continue
        now = collection.configuration_json.get("hnsw") or {}
        differing = {key for key, value in graph.items() if now.get(key) != value}
        if differing - {"ef_search"}:
            log.info("The vector index was built in another way, and is made again")
            client.delete_collection(name)
        elif differing:
            collection.modify(configuration={"hnsw": {"ef_search": graph["ef_search"]}})


def is_marked(path: Path) -> bool:
    """Whether a process ended while the index at ``path`` was marked."""
    return _mark(path).exists()


@contextmanager
def marked(path: Path) -> Iterator[None]:
    """The mark stands while the block runs, and stays where that ends the process."""
    _mark(path).touch()
    try:
        yield
    finally:
        _mark(path).unlink()


def _mark(path: Path) -> Path:
    return path.with_suffix(".opening")


def wipe(path: Path) -> None:
    """Delete what is at ``path``, whatever it is."""
    from chromadb.api.shared_system_client import SharedSystemClient

    # Chroma keeps the half-started system under its path, and would give it to us again.
    SharedSystemClient.clear_system_cache()
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for inside in path.iterdir():  # and not the folder, which may be a link to another disk
        if inside.is_dir() and not inside.is_symlink():
            shutil.rmtree(inside, ignore_errors=True)
        else:
            inside.unlink()


def delete_unused(path: Path) -> None:
    """Delete the files of collections that are no more: Chroma leaves them where they are (its
    issue 5520). What cannot be deleted, because Windows still maps it, goes at another time."""
    database = (path / "chroma.sqlite3").absolute().as_uri()
    try:
        with closing(sqlite3.connect(f"{database}?mode=ro", uri=True)) as db:
            used = {str(row[0]) for row in db.execute("SELECT id FROM segments")}
    except sqlite3.Error as error:
        log.info("Unused files of the vector index stay where they are: %s", error)
        return
    for inside in path.iterdir():
        if inside.is_dir() and _is_id(inside.name) and inside.name not in used:
            shutil.rmtree(inside, ignore_errors=True)


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
