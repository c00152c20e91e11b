"""``python -m localchat``: the command line."""

import sys

from localchat.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
