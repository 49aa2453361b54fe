//! What `/metrics` says of the process's surroundings and of all tenants together.

use super::callback::encode_family;
use crate::gpu_headroom::{GpuHeadroom, gpu_headroom};
use crate::state::{ApiState, ModeServices};
use ecp_core::Timestamp;
use ecp_core::alerts::silence::Silence;
use ecp_core::alerts::{Alert, AlertSubject, Severity};
use ecp_core::ports::ClusterHealth;
use ecp_core::tenant::Tenant;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Whether the server, its databases and its clusters are well. It names no tenant and is for everybody
/// who may ask.
pub(super) struct Server {
    pub(super) state: Arc<ApiState>,
    pub(super) sees_tenants: bool,
}

/// Sums over all tenants and GPUs of the clusters.
pub(super) struct Fleet(pub(super) Arc<ApiState>);

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fleet")
    }
}

/// Both modes, demo first.
pub(super) fn modes(state: &ApiState) -> [&ModeServices; 2] {
    [&state.demo, &state.real]
}

fn one_if(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

impl Collector for Server {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut gauge = |name, help, values: &[(&[(&str, &str)], f64)]| {
            encode_family(&mut encoder, name, help, MetricType::Gauge, |observations| {
                values.iter().for_each(|(labels, value)| observations.add(labels, *value));
            })
        };
        let state = &self.state;
        gauge("ready", "1 while traffic is welcome", &[(&[], one_if(state.readiness.is_ready()))])?;
        gauge(
            "metrics_authorized",
            "1 where the reader of this answer may read about tenants, their costs and GPUs",
            &[(&[], one_if(self.sees_tenants))],
        )?;
        let labels = modes(state).map(|services| [("mode", services.mode.as_str())]);
        let by_mode = |value: fn(&ModeServices) -> Option<f64>| -> Vec<(&[(&str, &str)], f64)> {
            let values = modes(state).into_iter().zip(&labels);
            values.filter_map(|(services, labels)| Some((&labels[..], value(services)?))).collect()
        };
        gauge(
            "store_writable",
            "1 while the mode's database can be written",
            &by_mode(|services| Some(one_if(services.tenants.write_failure().is_none()))),
        )?;
        gauge(
            "store_damaged_rows",
            "Stored rows that can not be read and are set aside",
            &by_mode(|services| Some(services.tenants.damage().len() as f64)),
        )?;
        gauge(
            "cluster_up",
            "1 while the mode's cluster answers; absent where none is configured",
            &by_mode(|services| match services.cluster.health() {
                ClusterHealth::NotConfigured => None,
                health => Some(one_if(health == ClusterHealth::Ready)),
            }),
        )
    }
}

/// What is summed over a mode's tenants.
#[derive(Default)]
struct Sums {
    /// By [`alert_place`].
    alerts: [usize; 4],
    sla_misses: usize,
    list_price_usd: u64,
    operator_cost_usd: u64,
    gpus: BTreeMap<String, GpuHeadroom>,
}

/// The two labels by which open alerts are told apart, in the order of [`alert_place`].
pub(super) const ALERT_LABELS: [[(&str, &str); 2]; 4] = [
    [("severity", "warning"), ("silenced", "false")],
    [("severity", "warning"), ("silenced", "true")],
    [("severity", "critical"), ("silenced", "false")],
    [("severity", "critical"), ("silenced", "true")],
];

/// Where an open alert counts among [`ALERT_LABELS`].
pub(super) fn alert_place(alert: &Alert, silences: &[Arc<Silence>], now: Timestamp) -> usize {
    let silenced = silences.iter().any(|silence| silence.silences(alert, now));
    let severity = match alert.severity {
        Severity::Warning => 0,
        Severity::Critical => 2,
    };
    severity + usize::from(silenced)
}

impl Sums {
    fn of(state: &ApiState, services: &ModeServices) -> Self {
        let tenants = services.tenants.tenants();
        let (silences, now) = (services.alerting.silences(), state.clock.now());
        let mut sums = Self::default();
        for tenant in tenants.iter() {
            sums.add(tenant, &services.tenants.open_alerts(&tenant.id), &silences, now);
        }
        if let Ok(capacity) = services.cluster.capacity() {
            sums.gpus = gpu_headroom(state, services, tenants.iter(), &capacity);
        }
        sums
    }

    fn add(&mut self, tenant: &Tenant, alerts: &[Arc<Alert>], silences: &[Arc<Silence>], now: Timestamp) {
        for alert in alerts {
            self.alerts[alert_place(alert, silences, now)] += 1;
        }
        let misses = alerts.iter().any(|alert| alert.subject == AlertSubject::ResponseTime);
        self.sla_misses += usize::from(misses);
        self.list_price_usd += tenant.sizing.list_price_usd;
        self.operator_cost_usd += tenant.sizing.operator_cost_usd;
    }
}

/// Name, help, and the value that something has.
type Gauge<T> = (&'static str, &'static str, fn(&T) -> f64);

impl Collector for Fleet {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let sums = modes(&self.0).map(|services| (services.mode.as_str(), Sums::of(&self.0, services)));
        let encoder = &mut encoder;
        let help = "Open alerts of all tenants; those of which a silence has nobody told apart";
        encode_family(encoder, "open_alerts", help, MetricType::Gauge, |observations| {
            for (mode, sums) in &sums {
                for (count, [severity, silenced]) in sums.alerts.iter().zip(ALERT_LABELS) {
                    observations.add(&[("mode", mode), severity, silenced], *count as f64);
                }
            }
        })?;
        let by_mode: [Gauge<Sums>; 3] = [
            ("sla_misses", "Tenants whose response time is over their SLA now", |sums| {
                sums.sla_misses as f64
            }),
            ("list_price_dollars_per_month", "What all tenants pay, in US dollars a month", |sums| {
                sums.list_price_usd as f64
            }),
            (
                "operator_cost_dollars_per_month",
                "What all tenants cost the operator, in US dollars a month",
                |sums| sums.operator_cost_usd as f64,
            ),
        ];
        for (name, help, value) in by_mode {
            encode_family(encoder, name, help, MetricType::Gauge, |observations| {
                for (mode, sums) in &sums {
                    observations.add(&[("mode", mode)], value(sums));
                }
            })?;
        }
        let by_gpu: [Gauge<GpuHeadroom>; 4] = [
            ("gpu_capacity", "GPUs on nodes that tenants' pods could go to", |gpus| gpus.total as f64),
            ("gpu_promised", "GPUs in the plans of accepted tenants", |gpus| gpus.promised as f64),
            ("gpu_requested", "GPUs requested by pods, whoever's they are", |gpus| gpus.requested as f64),
            ("gpu_busy", "Busy GPUs, by what tenants measured last", |gpus| gpus.used),
        ];
        for (name, help, value) in by_gpu {
            encode_family(encoder, name, help, MetricType::Gauge, |observations| {
                for (mode, sums) in &sums {
                    for (gpu_type, gpus) in &sums.gpus {
                        observations.add(&[("mode", mode), ("gpu_type", gpu_type)], value(gpus));
                    }
                }
            })?;
        }
        Ok(())
    }
}
