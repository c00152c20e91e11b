"""The tables of the library, version by version: each script runs once, in its own transaction."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE source (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        origin        TEXT NOT NULL UNIQUE,   -- the address, or "sha256:…" of a dropped file
        name          TEXT NOT NULL,          -- the address or the file's name, as it was given
        title         TEXT NOT NULL,
        kind          TEXT NOT NULL DEFAULT '',
        added_at      TEXT NOT NULL,          -- UTC, ISO 8601
        original      TEXT,                   -- name of the file in originals/
        media_type    TEXT,
        charset       TEXT,
        revision_id   INTEGER                 -- what is visible; NULL: nothing yet
    );
    CREATE TABLE revision (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        source_id     INTEGER NOT NULL REFERENCES source(id) ON DELETE CASCADE,
        text          TEXT NOT NULL,
        text_sha256   TEXT NOT NULL,
        characters    INTEGER NOT NULL,       -- length of the text, which is long to count
        notes         TEXT NOT NULL DEFAULT '',
        embedder      TEXT NOT NULL,          -- the identity of the model that made the vectors
        made_at       TEXT NOT NULL
    );
    CREATE INDEX revision_by_source ON revision(source_id);
    CREATE INDEX revision_by_text ON revision(text_sha256);
    CREATE TABLE chunk (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        revision_id   INTEGER NOT NULL REFERENCES revision(id) ON DELETE CASCADE,
        position      INTEGER NOT NULL,       -- 0, 1, 2 … within its revision
        start         INTEGER NOT NULL,       -- characters into revision.text
        end           INTEGER NOT NULL,
        text          TEXT NOT NULL,          -- text[start:end], so that a long text is not scanned
        heading       TEXT NOT NULL DEFAULT '',  -- "Chapter › Section"
        page          INTEGER,                -- 1 for the first; NULL where there are no pages
        anchor        TEXT,                   -- fragment of the address that leads here
        vector        BLOB,                   -- float32, length 1; NULL: not embedded yet
        UNIQUE (revision_id, position)
    );
    CREATE VIRTUAL TABLE chunk_words USING fts5(words, tokenize = "ascii");  -- our own words
    CREATE TABLE stale_vector (chunk_id INTEGER PRIMARY KEY);  -- the vector index has yet to learn
    CREATE TABLE job (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        source_id     INTEGER NOT NULL REFERENCES source(id) ON DELETE CASCADE,
        state         TEXT NOT NULL DEFAULT 'waiting',
        stage         TEXT NOT NULL DEFAULT '',
        done          INTEGER NOT NULL DEFAULT 0,
        total         INTEGER NOT NULL DEFAULT 0,
        error         TEXT NOT NULL DEFAULT '',
        changed_at    TEXT NOT NULL
    );
    CREATE INDEX job_by_source ON job(source_id);
    CREATE TABLE conversation (
        id            TEXT PRIMARY KEY,
        title         TEXT NOT NULL DEFAULT '',
        changed_at    TEXT NOT NULL
    );
    CREATE TABLE turn (
        id              INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation_id TEXT NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,
        question        TEXT NOT NULL,
        answer          TEXT NOT NULL DEFAULT '{}',  -- JSON, see localchat/chat/answer.py
        asked_at        TEXT NOT NULL
    );
    CREATE INDEX turn_by_conversation ON turn(conversation_id);
    """,
    """
    CREATE TABLE download (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        wanted        TEXT NOT NULL,          -- JSON, see localchat/models/wanted.py
        asked         INTEGER NOT NULL,       -- 1: although the network is switched off
        state         TEXT NOT NULL DEFAULT 'waiting',
        done          INTEGER NOT NULL DEFAULT 0,    -- bytes
        total         INTEGER NOT NULL DEFAULT 0,
        speed         REAL NOT NULL DEFAULT 0,       -- bytes per second
        error         TEXT NOT NULL DEFAULT '',
        changed_at    TEXT NOT NULL
    );
    CREATE TABLE model_use (path TEXT PRIMARY KEY, used_at TEXT NOT NULL);
    """,
    """
    CREATE TABLE library_state (           -- one row
        active        TEXT NOT NULL,          -- key of the embedder whose vectors are searched
        target        TEXT,                   -- key of the one that is changed to; NULL: none
        identity      TEXT NOT NULL DEFAULT '',  -- of the target, as ``revision.embedder``
        error         TEXT NOT NULL DEFAULT ''   -- why the change stands still, for people
    );
    INSERT INTO library_state (active) VALUES ('built-in');
    CREATE TABLE new_vector (              -- of the embedder that the library changes to
        chunk_id      INTEGER PRIMARY KEY REFERENCES chunk(id) ON DELETE CASCADE,
        embedder      TEXT NOT NULL,          -- its identity
        vector        BLOB NOT NULL
    );
    CREATE INDEX new_vector_by_embedder ON new_vector(embedder);
    CREATE INDEX revision_by_embedder ON revision(embedder);
    """,
    """
    CREATE TABLE keyword_segment (         -- see localchat/library/segments.py
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        version       INTEGER NOT NULL,       -- WORDS_VERSION that its words were made with
        size          INTEGER NOT NULL,       -- chunks
        removed       INTEGER NOT NULL DEFAULT 0,  -- chunks among them that are gone since
        words         INTEGER NOT NULL,       -- of all its chunks together
        chunks        BLOB NOT NULL,          -- uint32 each: ids; 0: gone
        lengths       BLOB NOT NULL,          -- uint16 each: words
        sources       BLOB NOT NULL           -- uint32 each: ids of the chunks' sources
    );
    CREATE TABLE posting (
        segment       INTEGER NOT NULL REFERENCES keyword_segment(id) ON DELETE CASCADE,
        word          TEXT NOT NULL,
        places        BLOB NOT NULL,          -- uint16 each: positions in the segment's chunks
        counts        BLOB,                   -- uint8 each: how often; NULL: once everywhere
        PRIMARY KEY (segment, word)
    ) WITHOUT ROWID;
    CREATE TABLE unindexed_chunk (chunk_id INTEGER PRIMARY KEY);  -- visible, in no segment yet
    INSERT INTO unindexed_chunk
        SELECT chunk.id FROM chunk JOIN source ON source.revision_id = chunk.revision_id;
    DROP TABLE chunk_words;
    """,
    """
    CREATE TABLE vector (                  -- beside the chunks, so that no text is read for them
        chunk_id      INTEGER PRIMARY KEY REFERENCES chunk(id) ON DELETE CASCADE,
        codes         BLOB NOT NULL           -- see localchat/core/vector_codes.py
    );
    INSERT INTO vector SELECT id, vector_codes(vector) FROM chunk WHERE vector IS NOT NULL;
    ALTER TABLE chunk DROP COLUMN vector;
    UPDATE new_vector SET vector = vector_codes(vector);
    CREATE INDEX source_by_revision ON source(revision_id);
    CREATE TABLE visible_changes (number INTEGER NOT NULL);  -- one row; counts what follows
    INSERT INTO visible_changes VALUES (0);
    CREATE TRIGGER source_shows_another AFTER UPDATE OF revision_id ON source
        BEGIN UPDATE visible_changes SET number = number + 1; END;
    CREATE TRIGGER source_is_gone AFTER DELETE ON source
        BEGIN UPDATE visible_changes SET number = number + 1; END;
    CREATE TRIGGER vectors_are_others AFTER UPDATE OF embedder ON revision
        BEGIN UPDATE visible_changes SET number = number + 1; END;
    """,
    """
    CREATE TABLE collection (              -- a group of sources that somebody named
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        name          TEXT NOT NULL,
        key           TEXT NOT NULL UNIQUE    -- the name with its case folded, also beyond ASCII
    );
    CREATE TABLE collection_source (
        collection_id INTEGER NOT NULL REFERENCES collection(id) ON DELETE CASCADE,
        source_id     INTEGER NOT NULL REFERENCES source(id) ON DELETE CASCADE,
        PRIMARY KEY (collection_id, source_id)
    ) WITHOUT ROWID;
    CREATE INDEX collection_source_by_source ON collection_source(source_id);
    ALTER TABLE conversation
        ADD COLUMN scope TEXT NOT NULL DEFAULT '';  -- JSON, see localchat/library/scope.py
    """,
    """
    ALTER TABLE chunk                      -- its table's header, its list's lead-in; mostly empty
        ADD COLUMN context TEXT NOT NULL DEFAULT '';
    """,
    """
    CREATE TABLE unrelated_evidence (      -- see localchat/library/floor.py
        embedder      TEXT NOT NULL,          -- its identity
        language      TEXT NOT NULL,          -- of the questions, ISO 639-1
        version       TEXT NOT NULL,          -- of the questions, and of what is measured
        chunks        INTEGER NOT NULL,       -- in the library that was measured
        together      REAL NOT NULL,          -- see localchat/core/floor.py
        words         REAL NOT NULL,
        near          REAL NOT NULL,
        PRIMARY KEY (embedder, language)
    ) WITHOUT ROWID;
    """,
)
