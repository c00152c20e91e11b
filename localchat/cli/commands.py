"""add, ask, sources, remove, bench."""

from __future__ import annotations

import argparse
import json
import mimetypes
import runpy
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from localchat.app import LocalChat, open_localchat, wait_for
from localchat.chat.answer import Answer
from localchat.cli.named import as_typed, sources_meant
from localchat.library.adding import Added
from localchat.library.rows import Source


def add(arguments: argparse.Namespace) -> int:
    """Add everything, wait until it is in, say what became of each."""
    with closing(open_localchat()) as chat:
        collection = as_typed(arguments.collection) if arguments.collection else None
        added = [one for origin in arguments.origins for one in _add(chat, origin, collection)]
        queued = {one.source_id for one in added if one.outcome == "queued"}
        show = (lambda _: None) if arguments.json else _Progress()
        taken_in = {
            source.id: source
            for source in wait_for(chat, [i for i in queued if i is not None], show)
        }
        results = [_result(one, taken_in.get(one.source_id or 0)) for one in added]
    if arguments.json:
        _print_json(results)
    else:
        for result in results:
            print(_added_line(result))
    return 0 if all(result["state"] in ("ready", "already", "same") for result in results) else 1


def ask(arguments: argparse.Namespace) -> int:
    """Print the answer as it is written, or all of it as JSON."""
    with closing(open_localchat()) as chat:
        settings = chat.settings
        if arguments.model:
            offer = chat.answering.find(arguments.model)
            settings = settings.model_copy(update=offer.changes())
        asking = chat.ask(as_typed(arguments.question), settings, chat.chain(settings))
        try:
            answer = asking.wait() if arguments.json else _follow(asking)
        except KeyboardInterrupt:
            asking.stop()
            answer = asking.wait()
    if arguments.json:
        _print_json(_answer(answer))
    if answer.error:
        print(answer.error, file=sys.stderr)
    return 0 if answer.state == "done" else 1


def sources(arguments: argparse.Namespace) -> int:
    """List the library."""
    with closing(open_localchat()) as chat:
        found = [_source(source) for source in chat.library.sources()]
    if arguments.json:
        _print_json(found)
        return 0
    for item in found:
        detail = item["error"] or f"{item['passages']} passages"
        print(f"{item['id']:>4}  {item['state']:<8} {item['title']}  ({item['source']}; {detail})")
    if not found:
        print("The library is empty.", file=sys.stderr)
    return 0


def remove(arguments: argparse.Namespace) -> int:
    """Remove sources by number, address or file name."""
    with closing(open_localchat()) as chat:
        results = []
        for given in arguments.sources:
            found = sources_meant(given, chat.library.sources())
            removed = bool(found) and chat.library.remove(found[0].id)
            results.append({"given": given, "removed": removed})
    if arguments.json:
        _print_json(results)
    else:
        for result in results:
            said = "removed" if result["removed"] else "is not in the library"
            print(f"{result['given']}: {said}")
    return 0 if all(result["removed"] for result in results) else 1


def bench(arguments: argparse.Namespace) -> int:
    """Run ``benchmarks/NAME.py``, which has a ``main(arguments) -> exit code``."""
    folder = Path(__file__).parents[2] / "benchmarks"
    script = folder / f"{arguments.name}.py"
    if not arguments.name.isidentifier() or not script.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("[a-z]*.py"))) or "none"
        print(f"There is no benchmark “{arguments.name}”. There are: {known}.", file=sys.stderr)
        return 2
    return int(runpy.run_path(str(script))["main"](arguments.rest) or 0)


def _add(chat: LocalChat, origin: str, collection: str | None) -> list[Added]:
    path = Path(origin).expanduser()
    is_address = origin.lower().startswith(("http://", "https://"))
    if not is_address and (path.exists() or not _looks_like_address(origin)):
        return [chat.library.add_path(path, collection)]
    return chat.library.add_addresses(origin, collection)


def _looks_like_address(text: str) -> bool:
    """Whether what is no file here may be an address without its scheme: ``example.org/page``, but
    not ``missing.csv``."""
    host, slash, _ = text.partition("/")
    # Without the system's own lists, in which ".com" is a kind of program.
    is_file_name = not slash and mimetypes.MimeTypes().guess_type(text)[0] is not None
    return "." in host.strip(".") and "\\" not in text and not is_file_name


class _Progress:
    """One line for each change that a person would want to know of."""

    def __init__(self) -> None:
        self._said: dict[int, str] = {}

    def __call__(self, source: Source) -> None:
        stage = source.stage if source.state == "working" else source.state
        if stage and self._said.get(source.id) != stage and stage not in ("ready", "failed"):
            self._said[source.id] = stage
            print(f"{source.name}: {stage}…", file=sys.stderr)


def _follow(asking: Any) -> Answer:
    """Print the text as it grows and the phases on stderr; returns the finished answer."""
    shown, phase, version = 0, "", -1
    while True:
        version = asking.wait_for_change(version, 0.5)
        answer: Answer = asking.answer
        name = asking.phase.name if asking.phase else ""
        if name != phase and name in ("waiting", "loading", "reading"):
            phase = name
            print(f"({phase}…)", file=sys.stderr)
        print(answer.text[shown:], end="", flush=True)
        shown = len(answer.text)
        if not asking.running:
            answer = asking.wait()
            break
    print()
    for citation in answer.citations:
        passage = answer.passage(citation.number)
        if passage is not None:
            where = f", {passage.location}" if passage.location else ""
            print(f"[{citation.number}] {passage.title}{where}: {passage.source}")
    return answer


def _answer(answer: Answer) -> dict[str, Any]:
    citations = []
    for citation in answer.citations:
        passage = answer.passage(citation.number)
        if passage is not None:
            citations.append(
                {
                    "number": citation.number,
                    "source": passage.source,
                    "title": passage.title,
                    "location": passage.location,
                    "text": passage.text,
                    "start": citation.start,
                    "end": citation.end,
                }
            )
    return {
        "answer": answer.text,
        "citations": citations,
        "model": answer.model,
        "timings": answer.timings,
        "usage": answer.usage,
        "state": answer.state,
        "error": answer.error,
    }


def _source(source: Source) -> dict[str, Any]:
    known = asdict(source)
    keys = ("id", "title", "kind", "added_at", "state", "passages", "characters", "error", "notes")
    return {
        "source": source.address or source.name,
        **{key: known[key] for key in keys},
    }


def _result(added: Added, source: Source | None) -> dict[str, Any]:
    if source is None:
        return {
            "name": added.name,
            "state": added.outcome,
            "id": added.source_id,
            "title": "",
            "passages": 0,
            "message": added.message,
        }
    return {
        "name": added.name,
        "state": source.state,
        "id": source.id,
        "title": source.title,
        "passages": source.passages,
        "message": source.error or source.notes,
    }


def _added_line(result: dict[str, Any]) -> str:
    if result["state"] == "ready":
        note = f" {result['message']}" if result["message"] else ""
        return (
            f"{result['name']}: added as “{result['title']}”, {result['passages']} passages.{note}"
        )
    return f"{result['name']}: {result['message']}"


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))
