"""GPT4All as an engine: what the app sees of it, and what runs in the child."""
