"""The numbers of ``retrieval`` as a person reads them: both pipelines side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WIDTHS = (50, 12, 12)
LABELS = {
    "hit@1": "answer in the first passage, %",
    "hit@4": "answer in the first 4 passages, %",
    "hit@10": "answer in the first 10 passages, %",
    "mrr@10": "mean of 1 / rank, up to rank 10, %",
    "tokens256": "answer in the first 256 tokens, %",
    "tokens512": "answer in the first 512 tokens, %",
    "tokens1024": "answer in the first 1,024 tokens, %",
    "instant1": "answer in an instant answer of 1 sentence, %",
    "instant2": "answer in one of 2 sentences, %",
    "instant3": "answer in one of 3 sentences, %",
    "instant3_cut": "the same, if what these lean on counts as well, %",
    "instant_sentences": "sentences then, on average",
    "instant_shown": "answer in what of these the app shows, %",
    "instant_shown_sentences": "sentences shown, on average",
    "answerable_refused": "refused though the answer is there, %",
    "unanswerable_refused": "refused where the documents do not say, %",
    "foreign_refused": "refused, about another set's topics, %",
    "query_ms_p50": "search, ms at the median",
    "query_ms_p95": "search, ms at the 95th percentile",
    "instant_ms_p50": "instant answer beyond it, ms at the median",
    "instant_ms_p95": "instant answer beyond it, ms at the 95th percentile",
    "chunks": "chunks",
    "index_seconds": "seconds to index",
    "index_bytes_per_500": "bytes stored per 500 characters, beyond the text",
}


def lines_of(sets: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """A table for each set; rows that no pipeline has a number for are left out."""
    lines: list[str] = []
    for name, pipelines in sets.items():
        known = next(iter(pipelines.values()))
        told = f"{known['questions']:,} questions, {known['documents']:,} documents"
        lines += ["", f"{name}: {told}", _row("", list(pipelines))]
        for key, label in LABELS.items():
            values = [numbers.get(key) for numbers in pipelines.values()]
            if any(value is not None for value in values):
                lines.append(_row(label, [_told(value) for value in values]))
    return lines


def _row(label: str, values: list[str]) -> str:
    columns = zip(values, WIDTHS[1:], strict=True)
    return f"{label:{WIDTHS[0]}}" + "".join(f"{value:>{width}}" for value, width in columns)


def _told(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
