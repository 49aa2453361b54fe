-- Tenants and what belongs to them. Documents are JSON as the domain writes it; the columns beside
-- them are what is searched or joined. What refers to a tenant goes with it.

CREATE TABLE tenants (
    id            TEXT PRIMARY KEY,
    deployment_id TEXT NOT NULL,
    document      TEXT NOT NULL
) STRICT;

CREATE TABLE secrets (
    tenant_id TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    document  TEXT NOT NULL
) STRICT;

CREATE TABLE deployments (
    id        TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    finished  INTEGER NOT NULL,
    document  TEXT NOT NULL
) STRICT;
CREATE INDEX deployments_by_tenant ON deployments (tenant_id);
CREATE INDEX deployments_under_way ON deployments (finished) WHERE finished = 0;

-- Tenants whose desired and actual state may differ; queue_number changes whenever one is queued
-- anew. When each is due is kept in memory alone: after a restart all of them are.
CREATE TABLE work_queue (
    tenant_id    TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    queue_number INTEGER NOT NULL,
    attempts     INTEGER NOT NULL
) STRICT;

-- Kept for a day; created_s is seconds since 1970.
CREATE TABLE idempotency_keys (
    key       TEXT PRIMARY KEY,
    digest    BLOB NOT NULL,
    response  TEXT NOT NULL,
    created_s INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_s);

-- number orders alerts by opening.
CREATE TABLE alerts (
    number    INTEGER PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    resolved  INTEGER NOT NULL,
    document  TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_by_tenant ON alerts (tenant_id, resolved, number);
CREATE INDEX alerts_open ON alerts (number) WHERE resolved = 0;

CREATE TABLE alert_events (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    alert_id  TEXT NOT NULL,
    opening   INTEGER NOT NULL,
    document  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, seq)
) STRICT;
CREATE INDEX alert_openings ON alert_events (alert_id) WHERE opening = 1;

-- Number of a tenant's newest alert change. It outlives the changes, so that clearing them never
-- makes a number stand for two of them.
CREATE TABLE alert_sequences (
    tenant_id TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL
) STRICT;

-- The audit trail outlives its tenants.
CREATE TABLE audit (
    number    INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    document  TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_tenant ON audit (tenant_id, number);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
