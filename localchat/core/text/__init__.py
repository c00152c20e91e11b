"""Helpers for text in any script: guess the language, split sentences, tokenise for search."""
