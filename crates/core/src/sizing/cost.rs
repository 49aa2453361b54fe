//! What a tenant pays and what it costs the operator.

use super::Demand;
use super::capacity::Fit;
use crate::catalog::{Catalog, Plan};
use crate::quantity::Resources;
use crate::tenant::Service;

/// List price in whole US dollars a month: the plan, and stand-alone speech channels on top.
pub(super) fn list_price(catalog: &Catalog, demand: &Demand, fit: &Fit) -> u64 {
    let (stt, tts) = speech_prices(catalog, demand);
    plan_price(catalog.plan(fit.preset), &fit.resources).saturating_add(stt).saturating_add(tts)
}

/// Whole US dollars a month for the stand-alone channels ordered: speech-to-text, text-to-speech.
pub(super) fn speech_prices(catalog: &Catalog, demand: &Demand) -> (u64, u64) {
    let prices = &catalog.prices;
    let price = |service, block_usd: f64| {
        let channels = f64::from(demand.service_requirements.get(&service).copied().unwrap_or(0));
        (channels / prices.speech_block_channels as f64 * block_usd).round() as u64
    };
    (price(Service::Stt, prices.usd_per_stt_block), price(Service::Tts, prices.usd_per_tts_block))
}

/// A plan's price; grown over the plan, in proportion to the resource that grew most.
pub(super) fn plan_price(plan: &Plan, resources: &Resources) -> u64 {
    (plan.list_price_usd as f64 * growth(plan, resources)).round() as u64
}

/// How many times its listed size the resource has that grew most; 1 where none did.
pub(super) fn growth(plan: &Plan, resources: &Resources) -> f64 {
    let listed = plan.resources();
    [
        (resources.cpu_millicores, listed.cpu_millicores),
        (resources.memory_mib, listed.memory_mib),
        (resources.gpu, listed.gpu),
        (resources.storage_gb, listed.storage_gb),
    ]
    .into_iter()
    .map(|(grown, listed)| grown as f64 / listed as f64)
    .fold(1.0, f64::max)
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
