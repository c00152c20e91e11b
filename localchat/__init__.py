"""LocalChat: talk with your own documents on your own computer."""

__version__ = "0.1.0"
