-- Who is told of alerts, and what is on its way to them. Times are milliseconds since 1970.

-- secret is what a webhook's messages are signed with. The receiver is its holder's until lease_until_ms, by
-- the database's clock; from again_ms on open alerts are to be sent again, where its kind asks for it.
CREATE TABLE receivers (
    id             TEXT PRIMARY KEY,
    secret         TEXT,
    holder         TEXT,
    lease_until_ms INTEGER NOT NULL DEFAULT 0,
    again_ms       INTEGER NOT NULL DEFAULT 0,
    document       TEXT NOT NULL
) STRICT;

-- due_ms is empty while an earlier delivery of the same alert waits, and at the end.
CREATE TABLE deliveries (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    receiver_id TEXT NOT NULL REFERENCES receivers (id) ON DELETE CASCADE,
    alert_id    TEXT,
    tenant_id   TEXT,
    state       TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    due_ms      INTEGER,
    document    TEXT NOT NULL
) STRICT;
CREATE INDEX deliveries_by_receiver ON deliveries (receiver_id, state, number);
CREATE INDEX deliveries_waiting ON deliveries (receiver_id, due_ms) WHERE state = 'pending';

-- The severity of an alert that a receiver was last told of.
CREATE TABLE told_alerts (
    receiver_id TEXT NOT NULL REFERENCES receivers (id) ON DELETE CASCADE,
    alert_id    TEXT NOT NULL,
    severity    TEXT NOT NULL,
    PRIMARY KEY (receiver_id, alert_id)
) STRICT;

-- 1 once the alerts over which a silence ended were told.
ALTER TABLE silences ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
