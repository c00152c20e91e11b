"""collections: list, add, remove, rename, delete."""

from __future__ import annotations

import argparse
import json
from contextlib import closing

from localchat.app import LocalChat, open_localchat
from localchat.cli.named import as_typed, sources_named


def list_collections(arguments: argparse.Namespace) -> int:
    """Print every collection and how many sources are in it."""
    with closing(open_localchat()) as chat:
        return _print(arguments, chat)


def add(arguments: argparse.Namespace) -> int:
    """Put sources into a collection, which is made where there is none of that name."""
    with closing(open_localchat()) as chat:
        chat.library.collections.put_into(_ids(chat, arguments.sources), as_typed(arguments.name))
        return _print(arguments, chat)


def remove(arguments: argparse.Namespace) -> int:
    """Take sources out of a collection; they stay in the library."""
    with closing(open_localchat()) as chat:
        collections = chat.library.collections
        collection = collections.named(as_typed(arguments.name))
        collections.take_out(_ids(chat, arguments.sources), collection.id)
        return _print(arguments, chat)


def rename(arguments: argparse.Namespace) -> int:
    """Give a collection another name."""
    with closing(open_localchat()) as chat:
        collections = chat.library.collections
        collection = collections.named(as_typed(arguments.name))
        collections.rename(collection.id, as_typed(arguments.new_name))
        return _print(arguments, chat)


def delete(arguments: argparse.Namespace) -> int:
    """Forget a collection; its sources stay in the library."""
    with closing(open_localchat()) as chat:
        collections = chat.library.collections
        collections.delete(collections.named(as_typed(arguments.name)).id)
        return _print(arguments, chat)


def _ids(chat: LocalChat, given: list[str]) -> set[int]:
    """The sources that were named; all of them, or an error that names the first that is not."""
    sources = chat.library.sources()
    return {source.id for one in given for source in sources_named(one, sources)}


def _print(arguments: argparse.Namespace, chat: LocalChat) -> int:
    """Every command ends with the list as it is now."""
    collections = chat.library.collections
    known = collections.all()
    if arguments.json:
        listed = [
            {"name": one.name, "sources": sorted(collections.sources(one.id))} for one in known
        ]
        print(json.dumps(listed, ensure_ascii=False, indent=2))
        return 0
    for one in known:
        print(f"{one.name}: {one.sources} {'source' if one.sources == 1 else 'sources'}")
    if not known:
        print("There are no collections.")
    return 0
