"""How fast the search model embeds: chunks per second by size, and one question; how long it takes
to start, and its memory.

``python3 start.py bench embedding [--json FILE] [--source MODEL_FOLDER]``. The text is that of the
web pages in ``../shared/web`` where they are, else English made up here. What is installed runs in
a process of its own; the same model inside this process is measured in turns with it, so that the
way through the pipe can be told, on a busy computer as well. So is, with the folder of the
published weights (``--source``), the float32 form.
"""

from __future__ import annotations

import argparse
import html
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks._report import add_json_option, hand_over
from localchat.core.errors import LocalChatError
from localchat.core.evidence import Vectors
from localchat.engines.child.worker import Tell
from localchat.engines.embeddings.batches import choose_threads
from localchat.engines.embeddings.built_in import BuiltInEmbedder
from localchat.engines.embeddings.built_in_backend import BuiltInEmbeddings
from localchat.engines.embeddings.built_in_folder import read_manifest
from localchat.models import minilm

PAGES = Path(__file__).resolve().parents[2] / "shared" / "web"
SIZES = {500: 240, 1_000: 120}
"""Characters of a chunk → how many chunks."""
QUESTIONS = 200
PAUSE = 0.02
"""Seconds between two questions that are asked while chunks are indexed."""
JOB = 64
"""Chunks that a job of the library embeds at once."""

Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class Way:
    """How a model is asked for passages, and for questions."""

    embed: Embed
    ask: Embed


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="start.py bench embedding", description=__doc__)
    add_json_option(parser)
    parser.add_argument("--source", type=Path, metavar="MODEL_FOLDER", help="compare with float32")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many is told")
    options = parser.parse_args(argv)
    try:
        with ExitStack() as stack:
            installed = BuiltInEmbedder(minilm.embedder_folder())
            stack.callback(installed.close)
            result = start_of(installed)
            inside = in_this_process(installed.folder)
            ways = {
                "installed": Way(installed.embed, installed.embed_questions),
                "in this process": Way(inside, inside),
            }
            if options.source is not None:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()), "fp32")
                minilm.build(options.source, folder, least_cosine=2)
                fp32 = BuiltInEmbedder(folder)
                stack.callback(fp32.close)
                ways["fp32"] = Way(fp32.embed, fp32.embed_questions)
            result |= measure(ways, options.rounds)
    except LocalChatError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    hand_over(result, lines_of(result), options.json)
    return 0


def start_of(embedder: BuiltInEmbedder) -> dict[str, object]:
    """How long the first text takes, and what the model's process holds after it."""
    took = seconds(embedder.embed, ["the first one"])
    process = psutil.Process(embedder.pid)
    return {
        "identity": embedder.identity,
        "threads": choose_threads()[0],
        "start_s": round(took, 2),
        "start_cpu_s": round(sum(process.cpu_times()[:2]), 2),
        "memory_mb": round(process.memory_info().rss / 1e6),
    }


def in_this_process(folder: Path) -> Embed:
    """The same model, batches and threads, without a pipe in between."""
    manifest = read_manifest(folder)
    backend = BuiltInEmbeddings()
    model: dict[str, Any] = {
        "folder": str(folder),
        "files": manifest.files,
        "max_tokens": manifest.max_tokens,
        "threads": choose_threads()[0],
    }
    backend.load(model, Tell(0, lambda message: None))
    return lambda texts: backend.vectors(list(texts), lambda: None)


def measure(ways: dict[str, Way], rounds: int) -> dict[str, object]:
    text, origin = english()
    chunks = {
        size: [text[start : start + size] for start in range(0, size * count, size)]
        for size, count in SIZES.items()
    }
    questions = [f"What does the text say about {word}?" for word in text.split()[:QUESTIONS]]
    result: dict[str, object] = {"text": origin}
    for way in ways.values():
        way.embed(questions[:8])
    for size, texts in chunks.items():
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(rounds):
            for name, way in ways.items():
                best[name] = min(best[name], seconds(way.embed, texts))
        speed = {name: round(len(texts) / took, 1) for name, took in best.items()}
        result[f"chunks_per_second_{size}"] = speed
        if "fp32" in speed:
            result[f"times_fp32_{size}"] = round(speed["installed"] / speed["fp32"], 2)
    result["question_ms"] = asked(ways, questions, rounds)
    for name, way in ways.items():
        with indexing(way.embed, chunks[500]):
            told = asked({name: way}, questions, 1, PAUSE)
        result[f"question_ms_while_indexing_{name.replace(' ', '_')}"] = told[name]
    return result


def asked(
    ways: dict[str, Way], questions: list[str], rounds: int, pause: float = 0
) -> dict[str, str]:
    """Milliseconds of one question: p50 and p95, each the best of so many rounds."""
    best = dict.fromkeys(ways, (float("inf"), float("inf")))
    for _ in range(rounds):
        took: dict[str, list[float]] = {name: [] for name in ways}
        for question in questions:
            for name, way in ways.items():
                took[name].append(1e3 * seconds(way.ask, [question]))
                time.sleep(pause)
        for name, times in took.items():
            p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
            best[name] = (min(best[name][0], p50), min(best[name][1], p95))
    return {name: f"p50 {p50:.2f}, p95 {p95:.2f}" for name, (p50, p95) in best.items()}


@contextmanager
def indexing(embed: Embed, chunks: list[str]) -> Iterator[None]:
    """Another thread embeds ``chunks``, as a job of the library does, inside the block."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            for start in range(0, len(chunks), JOB):
                embed(chunks[start : start + JOB])
                if over.is_set():
                    return

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def seconds(embed: Embed, texts: list[str]) -> float:
    start = time.perf_counter()
    embed(texts)
    return time.perf_counter() - start


def english() -> tuple[str, str]:
    """Enough text for every size, and where it is from."""
    needed = max(size * count for size, count in SIZES.items())
    pages = sorted(PAGES.glob("*.html"))
    text = " ".join(plain(page.read_text(encoding="utf-8")) for page in pages)
    if len(text) >= needed:
        return text, f"{len(pages)} web pages"
    return made_up(needed), "made up"


def plain(page: str) -> str:
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def made_up(characters: int) -> str:
    """Sentences with the lengths of words and of sentences that English has."""
    dice = random.Random(11)
    who = "The committee|A young engineer|Our neighbour|The second report|Each model|No one".split(
        "|"
    )
    does = "describes|has measured|carefully avoids|depends on|will replace|forgot".split("|")
    what = "the old harbour|an unexpected result|three kinds of memory|the annual budget".split("|")
    how = "in 1987|without much noise|because of the weather|for 42 percent of cases".split("|")
    text = ""
    while len(text) < characters:
        middle = f"{dice.choice(does)} {dice.choice(what)} {dice.choice(how)}"
        tail = f", and {dice.choice(who).lower()} {dice.choice(does)} {dice.choice(what)}"
        text += f"{dice.choice(who)} {middle}{tail if dice.random() < 0.5 else ''}. "
    return text


def lines_of(result: dict[str, object]) -> list[str]:
    """The numbers as a person reads them."""
    lines = []
    for name, value in result.items():
        told = value
        if isinstance(value, dict):
            told = ", ".join(f"{key} {number}" for key, number in value.items())
        lines.append(f"{name.replace('_', ' '):24} {told}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
