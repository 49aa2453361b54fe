//! Every number of a sizing with its formula, its inputs and its source, and the bottleneck.

use super::capacity::Fit;
use super::demand::{Work, busy_share, tts_channels};
use super::queueing::{erlang_b, erlang_c};
use super::{Demand, Sizing};
use crate::catalog::Catalog;
use crate::tenant::Service;
use serde_json::{Value, json};

/// The explanation of a calculation.
pub(super) fn explanation(
    catalog: &Catalog,
    demand: &Demand,
    work: &Work,
    fit: &Fit,
    sizing: &Sizing,
) -> Value {
    let device = catalog.device(&fit.gpu_type);
    let sla = &demand.sla_target;
    let count = |service| u64::from(work.counts.get(&service).copied().unwrap_or(0));
    let busy = busy_share(catalog);
    let channels = tts_channels(catalog, device);
    let stages = [
        ("gpu", fit.utilisation),
        ("cpu", fit.needed.cpu_millicores as f64 / fit.resources.cpu_millicores as f64),
        ("memory", fit.needed.memory_mib as f64 / fit.resources.memory_mib as f64),
        ("storage", fit.needed.storage_gb as f64 / fit.resources.storage_gb.max(1) as f64),
    ];
    let bottleneck =
        stages.iter().max_by(|left, right| left.1.total_cmp(&right.1)).map_or("gpu", |stage| stage.0);
    json!({
        "bottleneck": bottleneck,
        "utilization": stages.iter().map(|(name, share)| ((*name).to_owned(), json!(round(*share)))).collect::<serde_json::Map<_, _>>(),
        "steps": [
            {
                "name": "services",
                "formula": "ordered + channels that callbot and advisor bring",
                "inputs": { "ordered": demand.service_requirements },
                "result": work.counts,
                "source": "catalog services.*.stt_channels, services.*.tts_channels"
            },
            {
                "name": "load_multiplier",
                "formula": "step of the voice channels ordered (callbot + advisor + stt + tts)",
                "inputs": { "voice_channels": work.voice_channels },
                "result": work.load_multiplier,
                "source": "catalog load_multipliers"
            },
            {
                "name": "tts_lines",
                "formula": "fewest lines at which Erlang B <= 1 - availability, at most the channels",
                "inputs": {
                    "channels": count(Service::Tts),
                    "busy_share": round(busy),
                    "offered_erlangs": round(count(Service::Tts) as f64 * busy),
                    "availability": sla.availability.to_string(),
                    "blocking": round(erlang_b(count(Service::Tts) as f64 * busy, work.tts_lines))
                },
                "result": work.tts_lines,
                "source": "Erlang B; catalog services.callbot items_per_day, minutes_per_item, hours_per_day"
            },
            {
                "name": "stt_lines",
                "formula": "fewest lines at which Erlang B <= 1 - availability for speech, at most the channels",
                "inputs": {
                    "channels": count(Service::Stt),
                    "speech_share": catalog.cpu.stt_speech_share,
                    "offered_erlangs": round(count(Service::Stt) as f64 * busy * catalog.cpu.stt_speech_share),
                    "waiting_probability": round(erlang_c(
                        count(Service::Stt) as f64 * busy * catalog.cpu.stt_speech_share,
                        work.stt_lines
                    ))
                },
                "result": work.stt_lines,
                "source": "Erlang B and C; catalog cpu.stt_speech_share"
            },
            {
                "name": "gpu_load",
                "formula": "tts_lines / tts_channels + nlp / nlp_rate + aicm / aicm_rate",
                "inputs": {
                    "device": device.name,
                    "tts_lines": work.tts_lines,
                    "tts_channels": round(channels),
                    "nlp_per_second": round(work.nlp_per_second),
                    "nlp_rate": device.nlp_queries_per_second,
                    "aicm_per_second": round(work.aicm_per_second),
                    "aicm_rate": device.aicm_searches_per_second
                },
                "result": round(work.devices(catalog, device)),
                "unit": "devices kept fully busy",
                "source": "catalog devices, gpu.tts_cache_share"
            },
            {
                "name": "gpu_utilization",
                "formula": "gpu_load / gpu",
                "inputs": { "gpu": fit.resources.gpu },
                "result": round(fit.utilisation),
                "source": "the plan's GPUs"
            },
            {
                "name": "response_time",
                "formula": "S / (1 - utilization)",
                "inputs": { "service_time_ms": catalog.gpu.service_time_ms, "target_ms": sla.response_time_ms },
                "result": if fit.response_time_ms.is_finite() { json!(round(fit.response_time_ms)) } else { Value::Null },
                "unit": "ms",
                "source": "M/M/1 queue of the GPU stage; catalog gpu.service_time_ms"
            },
            {
                "name": "cpu",
                "formula": "stt_lines / stt_per_core + ta / ta_per_core + qa / qa_per_core, and the containers' requests",
                "inputs": {
                    "stt_per_core": catalog.cpu.stt_channels_per_core,
                    "ta": count(Service::Ta),
                    "qa": count(Service::Qa),
                    "containers": work.counts.len() as u64 * u64::from(fit.replicas),
                    "request": format!("{}m", catalog.requests.cpu_millicores)
                },
                "result": fit.needed.cpu_text(),
                "source": "catalog cpu, requests"
            },
            {
                "name": "memory",
                "formula": "containers x request + voice channels and chat users x their state",
                "inputs": {
                    "mib_per_voice_channel": catalog.memory.mib_per_voice_channel,
                    "mib_per_chat_user": catalog.memory.mib_per_chat_user
                },
                "result": fit.needed.memory_text(),
                "source": "catalog memory, requests"
            },
            {
                "name": "storage",
                "formula": "services x base + users x data + agents x recordings x days",
                "inputs": {
                    "gb_per_service": catalog.storage.gb_per_service,
                    "mb_per_user": catalog.storage.mb_per_user,
                    "mb_per_agent_day": catalog.storage.mb_per_agent_day,
                    "recording_days": catalog.storage.recording_days
                },
                "result": fit.needed.storage_text(),
                "source": "catalog storage"
            },
            {
                "name": "availability",
                "formula": "1 - (1 - pod_share)^replicas",
                "inputs": { "pod_share": catalog.availability.pod_share, "replicas": fit.replicas },
                "result": fit.availability,
                "source": "catalog availability.pod_share"
            },
            {
                "name": "list_price",
                "formula": "plan x largest growth over it + stand-alone stt / 30 + stand-alone tts / 30",
                "inputs": {
                    "plan": catalog.plan(fit.preset).list_price_usd,
                    "usd_per_30_stt_channels": catalog.prices.usd_per_30_stt_channels,
                    "usd_per_30_tts_channels": catalog.prices.usd_per_30_tts_channels
                },
                "result": sizing.list_price_usd,
                "unit": "USD a month",
                "source": "catalog presets, prices"
            },
            {
                "name": "operator_cost",
                "formula": "(gpu x device-hour + cores x core-hour + GiB x GiB-hour) x hours + GB x GB-month",
                "inputs": {
                    "usd_per_device_hour": device.list_price_usd_per_hour,
                    "usd_per_core_hour": catalog.operator_cost.usd_per_core_hour,
                    "usd_per_gib_hour": catalog.operator_cost.usd_per_gib_hour,
                    "hours_per_month": catalog.operator_cost.hours_per_month,
                    "usd_per_storage_gb_month": catalog.operator_cost.usd_per_storage_gb_month
                },
                "result": sizing.operator_cost_usd,
                "unit": "USD a month",
                "source": "catalog devices, operator_cost"
            }
        ]
    })
}

/// Four decimals are more than any of these figures is known to.
fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
