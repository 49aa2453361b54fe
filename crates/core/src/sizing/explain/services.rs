//! Each service's figures: what it needs, how the plan is dealt out to it, and what its pods can expect.

use super::{Label, device as device_figures, figure, from, number, of_service, rule};
use crate::sizing::demand::{Hour, Work, items_per_hour, service_time_ms};
use crate::sizing::needs::Term;
use crate::sizing::report::{HourReport, StageReport, lines_of_pod, report};
use crate::sizing::split::{Dealt, dealt};
use crate::sizing::{Model, Percentile, ServicePlan, Sizing, Stage, places};
use crate::tenant::Service;
use serde_json::{Value, json};

/// Of every service, in listing order, and the sums that the plan has to hold.
pub(super) fn figures(model: &Model<'_>, sizing: &Sizing) -> Vec<Value> {
    let mut figures = Vec::new();
    for service in model.work.caused.keys() {
        figures.extend(caused(model, *service).into_iter().map(|figure| of_service(*service, figure)));
    }
    for term in &model.fit.needs.terms {
        figures.extend(needed(model, term).into_iter().map(|figure| of_service(term.service, figure)));
    }
    figures.extend(sums(model));
    for (plan, (cpu, memory)) in sizing.services.iter().zip(dealt(model.catalog, &model.fit)) {
        let given = given(plan, &cpu, &memory);
        figures.extend(given.into_iter().map(|figure| of_service(plan.service, figure)));
    }
    let hours = [("mean_hour", Hour::Mean), ("busy_hour", Hour::Busy)]
        .map(|(name, hour)| (name, Work::in_hour(model.catalog, model.demand, hour)));
    for report in report(model.catalog, model.demand, sizing) {
        for stage in &report.stages {
            let Some(plan) = sizing.services.iter().find(|plan| plan.service == stage.place) else {
                continue;
            };
            for (name, work) in &hours {
                let of_hour = if *name == "mean_hour" { &stage.mean_hour } else { &stage.busy_hour };
                let expected = expected(model, stage, plan, work, name, of_hour);
                figures.extend(expected.into_iter().map(|figure| of_service(report.service, figure)));
            }
        }
    }
    figures
}

/// The work that a service's units cause.
fn caused(model: &Model<'_>, service: Service) -> Vec<Value> {
    let Model { catalog, demand, work, .. } = model;
    let Some(caused) = work.caused.get(&service) else { return Vec::new() };
    let busy_as = if matches!(service, Service::Stt | Service::Tts) { Service::Callbot } else { service };
    let (of, own) = (catalog.service(busy_as), catalog.service(service));
    let units = demand.service_requirements.get(&service).copied().unwrap_or(0);
    let each = items_per_hour(catalog, demand, Hour::Sized, busy_as) * of.minutes_per_item / 60.0;
    let taken = if caused.call_erlangs > 0.0 && each > 1.0 { 1.0 / each } else { 1.0 };
    let mut figures = vec![figure(
        "erlangs",
        "units * growth * items_per_hour * minutes_per_item / 60",
        json!({
            "units": units,
            "growth": work.growth,
            "items_per_hour": items_per_hour(catalog, demand, Hour::Sized, busy_as),
            "minutes_per_item": of.minutes_per_item,
        }),
        f64::from(units) * work.growth * each,
        from("erlangs", Label::ProductLine, "catalog services.*; what is offered to the units"),
    )];
    for (name, per_second, per_item) in [
        ("nlp_per_second", caused.nlp_per_second, own.nlp_queries_per_item),
        ("aicm_per_second", caused.aicm_per_second, own.aicm_searches_per_item),
    ] {
        figures.push(figure(
            name,
            "units * growth * items_per_hour * taken * per_item * load_multiplier / 3600",
            json!({
                "units": units,
                "growth": work.growth,
                "items_per_hour": items_per_hour(catalog, demand, Hour::Sized, service),
                "taken": taken,
                "per_item": per_item,
                "load_multiplier": work.load_multiplier,
            }),
            per_second,
            from(
                "a second",
                Label::ProductLine,
                "catalog services.*, load_multipliers; taken: what units that are offered too much can take",
            ),
        ));
    }
    let busy = each * taken;
    for (name, erlangs, channels, share, label) in [
        ("tts_erlangs", caused.tts_erlangs, caused.tts_channels, 1.0, Label::ProductLine),
        (
            "stt_erlangs",
            caused.stt_erlangs,
            caused.stt_channels,
            catalog.cpu.stt_speech_share,
            Label::Assumed,
        ),
    ] {
        figures.push(figure(
            name,
            "channels * busy_share * speech_share",
            json!({ "channels": channels, "busy_share": busy, "speech_share": share }),
            erlangs,
            from("erlangs", label, "catalog services.*.stt_channels, tts_channels, cpu.stt_speech_share"),
        ));
    }
    figures
}

/// What a service's pods need: the work, and what a container has of its own.
fn needed(model: &Model<'_>, term: &Term) -> Vec<Value> {
    let Model { catalog, work, .. } = model;
    let (cpu, memory, service) = (&catalog.cpu, &catalog.memory, term.service);
    let units = f64::from(work.counts.get(&service).copied().unwrap_or(0)) * work.growth;
    let of = |wanted: Service, amount: f64| if service == wanted { amount } else { 0.0 };
    let host = places::gpu_host(catalog, &work.counts);
    let chatbot = work.counts.contains_key(&Service::Chatbot).then_some(Service::Chatbot);
    let dialogues = chatbot.or(host).or_else(|| work.counts.keys().next().copied());
    let tts = f64::from(work.counts.get(&Service::Tts).copied().unwrap_or(0)) * work.growth;
    let voice_channels =
        of(Service::Stt, work.stt_channels as f64) + if Some(service) == host { tts.ceil() } else { 0.0 };
    let users = if Some(service) == dialogues { work.users as f64 } else { 0.0 };
    let (asked, steps) = (&catalog.requests, &catalog.limits);
    let own = |asked: u64, step: u64| asked.saturating_add(step) as f64;
    let (own_cpu, own_memory) =
        (own(asked.cpu_millicores, steps.cpu_step_millicores), own(asked.memory_mib, steps.memory_step_mib));
    let spare = f64::from(term.pods) / term.carrying;
    let of_pods = |name: &str, amount: f64, own: f64, unit, label| {
        figure(
            name,
            "work * pods / carrying + pods * own",
            json!({ "work": amount, "pods": term.pods, "carrying": term.carrying, "own": own }),
            amount * spare + f64::from(term.pods) * own,
            from(unit, label, "catalog requests, limits; own: a container's request and a step of rounding"),
        )
    };
    let per_line = 1000.0 / cpu.stt_channels_per_core * work.headroom;
    vec![
        figure(
            "cpu_work",
            "headroom * 1000 * (stt_lines / stt_per_core + ta / ta_per_core + qa / qa_per_core + qa_items_per_second * qa_seconds)",
            json!({
                "headroom": work.headroom,
                "stt_lines": of(Service::Stt, work.stt_lines as f64),
                "stt_per_core": cpu.stt_channels_per_core,
                "ta": of(Service::Ta, units),
                "ta_per_core": cpu.ta_channels_per_core,
                "qa": of(Service::Qa, units),
                "qa_per_core": cpu.qa_channels_per_core,
                "qa_items_per_second": of(Service::Qa, work.qa_items_per_second),
                "qa_seconds": cpu.qa_cpu_seconds_per_item,
            }),
            term.cpu,
            from("m", Label::ProductLine, "catalog cpu"),
        ),
        of_pods("cpu_needed", term.cpu, own_cpu, "m", Label::Assumed),
        figure(
            "cpu_for_lines",
            "max(work, lines_of_pods * 1000 * headroom / stt_per_core)",
            json!({
                "work": term.cpu,
                "lines_of_pods": of(Service::Stt, (term.good_cpu / per_line).round()),
                "headroom": work.headroom,
                "stt_per_core": cpu.stt_channels_per_core,
            }),
            term.good_cpu,
            from(
                "m",
                Label::Assumed,
                "Erlang B for each pod over the calls that may be on it, as they come to one of the pods at random and stay",
            ),
        ),
        of_pods("cpu_wanted", term.good_cpu, own_cpu, "m", Label::Assumed),
        figure(
            "memory_work",
            "headroom * (voice_channels * mib_per_voice_channel + users * mib_per_chat_user)",
            json!({
                "headroom": work.headroom,
                "voice_channels": voice_channels,
                "mib_per_voice_channel": memory.mib_per_voice_channel,
                "users": users,
                "mib_per_chat_user": memory.mib_per_chat_user,
            }),
            term.memory,
            from(
                "Mi",
                Label::Assumed,
                "catalog memory; audio where it is worked on, users where the dialogue is",
            ),
        ),
        of_pods("memory_needed", term.memory, own_memory, "Mi", Label::Assumed),
    ]
}

/// What the plan has to hold: below what is needed it is short; what is wanted also feeds the GPUs and keeps the
/// blocking in every pod.
fn sums(model: &Model<'_>) -> Vec<Value> {
    let (needs, needed) = (&model.fit.needs, &model.fit.needed);
    let sum = |amount: &dyn Fn(&Term) -> f64, beyond: Option<f64>| {
        let mut inputs = serde_json::Map::new();
        let mut names = Vec::new();
        for term in &needs.terms {
            inputs.insert(term.service.to_string(), json!(amount(term)));
            names.push(term.service.to_string());
        }
        if let Some(beyond) = beyond {
            inputs.insert("feed".to_owned(), json!(beyond));
            names.push("feed".to_owned());
        }
        let sum = if names.is_empty() { "0".to_owned() } else { names.join(" + ") };
        (format!("ceil({sum})"), Value::Object(inputs))
    };
    let (asked, steps) = (&model.catalog.requests, &model.catalog.limits);
    let own_cpu = asked.cpu_millicores.saturating_add(steps.cpu_step_millicores) as f64;
    let own_memory = asked.memory_mib.saturating_add(steps.memory_step_mib) as f64;
    let of_pods = |term: &Term, work: f64, own: f64| {
        work * (f64::from(term.pods) / term.carrying) + f64::from(term.pods) * own
    };
    let cpu = |term: &Term| of_pods(term, term.cpu, own_cpu);
    let good = |term: &Term| of_pods(term, term.good_cpu, own_cpu);
    let memory = |term: &Term| of_pods(term, term.memory, own_memory);
    let feed = "catalog gpu.cpu_millicores_per_gpu, memory_mib_per_gpu: what keeps the GPUs fed beyond the pods' own";
    let sum_of = |name: &str, (formula, inputs): (String, Value), result: f64, unit, source| {
        figure(name, &formula, inputs, result, from(unit, Label::Assumed, source))
    };
    let (good_cpu, good_memory) = (needs.cpu.good.ceil(), needs.memory.good.ceil());
    vec![
        sum_of("cpu", sum(&cpu, None), needed.cpu_millicores as f64, "m", "the services' cpu_needed"),
        sum_of("cpu_wanted", sum(&good, Some(needs.feed.0)), good_cpu, "m", feed),
        sum_of("memory", sum(&memory, None), needed.memory_mib as f64, "Mi", "the services' memory_needed"),
        sum_of("memory_wanted", sum(&memory, Some(needs.feed.1)), good_memory, "Mi", feed),
    ]
}

/// How the plan is dealt out.
fn given(plan: &ServicePlan, cpu: &Dealt, memory: &Dealt) -> Vec<Value> {
    let limit = |name: &str, dealt: &Dealt, unit| {
        figure(
            name,
            "asked + least + fed + good + rest",
            json!({
                "asked": dealt.asked,
                "least": dealt.least,
                "fed": dealt.fed,
                "good": dealt.good,
                "rest": dealt.rest,
            }),
            dealt.sum() as f64,
            from(
                unit,
                Label::ProductLine,
                "what it asks of the scheduler; what its work takes, feeds its GPUs and keeps the blocking on top; of what is left, by the service's weight, in whole steps and no more than a node",
            ),
        )
    };
    let all = |name: &str, each: u64, unit| {
        figure(
            name,
            "replicas * each",
            json!({ "replicas": plan.replicas, "each": each }),
            f64::from(plan.replicas) * each as f64,
            from(unit, Label::ProductLine, "the pods of the service together"),
        )
    };
    vec![
        rule(
            "replicas",
            "the plan's number; more where a pod would be larger than a node or hold more lines than one has; of the pods with GPUs one for each GPU",
            json!({ "count": plan.count }),
            json!(plan.replicas),
            from("pods", Label::ProductLine, "catalog presets.*.replicas, nodes"),
        ),
        limit("limit_cpu", cpu, "m"),
        limit("limit_memory", memory, "Mi"),
        all("all_cpu", plan.limits.cpu_millicores, "m"),
        all("all_memory", plan.limits.memory_mib, "Mi"),
        all("all_gpu", plan.limits.gpu, "GPUs"),
    ]
}

/// What a stage can expect in an hour.
fn expected(
    model: &Model<'_>,
    stage: &StageReport,
    plan: &ServicePlan,
    work: &Work,
    hour: &str,
    expected: &HourReport,
) -> Vec<Value> {
    let catalog = model.catalog;
    let name = |figure: &str| format!("{}.{hour}.{figure}", stage.stage.as_str());
    let (each, divisor, unit) = if stage.stage.is_on_gpu() {
        (plan.limits.gpu, 1.0, "GPUs")
    } else {
        (plan.limits.cpu_millicores, 1000.0, "cores")
    };
    let mut figures = vec![
        figure(
            &name("capacity"),
            "pods * each / divisor",
            json!({ "pods": plan.replicas, "each": each, "divisor": divisor }),
            expected.capacity,
            from(unit, Label::ProductLine, "the limits of the place's pods"),
        ),
        figure(
            &name("utilization"),
            "load / capacity",
            json!({ "load": number(expected.load), "capacity": number(expected.capacity) }),
            expected.utilization,
            from("share", Label::Assumed, "all work of the place in that hour"),
        ),
    ];
    if stage.stage == Stage::Stt {
        let per_core = catalog.cpu.stt_channels_per_core;
        figures.push(figure(
            &name("load"),
            "erlangs / stt_per_core",
            json!({ "erlangs": work.stt_erlangs, "stt_per_core": per_core }),
            expected.load,
            from(unit, Label::Assumed, "catalog cpu"),
        ));
        let turns = work.turns_on_pod(f64::from(plan.replicas));
        if let Some(blocking) = expected.blocking {
            let (mean, variance) = turns.moments();
            figures.push(figure(
                &name("blocking"),
                "turns_lost(mean, variance, lines)",
                json!({ "mean": mean, "variance": variance, "lines": lines_of_pod(catalog, plan) }),
                blocking,
                from("share", Label::Assumed, "mean and variance of the erlangs of the calls on one of the pods; lines of a pod: whole, of its limit"),
            ));
        }
    }
    if let Some(response) = expected.percentile_ms(Percentile::Mean) {
        let device = catalog.device(&model.fit.gpu_type);
        let inputs = json!({
            "service_time_ms": service_time_ms(catalog, device, stage.stage),
            "utilization": number(expected.utilization),
        });
        let (_, source) = device_figures::time_origin(device, stage.stage);
        let origin = || from("ms", Label::Assumed, format!("{source}; S / (1 - utilization)"));
        figures.push(figure(
            &name("response_time_ms"),
            "response(service_time_ms, utilization)",
            inputs.clone(),
            response,
            origin(),
        ));
        if let Some(p95) = expected.percentile_ms(Percentile::P95) {
            let formula = "response_within(service_time_ms, utilization, outside)";
            let mut inputs = inputs;
            inputs["outside"] = json!(Percentile::P95.outside());
            figures.push(figure(&name("response_time_p95_ms"), formula, inputs, p95, origin()));
        }
    }
    figures
}
