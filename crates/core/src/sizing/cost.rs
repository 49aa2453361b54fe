//! What a tenant pays and what it costs the operator.

use super::Demand;
use super::capacity::Fit;
use crate::catalog::{Catalog, Plan};
use crate::quantity::Resources;
use crate::tenant::Service;

/// List price in whole US dollars a month: the plan, and stand-alone speech channels on top.
pub(super) fn list_price(catalog: &Catalog, demand: &Demand, fit: &Fit) -> u64 {
    let ordered = |service| f64::from(demand.service_requirements.get(&service).copied().unwrap_or(0)) / 30.0;
    let stt = (ordered(Service::Stt) * catalog.prices.usd_per_30_stt_channels).round() as u64;
    let tts = (ordered(Service::Tts) * catalog.prices.usd_per_30_tts_channels).round() as u64;
    plan_price(catalog.plan(fit.preset), &fit.resources).saturating_add(stt).saturating_add(tts)
}

/// A plan's price; grown over the plan, by the resource that grew most.
pub(super) fn plan_price(plan: &Plan, resources: &Resources) -> u64 {
    let growth = [
        resources.cpu_millicores as f64 / plan.cpu_millicores as f64,
        resources.memory_mib as f64 / plan.memory_mib as f64,
        resources.gpu as f64 / plan.gpu as f64,
        resources.storage_gb as f64 / plan.storage_gb.max(1) as f64,
    ]
    .into_iter()
    .fold(1.0, f64::max);
    (plan.list_price_usd as f64 * growth).round() as u64
}

/// The operator's own cost in whole US dollars a month: device-hours, cores, memory and storage.
pub(super) fn operator_cost(catalog: &Catalog, fit: &Fit) -> u64 {
    let cost = &catalog.operator_cost;
    let device = catalog.device(&fit.gpu_type);
    let hourly = fit.resources.gpu as f64 * device.list_price_usd_per_hour
        + fit.resources.cpu_millicores as f64 / 1000.0 * cost.usd_per_core_hour
        + fit.resources.memory_mib as f64 / 1024.0 * cost.usd_per_gib_hour;
    let storage = fit.resources.storage_gb as f64 * cost.usd_per_storage_gb_month;
    (hourly * cost.hours_per_month + storage).round() as u64
}
