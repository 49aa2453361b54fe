//! The tenant's figures: work, devices, resources, and what comes of them.

use super::{Label, figure, from, rule};
use crate::sizing::cost;
use crate::sizing::demand::{Hour, busy_share, items_per_hour, tts_channels};
use crate::sizing::places;
use crate::sizing::queueing::{erlang_b, erlang_c, lines_for_blocking};
use crate::sizing::{DeploymentTime, Model, Sizing};
use crate::tenant::{Preset, Service};
use serde_json::{Map, Value, json};

/// Channels of a service with what the order is to grow.
fn channels(model: &Model<'_>, service: Service) -> f64 {
    f64::from(model.work.counts.get(&service).copied().unwrap_or(0))
}

pub(super) fn work(model: &Model<'_>) -> Vec<Value> {
    let Model { catalog, demand, work, .. } = model;
    let trunk_lines = lines_for_blocking(work.trunk_erlangs, work.blocking);
    let voice = catalog.service(Service::Callbot);
    let mut figures = vec![
        rule(
            "services",
            "ordered + stt_channels and tts_channels that callbot and advisor bring for each unit",
            json!({ "ordered": demand.service_requirements }),
            json!(work.counts),
            from("units", Label::ProductLine, "catalog services.*.stt_channels, services.*.tts_channels"),
        ),
        rule(
            "load_multiplier",
            "the step of the voice channels ordered (callbot + advisor + stt + tts)",
            json!({ "voice_channels": work.voice_channels }),
            json!(work.load_multiplier),
            from("times", Label::ProductLine, "catalog load_multipliers"),
        ),
    ];
    if voice.hours_per_day > 0.0 {
        figures.push(figure(
            "busy_share",
            "min(items_per_hour * minutes_per_item / 60, 1)",
            json!({
                "items_per_hour": items_per_hour(catalog, demand, Hour::Sized, Service::Callbot),
                "minutes_per_item": voice.minutes_per_item,
            }),
            busy_share(catalog, demand, Hour::Sized),
            from(
                "erlangs",
                Label::ProductLine,
                "catalog services.callbot; stand-alone channels are taken to be as busy",
            ),
        ));
    }
    let lines = |name: &str, erlangs: f64, service: Service, lines: u64, origin| {
        figure(
            name,
            "min(lines_for(erlangs, blocking), ceil(channels * growth))",
            json!({
                "erlangs": erlangs,
                "blocking": work.blocking,
                "channels": channels(model, service),
                "growth": work.growth,
            }),
            lines as f64,
            origin,
        )
    };
    let speech = "Erlang B: the fewest lines that lose no more; catalog cpu.stt_speech_share";
    figures.extend([
        figure(
            "telephone_lines",
            "lines_for(erlangs, blocking)",
            json!({ "erlangs": work.trunk_erlangs, "blocking": work.blocking }),
            trunk_lines as f64,
            from("lines", Label::ProductLine, "Erlang B; for the trunk, not for the plan"),
        ),
        figure(
            "telephone_calls_that_would_wait",
            "erlang_c(erlangs, lines)",
            json!({ "erlangs": work.trunk_erlangs, "lines": trunk_lines }),
            erlang_c(work.trunk_erlangs, trunk_lines),
            from("share", Label::ProductLine, "Erlang C on as many lines"),
        ),
        lines(
            "tts_lines",
            work.tts_erlangs,
            Service::Tts,
            work.tts_lines,
            from("lines", Label::ProductLine, "Erlang B: the fewest lines that lose no more"),
        ),
        figure(
            "tts_blocking",
            "erlang_b(erlangs, lines)",
            json!({ "erlangs": work.tts_erlangs, "lines": work.tts_lines }),
            erlang_b(work.tts_erlangs, work.tts_lines),
            from("share", Label::ProductLine, "Erlang B"),
        ),
        lines(
            "stt_lines",
            work.stt_erlangs,
            Service::Stt,
            work.stt_lines,
            from("lines", Label::Assumed, speech),
        ),
        figure(
            "stt_blocking",
            "erlang_b(erlangs, lines)",
            json!({ "erlangs": work.stt_erlangs, "lines": work.stt_lines }),
            erlang_b(work.stt_erlangs, work.stt_lines),
            from(
                "share",
                Label::Assumed,
                "Erlang B, were there one pod of them; catalog cpu.stt_speech_share",
            ),
        ),
    ]);
    figures
}

pub(super) fn devices(model: &Model<'_>) -> Vec<Value> {
    let Model { catalog, demand, work, fit, .. } = model;
    let device = catalog.device(&fit.gpu_type);
    let (percentile, service_time_ms) = (demand.options.percentile, fit.service_time_ms);
    let target_ms = f64::from(demand.response_time_ms());
    // The mean has formulas of its own.
    let (allowed, response) = match percentile.outside() {
        None => ("1 - service_time_ms / target_ms", "response(service_time_ms, gpu_utilization)"),
        Some(_) => (
            "utilization_within(service_time_ms, target_ms, outside)",
            "response_within(service_time_ms, gpu_utilization, outside)",
        ),
    };
    let with_percentile = |mut inputs: Value| {
        if let Some(outside) = percentile.outside() {
            inputs["outside"] = json!(outside);
        }
        inputs
    };
    vec![
        figure(
            "tts_channels_per_device",
            "1 / (cache_share / cached + (1 - cache_share) / uncached)",
            json!({
                "cache_share": catalog.gpu.tts_cache_share,
                "cached": device.tts_channels_cached,
                "uncached": device.tts_channels_uncached,
            }),
            tts_channels(catalog, device),
            from("channels", Label::Assumed, "catalog devices, gpu.tts_cache_share"),
        ),
        figure(
            "gpu_load",
            "headroom * (tts_lines / tts_channels_per_device + nlp_per_second / nlp_rate + aicm_per_second / aicm_rate)",
            json!({
                "headroom": work.headroom,
                "tts_lines": work.tts_lines,
                "tts_channels_per_device": tts_channels(catalog, device),
                "nlp_per_second": work.nlp_per_second,
                "nlp_rate": device.nlp_queries_per_second,
                "aicm_per_second": work.aicm_per_second,
                "aicm_rate": device.aicm_searches_per_second,
            }),
            fit.gpu_load,
            from("devices kept fully busy", Label::Assumed, "catalog services, load_multipliers, devices"),
        ),
        figure(
            "gpu_utilization_allowed",
            allowed,
            with_percentile(json!({ "service_time_ms": service_time_ms, "target_ms": target_ms })),
            percentile.highest_utilization(service_time_ms, target_ms),
            from(
                "share",
                Label::Assumed,
                "the response time of the SLA solved for the utilisation; 0 or less where no device keeps it",
            ),
        ),
        figure(
            "gpu_needed",
            "ceil(gpu_load / max(allowed, lowest_utilization)) + min(1, ceil(gpu_load)) * lost",
            json!({
                "gpu_load": fit.gpu_load,
                "allowed": percentile.highest_utilization(service_time_ms, target_ms),
                "lowest_utilization": catalog.gpu.lowest_utilization,
                "lost": model.lost_devices(),
            }),
            fit.needed.gpu as f64,
            from("GPUs", Label::Assumed, "catalog gpu; gpu_utilization_allowed"),
        ),
        figure(
            "gpu_utilization",
            "gpu_load / gpu",
            json!({
                "gpu_load": fit.gpu_load,
                "gpu": if fit.gpu_load > 0.0 { fit.needs.surviving_gpus } else { fit.needs.surviving_gpus.max(1) },
            }),
            fit.utilization,
            from(
                "share",
                Label::Assumed,
                "GPUs that are in pods; the type is the plan's, over large the first whose number is within devices.*.up_to_count",
            ),
        ),
        figure(
            "response_time_ms",
            response,
            with_percentile(json!({
                "service_time_ms": service_time_ms,
                "gpu_utilization": super::number(fit.utilization),
            })),
            fit.response_time_ms,
            from(
                "ms",
                Label::Assumed,
                "queue of the GPU stage: the mean S / (1 - utilization), or what all but a share outside stay within, with the S of the slowest kind of request that there is; null where the devices can not keep up",
            ),
        ),
    ]
}

pub(super) fn resources(model: &Model<'_>) -> Vec<Value> {
    let Model { catalog, work, fit, .. } = model;
    let storage = &catalog.storage;
    let replicas: Map<String, Value> = (fit.needs.services.iter().zip(&fit.spares))
        .map(|(need, spares)| (need.service.to_string(), json!(spares)))
        .collect();
    vec![
        rule(
            "places",
            "the GPU stages in the pods of the first service of the order that the tenant has, the others in their own",
            json!({ "order": catalog.gpu.order, "services": work.counts.keys().collect::<Vec<_>>() }),
            json!(places::places(catalog, &work.counts)),
            from("services", Label::ProductLine, "catalog gpu.order"),
        ),
        figure(
            "storage",
            "ceil(services * gb_per_service + users * mb_per_user / 1000 + advisor * growth * mb_per_agent_day * recording_days / 1000)",
            json!({
                "services": work.counts.len(),
                "gb_per_service": storage.gb_per_service,
                "users": work.users,
                "mb_per_user": storage.mb_per_user,
                "advisor": channels(model, Service::Advisor),
                "growth": work.growth,
                "mb_per_agent_day": storage.mb_per_agent_day,
                "recording_days": storage.recording_days,
            }),
            fit.needed.storage_gb as f64,
            from("GB", Label::Assumed, "catalog storage; users: the larger of chatbot and concurrent_users"),
        ),
        rule(
            "availability",
            "redis_share * node_share * the product over the services of 1 - (the product over its nodes of 1 - node_share * (1 - (1 - pod_share)^pods_of_node)); pods spread evenly over at most spread_over_nodes nodes",
            json!({
                "pod_share": catalog.availability.pod_share,
                "redis_share": catalog.availability.redis_share,
                "node_share": catalog.availability.node_share,
                "spread_over_nodes": catalog.availability.spread_over_nodes,
                "replicas": replicas,
            }),
            json!(1.0 - fit.unavailability),
            from(
                "share",
                Label::Assumed,
                "catalog availability, presets; pods beyond the plan's replicas carry the load and are no spares",
            ),
        ),
    ]
}

pub(super) fn outcome(model: &Model<'_>, sizing: &Sizing) -> Vec<Value> {
    let Model { catalog, demand, fit, .. } = model;
    let (plan, resources) = (catalog.plan(fit.preset), &fit.resources);
    let (stt_usd, tts_usd) = cost::speech_prices(catalog, demand);
    let (operator, minutes, steps) = (&catalog.operator_cost, &catalog.deployment_time, &catalog.growth);
    let mut figures = vec![rule(
        "plan",
        if demand.preset.is_some() {
            "the plan that the caller named, as listed"
        } else {
            "the smallest plan that is short of nothing; else large, each resource grown to what is needed"
        },
        json!({ "needed": fit.needed }),
        json!({ "preset": fit.preset, "resources": resources }),
        from(
            "",
            if demand.preset.is_some() { Label::Ordered } else { Label::ProductLine },
            "catalog presets, growth",
        ),
    )];
    let listed = plan.resources();
    let is_grown = demand.preset.is_none() && fit.preset == Preset::Large && *resources != listed;
    for (name, unit, value, listed, needed, step) in [
        (
            "cpu",
            "m",
            resources.cpu_millicores,
            listed.cpu_millicores,
            (fit.needed.cpu_millicores as f64).max(fit.needs.cpu.good.ceil()),
            steps.cpu_step_millicores,
        ),
        (
            "memory",
            "Mi",
            resources.memory_mib,
            listed.memory_mib,
            (fit.needed.memory_mib as f64).max(fit.needs.memory.good.ceil()),
            steps.memory_step_mib,
        ),
        (
            "storage",
            "GB",
            resources.storage_gb,
            listed.storage_gb,
            fit.needed.storage_gb as f64,
            steps.storage_step_gb,
        ),
    ] {
        let (formula, inputs) = if is_grown {
            (
                "max(listed, ceil(needed / step) * step)",
                json!({ "listed": listed, "needed": needed, "step": step }),
            )
        } else {
            ("listed", json!({ "listed": listed }))
        };
        let origin = from(unit, Label::ProductLine, "catalog presets, growth");
        figures.push(figure(&format!("plan_{name}"), formula, inputs, value as f64, origin));
    }
    let workloads = json!({
        "base": minutes.base_minutes,
        "workloads": sizing.services.len(),
        "minutes_per_workload": minutes.minutes_per_workload,
        "gpu_models": model.gpu_models(),
        "minutes_per_gpu_model": minutes.minutes_per_gpu_model,
        "spread": minutes.spread_minutes_per_workload,
    });
    let shortest = "max(base + workloads * minutes_per_workload + gpu_models * minutes_per_gpu_model, 1)";
    let longest = format!("{shortest} + max(workloads * spread, 1)");
    let DeploymentTime { min_minutes, max_minutes } = sizing.deployment_time;
    let timed = || from("minutes", Label::Assumed, "catalog deployment_time");
    figures.extend([
        figure(
            "list_price_usd",
            "round(plan * growth) + round(stt / block * usd_per_stt_block) + round(tts / block * usd_per_tts_block)",
            json!({
                "plan": plan.list_price_usd,
                "growth": cost::growth(plan, resources),
                "stt": demand.service_requirements.get(&Service::Stt).copied().unwrap_or(0),
                "tts": demand.service_requirements.get(&Service::Tts).copied().unwrap_or(0),
                "block": catalog.prices.speech_block_channels,
                "usd_per_stt_block": catalog.prices.usd_per_stt_block,
                "usd_per_tts_block": catalog.prices.usd_per_tts_block,
            }),
            sizing.list_price_usd as f64,
            from("US dollars a month", Label::ProductLine, "catalog presets, prices; growth: of the resource that grew most over the plan"),
        ),
        figure(
            "operator_cost_usd",
            "round((gpu * usd_per_device_hour + millicores / 1000 * usd_per_core_hour + mib / 1024 * usd_per_gib_hour) * hours + gb * usd_per_storage_gb_month)",
            json!({
                "gpu": resources.gpu,
                "millicores": resources.cpu_millicores,
                "mib": resources.memory_mib,
                "gb": resources.storage_gb,
                "usd_per_device_hour": catalog.device(&fit.gpu_type).list_price_usd_per_hour,
                "usd_per_core_hour": operator.usd_per_core_hour,
                "usd_per_gib_hour": operator.usd_per_gib_hour,
                "hours": operator.hours_per_month,
                "usd_per_storage_gb_month": operator.usd_per_storage_gb_month,
            }),
            sizing.operator_cost_usd as f64,
            from("US dollars a month", Label::Assumed, "catalog devices, operator_cost"),
        ),
        figure("stt_usd", "round(stt / block * usd)", json!({
            "stt": demand.service_requirements.get(&Service::Stt).copied().unwrap_or(0),
            "block": catalog.prices.speech_block_channels,
            "usd": catalog.prices.usd_per_stt_block,
        }), stt_usd as f64, from("US dollars a month", Label::ProductLine, "catalog prices")),
        figure("tts_usd", "round(tts / block * usd)", json!({
            "tts": demand.service_requirements.get(&Service::Tts).copied().unwrap_or(0),
            "block": catalog.prices.speech_block_channels,
            "usd": catalog.prices.usd_per_tts_block,
        }), tts_usd as f64, from("US dollars a month", Label::ProductLine, "catalog prices")),
        figure("deployment_minutes_min", shortest, workloads.clone(), f64::from(min_minutes), timed()),
        figure("deployment_minutes_max", &longest, workloads, f64::from(max_minutes), timed()),
    ]);
    figures
}
