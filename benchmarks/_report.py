"""How a benchmark hands over its numbers: as JSON in a file, or on stdout and nothing else there.

Not a benchmark itself: it measures nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """``--json`` for stdout, ``--json FILE`` for a file."""
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="the numbers as JSON: stdout or FILE"
    )


def hand_over(numbers: dict[str, Any], lines: list[str], target: str | None) -> None:
    """Print ``lines``, or the JSON in their place; write the JSON where a file is named."""
    text = json.dumps(numbers, indent=2, ensure_ascii=False)
    if target == "-":
        print(text)
        return
    print("\n".join(lines))
    if target:
        Path(target).write_text(text + "\n", encoding="utf-8")
        print(f"The numbers are in {target}.", file=sys.stderr)
