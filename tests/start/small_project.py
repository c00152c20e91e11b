"""A small copy of the project: start.py with requirements that a folder of tiny wheels can meet."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

APP = """
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "folder": os.getcwd()}))
sys.exit(7 if "fail" in sys.argv else 0)
"""
MINILM = """
import pathlib, sys
built = pathlib.Path(sys.prefix, "embedder")
if sys.argv[1] == "check":
    sys.exit(not built.exists())
built.write_text(pathlib.Path(sys.argv[2], "weights").read_text())
"""


def make_wheel(
    folder: Path, name: str, version: str, files: dict[str, str], needs: str = ""
) -> str:
    """Write the smallest wheel that pip installs; returns its sha256."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    needs = f"Requires-Dist: {needs}\n" if needs else ""
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={digest(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"])
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Project:
    """A copy of start.py with requirements that a folder of tiny wheels can meet."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "Mit Leerzeichen 中文 🙂"
        self.wheels = self.root / "wheels"
        self.log = self.root / ".venv" / "localchat-setup.log"

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def start(
        self,
        *arguments: str,
        cwd: Path | None = None,
        engines: bool = False,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(self.root / "start.py"), *arguments],
            cwd=cwd or self.root,
            env=self.environment(engines) | (env or {}),
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )

    def environment(self, engines: bool = False) -> dict[str, str]:
        ours = ("PIP_", "UV_", "PYTHON", "LOCALCHAT_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return kept | {
            "PATH": str(self.root),  # no uv, no compiler
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": self.wheels.as_uri(),
            "LOCALCHAT_SKIP_ENGINES": "0" if engines else "1",
        }

    def llama_index_is_at(self, address: str) -> None:
        engines = self.root / "starting" / "engines.py"
        text = engines.read_text("utf-8")
        engines.write_text(text.replace("https://abetlen.github.io", address), "utf-8")

    @property
    def record(self) -> dict:
        return json.loads((self.root / ".venv" / "localchat-setup.json").read_text("utf-8"))

    @record.setter
    def record(self, record: dict) -> None:
        self.write(".venv/localchat-setup.json", json.dumps(record))
