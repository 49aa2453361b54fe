-- What tenants paid and cost, in whole US dollars a month, from when until when (milliseconds since 1970).
-- It outlives its tenants.
CREATE TABLE price_periods (
    number            INTEGER PRIMARY KEY,
    tenant_id         TEXT NOT NULL,
    incarnation       INTEGER NOT NULL,
    name              TEXT NOT NULL,
    preset            TEXT NOT NULL,
    list_price_usd    INTEGER NOT NULL,
    operator_cost_usd INTEGER NOT NULL,
    from_ms           INTEGER NOT NULL,
    until_ms          INTEGER
) STRICT;
CREATE INDEX price_periods_open ON price_periods (tenant_id) WHERE until_ms IS NULL;
CREATE INDEX price_periods_by_end ON price_periods (until_ms);
