#!/usr/bin/env python3
"""Starts LocalChat, and sets it up first where that is needed: see the folder `starting`.

This file is written so that every Python can read it, also one that is too old for the rest.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "LocalChat needs Python 3.11 or newer; this one is %d.%d.\n"  # noqa: UP031
        "Get it from https://www.python.org/downloads/ (on Linux: your package manager),\n"
        "then start again with it, for example: python3.13 start.py" % sys.version_info[:2]
    )

sys.path.insert(0, HERE)  # Python leaves it out where PYTHONSAFEPATH is set

from starting.commands import guarded  # noqa: E402

if __name__ == "__main__":
    sys.exit(guarded(sys.argv[1:]))
