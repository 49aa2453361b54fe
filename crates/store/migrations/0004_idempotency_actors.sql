-- Who sent a key and the key itself stand apart, so that no two callers can mean the same row. A row that
-- joined them by its only colon is taken over; one with more of them could be anybody's and is dropped.
CREATE TABLE idempotency_keys_by_actor (
    actor     TEXT NOT NULL,
    key       TEXT NOT NULL,
    digest    BLOB NOT NULL,
    response  TEXT NOT NULL,
    created_s INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT;
INSERT INTO idempotency_keys_by_actor (actor, key, digest, response, created_s)
    SELECT substr(key, 1, instr(key, ':') - 1), substr(key, instr(key, ':') + 1), digest, response, created_s
    FROM idempotency_keys
    WHERE length(key) - length(replace(key, ':', '')) = 1;
DROP TABLE idempotency_keys;
ALTER TABLE idempotency_keys_by_actor RENAME TO idempotency_keys;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_s);
