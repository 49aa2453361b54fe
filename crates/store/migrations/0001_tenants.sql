-- Tenants and what belongs to them. Documents are JSON; columns are what is searched or joined.

CREATE TABLE tenants (
    id            TEXT PRIMARY KEY,
    created_at    INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    status        TEXT NOT NULL,
    deployment_id TEXT NOT NULL,
    document      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    tenant_id TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    document  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE deployments (
    id        TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    document  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deployments_by_tenant ON deployments (tenant_id);

-- Tenants whose desired and actual state may differ. `queued` changes whenever one is queued anew.
CREATE TABLE work_queue (
    tenant_id TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    due_ms    INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    queued    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX work_queue_by_due ON work_queue (due_ms);

CREATE TABLE idempotency_keys (
    key        TEXT PRIMARY KEY,
    digest     BLOB NOT NULL,
    response   TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_ms);

CREATE TABLE alerts (
    id        TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    opened_ms INTEGER NOT NULL,
    open      INTEGER NOT NULL,
    document  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_by_tenant ON alerts (tenant_id, opened_ms);

CREATE TABLE alert_events (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    alert_id  TEXT NOT NULL,
    document  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, seq)
) STRICT, WITHOUT ROWID;

-- The audit trail outlives its tenants.
CREATE TABLE audit (
    id        INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    document  TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_tenant ON audit (tenant_id, id);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
