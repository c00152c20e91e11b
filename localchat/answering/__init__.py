"""What can answer, as one list: files, programs and servers, and how fast each is here."""
