//! What running pods use, from the metrics API, beside what clients send.

use super::client::{answered, api};
use super::index::Index;
use super::watches::OURS;
use ecp_core::catalog::Catalog;
use ecp_core::ids::{TenantId, TenantKey};
use ecp_core::manifest;
use ecp_core::metrics::{Metric, Sample, SampleSource};
use ecp_core::ports::{MetricError, MetricStore, TenantStore};
use ecp_core::quantity::parse_quantity;
use ecp_core::tenant::{Tenant, TenantStatus};
use kube::Client;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Between two rounds; the metrics server itself looks every 15 seconds.
const ROUND: Duration = Duration::from_secs(15);
/// A client that sent CPU or memory within this time knows better.
const CLIENTS_WORD_MS: i64 = 120_000;
/// What clients and the collector both tell.
const TOLD: [Metric; 2] = [Metric::CpuUsage, Metric::MemoryUsage];

/// Use of one tenant's pods.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Usage {
    cpu_millicores: u64,
    memory_mib: u64,
}

/// Collects without an end, while this process leads its mode; where the cluster has no metrics API it only
/// keeps asking.
pub(super) async fn run(
    client: Client,
    index: Arc<Index>,
    catalog: Arc<Catalog>,
    store: Arc<dyn TenantStore>,
    metrics: Arc<dyn MetricStore>,
) {
    let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
    let calls = api(&client, &ApiResource::from_gvk_with_plural(&kind, "pods"), None);
    loop {
        tokio::time::sleep(ROUND).await;
        if !store.leads() {
            continue;
        }
        let listed = match answered(calls.list(&ListParams::default().labels(OURS))).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::debug!(?error, "the metrics API does not answer");
                continue;
            }
        };
        let of_tenants = |id: &TenantId| {
            let is_external = store.tenant(id).is_some_and(|tenant| tenant.spec.is_external());
            index.pod_names(id, is_external).into_iter().map(|pod| pod.name).collect()
        };
        for (tenant_id, usage) in by_tenant(&listed.items, of_tenants) {
            let Some(tenant) = store.tenant(&tenant_id) else { continue };
            if !is_measured(&tenant) {
                continue;
            }
            let now = ecp_core::Timestamp::now().as_millisecond();
            let key = tenant.key();
            let limits = manifest::limits(&catalog, &tenant.sizing);
            let sample = sample_of(now, usage, limits);
            if let Err(error) = keep(&*metrics, &key, sample).await {
                tracing::warn!(%error, tenant.id = %tenant_id, "use of pods can not be kept");
            }
        }
    }
}

/// Pods of a tenant that runs are measured, and those that others keep running while a change waits for them.
fn is_measured(tenant: &Tenant) -> bool {
    match tenant.status {
        TenantStatus::Running => true,
        TenantStatus::Pending => tenant.spec.is_external(),
        TenantStatus::Failed | TenantStatus::Deleting => false,
    }
}

/// Stores a sample, unless a client speaks for the tenant; true where it was stored.
async fn keep(metrics: &dyn MetricStore, tenant: &TenantKey, sample: Sample) -> Result<bool, MetricError> {
    // A client's clock may be ahead.
    let oldest = sample.timestamp_ms - CLIENTS_WORD_MS;
    let speaks =
        |metric: &Metric| metrics.told_by_clients(tenant, *metric).is_some_and(|told| told >= oldest);
    if TOLD.iter().any(speaks) {
        return Ok(false);
    }
    metrics.append(tenant, SampleSource::Collector, &[sample]).await?;
    Ok(true)
}

/// Sums by tenant; `names_of` says which pods are a tenant's.
fn by_tenant(
    pods: &[DynamicObject],
    names_of: impl Fn(&TenantId) -> HashSet<String>,
) -> HashMap<TenantId, Usage> {
    let mut sums: HashMap<TenantId, Usage> = HashMap::new();
    let mut known: HashMap<TenantId, HashSet<String>> = HashMap::new();
    for pod in pods {
        let namespace = pod.metadata.namespace.as_deref();
        let Some(tenant) = namespace.and_then(TenantId::of_namespace) else { continue };
        let names = known.entry(tenant.clone()).or_insert_with(|| names_of(&tenant));
        if !pod.metadata.name.as_ref().is_some_and(|name| names.contains(name)) {
            continue;
        }
        let containers = pod.data.get("containers").and_then(Value::as_array);
        let sum = sums.entry(tenant).or_default();
        for container in containers.into_iter().flatten() {
            let amount = |pointer: &str| {
                container.pointer(pointer).and_then(Value::as_str).and_then(parse_quantity).unwrap_or(0)
            };
            sum.cpu_millicores += u64::try_from(amount("/usage/cpu")).unwrap_or(0);
            sum.memory_mib += u64::try_from(amount("/usage/memory") / (1000 << 20)).unwrap_or(0);
        }
    }
    sums
}

/// Percent of what the tenant's pods may use.
fn sample_of(now_ms: i64, usage: Usage, limits: ecp_core::quantity::Resources) -> Sample {
    let percent = |used: u64, limit: u64| {
        if limit == 0 { f64::NAN } else { (used as f64 * 100.0 / limit as f64).min(100.0) }
    };
    let mut sample = Sample::empty(now_ms);
    sample.values[Metric::CpuUsage.index()] = percent(usage.cpu_millicores, limits.cpu_millicores);
    sample.values[Metric::MemoryUsage.index()] = percent(usage.memory_mib, limits.memory_mib);
    sample
}

#[cfg(test)]
mod tests;
