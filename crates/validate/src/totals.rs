//! Whether it all fits: the manifest's own quotas and the cluster.

use super::amount::{self, Milli};
use super::findings::{Findings, Place};
use super::format::shortened;
use super::objects::Objects;
use super::resources::{Amounts, Sums};
use ecp_core::ports::Capacity;
use ecp_core::quantity::{Resources, memory_text};
use ecp_core::text::Message;
use std::collections::HashMap;

/// Share of the cluster, in percent, from which on it is worth a warning.
const LARGE_SHARE_PERCENT: u64 = 80;

/// Pods that would not be admitted by a ResourceQuota of the same manifest.
pub(super) fn check_quotas(
    objects: &Objects<'_>,
    sums: &HashMap<&str, Sums>,
    gpu_resources: &[&str],
    findings: &mut Findings,
) {
    for quota in objects.of_kind("ResourceQuota") {
        let Some(spec) = quota.spec() else { continue };
        if spec.get("scopes").is_some() || spec.get("scopeSelector").is_some() {
            continue; // It counts some of the pods only.
        }
        let sum = sums.get(quota.namespace).copied().unwrap_or_default();
        for hard in spec.get("hard").into_iter().flat_map(|hard| hard.children()) {
            let needed = match hard.key() {
                "cpu" | "requests.cpu" => sum.requests.cpu,
                "limits.cpu" => sum.limits.cpu,
                "memory" | "requests.memory" => sum.requests.memory,
                "limits.memory" => sum.limits.memory,
                "requests.storage" => sum.requests.storage,
                "pods" => Milli::from(sum.pods).saturating_mul(1000),
                // The sum is of all GPUs, whatever their names.
                key if gpu_resources.len() == 1
                    && key.strip_prefix("requests.") == Some(gpu_resources[0]) =>
                {
                    sum.requests.gpu
                }
                _ => continue,
            };
            if amount::parse(hard.text()).is_some_and(|hard| needed > hard) {
                findings.policy(hard, || {
                    Message::new("validate.resources.quota")
                        .with("resource", shortened(hard.key()))
                        .with("quota", shortened(hard.text()))
                        .with("needed", amount_text(hard.key(), needed))
                });
            }
        }
    }
}

fn amount_text(resource: &str, amount: Milli) -> String {
    if resource.ends_with("memory") {
        memory_text(Amounts { memory: amount, ..Amounts::default() }.resources().memory_mib)
    } else if resource.ends_with("storage") {
        format!("{}G", Amounts { storage: amount, ..Amounts::default() }.resources().storage_gb)
    } else if amount % 1000 == 0 {
        (amount / 1000).to_string()
    } else {
        format!("{amount}m")
    }
}

/// Needs that the cluster can not meet, or only with most of what it has. Needs are counted as
/// the scheduler counts: by requests.
pub(super) fn check_capacity(needed: &Resources, capacity: &Capacity, findings: &mut Findings) {
    let (total, used) = (&capacity.total, &capacity.used);
    let rows = [
        (
            CPU,
            needed.cpu_millicores,
            total.cpu_millicores,
            used.cpu_millicores,
            cpu_text as fn(u64) -> String,
        ),
        (MEMORY, needed.memory_mib, total.memory_mib, used.memory_mib, memory_text),
        (GPU, needed.gpu, total.gpu, used.gpu, |count| count.to_string()),
        (STORAGE, needed.storage_gb, total.storage_gb, used.storage_gb, storage_text),
    ];
    for (keys, needed, total, used, text) in rows {
        // A cluster that does not say how much storage it has is not short of it.
        if needed == 0 || (total == 0 && keys == STORAGE) {
            continue;
        }
        let free = total.saturating_sub(used);
        let message = |key: &'static str| {
            Message::new(key).with("needed", text(needed)).with("total", text(total)).with("free", text(free))
        };
        if needed > total {
            findings.error(Place::Whole, || message(keys.exceeded));
        } else if u128::from(needed) * 100 > u128::from(total) * u128::from(LARGE_SHARE_PERCENT) {
            findings.warning(Place::Whole, || message(keys.large));
        } else if needed > free {
            findings.warning(Place::Whole, || message(keys.not_free));
        }
    }
}

fn cpu_text(millicores: u64) -> String {
    Resources { cpu_millicores: millicores, ..Resources::default() }.cpu_text()
}

fn storage_text(gigabytes: u64) -> String {
    Resources { storage_gb: gigabytes, ..Resources::default() }.storage_text()
}

/// Message keys of one resource.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Keys {
    exceeded: &'static str,
    large: &'static str,
    not_free: &'static str,
}

const CPU: Keys = Keys {
    exceeded: "validate.capacity.exceeded.cpu",
    large: "validate.capacity.large.cpu",
    not_free: "validate.capacity.not_free.cpu",
};
const MEMORY: Keys = Keys {
    exceeded: "validate.capacity.exceeded.memory",
    large: "validate.capacity.large.memory",
    not_free: "validate.capacity.not_free.memory",
};
const GPU: Keys = Keys {
    exceeded: "validate.capacity.exceeded.gpu",
    large: "validate.capacity.large.gpu",
    not_free: "validate.capacity.not_free.gpu",
};
const STORAGE: Keys = Keys {
    exceeded: "validate.capacity.exceeded.storage",
    large: "validate.capacity.large.storage",
    not_free: "validate.capacity.not_free.storage",
};
