"""From an address or a file to a document: fetching, and one reader for each kind."""
