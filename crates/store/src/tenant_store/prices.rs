//! What tenants paid and cost, from when until when: written with what changes it.

use super::SqlStore;
use crate::errors::WorkError;
use crate::sql::{Sql, values};
use ecp_core::Timestamp;
use ecp_core::costs::PricePeriod;
use ecp_core::ids::{Incarnation, TenantId};
use ecp_core::ports::StoreError;
use ecp_core::tenant::Tenant;

/// A tenant begins to exist.
pub(super) fn begin(sql: &Sql<'_>, tenant: &Tenant, from: Timestamp) -> Result<(), WorkError> {
    sql.execute(
        "INSERT INTO price_periods
             (tenant_id, incarnation, name, preset, list_price_usd, operator_cost_usd, from_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        values![
            tenant.id.as_str(),
            tenant.incarnation.first_generation(),
            &tenant.spec.name,
            tenant.sizing.preset.as_str(),
            tenant.sizing.list_price_usd,
            tenant.sizing.operator_cost_usd,
            from.as_millisecond()
        ],
    )?;
    Ok(())
}

/// A tenant changed: where its price, cost or plan did, another stretch of time begins.
pub(super) fn change(sql: &Sql<'_>, before: &Tenant, after: &Tenant) -> Result<(), WorkError> {
    let told = |tenant: &Tenant| {
        (tenant.sizing.preset, tenant.sizing.list_price_usd, tenant.sizing.operator_cost_usd)
    };
    if told(before) != told(after) {
        end(sql, &after.id, after.updated_at)?;
        return begin(sql, after, after.updated_at);
    }
    if before.spec.name != after.spec.name {
        sql.execute(
            "UPDATE price_periods SET name = ?2 WHERE tenant_id = ?1 AND until_ms IS NULL",
            values![after.id.as_str(), &after.spec.name],
        )?;
    }
    Ok(())
}

/// A tenant is gone, or is another from now on. A clock that was set back makes no time negative.
pub(super) fn end(sql: &Sql<'_>, id: &TenantId, at: Timestamp) -> Result<(), WorkError> {
    sql.execute(
        "UPDATE price_periods SET until_ms = CASE WHEN from_ms > ?2 THEN from_ms ELSE ?2 END
         WHERE tenant_id = ?1 AND until_ms IS NULL",
        values![id.as_str(), at.as_millisecond()],
    )?;
    Ok(())
}

impl SqlStore {
    /// Begins the stretch of time of tenants that were accepted before such were kept: of all their
    /// existence at the present price, since no other is known.
    pub async fn adopt_prices(&self) -> Result<(), StoreError> {
        let adopt = |sql: &Sql<'_>, shared: &super::Shared| {
            let known = "SELECT 1 FROM price_periods WHERE tenant_id = ?1 AND until_ms IS NULL";
            for tenant in shared.index.read().ordered().iter() {
                if !sql.exists(known, values![tenant.id.as_str()])? {
                    begin(sql, tenant, tenant.created_at)?;
                }
            }
            Ok(())
        };
        self.write("adopting prices", adopt, |_, ()| {}).await
    }

    /// Stretches of time that lie, at least in part, in this one.
    pub(super) async fn read_prices(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<PricePeriod>, StoreError> {
        let damage = self.shared.damage.clone();
        self.read("reading prices", move |sql| {
            let periods = sql.rows(
                "SELECT tenant_id, incarnation, name, preset, list_price_usd, operator_cost_usd, from_ms,
                     until_ms, number
                 FROM price_periods WHERE from_ms < ?2 AND (until_ms IS NULL OR until_ms > ?1)",
                values![from.as_millisecond(), until.as_millisecond()],
                |row| {
                    let read = || -> Result<PricePeriod, WorkError> {
                        let moment = |ms| {
                            Timestamp::from_millisecond(ms)
                                .map_err(|error| WorkError::Damaged(error.to_string()))
                        };
                        let tenant_id: String = row.get(0)?;
                        Ok(PricePeriod {
                            tenant_id: TenantId::parse(&tenant_id)
                                .map_err(|fault| WorkError::Damaged(fault.to_string()))?,
                            incarnation: Incarnation::begun_at(row.get(1)?),
                            name: row.get(2)?,
                            preset: row.get(3)?,
                            list_price_usd: row.get(4)?,
                            operator_cost_usd: row.get(5)?,
                            from: moment(row.get(6)?)?,
                            until: row.get::<Option<i64>>(7)?.map(moment).transpose()?,
                        })
                    };
                    let aside = |error| damage.set_aside("price_periods", row.told(8), row.owner(0), &error);
                    Ok(read().map_err(aside).ok())
                },
            )?;
            Ok(periods.into_iter().flatten().collect())
        })
        .await
    }
}
