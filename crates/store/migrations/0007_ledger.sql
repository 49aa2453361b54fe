-- What was made in the cluster for tenants. uid is NULL before an object was made and after it was
-- taken away.

CREATE TABLE noted_objects (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind      TEXT NOT NULL,
    name      TEXT NOT NULL,
    uid       TEXT,
    PRIMARY KEY (tenant_id, kind, name)
) STRICT;

-- Tenants that were accepted before anything was noted; what they have is noted once.
CREATE TABLE unnoted_tenants (
    tenant_id TEXT PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE
) STRICT;
INSERT INTO unnoted_tenants (tenant_id) SELECT id FROM tenants;
