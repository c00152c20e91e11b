"""llama.cpp as an engine: what the app sees of it, and what runs in the child."""
