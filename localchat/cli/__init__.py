"""The same app from a terminal."""
