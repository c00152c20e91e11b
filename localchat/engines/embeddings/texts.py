"""What is looked at of a text, whatever model it is for. Light: the child processes import it."""

from __future__ import annotations

LONGEST_TEXT = 50_000
"""Characters of a text that are looked at: far more than ``max_tokens`` ever needs."""


def beginning(text: str) -> str:
    """What is looked at of ``text``; half a surrogate, as broken files have it, becomes “?”."""
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")
