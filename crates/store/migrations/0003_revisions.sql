-- What tenants were told to be. Catalogs are kept once each, under the SHA-256 of what they say, as
-- TOML; manifests once a tenant, under the SHA-256 of their text, deflated (zlib).

CREATE TABLE catalogs (
    digest   TEXT PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE manifests (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    digest    TEXT NOT NULL,
    data      BLOB NOT NULL,
    PRIMARY KEY (tenant_id, digest)
) STRICT;

-- number is the tenant's generation; reach counts how far the roll-out came (0 accepted, 1 applying,
-- 2 applied); whole is 1 once all of it was seen running. Both stand in the document too.
CREATE TABLE revisions (
    tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    catalog   TEXT NOT NULL REFERENCES catalogs (digest),
    manifest  TEXT NOT NULL,
    reach     INTEGER NOT NULL,
    whole     INTEGER NOT NULL,
    document  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, number),
    FOREIGN KEY (tenant_id, manifest) REFERENCES manifests (tenant_id, digest)
) STRICT;
CREATE INDEX revisions_by_catalog ON revisions (catalog);
