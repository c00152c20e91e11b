"""llamafile as an engine: a program that is started, watched, asked and ended."""
