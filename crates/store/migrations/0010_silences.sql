-- Alerts of which nobody is told for a while. ends_ms is milliseconds since 1970; tenant_id is the tenant
-- that is named, where one is.

CREATE TABLE silences (
    id        TEXT PRIMARY KEY,
    tenant_id TEXT REFERENCES tenants (id) ON DELETE CASCADE,
    ends_ms   INTEGER NOT NULL,
    document  TEXT NOT NULL
) STRICT;
