//! Series of each tenant on `/metrics`, and of how many tenants there are any.

use super::callback::{Observations, encode_family};
use super::fleet::{ALERT_LABELS, alert_place, modes};
use crate::state::{ApiState, ModeServices};
use crate::tenants::live;
use ecp_core::Timestamp;
use ecp_core::alerts::silence::Silence;
use ecp_core::metrics::{CURRENT_MS, Latest, Metric};
use ecp_core::tenant::{Tenant, TenantStatus};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Of how many tenants of a mode `/metrics` has series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerTenant {
    /// Of all.
    All,
    /// Of none.
    None,
    /// Of so many, those that were created first; the others are left out with all of their series.
    Limit(usize),
}

impl Default for PerTenant {
    /// About sixteen thousand series a mode at most.
    fn default() -> Self {
        Self::Limit(1000)
    }
}

/// It is neither `all`, nor `none`, nor a number from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither \"all\", \"none\", nor a number of tenants from 1 on, such as \"1000\"")]
pub struct NotPerTenant;

impl FromStr for PerTenant {
    type Err = NotPerTenant;

    fn from_str(text: &str) -> Result<Self, NotPerTenant> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            number => match number.parse() {
                Ok(limit) if limit > 0 => Ok(Self::Limit(limit)),
                _ => Err(NotPerTenant),
            },
        }
    }
}

impl PerTenant {
    fn most(self) -> usize {
        match self {
            Self::All => usize::MAX,
            Self::None => 0,
            Self::Limit(limit) => limit,
        }
    }

    /// Why tenants are left out, where some are.
    fn reason(self) -> &'static str {
        match self {
            Self::All | Self::Limit(_) => "limit",
            Self::None => "setting",
        }
    }
}

/// A tenant as one scrape sees it: every series is of the same moment.
struct Seen {
    mode: &'static str,
    tenant: Arc<Tenant>,
    /// By [`alert_place`].
    alerts: [usize; 4],
    latest: Latest,
}

/// Series of each tenant.
pub(super) struct Tenants(pub(super) Arc<ApiState>);

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tenants")
    }
}

impl Collector for Tenants {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let state = &self.0;
        let (now, encoder) = (state.clock.now(), &mut encoder);
        let mut seen = Vec::new();
        let mut left_out = Vec::new();
        for services in modes(state) {
            let tenants = services.tenants.tenants();
            let shown = tenants.len().min(state.per_tenant.most());
            let silences = services.alerting.silences();
            seen.extend(tenants[..shown].iter().map(|tenant| see(services, tenant, &silences, now)));
            left_out.push((services.mode.as_str(), tenants.len() - shown));
        }
        let help = "Tenants without series of their own here: over the limit of the setting, or by it";
        encode_family(encoder, "tenants_without_series", help, MetricType::Gauge, |observations| {
            for (mode, count) in left_out {
                observations.add(&[("mode", mode), ("reason", state.per_tenant.reason())], count as f64);
            }
        })?;
        let mut family = |name, help, metric_type, add: &dyn Fn(&mut Labelled<'_, '_>)| {
            encode_family(encoder, name, help, metric_type, |observations| {
                for seen in &seen {
                    add(&mut Labelled { observations, seen });
                }
            })
        };
        let help = "What the tenant is: name for people, plan, GPU type";
        family("tenant", help, MetricType::Info, &|labelled| {
            let (spec, sizing) = (&labelled.seen.tenant.spec, &labelled.seen.tenant.sizing);
            let labels =
                [("name", &*spec.name), ("preset", sizing.preset.as_str()), ("gpu_type", &*sizing.gpu_type)];
            labelled.add(&labels, 1.0);
        })?;
        family(
            "tenant_status",
            "1 for the status that the tenant has, else 0",
            MetricType::Gauge,
            &|labelled| {
                for status in TenantStatus::ALL {
                    let has = labelled.seen.tenant.status == status;
                    labelled.add(&[("status", status.as_str())], f64::from(u8::from(has)));
                }
            },
        )?;
        let help = "Open alerts; those of which a silence has nobody told apart";
        family("tenant_open_alerts", help, MetricType::Gauge, &|labelled| {
            for (count, labels) in labelled.seen.alerts.into_iter().zip(ALERT_LABELS) {
                labelled.add(&labels, count as f64);
            }
        })?;
        let now_ms = now.as_millisecond();
        for (name, help, value) in VALUES {
            family(name, help, MetricType::Gauge, &|labelled| {
                if let Some(value) = value(labelled.seen, now_ms) {
                    labelled.add(&[], value);
                }
            })?;
        }
        Ok(())
    }
}

fn see(services: &ModeServices, tenant: &Arc<Tenant>, silences: &[Arc<Silence>], now: Timestamp) -> Seen {
    let mut alerts = [0; 4];
    for alert in services.tenants.open_alerts(&tenant.id) {
        alerts[alert_place(&alert, silences, now)] += 1;
    }
    let latest = live::newest(services, tenant);
    Seen { mode: services.mode.as_str(), tenant: tenant.clone(), alerts, latest }
}

/// Adds values of one tenant.
struct Labelled<'a, 'b> {
    observations: &'a mut Observations<'b>,
    seen: &'a Seen,
}

impl Labelled<'_, '_> {
    /// Under the tenant's labels and up to three more.
    fn add(&mut self, more: &[(&str, &str)], value: f64) {
        let mut labels = [
            ("mode", self.seen.mode),
            ("tenant_id", self.seen.tenant.id.as_str()),
            ("", ""),
            ("", ""),
            ("", ""),
        ];
        let count = 2 + more.len();
        labels[2..count].copy_from_slice(more);
        self.observations.add(&labels[..count], value);
    }
}

/// A gauge of a tenant: name, help, and its value at a time in milliseconds, where it has one.
type Value = (&'static str, &'static str, fn(&Seen, i64) -> Option<f64>);

const VALUES: [Value; 7] = [
    ("tenant_gpus", "GPUs of the tenant's plan", |seen, _| Some(seen.tenant.sizing.resources.gpu as f64)),
    ("tenant_list_price_dollars_per_month", "What the tenant pays, in US dollars a month", |seen, _| {
        Some(seen.tenant.sizing.list_price_usd as f64)
    }),
    (
        "tenant_operator_cost_dollars_per_month",
        "What the tenant costs the operator, in US dollars a month",
        |seen, _| Some(seen.tenant.sizing.operator_cost_usd as f64),
    ),
    ("tenant_sla_availability_ratio", "Availability that was promised, as a fraction of one", |seen, _| {
        Some(seen.tenant.spec.sla_target.availability.fraction())
    }),
    ("tenant_sla_response_time_seconds", "Response time that was promised", |seen, _| {
        Some(f64::from(seen.tenant.spec.sla_target.response_time_ms) / 1000.0)
    }),
    (
        "tenant_response_time_seconds",
        "Mean response time that was measured last; absent where none came for five minutes",
        |seen, now_ms| {
            let reading = seen.latest.get(Metric::ResponseTime)?;
            (now_ms - reading.timestamp_ms <= CURRENT_MS).then_some(reading.value / 1000.0)
        },
    ),
    (
        "tenant_last_sample_timestamp_seconds",
        "When the newest sample was measured, in seconds since 1970; absent before the first",
        |seen, _| Some(seen.latest.timestamp_ms()? as f64 / 1000.0),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_a_word_or_a_number() {
        for (text, setting) in [
            ("all", Ok(PerTenant::All)),
            ("none", Ok(PerTenant::None)),
            ("1", Ok(PerTenant::Limit(1))),
            ("0", Err(NotPerTenant)),
            ("-1", Err(NotPerTenant)),
            ("some", Err(NotPerTenant)),
            ("", Err(NotPerTenant)),
        ] {
            assert_eq!(text.parse(), setting, "{text}");
        }
    }
}
