"""Starting is quick because nothing heavy is imported early; and only the command line prints."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = (
    "chromadb", "langchain_chroma", "langchain_core", "streamlit", "onnxruntime", "tokenizers",
    "llama_cpp", "pypdf", "httpx", "torch",
)  # fmt: skip


def modules_after(statement: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys; print('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import localchat.cli.main", "import localchat.core.settings, localchat.core.database"],
)
def test_nothing_heavy_is_imported_before_it_is_used(statement: str) -> None:
    assert sorted(modules_after(statement) & set(HEAVY)) == []


@pytest.mark.parametrize(
    "statement", ["import localchat.app", "from localchat.cli.main import parser; parser()"]
)
def test_nothing_but_langchains_core_is_imported_to_open_the_app(statement: str) -> None:
    assert sorted(modules_after(statement) & set(HEAVY)) in ([], ["langchain_core"])


def test_importing_makes_no_file(home: Path) -> None:
    modules_after("import localchat.app, localchat.cli.main")
    assert not home.exists()


def test_only_the_command_line_prints() -> None:
    printing = []
    for path in sorted((ROOT / "localchat").rglob("*.py")):
        if path.parent.name == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                printing.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert printing == []
