#!/bin/bash
# Double-click to open LocalChat. The first time, this installs what is needed.
cd "$(dirname "$0")" || exit 1
for python in python3.14 python3.13 python3.12 python3.11 python3; do  # macOS brings an older one
    if command -v "$python" >/dev/null 2>&1; then
        exec "$python" start.py "$@"
    fi
done
echo "LocalChat needs Python 3.11 or newer. Get it from https://www.python.org/downloads/"
exit 1
