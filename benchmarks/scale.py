"""How search fares in a large library: time, recall, size and memory.

    python3 start.py bench scale [--chunks N …] [--data FILE_OR_FOLDER …] [--json FILE]

For each N a library of N chunks of about 800 characters is made (see ``_made_library``; ``--data``
names sets of questions in SQuAD's format, whose texts and questions are used then), filled through
the app's own tables and its own Chroma. A process of its own opens it as the window does and asks:
the whole search in scopes of several sizes, its parts, and the vector index against an exact one.
With two sizes or more, a million chunks are extrapolated in a straight line.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks._made_library import Material, fill, material
from benchmarks._report import add_json_option, hand_over
from localchat.core.database import Database
from localchat.core.folder import DataFolder
from localchat.library import segments

if TYPE_CHECKING:
    from localchat.app import LocalChat

ROOT = Path(__file__).resolve().parents[1]
SIZES = (10_000, 30_000, 100_000)
MILLION = 1_000_000
REST_PATIENCE = 300.0
"""Seconds."""
CANDIDATES = 50
"""Chunks that the app asks each index for."""
STORES = {
    "the text": ("revision",),
    "chunks": ("chunk", "sqlite_autoindex_chunk_1"),
    "vectors": ("vector",),
    "keywords": ("keyword_segment", "posting", "unindexed_chunk"),
}


@dataclass(frozen=True)
class Times:
    """Milliseconds."""

    p50: float
    p95: float
    most: float


def main(argv: Sequence[str] | None = None) -> int:
    """Make, measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench scale", description=__doc__.split("\n")[0])
    add_json_option(parser)
    parser.add_argument("--chunks", type=int, nargs="+", default=SIZES, metavar="N")
    parser.add_argument("--data", type=Path, nargs="+", default=[], metavar="FILE_OR_FOLDER")
    parser.add_argument("--questions", type=int, default=100, help="in each scope, of each part")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.work:
        print(json.dumps(ask(DataFolder(arguments.work), arguments.questions)))
        return 0
    from localchat.engines.embeddings.built_in import BuiltInEmbedder
    from localchat.models.minilm import embedder_folder

    with closing(BuiltInEmbedder(embedder_folder())) as embedder:
        made_of, identity = material(arguments.data, embedder), embedder.identity
    results: dict[str, Any] = {}
    for chunks in arguments.chunks:
        print(f"{chunks} chunks …", file=sys.stderr)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            folder = DataFolder(Path(home))
            made = make(folder, made_of, identity, chunks)
            results[str(chunks)] = {**made, **asked(folder, arguments.questions)}
    if len(results) > 1:
        results["extrapolated"] = extrapolated(results)
    lines = [line for size, one in results.items() for line in told(f"{size} chunks", one)]
    hand_over(results, lines, arguments.json)
    return 0


def make(folder: DataFolder, made_of: Material, identity: str, chunks: int) -> dict[str, Any]:
    """A library, and what it takes to make and to keep."""
    from localchat.library.index import LibraryIndex

    folder.prepare()
    (folder.root / "questions.json").write_text(json.dumps(made_of.questions), encoding="utf-8")
    with closing(Database(folder.database)) as database:
        began = time.monotonic()
        characters = fill(database, identity, made_of, chunks)
        filled = time.monotonic() - began
        with closing(LibraryIndex(database, folder.chroma)) as index:
            began = time.monotonic()
            index.update(identity)
            indexed = time.monotonic() - began
    made = {
        "seconds to fill SQLite": round(filled, 1),
        "seconds to fill Chroma": round(indexed, 1),
        "characters in a chunk": round(characters / chunks),
    }
    return {"made": made, "bytes a chunk": bytes_of(folder, chunks, characters)}


def asked(folder: DataFolder, questions: int) -> dict[str, Any]:
    """What ``ask`` finds in a process of its own."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    work = ("--work", str(folder.root), "--questions", str(questions))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", *work],
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def bytes_of(folder: DataFolder, chunks: int, characters: int) -> dict[str, float]:
    """What each store takes for a chunk; and all of them, but the text once, for 500 characters."""
    with closing(sqlite3.connect(folder.database)) as db:
        text = db.execute("SELECT sum(length(CAST(text AS BLOB))) FROM revision").fetchone()[0]
        try:
            pages = dict(db.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
        except sqlite3.OperationalError:  # a build of SQLite without that table
            pages = {}
    stores = {name: sum(pages.pop(table, 0) for table in tables) for name, tables in STORES.items()}
    stores["the rest of SQLite"] = folder.database.stat().st_size - sum(stores.values())
    for file in folder.chroma.rglob("*"):
        if file.is_file():
            name = "Chroma: " + ("rows" if file.name == "chroma.sqlite3" else "graph")
            stores[name] = stores.get(name, 0) + file.stat().st_size
    beyond = sum(stores.values()) - text
    return {
        **{name: round(size / chunks) for name, size in stores.items()},
        "all, beyond the text": round(beyond / chunks),
        "all, beyond the text, for 500 characters": round(500 * beyond / characters),
    }


def ask(folder: DataFolder, number: int) -> dict[str, Any]:
    """Open the library as the window does, and ask ``number`` questions of each kind."""
    import psutil

    from localchat.app import open_localchat
    from localchat.core.text.words import question_words
    from localchat.library.chunk_table import ChunkTable
    from localchat.library.exact import ExactIndex
    from localchat.library.index import LibraryIndex

    questions = json.loads((folder.root / "questions.json").read_text(encoding="utf-8"))
    process = psutil.Process()
    began = time.monotonic()
    with closing(open_localchat(folder, alone=True)) as chat:
        meaning = chat.library.meaning
        retriever = chat.library.retriever()
        index, table = retriever.index, ChunkTable(chat.database)
        assert isinstance(index, LibraryIndex)
        while not index.is_ready(meaning.identity):
            time.sleep(0.02)
        retriever.invoke("How long does it take to open?")
        opened = time.monotonic() - began
        coming = iter(questions)
        at_once = timed(retriever.invoke, _some(coming, min(number, 30)))
        whole = {}
        await_rest(chat)
        rested = time.monotonic() - began
        scopes = scopes_of(chat.database)
        for name, sources in scopes.items():
            retriever.sources = sources
            retriever.invoke("What is this about?")
            whole[name] = timed(retriever.invoke, _some(coming, number))
            if sources is None:
                memory = process.memory_info().rss
        texts = _some(coming, number)
        parts = {"the question's vector": timed(meaning.embed_question, texts)}
        vectors = [meaning.embed_question(text) for text in texts]
        words = [question_words(text) for text in texts]
        for name, sources in scopes.items():
            parts[f"vectors, {name}"] = timed(
                lambda v, s=sources: index.search(meaning.identity, v, CANDIDATES, s), vectors
            )
            parts[f"keywords, {name}"] = timed(
                lambda w, s=sources: table.keyword_search(w, CANDIDATES, s), words
            )
        alone = ("the question's vector", "vectors, everything", "keywords, everything")
        rest = whole["everything"].p50 - sum(parts[name].p50 for name in alone)
        exact = ExactIndex(table, meaning.identity)
        shares = []
        for vector in [meaning.embed_question(text) for text in _some(coming, 2 * number)]:
            right = {i for i, _ in exact.search(vector, 10)}
            found = {i for i, _ in index.search(meaning.identity, vector, CANDIDATES)[:10]}
            shares.append(len(right & found) / len(right))
        with_scopes = process.memory_info().rss
    return {
        "seconds to open": round(opened, 1),
        "seconds until it rests": round(rested, 1),
        "a search until then, ms": asdict(at_once),
        "the whole search, ms": {name: asdict(one) for name, one in whole.items()},
        "its parts, ms": {name: asdict(one) for name, one in parts.items()},
        "the rest of it (ranking, joining), ms, by the medians": round(rest, 1),
        "recall of the best ten": {
            "mean": round(float(np.mean(shares)), 4),
            "worst": min(shares),
        },
        "MB of memory": {"searching": memory // 2**20, "and in scopes": with_scopes // 2**20},
    }


def await_rest(chat: LocalChat) -> None:
    """Until nothing is left to do in the background: a library that was just filled merges its
    keyword segments, and measures what counts as an answer."""
    until = time.monotonic() + REST_PATIENCE
    while time.monotonic() < until:
        with chat.database.snapshot() as db:
            merging = segments.due(segments.segments(db))
        if not merging and chat.library.floor_is_current:
            return
        time.sleep(0.1)


def _some(coming: Iterator[str], number: int) -> list[str]:
    return list(islice(coming, number))


def scopes_of(database: Database) -> dict[str, frozenset[int] | None]:
    """Everything, and sets of sources of several sizes."""
    rows = database.read("SELECT source_id, count(*) FROM chunk JOIN revision"
                         " ON revision.id = revision_id GROUP BY source_id")  # fmt: skip
    sizes = {row[0]: row[1] for row in rows}
    order = sorted(sizes)
    random.Random(2).shuffle(order)

    def share(of: float) -> frozenset[int]:
        found, left = [], of * sum(sizes.values())
        for source in order:
            if left > 0:
                found.append(source)
                left -= sizes[source]
        return frozenset(found)

    return {
        "everything": None,
        "one source": frozenset(order[:1]),
        "5 %": share(0.05),
        "half": share(0.5),
        "all but one": frozenset(order[1:]),
    }


def timed(call: Callable[[Any], object], given: Iterable[Any]) -> Times:
    """One call for each of ``given``."""
    seconds = []
    for one in given:
        began = time.perf_counter()
        call(one)
        seconds.append(1_000 * (time.perf_counter() - began))
    p50, p95, most = np.percentile(seconds, [50, 95, 100]).round(1).tolist()
    return Times(p50, p95, most)


def extrapolated(results: dict[str, Any]) -> dict[str, Any]:
    """What a straight line through the sizes says of a million chunks."""
    chunks = [int(size) for size in results]
    parts = list(results.values())

    def line(of: Callable[[dict[str, Any]], float]) -> float:
        slope, start = np.polyfit(chunks, [of(one) for one in parts], 1)
        return round(float(slope * MILLION + start), 1)

    return {
        "the whole search at 1,000,000, ms": {
            name: {
                key: line(lambda one, n=name, k=key: one["the whole search, ms"][n][k])
                for key in ("p50", "p95")
            }
            for name in parts[0]["the whole search, ms"]
        },
        "MB of memory at 1,000,000": {
            name: line(lambda one, n=name: one["MB of memory"][n])
            for name in parts[0]["MB of memory"]
        },
        "seconds to open at 1,000,000": line(lambda one: one["seconds to open"]),
    }


def told(title: str, numbers: dict[str, Any]) -> list[str]:
    """The numbers for people, indented by what they belong to."""
    lines = [title]
    for name, value in numbers.items():
        if not isinstance(value, dict):
            lines.append(f"  {name:44} {value}")
        elif any(isinstance(inner, dict) for inner in value.values()):
            lines.append(f"  {name}")
            lines += [
                f"    {inner:42} " + "  ".join(f"{key} {number}" for key, number in of.items())
                for inner, of in value.items()
            ]
        else:
            lines.append(f"  {name}")
            lines += [f"    {inner:42} {number}" for inner, number in value.items()]
    return lines


if __name__ == "__main__":
    sys.exit(main())
