//! Every number of a sizing with its formula, its inputs and its source, and the bottleneck.

use super::capacity::{self, Fit};
use super::demand::{Hour, Work, busy_share, items_per_hour, tts_channels};
use super::queueing::{erlang_b, erlang_c, lines_for_blocking};
use super::{Alternative, Model, Sizing, cost};
use crate::tenant::{Preset, Service};
use serde_json::{Map, Value, json};

/// The explanation of a calculation.
pub(super) fn explanation(model: &Model<'_>, sizing: &Sizing, alternatives: &[Alternative]) -> Value {
    let stages = stages(&model.fit);
    let bottleneck = stages.iter().max_by(|left, right| left.1.total_cmp(&right.1));
    let steps =
        [work_steps(model), gpu_steps(model), resource_steps(model), outcome_steps(model, sizing)].concat();
    json!({
        "bottleneck": bottleneck.map(|stage| stage.0),
        "utilization": (stages.iter())
            .map(|(name, share)| ((*name).to_owned(), json!(round(*share))))
            .collect::<Map<_, _>>(),
        "plans": plans(model),
        "alternatives": (alternatives.iter())
            .map(|alternative| alternative.preset.as_str())
            .collect::<Vec<_>>(),
        "steps": steps,
    })
}

/// How much of each stage the work takes.
fn stages(fit: &Fit) -> [(&'static str, f64); 4] {
    let share = |needed: u64, have: u64| needed as f64 / have as f64;
    let (needed, have) = (&fit.needed, &fit.resources);
    [
        ("gpu", fit.utilization),
        ("cpu", share(needed.cpu_millicores, have.cpu_millicores)),
        ("memory", share(needed.memory_mib, have.memory_mib)),
        ("storage", share(needed.storage_gb, have.storage_gb)),
    ]
}

/// What each listed plan would be short of: why it was or was not chosen.
fn plans(model: &Model<'_>) -> Vec<Value> {
    let plan = |preset| {
        let fit = capacity::listed(model.catalog, preset, &model.work, model.demand);
        json!({
            "preset": preset,
            "short_of": fit.shortages(model.demand).iter().map(|shortage| shortage.as_str()).collect::<Vec<_>>(),
            "response_time_ms": number(fit.response_time_ms),
        })
    };
    Preset::ALL.into_iter().map(plan).collect()
}

fn work_steps(model: &Model<'_>) -> Vec<Value> {
    let Model { catalog, demand, work, .. } = model;
    let availability = demand.sla_target.availability;
    let busy = busy_share(catalog, demand, Hour::Sized);
    let trunk_lines = lines_for_blocking(work.trunk_erlangs, work.blocking);
    let voice = catalog.service(Service::Callbot);
    vec![
        step(
            "services",
            "ordered + stt_channels and tts_channels that callbot and advisor bring for each unit",
            json!({ "ordered": demand.service_requirements }),
            json!(work.counts),
            "catalog services.*.stt_channels, services.*.tts_channels",
        ),
        step(
            "load_multiplier",
            "the step of the voice channels ordered (callbot + advisor + stt + tts)",
            json!({ "voice_channels": work.voice_channels }),
            json!(work.load_multiplier),
            "catalog load_multipliers",
        ),
        step(
            "busy_share",
            "items_per_hour x minutes_per_item / 60, at most 1",
            json!({
                "items_per_hour": number(items_per_hour(catalog, demand, Hour::Sized, Service::Callbot)),
                "items_per_day": voice.items_per_day,
                "hours_per_day": voice.hours_per_day,
                "minutes_per_item": voice.minutes_per_item,
            }),
            number(busy),
            "catalog services.callbot; stand-alone channels are taken to be as busy",
        ),
        step(
            "telephone_lines",
            "fewest lines with Erlang B(erlangs, lines) <= blocking; for the trunk, not for the plan",
            json!({
                "erlangs": number(work.trunk_erlangs),
                "availability": availability.to_string(),
                "blocking_target": work.blocking,
                "share_that_would_wait": number(erlang_c(work.trunk_erlangs, trunk_lines)),
            }),
            json!(trunk_lines),
            "Erlang B and C; one call for each busy callbot channel and advisor",
        ),
        step(
            "tts_lines",
            "fewest lines with Erlang B(erlangs, lines) <= blocking, at most the channels",
            json!({
                "channels": channels(work, Service::Tts),
                "erlangs": number(work.tts_erlangs),
                "blocking": number(erlang_b(work.tts_erlangs, work.tts_lines)),
            }),
            json!(work.tts_lines),
            "Erlang B; channels x busy_share",
        ),
        step(
            "stt_lines",
            "fewest lines with Erlang B(erlangs, lines) <= blocking, at most the channels",
            json!({
                "channels": channels(work, Service::Stt),
                "speech_share": catalog.cpu.stt_speech_share,
                "erlangs": number(work.stt_erlangs),
                "blocking": number(erlang_b(work.stt_erlangs, work.stt_lines)),
            }),
            json!(work.stt_lines),
            "Erlang B; channels x busy_share x catalog cpu.stt_speech_share",
        ),
    ]
}

fn gpu_steps(model: &Model<'_>) -> Vec<Value> {
    let Model { catalog, demand, work, fit, .. } = model;
    let device = catalog.device(&fit.gpu_type);
    vec![
        step(
            "tts_channels_per_device",
            "1 / (cache_share / cached + (1 - cache_share) / uncached)",
            json!({
                "cache_share": catalog.gpu.tts_cache_share,
                "cached": device.tts_channels_cached,
                "uncached": device.tts_channels_uncached,
            }),
            number(tts_channels(catalog, device)),
            "catalog devices, gpu.tts_cache_share",
        ),
        step(
            "gpu_load",
            "headroom x (tts_lines / tts_channels_per_device + nlp_per_second / nlp_rate + aicm_per_second / aicm_rate)",
            json!({
                "device": device.name,
                "headroom": work.headroom,
                "tts_lines": work.tts_lines,
                "nlp_per_second": number(work.nlp_per_second),
                "nlp_rate": device.nlp_queries_per_second,
                "aicm_per_second": number(work.aicm_per_second),
                "aicm_rate": device.aicm_searches_per_second,
            }),
            number(fit.gpu_load),
            "catalog services, load_multipliers, devices; in devices kept fully busy",
        ),
        step(
            "gpu_needed",
            "gpu_load / max(1 - factor x S / target, lowest_utilization), rounded up; + the devices that may be lost",
            json!({
                "service_time_ms": catalog.gpu.service_time_ms,
                "target_ms": demand.response_time_ms(),
                "factor": number(demand.options.percentile.of_mean()),
                "lowest_utilization": catalog.gpu.lowest_utilization,
            }),
            json!(fit.needed.gpu),
            "catalog gpu; S / (1 - utilization) <= target solved for the number of devices",
        ),
        step(
            "gpu_utilization",
            "gpu_load / gpu",
            json!({ "gpu_load": number(fit.gpu_load), "gpu": fit.needs.surviving_gpus, "gpu_type": fit.gpu_type }),
            number(fit.utilization),
            "catalog presets; over large the first device whose number is within devices.*.up_to_count",
        ),
        step(
            "response_time_ms",
            "factor x S / (1 - gpu_utilization); null where the devices can not keep up",
            json!({
                "service_time_ms": catalog.gpu.service_time_ms,
                "factor": number(demand.options.percentile.of_mean()),
                "gpu_utilization": number(fit.utilization),
                "target_ms": demand.response_time_ms(),
            }),
            number(fit.response_time_ms),
            "queue of the GPU stage; catalog gpu.service_time_ms",
        ),
    ]
}

fn resource_steps(model: &Model<'_>) -> Vec<Value> {
    let Model { catalog, work, fit, .. } = model;
    let (cpu, memory, storage) = (&catalog.cpu, &catalog.memory, &catalog.storage);
    let containers: u64 = fit.needs.services.iter().map(|need| u64::from(need.pods)).sum();
    let own = |asked: u64, step: u64| asked.saturating_add(step);
    vec![
        step(
            "places",
            "the GPU stages in the pods of the first service of the order that the tenant has, the others in their own",
            json!({ "order": catalog.gpu.order, "services": work.counts.keys().collect::<Vec<_>>() }),
            json!(super::places::places(catalog, &work.counts)),
            "catalog gpu.order",
        ),
        step(
            "cpu",
            "headroom x 1000 x (stt_lines / stt_per_core + qa / qa_per_core + qa_items_per_second x qa_seconds + ta / ta_per_core) + containers x own",
            json!({
                "headroom": work.headroom,
                "stt_lines": work.stt_lines,
                "stt_per_core": cpu.stt_channels_per_core,
                "qa": channels(work, Service::Qa),
                "qa_per_core": cpu.qa_channels_per_core,
                "qa_items_per_second": number(work.qa_items_per_second),
                "qa_seconds": cpu.qa_cpu_seconds_per_item,
                "ta": channels(work, Service::Ta),
                "ta_per_core": cpu.ta_channels_per_core,
                "containers": containers,
                "own": own(catalog.requests.cpu_millicores, catalog.limits.cpu_step_millicores),
            }),
            json!(fit.needed.cpu_text()),
            "catalog cpu, requests, limits; a container's own: its request and a step of rounding",
        ),
        step(
            "stt_pods_cpu",
            "1000 x headroom x stt_lines_of_pods / stt_per_core + containers x own, the other services' work added",
            json!({
                "stt_lines_of_pods": (fit.needs.services.iter())
                    .map(|need| u64::from(need.pods) * need.stt_lines)
                    .sum::<u64>(),
                "stt_per_core": cpu.stt_channels_per_core,
                "headroom": work.headroom,
                "containers": containers,
            }),
            json!(format!("{:.0}m", fit.needs.cpu.good.ceil())),
            "Erlang B for each pod over the calls that may be on it, as they come to one of the pods at random and stay; the CPU that feeds the GPUs included",
        ),
        step(
            "memory",
            "headroom x ((stt + tts) x mib_per_voice_channel + users x mib_per_chat_user) + containers x own",
            json!({
                "headroom": work.headroom,
                "stt": channels(work, Service::Stt),
                "tts": channels(work, Service::Tts),
                "users": work.users,
                "mib_per_voice_channel": memory.mib_per_voice_channel,
                "mib_per_chat_user": memory.mib_per_chat_user,
                "containers": containers,
                "own": own(catalog.requests.memory_mib, catalog.limits.memory_step_mib),
            }),
            json!(fit.needed.memory_text()),
            "catalog memory, requests, limits; users: the larger of chatbot and concurrent_users",
        ),
        step(
            "storage",
            "services x gb_per_service + users x mb_per_user / 1000 + advisor x mb_per_agent_day x recording_days / 1000",
            json!({
                "services": work.counts.len(),
                "gb_per_service": storage.gb_per_service,
                "users": work.users,
                "mb_per_user": storage.mb_per_user,
                "advisor": channels(work, Service::Advisor),
                "mb_per_agent_day": storage.mb_per_agent_day,
                "recording_days": storage.recording_days,
            }),
            json!(fit.needed.storage_text()),
            "catalog storage",
        ),
        step(
            "availability",
            "redis_share x node_share x the product over the services of 1 - (the product over its nodes of 1 - node_share x (1 - (1 - pod_share)^pods_of_node)); pods spread evenly over at most spread_over_nodes nodes",
            json!({
                "pod_share": catalog.availability.pod_share,
                "redis_share": catalog.availability.redis_share,
                "node_share": catalog.availability.node_share,
                "spread_over_nodes": catalog.availability.spread_over_nodes,
                "replicas": (fit.needs.services.iter().zip(&fit.spares))
                    .map(|(need, spares)| (need.service.to_string(), json!(spares)))
                    .collect::<Map<_, _>>(),
            }),
            json!(1.0 - fit.unavailability),
            "catalog availability, presets; pods beyond the plan's replicas carry the load and are no spares",
        ),
    ]
}

fn outcome_steps(model: &Model<'_>, sizing: &Sizing) -> Vec<Value> {
    let Model { catalog, demand, fit, .. } = model;
    let plan = catalog.plan(fit.preset);
    let (stt_usd, tts_usd) = cost::speech_prices(catalog, demand);
    let (operator, minutes) = (&catalog.operator_cost, &catalog.deployment_time);
    vec![
        step(
            "plan",
            if demand.preset.is_some() {
                "the plan that the caller named, as listed"
            } else {
                "the smallest plan that is short of nothing; else large, each resource grown to what is needed"
            },
            json!({ "needed": fit.needed }),
            json!({ "preset": fit.preset, "resources": fit.resources }),
            "catalog presets, growth",
        ),
        step(
            "list_price_usd",
            "plan x largest growth of a resource over the plan + stand-alone stt + stand-alone tts",
            json!({
                "plan": plan.list_price_usd,
                "growth": number(cost::growth(plan, &fit.resources)),
                "stt": stt_usd,
                "tts": tts_usd,
            }),
            json!(sizing.list_price_usd),
            "catalog presets, prices; US dollars a month",
        ),
        step(
            "operator_cost_usd",
            "(gpu x usd_per_device_hour + cores x usd_per_core_hour + GiB x usd_per_gib_hour) x hours + GB x usd_per_storage_gb_month",
            json!({
                "usd_per_device_hour": catalog.device(&fit.gpu_type).list_price_usd_per_hour,
                "usd_per_core_hour": operator.usd_per_core_hour,
                "usd_per_gib_hour": operator.usd_per_gib_hour,
                "hours": operator.hours_per_month,
                "usd_per_storage_gb_month": operator.usd_per_storage_gb_month,
            }),
            json!(sizing.operator_cost_usd),
            "catalog devices, operator_cost; US dollars a month",
        ),
        step(
            "deployment_minutes",
            "base + workloads x minutes_per_workload + gpu_models x minutes_per_gpu_model; the longest: + workloads x spread",
            json!({
                "base": minutes.base_minutes,
                "workloads": sizing.services.len(),
                "minutes_per_workload": minutes.minutes_per_workload,
                "gpu_models": model.gpu_models(),
                "minutes_per_gpu_model": minutes.minutes_per_gpu_model,
                "spread": minutes.spread_minutes_per_workload,
            }),
            json!([sizing.deployment_time.min_minutes, sizing.deployment_time.max_minutes]),
            "catalog deployment_time",
        ),
    ]
}

fn step(name: &str, formula: &str, inputs: Value, result: Value, source: &str) -> Value {
    json!({ "name": name, "formula": formula, "inputs": inputs, "result": result, "source": source })
}

fn channels(work: &Work, service: Service) -> u32 {
    work.counts.get(&service).copied().unwrap_or(0)
}

/// A number that JSON can hold, or null.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(round(value)) } else { Value::Null }
}

/// Four decimals are more than any of these figures is known to.
fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
