-- What tenants set of the built-in alert rules.

CREATE TABLE alert_rules (
    tenant_id TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    document  TEXT NOT NULL
) STRICT;
