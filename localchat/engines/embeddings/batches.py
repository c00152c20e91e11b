"""How many texts go at once, and on how many threads: the same for every model."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence

MOST_THREADS = 4


def choose_threads() -> tuple[int, str]:
    """How many threads to embed with, and why."""
    usable = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    cores = max(min(usable, 2), usable // 2)
    if cores > MOST_THREADS:
        return MOST_THREADS, f"{MOST_THREADS} threads: more hardly help, and the chat needs some"
    return cores, f"{cores} threads: this computer has about {cores} cores"


def batches(lengths: Sequence[int], size: int, apart: float = math.inf) -> Iterator[list[int]]:
    """Numbers of texts of about the same length, longest first: so time left is not told short.

    A batch counts as ``size`` at most, where each text in it counts as its longest one, and none is
    shorter than that by more than ``apart``.
    """
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        if batch:
            longest = lengths[batch[0]]
            if (len(batch) + 1) * longest > size or longest - lengths[number] > apart:
                yield batch
                batch = []
        batch.append(number)
    if batch:
        yield batch
