-- Samples. Data is the metrics crate's own encoding; see its codec.

-- A tenant that has samples. Its key is never used again: where its samples are displaced or
-- forgotten, it gets another key and the old one's rows are cleared away later.
CREATE TABLE sample_tenants (
    tenant_key     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id      TEXT NOT NULL UNIQUE,
    own            INTEGER NOT NULL,
    -- Newest log row of which this tenant's samples are in its chunks; older ones are not replayed.
    flushed_log_id INTEGER NOT NULL,
    newest         BLOB
) STRICT;

-- Accepted samples that are not in chunks yet, one row a group of appends.
CREATE TABLE sample_log (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- Raw samples (tier 0) and their roll-ups by five minutes (1) and by hour (2).
CREATE TABLE sample_chunks (
    tenant_key INTEGER NOT NULL,
    tier       INTEGER NOT NULL,
    start_ms   INTEGER NOT NULL,
    data       BLOB NOT NULL,
    PRIMARY KEY (tenant_key, tier, start_ms)
) STRICT;
CREATE INDEX sample_chunks_by_age ON sample_chunks (tier, start_ms);

-- Keys whose chunks are still to be cleared away.
CREATE TABLE sample_garbage (
    tenant_key INTEGER PRIMARY KEY
) STRICT;
