-- Bearer tokens. Of the token itself only its SHA-256 is kept; it has 256 random bits, so that
-- nothing slower is needed. tenants is a JSON list of ids, or null for all of them.

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL CONSTRAINT token_name_is_free UNIQUE,
    role       TEXT NOT NULL,
    tenants    TEXT,
    sha256     BLOB NOT NULL UNIQUE,
    last_four  TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT
) STRICT;
