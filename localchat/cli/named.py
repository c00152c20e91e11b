"""What a person at the command line means by a word."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from localchat.core.errors import LocalChatError, SourceError
from localchat.library.rows import Source
from localchat.sources.address import normalise_address


def sources_meant(given: str, sources: Iterable[Source]) -> list[Source]:
    """The sources that ``given`` may mean, in the order of ``sources``: it is the number, the
    address, the file's name or the path that one was added by."""
    meant = {given, Path(given).name}
    with contextlib.suppress(SourceError):
        meant.add(normalise_address(given))
    return [source for source in sources if meant & {str(source.id), source.origin, source.name}]


def sources_named(given: str, sources: Iterable[Source]) -> list[Source]:
    """The same, where there has to be one.

    Raises:
        LocalChatError: there is none.
    """
    found = sources_meant(given, sources)
    if not found:
        raise LocalChatError(f"“{given}” is not in the library.", "`sources` lists what is.")
    return found


def as_typed(text: str) -> str:
    """What came from a terminal with a broken encoding, as far as it can be read."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
