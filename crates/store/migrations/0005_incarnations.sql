-- Tenants that have an id one after another are told apart by the generation with which each began.

-- Generation with which the last tenant of an id ended; the next one of that id counts on from there.
CREATE TABLE ended_tenants (
    tenant_id  TEXT PRIMARY KEY,
    generation INTEGER NOT NULL
) STRICT;
INSERT INTO ended_tenants (tenant_id, generation)
    SELECT tenant_id, max(generation) FROM (
        SELECT tenant_id, CASE WHEN json_valid(document)
            THEN CAST(document ->> '$.after.generation' AS INTEGER) END AS generation
        FROM audit)
    WHERE generation > 0 GROUP BY tenant_id;

ALTER TABLE tenants ADD COLUMN incarnation INTEGER NOT NULL DEFAULT 1;

-- Keys of samples go on where they were: none is ever used again.
CREATE TABLE sample_keys (
    tenant_key     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id      TEXT NOT NULL,
    incarnation    INTEGER NOT NULL,
    own            INTEGER NOT NULL,
    -- Newest log row of which this tenant's samples are in its chunks; older ones are not replayed.
    flushed_log_id INTEGER NOT NULL,
    -- The newest sample of each metric, and samples that are ahead of the clock.
    newest         BLOB,
    UNIQUE (tenant_id, incarnation)
) STRICT;
INSERT INTO sample_keys SELECT tenant_key, tenant_id, 1, own, flushed_log_id, newest FROM sample_tenants;
DELETE FROM sqlite_sequence WHERE name = 'sample_keys';
INSERT INTO sqlite_sequence (name, seq) SELECT 'sample_keys', seq FROM sqlite_sequence WHERE name = 'sample_tenants';
DROP TABLE sample_tenants;
ALTER TABLE sample_keys RENAME TO sample_tenants;
