"""SQLite as the truth: sources, chunks, jobs; two indexes over them; one retriever."""
