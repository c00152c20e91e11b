"""From a fresh copy of LocalChat to a running app. Runs before anything is installed, so it uses
the standard library only and imports nothing of `localchat`.

commands     what people ask start.py for
environment  the numbered steps of the set-up, and the memory of what is done
engines      llama.cpp and GPT4All, which are optional: the ways to get them, best first
gpu          the llama.cpp for the graphics card: made beside the one that works, then exchanged
toolkits     what building llama.cpp from its source needs, and how to get what is missing
programs     runs pip and the like: quiet, logged, visibly alive, and failing with a sentence

Set-up speaks on stderr: stdout belongs to the command, so that `ask --json` can be piped.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
RECORD = VENV / "localchat-setup.json"
LOG = VENV / "localchat-setup.log"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
