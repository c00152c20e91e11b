"""Which part of the library a question is asked of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """The sources named and the sources of the collections named, together; nothing named: all."""

    sources: frozenset[int] = frozenset()
    """Ids of sources."""
    collections: frozenset[str] = frozenset()
    """Names of collections, as people gave them."""

    @property
    def is_everything(self) -> bool:
        """Whether it leaves nothing out."""
        return not self.sources and not self.collections


EVERYTHING = Scope()
