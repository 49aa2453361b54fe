-- What could not be read and would have been replaced or deleted: kept here for whoever mends it. It is
-- told by /readyz until its rows are deleted by hand.
CREATE TABLE set_aside (
    number    INTEGER PRIMARY KEY,
    -- The table that it was in, and what told it from the other rows there.
    source    TEXT NOT NULL,
    row       TEXT NOT NULL,
    tenant_id TEXT,
    reason    TEXT NOT NULL,
    data      BLOB NOT NULL
) STRICT;
