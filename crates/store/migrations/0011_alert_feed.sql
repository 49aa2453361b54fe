-- Changes of all tenants' alerts in one order; those from before have the number 0.

ALTER TABLE alert_events ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
CREATE INDEX alert_events_by_number ON alert_events (number);

-- Number of the newest change, in its only row; it outlives the changes.
CREATE TABLE alert_feed (
    id     INTEGER PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;
