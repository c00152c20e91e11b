"""One reader for each kind: from bytes or text to a ``Document``."""
