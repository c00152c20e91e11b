"""A backend that dies over each text, and counts how often in the file that the text names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class Dying:
    def load(self, model: Any, tell: Any) -> dict[str, Any]:
        return {}

    def embed(self, request: Any, tell: Any) -> dict[str, Any]:
        with Path(request["texts"][0]).open("a") as file:
            file.write("x")
        os._exit(3)
