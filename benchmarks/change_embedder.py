"""Changes the embedder of a library, kills the process at half and starts it again.

    python3 start.py bench change_embedder [--chunks N] [--json FILE]

A process of its own does the change. This one kills it at half, starts it again, and asks questions
all the time, as the command line does while the window is open; so does each of the two processes.
The new embedder is the built-in one seen through a fixed rotation: as good, as fast and as long,
while its vectors have nothing to do with the old ones. A question counts as answered when the
passage with the answer comes first, and is near by the vectors of one embedder.

The exit code is 1 where a question was not answered, or a chunk was lost, doubled or left behind.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks._report import add_json_option, hand_over
from benchmarks._rotated import ROTATED, TITLE, opened, rotated
from localchat.core.database import Database
from localchat.core.evidence import Vectors
from localchat.core.folder import DataFolder
from localchat.core.vector_codes import matrix
from localchat.library.embedder import BATCH
from localchat.library.library import Library

ROOT = Path(__file__).resolve().parents[1]
NEAR = 0.3
"""How near the right passage is at least: vectors of two embedders would be at about 0."""
PATIENCE = 600.0
"""Seconds that each of the two processes may take."""
KINDS = ("ferry", "library", "market", "museum", "harbour", "school", "bridge", "theatre")
SYLLABLES = ("ba", "do", "fe", "gi", "ka", "lu", "mo", "ne", "pi", "ra", "so", "tu", "ve", "zi")


def made_up(number: int) -> tuple[str, str, str]:
    """A section of its own for each ``number``, with a question and the words that answer it."""
    dice = random.Random(number)
    size = len(SYLLABLES)
    place = "".join(SYLLABLES[number // size**n % size] for n in range(4)).capitalize()
    kind = dice.choice(KINDS)
    answer = f"{dice.randrange(1_000, 10_000)} visitors"
    others = " ".join(
        f"Its {dice.choice(KINDS)} {dice.choice(('faces', 'lies behind', 'is older than'))} the "
        f"{dice.choice(KINDS)} of {''.join(dice.choices(SYLLABLES, k=3)).capitalize()}."
        for _ in range(6)
    )
    text = f"## {place}\n\nThe {kind} of {place} had {answer} last year. {others}"
    return text, f"How many visitors did the {kind} of {place} have?", answer


class Asking:
    """Asks one question after another in a thread, until it is left."""

    def __init__(self, library: Library, questions: Sequence[tuple[str, str]]) -> None:
        self.asked = 0
        self.missed: list[str] = []
        self._library = library
        self._questions = questions
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        retriever = self._library.retriever(4)
        while not self._done.wait(0.02):
            question, answer = self._questions[self.asked % len(self._questions)]
            try:
                first = retriever.invoke(question)[0]
                if answer not in first.page_content or first.metadata["similarity"] < NEAR:
                    self.missed.append(f"{question} {first.metadata['similarity']}")
            except Exception as error:  # noqa: BLE001 - whatever it is, the question was not answered
                self.missed.append(f"{question} {error!r}")
            self.asked += 1


def main(argv: Sequence[str] | None = None) -> int:
    """Change, kill, change, compare; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench change_embedder", description=__doc__)
    add_json_option(parser)
    parser.add_argument("--chunks", type=int, default=2_000)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    sections = [made_up(number) for number in range(arguments.chunks)]
    questions = [(question, answer) for _, question, answer in sections]
    if arguments.work:
        return work(DataFolder(arguments.work), questions)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        result = measure(DataFolder(Path(home)), [text for text, _, _ in sections], questions)
    lines = [f"{name.replace('_', ' '):24} {value}" for name, value in result.items()]
    hand_over(result, lines, arguments.json)
    return 0 if result["nothing_lost"] else 1


def work(folder: DataFolder, questions: Sequence[tuple[str, str]]) -> int:
    """The process that does the change: begins it, or goes on with it, and ends with it."""
    with opened(folder, start=True) as library, Asking(library, questions) as asking:
        if library.embedder_key != ROTATED and library.change is None:
            library.change_embedder(ROTATED)
        while library.change is not None:
            time.sleep(0.05)
            tell(folder, asking)
        time.sleep(1)  # some questions to the new one, too
    tell(folder, asking)
    return 0


def tell(folder: DataFolder, asking: Asking) -> None:
    """Leave a note of what was asked so far, which the kill cannot cut short."""
    half = folder.root / "told.half"
    half.write_text(f"{asking.asked} {len(asking.missed)}", encoding="utf-8")
    half.replace(folder.root / "told")


def measure(
    folder: DataFolder, texts: Sequence[str], questions: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """The numbers of one change that is killed at half."""
    with opened(folder, start=True) as library:
        added = library.add_file(f"{TITLE}.md", "\n\n".join([f"# {TITLE}", *texts]).encode())
        library.wait([added.source_id or 0])
    ids, before = vectors_in(folder)
    told = []
    with opened(folder, start=False) as library, Asking(library, questions) as asking:
        began = time.monotonic()
        process = start(folder)
        while (change := library.change) is None or change.done < change.total / 2:
            stop_if_ended(process, began)
            time.sleep(0.02)
        process.kill()
        process.wait()
        killed_at = change.done
        told.append((folder.root / "told").read_text(encoding="utf-8"))
        asked_between = asking.asked
        again = start(folder)
        again.wait(PATIENCE)
        seconds = time.monotonic() - began
        told.append((folder.root / "told").read_text(encoding="utf-8"))
        time.sleep(0.5)
        key = library.embedder_key
    same_ids, after = vectors_in(folder)
    counted = rows_in(folder)
    here, missed_here = asking.asked, len(asking.missed)
    asked, missed = (sum(int(one.split()[n]) for one in told) for n in (0, 1))
    made = (folder.root / "made").stat().st_size
    held = collections_in(folder)
    nearest = (rotated(before) * after).sum(axis=1).min() if same_ids == ids else 0.0
    whole = (
        key == ROTATED
        and again.returncode == 0
        and same_ids == ids
        and bool(nearest > 0.98)
        and counted == {"chunk": len(ids), "vector": len(ids), "new_vector": 0}
        and list(held.values()) == [len(ids)]
        and len(ids) <= made <= len(ids) + BATCH
    )
    return {
        "nothing_lost": whole and not missed and not missed_here,
        "chunks_before": len(ids),
        "chunks_after": len(same_ids),
        "killed_at": killed_at,
        "embedded": made,
        "embedded_twice": made - len(ids),
        "doubles": len(same_ids) - len(set(same_ids)) + counted["chunk"] - len(ids),
        "vectors_left_over": counted["new_vector"],
        "least_cosine_to_expected": round(float(nearest), 4),
        "collections": held,
        "answered_beside": f"{here - missed_here} of {here} ({asked_between} before the kill)",
        "answered_in_the_two": f"{asked - missed} of {asked}",
        "missed": asking.missed[:3],
        "seconds": round(seconds, 1),
    }


def start(folder: DataFolder) -> subprocess.Popen[bytes]:
    """The process that does the change."""
    work, chunks = ("--work", str(folder.root)), rows_in(folder)["chunk"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.change_embedder", *work, "--chunks", str(chunks)],
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
    )


def stop_if_ended(process: subprocess.Popen[bytes], began: float) -> None:
    if process.poll() is not None or time.monotonic() > began + PATIENCE:
        process.kill()
        raise RuntimeError(f"The change did not come to its half (exit code {process.poll()}).")


def vectors_in(folder: DataFolder) -> tuple[list[int], Vectors]:
    """The visible chunks' ids and their vectors, in order."""
    with closing(Database(folder.database)) as database:
        rows = database.read(
            "SELECT chunk.id, codes FROM chunk JOIN vector ON chunk_id = chunk.id"
            " JOIN source ON source.revision_id = chunk.revision_id ORDER BY chunk.id"
        )
    return [row["id"] for row in rows], matrix(row["codes"] for row in rows)


def rows_in(folder: DataFolder) -> dict[str, int]:
    """How many rows the tables have."""
    with closing(Database(folder.database)) as database:
        return {
            table: database.read(f"SELECT count(*) FROM {table}")[0][0]
            for table in ("chunk", "vector", "new_vector")
        }


def collections_in(folder: DataFolder) -> dict[str, int]:
    """What is in Chroma: embedder → chunks."""
    import chromadb
    from chromadb.config import Settings as ChromaSettings

    settings = ChromaSettings(anonymized_telemetry=False)
    with closing(chromadb.PersistentClient(path=str(folder.chroma), settings=settings)) as client:  # type: ignore[type-var]
        return {
            str((one.metadata or {}).get("embedder")): one.count()
            for one in client.list_collections()
        }


if __name__ == "__main__":
    sys.exit(main())
