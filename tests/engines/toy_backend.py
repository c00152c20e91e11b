"""A backend without a model, for the tests of the host: it does what ``say`` asks for."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from localchat.core.errors import PromptTooLong
from localchat.engines.child.worker import Tell


class Toy:
    def load(self, model: Any, tell: Tell) -> dict[str, Any]:
        if model.get("slow_load"):
            time.sleep(model["slow_load"])
        return {"pid": os.getpid()}

    def count(self, request: Any) -> list[int]:
        return [len(text) for text in request["texts"]]

    def answer(self, request: Any, tell: Tell) -> dict[str, Any]:
        match request["say"]:
            case "print":
                os.write(1, b"native noise on descriptor 1\n")
                sys.stdout.write("python noise\n")
                sys.stdout.flush()
            case "die":
                os.write(2, b"the last words\n")
                os._exit(3)
            case "sleep":
                for _ in range(600):
                    tell.check()
                    time.sleep(0.02)
            case "work in silence":
                for _ in range(40):
                    tell.step()
                    time.sleep(0.1)
            case "hang":
                time.sleep(600)
            case "refuse":
                raise PromptTooLong(5000, 4000)
            case "mistake":
                raise ZeroDivisionError("by nobody")
        tell.text(request["say"])
        return {"said": request["say"], "pid": os.getpid()}
