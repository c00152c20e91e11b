"""``localchat COMMAND``: what a person can do in the window, for scripts and for measuring.

Exit codes: 0 done, 1 could not, 2 wrong use. With ``--json`` a command prints one JSON object or
list on stdout and nothing else: ``{"error": "…"}`` where there is nothing but an error to tell.
Progress and errors go to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from localchat import __version__
from localchat.core.errors import LocalChatError

COULD_NOT = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A Windows console may speak a code page that has no Chinese; a pipe is always UTF-8.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except LocalChatError as error:
        said = str(error)
    except KeyboardInterrupt:
        said = "\nStopped."
    except BrokenPipeError:
        return COULD_NOT
    print(said, file=sys.stderr)
    if getattr(arguments, "json", False):
        print(json.dumps({"error": said.strip()}, ensure_ascii=False))
    return COULD_NOT


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    from localchat.cli import collections, commands, doctor, models, search, serve

    top = argparse.ArgumentParser(prog="localchat", description=__doc__.split("\n")[0])
    top.add_argument("--version", action="version", version=f"LocalChat {__version__}")
    subparsers = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str, json: bool = True) -> argparse.ArgumentParser:
        added = subparsers.add_parser(name, help=text, description=text)
        if json:
            added.add_argument("--json", action="store_true", help="print JSON on stdout")
        added.set_defaults(run=run)
        return added

    adding = command("add", commands.add, "Add web addresses and files to the library.")
    adding.add_argument("origins", nargs="+", metavar="ADDRESS_OR_PATH")
    adding.add_argument("--collection", metavar="NAME", help="put them into this collection")

    _searching(command("search", search.search, "Find passages."))

    asking = command("ask", commands.ask, "Ask a question; without a model the quotes answer.")
    asking.add_argument("question")
    asking.add_argument(
        "--model",
        metavar="PATH_OR_NAME",
        help="a GGUF file, the name or catalogue id of a model that is here, or a server",
    )

    command("sources", commands.sources, "List what is in the library.")

    removing = command("remove", commands.remove, "Remove sources from the library.")
    removing.add_argument("sources", nargs="+", metavar="NUMBER_OR_ADDRESS")

    _collections(
        command("collections", collections.list_collections, "Group sources: list, add, remove.")
    )

    _models(
        command("models", models.list_models, "Models: list, get, use, import, remove, inspect.")
    )

    # A benchmark has a --json of its own, which may name a file.
    benching = command(
        "bench", commands.bench, "Run benchmarks/NAME.py; the rest is passed on.", json=False
    )
    benching.add_argument("name")
    benching.add_argument("rest", nargs=argparse.REMAINDER)

    command("doctor", doctor.doctor, "Say what works here and what is missing, and why.")

    serving = command("serve", serve.serve, "Open the window (what start.py does).", json=False)
    serving.add_argument("--port", type=_port, help="default: 8501, or the next free one")
    serving.add_argument("--no-browser", action="store_true", help="do not open the browser")
    return top


def _searching(command: argparse.ArgumentParser) -> None:
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("question", nargs="?")
    what.add_argument(
        "--questions",
        metavar="FILE",
        help='a question in each line, as JSON: "…" or {"question": "…", "id": …, "k": …, '
        '"sources": […], "collections": […]}; “-” is what is piped in',
    )
    command.add_argument("-k", type=_positive, help="passages at most (default: as in settings)")
    command.add_argument("--tokens", type=_positive, help="about how many tokens they may have")
    command.add_argument(
        "--source",
        nargs="+",
        action="extend",
        default=[],
        metavar="NUMBER_OR_ADDRESS",
        help="look in these only, and in the collections",
    )
    command.add_argument(
        "--collection",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="look in these only, and in the sources",
    )


def _collections(parent: argparse.ArgumentParser) -> None:
    """`collections` alone lists them."""
    from localchat.cli import collections

    command = _subcommands(parent)
    command("list", collections.list_collections, "Which there are.")
    for name, run, text in (
        ("add", collections.add, "Put sources into a collection; a new name makes a new one."),
        ("remove", collections.remove, "Take sources out of a collection, not of the library."),
    ):
        changing = command(name, run, text)
        changing.add_argument("name", metavar="NAME")
        changing.add_argument("sources", nargs="+", metavar="NUMBER_OR_ADDRESS")
    renaming = command("rename", collections.rename, "Give a collection another name.")
    renaming.add_argument("name", metavar="NAME")
    renaming.add_argument("new_name", metavar="NEW_NAME")
    deleting = command("delete", collections.delete, "Forget a collection, not its sources.")
    deleting.add_argument("name", metavar="NAME")


def _models(parent: argparse.ArgumentParser) -> None:
    """`models` alone lists them."""
    from localchat.cli import models

    command = _subcommands(parent)
    command("list", models.list_models, "What is here, and what this computer could run.")

    getting = command("get", models.get, "Fetch a model and wait for it.")
    getting.add_argument(
        "model",
        metavar="MODEL",
        help="an id of the catalogue, OWNER/NAME on the model hub, or a link",
    )
    getting.add_argument("--file", help="which of a repository's GGUF files")
    getting.add_argument("--use", action="store_true", help="choose it once it is here")
    getting.add_argument(
        "--allow-network",
        action="store_true",
        help="for this once, though “never use the network” is on",
    )

    using = command("use", models.use, "Answer, or find passages, with a model that is here.")
    using.add_argument("name", metavar="NAME_OR_PATH")

    bringing = command("import", models.bring_in, "Use a model file of this computer.")
    bringing.add_argument("path", metavar="FILE")
    bringing.add_argument("--copy", action="store_true", help="copy it into the models folder")
    bringing.add_argument("--use", action="store_true", help="choose it")

    removing = command("remove", models.remove, "Delete models from this computer.")
    removing.add_argument("names", nargs="+", metavar="NAME_OR_PATH")

    inspecting = command("inspect", models.inspect, "What a GGUF file says of itself.")
    inspecting.add_argument("name", metavar="NAME_OR_PATH")


def _subcommands(
    parent: argparse.ArgumentParser,
) -> Callable[[str, object, str], argparse.ArgumentParser]:
    """Adds commands below ``parent``: name, what runs it, what it does."""
    subparsers = parent.add_subparsers(title="what to do", metavar="WHAT")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = subparsers.add_parser(name, help=text, description=text)
        # Not to undo a --json that stood before the name.
        added.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON on stdout"
        )
        added.set_defaults(run=run)
        return added

    return command


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65_535:
        raise argparse.ArgumentTypeError("must be from 1 to 65535")
    return number
